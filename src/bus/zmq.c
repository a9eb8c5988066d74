#include "bus/zmq_socket.h"

#include <errno.h>

enum {
    /* A consumer that hears nothing for three of our heartbeats takes us for dead. */
    HEARTBEAT_MS = 5000,
    HEARTBEATS_PER_TTL = 3,
    /* A consumer whose host vanished is noticed after 30 + 3 * 10 s of silence. No ZMQ_TCP_MAXRT: it would
     * also end connections whose consumer merely doesn't read. */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 3,
};

int zmq_bus_new(struct zmq_bus **ret)
{
    struct zmq_bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        return -ENOMEM;
    bus->context = zmq_ctx_new();
    if (!bus->context) {
        int r = -errno;
        free(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

void zmq_bus_free(struct zmq_bus *bus)
{
    if (!bus)
        return;
    while (zmq_ctx_term(bus->context) < 0 && errno == EINTR)
        ;
    free(bus);
}

void zmq_bus_version(struct buf *out)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    buf_printf(out, "%d.%d.%d", major, minor, patch);
}

int zmq_socket_set(const struct zmq_socket *s, int option, int value)
{
    return zmq_setsockopt(s->socket, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int set_all(const struct zmq_socket *s, const struct zmq_setting *settings, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = zmq_socket_set(s, settings[i].option, settings[i].value);
    return r;
}

static int set_common(const struct zmq_socket *s, const struct zmq_options *o)
{
    int heartbeat_ms = o->heartbeat_ms ? o->heartbeat_ms : HEARTBEAT_MS;
    const struct zmq_setting settings[] = {
        {ZMQ_SNDHWM, o->high_water_mark},
        {ZMQ_LINGER, o->linger_ms},
        {ZMQ_HEARTBEAT_IVL, heartbeat_ms},
        {ZMQ_HEARTBEAT_TTL, heartbeat_ms * HEARTBEATS_PER_TTL},
        /* 0: none. A consumer that doesn't read cannot answer our heartbeats, and is not to be cut off for
           it. */
        {ZMQ_HEARTBEAT_TIMEOUT, 0},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S},
        {ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT},
    };
    return set_all(s, settings, ARRAY_LENGTH(settings));
}

static int fail(struct buf *error, const char *endpoint, int negative_errno)
{
    buf_printf(error, "%s: %s", endpoint, zmq_strerror(-negative_errno));
    return negative_errno;
}

/* What the endpoint became: a wildcard port has its number now. */
static int remember_endpoint(struct zmq_socket *s, struct ipc_path *taken_ipc)
{
    char text[256];
    size_t size = sizeof text;
    s->ipcs[s->n_endpoints] = taken_ipc;
    s->endpoints[s->n_endpoints] = NULL;
    s->n_endpoints++;
    if (zmq_getsockopt(s->socket, ZMQ_LAST_ENDPOINT, text, &size) < 0)
        return -errno;
    s->endpoints[s->n_endpoints - 1] = span_dup(span_of(text));
    return s->endpoints[s->n_endpoints - 1] ? 0 : -ENOMEM;
}

/* With IPv6 on, ZeroMQ would also look names up as IPv6 first, and "localhost" would no longer be where most
 * look for it. */
static int bind_tcp(struct zmq_socket *s, const char *endpoint, struct buf *error)
{
    int r = zmq_socket_set(s, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    if (r == 0 && zmq_bind(s->socket, endpoint) < 0)
        r = -errno;
    if (r == -ENODEV || r == -EADDRNOTAVAIL) {
        buf_printf(error, "%s: this machine has no such address or interface", endpoint);
        return r;
    }
    return r < 0 ? fail(error, endpoint, r) : remember_endpoint(s, NULL);
}

/* The socket is made by us and handed to ZeroMQ, which closes it but leaves its path alone. */
static int bind_ipc(struct zmq_socket *s, const char *endpoint, const struct zmq_options *o,
                    struct buf *error)
{
    const char *path = endpoint + strlen("ipc://");
    if (!*path || *path == '@' || *path == '*') {
        buf_printf(error, "%s: a path is needed after ipc://, for its mode and group to guard it", endpoint);
        return -EINVAL;
    }
    struct ipc_path *ipc;
    int fd;
    AUTO_BUF struct buf cause = BUF_INIT(error->max);
    int r = ipc_listen(path, o->ipc_mode, o->ipc_group, &ipc, &fd, &cause);
    if (r < 0) {
        buf_printf(error, "%s: %s", endpoint, cause.len ? buf_text(&cause) : strerror(-r));
        return r;
    }
    r = zmq_socket_set(s, ZMQ_USE_FD, fd);
    if (r == 0 && zmq_bind(s->socket, endpoint) < 0)
        r = -errno;
    zmq_socket_set(s, ZMQ_USE_FD, -1);
    if (r == 0)
        return remember_endpoint(s, ipc);
    ipc_unlisten(ipc);
    return fail(error, endpoint, r);
}

static int bind_one(struct zmq_socket *s, const char *endpoint, const struct zmq_options *o,
                    struct buf *error)
{
    struct span text = span_of(endpoint);
    if (span_starts(text, SPAN("tcp://")))
        return bind_tcp(s, endpoint, error);
    if (span_starts(text, SPAN("ipc://")))
        return bind_ipc(s, endpoint, o, error);
    buf_printf(error, "%s: neither tcp:// nor ipc://", endpoint);
    return -EPROTONOSUPPORT;
}

static int bind_all(struct zmq_socket *s, const struct zmq_options *o, struct buf *error)
{
    s->endpoints = calloc(o->n_endpoints + 1, sizeof *s->endpoints);
    s->ipcs = calloc(o->n_endpoints + 1, sizeof(struct ipc_path *));
    int r = s->endpoints && s->ipcs ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < o->n_endpoints; i++)
        r = bind_one(s, o->endpoints[i], o, error);
    return r;
}

static int set_up(struct zmq_socket *s, const struct zmq_options *o, const struct zmq_kind *kind,
                  struct buf *error)
{
    int r = set_common(s, o);
    r = r < 0 ? r : set_all(s, kind->settings, kind->n_settings);
    int64_t max = kind->max_message_bytes;
    size_t size = sizeof s->fd;
    if (r == 0 && (zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &max, sizeof max) < 0 ||
                   zmq_getsockopt(s->socket, ZMQ_FD, &s->fd, &size) < 0))
        r = -errno;
    return r < 0 ? r : bind_all(s, o, error);
}

int zmq_socket_open(struct zmq_bus *bus, const struct zmq_kind *kind, const struct zmq_options *options,
                    struct zmq_socket *ret, struct buf *error)
{
    struct zmq_socket s = {.socket = zmq_socket(bus->context, kind->type)};
    int r = s.socket ? set_up(&s, options, kind, error) : -errno;
    if (r == 0) {
        *ret = s;
        return 0;
    }
    if (error->len == 0)
        fail(error, options->n_endpoints ? options->endpoints[0] : "ZeroMQ", r);
    zmq_socket_close(&s);
    return r;
}

void zmq_socket_close(struct zmq_socket *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++) {
        ipc_unlisten(s->ipcs[i]);
        free(s->endpoints[i]);
    }
    free(s->ipcs);
    free(s->endpoints);
    if (s->socket)
        zmq_close(s->socket);
    *s = (struct zmq_socket){0};
}

const char *zmq_socket_endpoint(const struct zmq_socket *s, size_t index)
{
    return index < s->n_endpoints ? s->endpoints[index] : NULL;
}

int zmq_socket_work(const struct zmq_socket *s, bool *ret_input)
{
    int events = 0;
    size_t size = sizeof events;
    int r;
    while ((r = zmq_getsockopt(s->socket, ZMQ_EVENTS, &events, &size)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return -errno;
    *ret_input = events & ZMQ_POLLIN;
    return 0;
}

int zmq_socket_send(const struct zmq_socket *s, struct span bytes, int flags)
{
    int r;
    while ((r = zmq_send(s->socket, bytes.at, bytes.len, flags | ZMQ_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return r < 0 ? -errno : 0;
}

int zmq_socket_receive(const struct zmq_socket *s, zmq_msg_t *ret)
{
    int r;
    while ((r = zmq_msg_recv(ret, s->socket, ZMQ_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return r < 0 ? -errno : 0;
}
