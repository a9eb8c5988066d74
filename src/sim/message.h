/* Messages that clients send: in sequences, each processed in the order of its numbers. */
#pragma once

#include "base/span.h"
#include "sim/param.h"

struct session;

/* Messages of one sequence that wait for an earlier one. */
#define MESSAGE_MAX_WAITING 1000

/* Takes the message in P. Returns 0, or an error code of the specification's appendix B. */
int message_take(struct session *s, const struct params *p);

/* Frees all that wait. */
void message_free_all(struct session *s);
