#include "net_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/ws_handshake.h"

uint64_t fixture_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void fixture_settle(struct fixture *f)
{
    uint64_t until = fixture_now_ms() + WAIT_MS;
    int quiet = 0;
    while (quiet < 3 && fixture_now_ms() < until)
        quiet = sd_event_run(f->event, 20000) == 0 ? quiet + 1 : 0;
}

static int on_connection(sd_event_source *source UNUSED, int fd, uint32_t revents UNUSED, void *userdata)
{
    struct connection *c = userdata;
    char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        buf_add(&c->in, bytes, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        c->ended = true;
        sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
    }
    return 0;
}

static int on_accept(sd_event_source *source UNUSED, int fd, uint32_t revents UNUSED, void *userdata)
{
    struct server *server = userdata;
    struct connection *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->server = server;
    c->fd = accept(fd, NULL, NULL);
    ck_assert_int_ge(c->fd, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    buf_init(&c->in, 64U << 20);
    list_append(&server->connections, &c->in_server);
    server->accepted++;
    ck_assert_int_ge(sd_event_add_io(server->event, &c->io, c->fd, EPOLLIN, on_connection, c), 0);
    return 0;
}

static void server_start(struct server *server, sd_event *event)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    server->event = event;
    list_init(&server->connections);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(listen(server->fd, 16), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&a, &n), 0);
    server->port = ntohs(a.sin_port);
    ck_assert_int_ge(sd_event_add_io(event, &server->io, server->fd, EPOLLIN, on_accept, server), 0);
}

void fixture_start(struct fixture *f, const struct net_peer_options *options)
{
    static const struct net_peer_options plain = {
        .tls_verify = true, .connect_ms = 2000, .user_agent = "test/1"};
    memset(f, 0, sizeof *f);
    buf_init(&f->url, 4096);
    ck_assert_int_ge(sd_event_new(&f->event), 0);
    ck_assert_int_eq(net_new(f->event, &f->net), 0);
    ck_assert_int_eq(net_peer_new(f->net, options ? options : &plain, &f->peer), 0);
    server_start(&f->server, f->event);
}

void connection_close(struct connection *c)
{
    list_remove(&c->in_server);
    sd_event_source_disable_unref(c->io);
    close(c->fd);
    buf_done(&c->in);
    free(c);
}

void connection_reset(struct connection *c)
{
    struct linger at_once = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection_close(c);
}

void fixture_stop(struct fixture *f)
{
    net_peer_free(f->peer);
    net_free(f->net);
    for (struct list *l; (l = list_first(&f->server.connections));)
        connection_close(CONTAINER_OF(l, struct connection, in_server));
    sd_event_source_disable_unref(f->server.io);
    close(f->server.fd);
    buf_done(&f->url);
    sd_event_unref(f->event);
}

const char *fixture_url(struct fixture *f, const char *path)
{
    buf_clear(&f->url);
    buf_printf(&f->url, "http://127.0.0.1:%d%s", f->server.port, path);
    return buf_text(&f->url);
}

const char *connection_text(struct connection *c)
{
    return buf_text(&c->in);
}

void connection_forget(struct connection *c)
{
    buf_clear(&c->in);
}

static bool request_complete(struct connection *c)
{
    const char *text = buf_text(&c->in), *end = strstr(text, "\r\n\r\n");
    if (!end)
        return false;
    const char *length = strstr(text, "Content-Length: ");
    size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    return c->in.len >= (size_t)(end - text) + 4 + body;
}

static struct connection *newcomer(const struct server *server)
{
    LIST_EACH(l, &server->connections) {
        struct connection *c = CONTAINER_OF(l, struct connection, in_server);
        if (!c->met)
            return c;
    }
    return NULL;
}

struct connection *server_request(struct fixture *f)
{
    struct connection *c = NULL;
    RUN_UNTIL(f, (c = newcomer(&f->server)));
    c->met = true;
    RUN_UNTIL(f, request_complete(c));
    return c;
}

void connection_send_bytes(struct connection *c, const void *bytes, size_t n)
{
    ck_assert_int_eq(send(c->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

void connection_send(struct connection *c, const char *text)
{
    connection_send_bytes(c, text, strlen(text));
}

static void release(struct owner *o)
{
    net_stream_free(o->stream);
    o->stream = NULL;
}

static void on_opened(void *userdata)
{
    struct owner *o = userdata;
    o->opened++;
    if (o->pause_in == IN_OPENED)
        net_stream_pause(o->stream);
    if (o->free_in == IN_OPENED)
        release(o);
}

static void on_data(void *userdata, struct span bytes)
{
    struct owner *o = userdata;
    ck_assert_ptr_nonnull(o->stream);
    ck_assert_int_eq(o->opened, 1);
    o->data_calls++;
    if (bytes.len > o->largest)
        o->largest = bytes.len;
    buf_add_span(&o->data, bytes);
    if (o->pause_in == IN_DATA)
        net_stream_pause(o->stream);
    if (o->free_in == IN_DATA)
        release(o);
}

static void on_closed(void *userdata, const struct net_close *why)
{
    struct owner *o = userdata;
    ck_assert_ptr_nonnull(o->stream);
    o->closed++;
    o->failure = why->failure;
    o->status = why->http_status;
    (void)snprintf(o->text, sizeof o->text, "%s", why->text);
    if (o->free_in == IN_CLOSED)
        release(o);
}

const struct net_handlers owner_handlers = {on_opened, on_data, on_closed};

void owner_init(struct owner *o, struct fixture *f)
{
    memset(o, 0, sizeof *o);
    o->f = f;
    buf_init(&o->data, 256U << 20);
}

void owner_done(struct owner *o)
{
    release(o);
    buf_done(&o->data);
}

void owner_post(struct owner *o, const char *url, const char *body, int64_t total_ms)
{
    ck_assert_int_eq(
        net_http_post(o->f->peer, url, span_of(body), total_ms, 0, &owner_handlers, o, &o->stream), 0);
    ck_assert_int_eq(o->opened + o->closed, 0);
}

void owner_ws(struct owner *o, const char *url)
{
    ck_assert_int_eq(net_ws_open(o->f->peer, url, SUBPROTOCOL, &owner_handlers, o, &o->stream), 0);
    ck_assert_int_eq(o->opened + o->closed, 0);
}

bool owner_has(const struct owner *o, const char *data)
{
    return span_is(buf_span(&o->data), data);
}

void ws_answer(struct connection *c, const char *extra)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    const char *at = strstr(connection_text(c), name);
    ck_assert_ptr_nonnull(at);
    char key[WS_KEY_TEXT], accept[WS_ACCEPT_TEXT], head[1024];
    (void)snprintf(key, sizeof key, "%.*s", WS_KEY_TEXT - 1, at + sizeof name - 1);
    ck_assert_int_eq(ws_handshake_accept(key, accept), 0);
    (void)snprintf(
        head, sizeof head,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " SUBPROTOCOL "\r\n%s\r\n",
        accept, extra);
    connection_send(c, head);
    connection_forget(c);
}

struct connection *ws_accepted(struct owner *o)
{
    owner_ws(o, fixture_url(o->f, "/lightstreamer"));
    struct connection *c = server_request(o->f);
    ws_answer(c, "");
    RUN_UNTIL(o->f, o->opened || !o->stream);
    return c;
}

void ws_frame(struct connection *c, unsigned first, const void *payload, size_t n)
{
    unsigned char head[10] = {(unsigned char)first};
    size_t length = 2;
    if (n < 126) {
        head[1] = (unsigned char)n;
    } else if (n < 65536) {
        head[1] = 126;
        head[2] = (unsigned char)(n >> 8);
        head[3] = (unsigned char)n;
        length = 4;
    } else {
        head[1] = 127;
        for (size_t i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
        length = 10;
    }
    connection_send_bytes(c, head, length);
    if (n)
        connection_send_bytes(c, payload, n);
}

void ws_text(struct connection *c, const char *text)
{
    ws_frame(c, 0x81, text, strlen(text));
}

/* The length of the whole frame at the start of C->in, 0 while it is not there. */
static size_t whole_frame(const struct connection *c, size_t *ret_head, size_t *ret_payload)
{
    const unsigned char *b = (const unsigned char *)c->in.at;
    if (c->in.len < 2)
        return 0;
    size_t head = 2, n = b[1] & 127U;
    if (n >= 126) {
        size_t bytes = n == 126 ? 2 : 8;
        if (c->in.len < 2 + bytes)
            return 0;
        n = 0;
        for (size_t i = 0; i < bytes; i++)
            n = n << 8 | b[2 + i];
        head += bytes;
    }
    *ret_head = head;
    *ret_payload = n;
    return c->in.len >= head + 4 + n ? head + 4 + n : 0;
}

unsigned ws_received(struct owner *o, struct connection *c, struct buf *payload)
{
    size_t head = 0, n = 0;
    RUN_UNTIL(o->f, whole_frame(c, &head, &n));
    const unsigned char *b = (const unsigned char *)c->in.at;
    unsigned first = b[0];
    ck_assert_msg(b[1] & 128, "a client masks its frames");
    buf_clear(payload);
    for (size_t i = 0; i < n; i++)
        buf_add_char(payload, (char)(b[head + 4 + i] ^ b[head + (i & 3)]));
    buf_drop_front(&c->in, head + 4 + n);
    return first;
}
