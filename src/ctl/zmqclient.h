/* ZeroMQ as a client: questions to a control socket, and subscriptions. The only file of this folder with zmq.h.
 * Functions return 0, a condition named at each, or -errno for our own trouble. */
#pragma once

#include "base/buf.h"

struct zmqclient;

/* *RET is *owned*. */
int zmqclient_new(struct zmqclient **ret);
/* Takes NULL. Waits for nothing. */
void zmqclient_free(struct zmqclient *c);

enum { ZMQCLIENT_FAILED = 1 }; /* a sentence in ERROR says why; it does not name the endpoint */

/* Asks one question of the control socket at ENDPOINT (the first call connects; later ones use that connection) and
 * waits for its reply, which is put in REPLY. Returns 0 or ZMQCLIENT_FAILED: no connection or no answer by then. */
int zmqclient_ask(struct zmqclient *c, const char *endpoint, struct span request, int64_t timeout_ms,
                  struct buf *reply, struct buf *error);

/* Connects to the publisher at ENDPOINT and subscribes to each of PREFIXES. Once only. Does not wait. Returns 0 or
 * ZMQCLIENT_FAILED. */
int zmqclient_subscribe(struct zmqclient *c, const char *endpoint, const struct span *prefixes, size_t n,
                        struct buf *error);

/* What zmqclient_wait() saw; bits. */
enum {
    ZMQCLIENT_MESSAGE = 1 << 0,   /* zmqclient_receive() has something */
    ZMQCLIENT_CONNECTED = 1 << 1, /* the connection is up: for the first time, or again */
    ZMQCLIENT_LOST = 1 << 2,      /* it broke; it is being tried again */
    ZMQCLIENT_FD = 1 << 3,        /* IN_FD is readable */
    ZMQCLIENT_OUT_GONE = 1 << 4,  /* nobody reads what is written to OUT_FD any more */
};

/* Waits for any of these on the subscription (if there is one), at most TIMEOUT_MS (-1: for ever). *RET is 0 after that time. */
int zmqclient_wait(struct zmqclient *c, int in_fd, int out_fd, int64_t timeout_ms, unsigned *ret);

/* Takes the next message that waits: two frames, borrowed until the next call. Returns 0, or 1 when there is none. A message
 * of another number of frames is taken as far as it goes: what is missing is empty, what is more is dropped. */
int zmqclient_receive(struct zmqclient *c, struct span *ret_topic, struct span *ret_payload);
