/* ZeroMQ: the publishers (XPUB) and the control socket (ROUTER). libzmq's zmq.h is seen by bus/zmq*.c alone.
 */
#pragma once

#include "bus/sink.h"

struct zmq_bus; /* a context with one I/O thread, and the ZAP handler once CURVE is there */

/* *RET is *owned*. Returns 0 or -errno. */
int zmq_bus_new(struct zmq_bus **ret);
/* All sinks and routers must be closed. Waits at most for their linger times; their tcp ports are surely free
 * again once it returned. Takes NULL. */
void zmq_bus_free(struct zmq_bus *bus);

struct zmq_options {
    const char *const *endpoints; /* borrowed for the call, as all pointers here */
    size_t n_endpoints;
    int high_water_mark; /* messages per peer; 0 is ZeroMQ's "no limit" and not allowed here */
    int linger_ms;
    bool hold;             /* XPUB_NODROP: publish can be SINK_FULL. false: drops for those at their mark */
    unsigned ipc_mode;     /* permission bits */
    const char *ipc_group; /* NULL: as created */
    int heartbeat_ms;      /* 0: 5000. A peer that hears nothing for three of them takes us for dead */
};

/* Binds an XPUB at every endpoint (XPUB_VERBOSE; heartbeats with a TTL; TCP keepalive; for ipc: see ipc.h).
 * *RET is *owned* (sink_close). On failure returns -errno and, in ERROR, one sentence that names the endpoint
 * and the cause (nothing stays bound). */
int zmq_sink_open(struct zmq_bus *bus, const struct zmq_options *options, struct sink **ret,
                  struct buf *error);

/* A request's body has at most so many bytes; one a little longer is answered with an error, one that is much
 * longer costs its peer the connection. */
enum { ZMQ_ROUTER_BODY_MAX = 1024 * 1024 };

struct zmq_router;

/* Likewise a ROUTER: high_water_mark counts the replies that wait for one peer, and `hold` means nothing. */
int zmq_router_open(struct zmq_bus *bus, const struct zmq_options *options, struct zmq_router **ret,
                    struct buf *error);
/* Takes NULL. */
void zmq_router_close(struct zmq_router *r);
/* Edge-triggered: once it is readable, and after every reply, receive until ZMQ_ROUTER_NONE. */
int zmq_router_fd(const struct zmq_router *r);
const char *zmq_router_endpoint(const struct zmq_router *r, size_t index);

/* One request's way back: the frames up to and including the first empty one. */
struct zmq_envelope;
void zmq_envelope_free(struct zmq_envelope *e);

/* Conditions of zmq_router_receive(). */
enum {
    ZMQ_ROUTER_NONE = 1,   /* nothing waits */
    ZMQ_ROUTER_BAD_FRAMES, /* a request came (*RET is set: answer it with an error) that is not one body frame
                            * of at most 1 MiB; see the contract, "Control socket" */
};

/* Takes the next request: its body in BODY (with room for ZMQ_ROUTER_BODY_MAX), its *owned* envelope in *RET.
 * Returns 0, a condition above, or -errno. */
int zmq_router_receive(struct zmq_router *r, struct buf *body, struct zmq_envelope **ret);

/* Sends BODY back; takes the envelope in any case. A peer that is gone or at its mark loses the reply:
 * returns 0 then too. */
int zmq_router_reply(struct zmq_router *r, struct zmq_envelope *taken_envelope, struct span body);

/* Adds the version of the library that runs: "4.3.4". */
void zmq_bus_version(struct buf *out);
