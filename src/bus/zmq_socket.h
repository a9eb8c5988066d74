/* What publishers and routers have in common: one ZeroMQ socket, set up and bound. Private to bus/zmq*.c. */
#pragma once

#include <zmq.h>

#include "bus/ipc.h"
#include "bus/zmq.h"

struct zmq_bus {
    void *context;
};

/* What ZeroMQ and CURVE may put around the bytes of a frame, generously. */
enum { ZMQ_FRAME_OVERHEAD = 256 };

struct zmq_socket {
    void *socket;           /* owned */
    int fd;                 /* borrowed from the socket */
    char **endpoints;       /* owned, as bound */
    struct ipc_path **ipcs; /* owned; NULL where the endpoint is not ipc:// */
    size_t n_endpoints;
};

/* One option of the socket, an int as nearly all are. */
struct zmq_setting {
    int option, value;
};

struct zmq_kind {
    int type;                  /* ZMQ_XPUB, ZMQ_ROUTER */
    int64_t max_message_bytes; /* a peer that sends a longer frame loses its connection; CURVE's own bytes
                                  count */
    const struct zmq_setting *settings;
    size_t n_settings;
};

/* Makes a socket with the common options and those of KIND, bound at every endpoint of OPTIONS. Returns 0, or
 * -errno with a sentence in ERROR. *RET is *owned* (zmq_socket_close) only on 0. */
int zmq_socket_open(struct zmq_bus *bus, const struct zmq_kind *kind, const struct zmq_options *options,
                    struct zmq_socket *ret, struct buf *error);
/* Frees the paths at once; ZeroMQ flushes in the background, within linger_ms. Fine on a half-built one. */
void zmq_socket_close(struct zmq_socket *s);

/* The INDEXth endpoint as bound, NULL past the last. */
const char *zmq_socket_endpoint(const struct zmq_socket *s, size_t index);

/* Lets the socket do its work; *RET_INPUT: something can be received. Returns 0 or -errno. */
int zmq_socket_work(const struct zmq_socket *s, bool *ret_input);

/* Each returns 0 or -errno (-EAGAIN among them); FLAGS are ZeroMQ's, ZMQ_DONTWAIT comes on top. */
int zmq_socket_set(const struct zmq_socket *s, int option, int value);
int zmq_socket_send(const struct zmq_socket *s, struct span bytes, int flags);
int zmq_socket_receive(const struct zmq_socket *s, zmq_msg_t *ret);
