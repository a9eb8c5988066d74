#include "bus/zmq_socket.h"

#include <errno.h>
#include <poll.h>

struct zmq_sink {
    struct sink sink;
    struct zmq_socket socket;
    bool waiting; /* the last publish was SINK_FULL */
    bool retry;   /* and something happened since, so that it is worth trying again */
};

/* What one call of next_subscription() looks at before it comes back: unsubscriptions (thousands, when a
 * consumer with many filters goes) and whatever else a peer writes. */
enum { SINK_FRAMES_PER_CALL = 1000 };

static struct zmq_sink *zmq_sink_of(struct sink *s)
{
    return CONTAINER_OF(s, struct zmq_sink, sink);
}

static const struct zmq_sink *zmq_sink_of_const(const struct sink *s)
{
    return (const struct zmq_sink *)(const void *)s; /* its first member */
}

/* ZeroMQ checks every matching consumer's mark at each frame, but counts whole messages, and a consumer who
 * comes in between doesn't match: so -EAGAIN can only come at the first frame, when nothing was sent yet. */
static int send_message(const struct zmq_sink *z, struct span topic, struct span payload)
{
    int r = zmq_socket_send(&z->socket, topic, ZMQ_SNDMORE);
    return r < 0 ? r : zmq_socket_send(&z->socket, payload, 0);
}

/* Without NODROP for exactly this message, ZeroMQ sets those at their mark aside until they have drained
 * half. Left off, a burst would overrun healthy consumers too. */
static int send_dropping(const struct zmq_sink *z, struct span topic, struct span payload)
{
    int r = zmq_socket_set(&z->socket, ZMQ_XPUB_NODROP, 0);
    r = r < 0 ? r : send_message(z, topic, payload);
    int on = zmq_socket_set(&z->socket, ZMQ_XPUB_NODROP, 1);
    return r < 0 ? r : on;
}

/* Reading a signal from the fd makes ZeroMQ forget it, so while a message waits nothing of ZeroMQ is called
 * before the fd says that there is news: then the news is never lost between two calls. */
static bool has_news(const struct zmq_sink *z)
{
    struct pollfd p = {.fd = z->socket.fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static int sink_publish_zmq(struct sink *s, struct span topic, struct span payload,
                            enum sink_pressure pressure)
{
    struct zmq_sink *z = zmq_sink_of(s);
    bool input = false;
    int r = send_message(z, topic, payload);
    if (r == -EAGAIN) {
        /* ZeroMQ looks at what consumers have read at most once a millisecond unless asked to. */
        r = zmq_socket_work(&z->socket, &input);
        r = r < 0 ? r : send_message(z, topic, payload);
    }
    if (r == -EAGAIN && pressure == SINK_DROP)
        r = send_dropping(z, topic, payload);
    z->waiting = r == -EAGAIN;
    /* New subscriptions have to be taken, which calls ZeroMQ, which may then swallow the signal: so try once
     * more after that. */
    z->retry = z->waiting && input;
    return r == -EAGAIN ? SINK_FULL : r;
}

/* Whether ZeroMQ may be called: see has_news(). */
static bool may_work(struct zmq_sink *z)
{
    z->retry = z->waiting && (z->retry || has_news(z));
    return !z->waiting || z->retry;
}

static int sink_ready_zmq(struct sink *s)
{
    struct zmq_sink *z = zmq_sink_of(s);
    bool input;
    if (!may_work(z))
        return 0;
    int r = zmq_socket_work(&z->socket, &input);
    return r < 0 ? r : input || z->retry;
}

static int take_subscription(const struct zmq_sink *z, struct buf *ret_prefix, bool *ret_found)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int r = zmq_socket_receive(&z->socket, &frame);
    struct span bytes = r == 0 ? span_make(zmq_msg_data(&frame), zmq_msg_size(&frame)) : SPAN_EMPTY;
    *ret_found = bytes.len > 0 && bytes.at[0] == 1;
    if (*ret_found) {
        buf_clear(ret_prefix);
        buf_add_span(ret_prefix, span_from(bytes, 1));
        r = buf_error(ret_prefix);
    }
    zmq_msg_close(&frame);
    return r;
}

static int sink_next_subscription_zmq(struct sink *s, struct buf *ret_prefix)
{
    struct zmq_sink *z = zmq_sink_of(s);
    if (!may_work(z))
        return 0;
    bool found = false;
    int r = 0;
    for (int i = 0; r == 0 && !found && i < SINK_FRAMES_PER_CALL; i++)
        r = take_subscription(z, ret_prefix, &found);
    if (r == -EAGAIN)
        return 0;
    return r < 0 ? r : found;
}

static int sink_fd_zmq(const struct sink *s)
{
    return zmq_sink_of_const(s)->socket.fd;
}

static const char *sink_endpoint_zmq(const struct sink *s, size_t index)
{
    return zmq_socket_endpoint(&zmq_sink_of_const(s)->socket, index);
}

static void sink_close_zmq(struct sink *s)
{
    struct zmq_sink *z = zmq_sink_of(s);
    zmq_socket_close(&z->socket);
    free(z);
}

static const struct sink_ops zmq_sink_ops = {
    .publish = sink_publish_zmq,
    .next_subscription = sink_next_subscription_zmq,
    .ready = sink_ready_zmq,
    .fd = sink_fd_zmq,
    .endpoint = sink_endpoint_zmq,
    .close = sink_close_zmq,
};

int zmq_sink_open(struct zmq_bus *bus, const struct zmq_options *options, struct sink **ret,
                  struct buf *error)
{
    struct zmq_sink *z = calloc(1, sizeof *z);
    if (!z) {
        buf_add_text(error, "out of memory");
        return -ENOMEM;
    }
    z->sink.ops = &zmq_sink_ops;
    const struct zmq_setting settings[] = {
        {ZMQ_XPUB_VERBOSE, 1},
        {ZMQ_XPUB_NODROP, options->hold},
    };
    const struct zmq_kind kind = {ZMQ_XPUB, SINK_PREFIX_MAX + ZMQ_FRAME_OVERHEAD, settings,
                                  ARRAY_LENGTH(settings)};
    int r = zmq_socket_open(bus, &kind, options, &z->socket, error);
    if (r < 0) {
        free(z);
        return r;
    }
    *ret = &z->sink;
    return 0;
}
