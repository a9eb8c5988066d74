#include "ctl/zmqclient.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <zmq.h>

#include "ctl/clock.h"

enum {
    /* A page of rows is 1 MiB, a row far less; this is against a peer that is no lsbridged. */
    MESSAGE_MAX_BYTES = 64 << 20,
    /* A terminal is slower than a feed: a pause of the reader must not become a slow consumer at once. */
    RECEIVE_MARK = 100000,
};

/* A connecting socket and its monitor, which tells whether there is a connection. */
struct wire {
    void *socket, *monitor;
    bool connected;
};

struct zmqclient {
    void *context;
    struct wire control, feed;
    zmq_msg_t topic, payload; /* of the message lent out last */
};

/* Starts libzmq's threads, which the first socket does, with all signals blocked: they block them by themselves, but only once they
 * are scheduled, and until then a signal that the caller blocked might end the process through one of them. */
static int start_threads(void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) != 0)
        return -errno;
    void *socket = zmq_socket(context, ZMQ_PAIR);
    int r = socket ? zmq_close(socket) : -errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

int zmqclient_new(struct zmqclient **ret)
{
    struct zmqclient *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    zmq_msg_init(&c->topic);
    zmq_msg_init(&c->payload);
    c->context = zmq_ctx_new();
    int r = c->context ? start_threads(c->context) : -errno;
    if (r < 0) {
        zmqclient_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

/* The monitor is ended from the socket's side first: libzmq loses the memory of an event that it cannot deliver. */
static void wire_close(struct wire *w)
{
    if (w->socket)
        zmq_socket_monitor(w->socket, NULL, 0);
    if (w->monitor)
        zmq_close(w->monitor);
    if (w->socket)
        zmq_close(w->socket);
    *w = (struct wire){0};
}

void zmqclient_free(struct zmqclient *c)
{
    if (!c)
        return;
    zmq_msg_close(&c->topic);
    zmq_msg_close(&c->payload);
    wire_close(&c->control);
    wire_close(&c->feed);
    if (c->context)
        zmq_ctx_term(c->context);
    free(c);
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0 ? 0 : -errno;
}

static int wire_options(void *socket)
{
    int64_t max = MESSAGE_MAX_BYTES;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof max) != 0)
        return -errno;
    static const struct {
        int option, value;
    } options[] = {{ZMQ_LINGER, 0}, {ZMQ_IPV6, 1}, {ZMQ_RCVHWM, RECEIVE_MARK}, {ZMQ_SNDHWM, 0}};
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        int r = set_int(socket, options[i].option, options[i].value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int wire_watch(struct wire *w, void *context)
{
    char address[32];
    snprintf(address, sizeof address, "inproc://%p", (void *)w);
    if (zmq_socket_monitor(w->socket, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0)
        return -errno;
    w->monitor = zmq_socket(context, ZMQ_PAIR);
    if (!w->monitor || zmq_connect(w->monitor, address) != 0)
        return -errno;
    return 0;
}

static int wire_make(struct wire *w, void *context, int type)
{
    w->socket = zmq_socket(context, type);
    if (!w->socket)
        return -errno;
    int r = wire_options(w->socket);
    return r < 0 ? r : wire_watch(w, context);
}

/* An ipc socket that is missing is not waited for: ZeroMQ would, in silence. */
static int ipc_check(const char *endpoint, struct buf *error)
{
    static const struct span ipc = {"ipc://", 6};
    const char *path = endpoint + ipc.len;
    if (!span_starts(span_of(endpoint), ipc) || path[0] == '@' || access(path, W_OK) == 0)
        return 0;
    if (errno == ENOENT)
        buf_add_text(error, "there is no such socket; is lsbridged running?");
    else
        buf_printf(error, "this socket cannot be used: %s", strerror(errno));
    return ZMQCLIENT_FAILED;
}

static int wire_connect(struct wire *w, const char *endpoint, struct buf *error)
{
    int r = ipc_check(endpoint, error);
    if (r != 0)
        return r;
    if (zmq_connect(w->socket, endpoint) == 0)
        return 0;
    if (errno == EINVAL || errno == EPROTONOSUPPORT || errno == ENOCOMPATPROTO)
        buf_add_text(error, "this is no endpoint: tcp://HOST:PORT or ipc://PATH is expected");
    else
        buf_printf(error, "cannot connect: %s", zmq_strerror(errno));
    return ZMQCLIENT_FAILED;
}

/* Takes what the monitor has to say; returns bits of zmqclient_wait(). */
static unsigned wire_events(struct wire *w)
{
    unsigned seen = 0;
    for (;;) {
        uint8_t frame[6]; /* the event's number in 16 bits, its value in 32 */
        char endpoint[1];
        uint16_t event;
        if (zmq_recv(w->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 0)
            return seen;
        memcpy(&event, frame, sizeof event);
        zmq_recv(w->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT); /* the second frame, cut off */
        w->connected = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        seen |= w->connected ? ZMQCLIENT_CONNECTED : ZMQCLIENT_LOST;
    }
}

static int poll_items(zmq_pollitem_t *items, size_t n, int64_t timeout_ms)
{
    if (timeout_ms > INT_MAX)
        timeout_ms = INT_MAX;
    while (zmq_poll(items, (int)n, (long)timeout_ms) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int ask_send(struct wire *w, struct span request)
{
    if (zmq_send(w->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(w->socket, request.at, request.len, ZMQ_DONTWAIT) < 0)
        return -errno;
    return 0;
}

/* The body is the last frame. */
static int ask_receive(struct wire *w, struct buf *reply)
{
    for (int more = 1; more;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, w->socket, ZMQ_DONTWAIT) < 0)
            return -errno;
        buf_clear(reply);
        buf_add(reply, zmq_msg_data(&frame), zmq_msg_size(&frame));
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
    return buf_error(reply);
}

/* Drops answers that came too late for the question they answer. */
static int ask_forget(struct wire *w, struct buf *scratch)
{
    int r;
    while ((r = ask_receive(w, scratch)) == 0)
        ;
    buf_clear(scratch);
    return r == -EAGAIN ? 0 : r;
}

static int ask_wait(struct wire *w, int64_t timeout_ms, struct buf *error)
{
    int64_t deadline = clock_ms() + timeout_ms;
    for (;;) {
        int64_t left = clock_until(deadline);
        zmq_pollitem_t items[] = {{.socket = w->socket, .events = ZMQ_POLLIN},
                                  {.socket = w->monitor, .events = ZMQ_POLLIN}};
        int r = poll_items(items, ARRAY_LENGTH(items), left);
        if (r < 0)
            return r;
        wire_events(w);
        if (items[0].revents)
            return 0;
        if (left == 0) {
            buf_printf(error,
                       w->connected ? "connected, but no answer within %jd ms"
                                    : "no connection within %jd ms; is lsbridged running?",
                       (intmax_t)timeout_ms);
            return ZMQCLIENT_FAILED;
        }
    }
}

int zmqclient_ask(struct zmqclient *c, const char *endpoint, struct span request, int64_t timeout_ms,
                  struct buf *reply, struct buf *error)
{
    struct wire *w = &c->control;
    int r = 0;
    if (!w->socket) {
        r = wire_make(w, c->context, ZMQ_DEALER);
        if (r == 0)
            r = wire_connect(w, endpoint, error);
    }
    if (r == 0)
        r = ask_forget(w, reply);
    if (r == 0)
        r = ask_send(w, request);
    if (r == 0)
        r = ask_wait(w, timeout_ms, error);
    if (r == 0)
        r = ask_receive(w, reply);
    return r;
}

int zmqclient_subscribe(struct zmqclient *c, const char *endpoint, const struct span *prefixes, size_t n,
                        struct buf *error)
{
    int r = wire_make(&c->feed, c->context, ZMQ_SUB);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (zmq_setsockopt(c->feed.socket, ZMQ_SUBSCRIBE, prefixes[i].at, prefixes[i].len) != 0)
            r = -errno;
    if (r == 0)
        r = wire_connect(&c->feed, endpoint, error);
    if (r != 0)
        wire_close(&c->feed);
    return r;
}

int zmqclient_wait(struct zmqclient *c, int in_fd, int out_fd, int64_t timeout_ms, unsigned *ret)
{
    /* Without a subscription: descriptors that there are not. */
    zmq_pollitem_t items[] = {
        {.socket = c->feed.socket, .fd = -1, .events = ZMQ_POLLIN},
        {.socket = c->feed.monitor, .fd = -1, .events = ZMQ_POLLIN},
        {.fd = in_fd, .events = ZMQ_POLLIN},
        {.fd = out_fd, .events = ZMQ_POLLERR},
    };
    int r = poll_items(items, ARRAY_LENGTH(items), timeout_ms);
    if (r < 0)
        return r;
    *ret = (items[0].revents ? (unsigned)ZMQCLIENT_MESSAGE : 0) |
           (items[1].revents ? wire_events(&c->feed) : 0) | (items[2].revents ? (unsigned)ZMQCLIENT_FD : 0) |
           (items[3].revents ? (unsigned)ZMQCLIENT_OUT_GONE : 0);
    return 0;
}

static struct span msg_span(zmq_msg_t *m)
{
    return span_make(zmq_msg_data(m), zmq_msg_size(m));
}

int zmqclient_receive(struct zmqclient *c, struct span *ret_topic, struct span *ret_payload)
{
    zmq_msg_close(&c->payload);
    zmq_msg_init(&c->payload);
    if (zmq_msg_recv(&c->topic, c->feed.socket, ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : -errno;
    bool more = zmq_msg_more(&c->topic);
    if (more && zmq_msg_recv(&c->payload, c->feed.socket, ZMQ_DONTWAIT) < 0)
        return -errno;
    for (more = more && zmq_msg_more(&c->payload); more;) {
        zmq_msg_t rest;
        zmq_msg_init(&rest);
        more = zmq_msg_recv(&rest, c->feed.socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
        zmq_msg_close(&rest);
    }
    *ret_topic = msg_span(&c->topic);
    *ret_payload = msg_span(&c->payload);
    return 0;
}
