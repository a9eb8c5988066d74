/* The control socket: requests in JSON, each answered by exactly one reply (INTERFACE.md, "Control socket"). */
#pragma once

#include "bridge/bridge.h"
#include "bus/zmq.h"

struct control;

/* Takes the router, also on failure. Returns 0 or -errno. */
int control_new(struct bridge *b, struct zmq_router *taken_router, struct control **ret);
/* Closes the router. Takes NULL. */
void control_free(struct control *c);
const char *control_endpoint(const struct control *c, size_t index);

/* The reply to one request: pure but for what the command does. REPLY is cleared first; always holds one JSON object afterwards, unless its memory is out. */
void control_answer(struct bridge *b, struct span request, struct buf *reply);
