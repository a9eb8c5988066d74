/* Messages that clients send: in sequences, each processed in the order of its numbers. */
#pragma once

#include "base/span.h"
#include "sim/param.h"

struct buf;
struct session;

/* Messages of one sequence that wait for an earlier one. */
#define MESSAGE_MAX_WAITING 1000

/* Takes the message in P. Returns 0, or an error code of the specification's appendix B. */
int message_take(struct session *s, const struct params *p);

/* Processes one that belongs to no sequence. Returns its code, 0 for success, and adds the adapter's words to *RET_TEXT. */
int message_now(struct session *s, struct span content, struct buf *ret_text);

/* Frees all that wait. */
void message_free_all(struct session *s);
