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

/* A server's answer, which a request waits for. Of others: nothing. */
void control_tell(struct control *c, const struct session_answer *answer);

/* A request whose reply the server's answer makes. */
struct control_later {
    uint64_t token;      /* 0: the reply is there */
    const char *granted; /* the member that says what was granted; a message's is "response" */
    struct link *link;   /* to be drained, once somebody waits for the answer */
};

/* The reply to one request: pure but for what the command does. REPLY is cleared first; it holds one JSON object afterwards, unless its
 * memory is out; with RET_LATER's token, only the end of one: the request's "id". */
void control_answer(struct bridge *b, struct span request, struct buf *reply,
                    struct control_later *ret_later);
