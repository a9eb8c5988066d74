/* Answers to requests, and what makes them late: a control request is obeyed at once and answered later, so that its
 * effects overtake its answer; a create or bind is put off as a whole. */
#pragma once

#include "sim/conn.h"
#include "sim/fault.h"

/* Answers C's request with LINES: the HTTP response, or a message. For KIND's lateness see struct faults. */
void answer_send(struct conn *c, enum request_kind kind, struct span lines);

/* Puts the request off where KIND is late; returns whether it was. NAME, SESSION and LINES are copied. */
bool answer_put_off(struct conn *c, enum request_kind kind, struct span name, struct span session,
                    uint64_t version, struct span lines);

/* Forgets what is owed to a connection that closes. */
void answer_drop_all(struct conn *c);
