#include "config.h"

#include "sim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/json.h"
#include "sim/param.h"
#include "sim/request.h"
#include "sim/sim.h"
#include "sim/ws.h"

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct sim *sim = data;
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char peer[INET6_ADDRSTRLEN] = "unknown";
    int client = accept4(fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)source;
    (void)events;
    if (client < 0)
        return 0;
    getnameinfo((struct sockaddr *)&address, length, peer, sizeof(peer), NULL, 0, NI_NUMERICHOST);
    conn_new(sim, client, peer);
    return 0;
}

/* A listening socket at ADDRESS, or -errno. */
static int listen_at(const struct addrinfo *address)
{
    int on = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);

    getsockname(fd, (struct sockaddr *)&address, &length);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int open_socket(struct sim *sim)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *addresses;
    char port[8];
    int fd;

    snprintf(port, sizeof(port), "%u", (unsigned)sim->server.port);
    if (getaddrinfo(sim->options.listen_address, port, &hints, &addresses) != 0)
        return -EADDRNOTAVAIL;
    fd = listen_at(addresses);
    freeaddrinfo(addresses);
    return fd;
}

int server_listen(struct sim *sim, bool on)
{
    struct server *s = &sim->server;

    if (on == (s->fd >= 0))
        return 0;
    if (!on) {
        s->io = sd_event_source_disable_unref(s->io);
        close(s->fd);
        s->fd = -1;
        return 0;
    }
    int fd = open_socket(sim);

    if (fd < 0)
        return fd;
    s->fd = fd;
    s->port = port_of(fd);
    return sd_event_add_io(sim->loop, &s->io, fd, EPOLLIN, on_accept, sim);
}

int server_start(struct sim *sim)
{
    sim->server.fd = -1;
    sim->server.port = sim->options.port;
    list_init(&sim->server.connections);
    return server_listen(sim, true);
}

void server_stop(struct sim *sim)
{
    server_listen(sim, false);
    LIST_EACH_SAFE(link, &sim->server.connections)
        conn_close(CONTAINER_OF(link, struct conn, link), "the simulator ends");
}

/* A connection that wants to be looked at, or NULL. */
static struct conn *unfinished(const struct server *s)
{
    LIST_EACH(link, &s->connections) {
        struct conn *c = CONTAINER_OF(link, struct conn, link);

        if (c->look_again)
            return c;
    }
    return NULL;
}

void server_look_again(struct sim *sim)
{
    struct conn *c;

    if (!sim->server.look_again)
        return;
    sim->server.look_again = false;
    while ((c = unfinished(&sim->server))) {
        c->look_again = false;
        conn_input(c);
    }
}

/* "TLCP-2.5.0" is 250; 0 for anything else. */
static uint64_t version_of(struct span text)
{
    if (text.len != strlen("TLCP-2.5.0") || !span_starts(text, SPAN("TLCP-2.")))
        return 0;
    return 200 + 10 * (uint64_t)(text.at[7] - '0') + (uint64_t)(text.at[9] - '0');
}

/* The name of the request in a path like /lightstreamer/control.txt; empty for anything else. */
static struct span name_of(struct span path)
{
    struct span prefix = SPAN("/lightstreamer/"), extension = SPAN(".txt");

    if (!span_starts(path, prefix) || path.len < prefix.len + extension.len)
        return SPAN_EMPTY;
    if (!span_equal(span_from(path, path.len - extension.len), extension))
        return SPAN_EMPTY;
    return span_make(path.at + prefix.len, path.len - prefix.len - extension.len);
}

static void check_query(struct conn *c, const struct params *query)
{
    for (size_t i = 0; i < query->n; i++) {
        struct span name = query->list[i].name;

        if (!span_is(name, "LS_protocol") && !span_is(name, "LS_session"))
            sim_violation(c->sim, "client", "%.*s in the query string", SPAN_ARG(name));
    }
}

/* The older text mode: what it says stands in the body, or, where that is empty, in the query string. */
static void handle_text_mode(struct conn *c, struct span name, const struct http_request *r)
{
    if (r->query.len > 0 && r->body.len > 0)
        sim_violation(c->sim, "client", "%.*s in the query string beside a body", SPAN_ARG(r->query));
    request_handle(c, name, SPAN_EMPTY, REQUEST_TEXT_MODE, r->body.len > 0 ? r->body : r->query);
}

/* Returns whether R asks for a WebSocket, and is answered. */
static bool handle_websocket(struct conn *c, const struct http_request *r)
{
    bool path = span_is(r->path, "/lightstreamer") || span_is(r->path, "/lightstreamer/");

    if (r->websocket_key.len == 0)
        return false;
    if (path && c->sim->options.no_tlcp) {
        http_respond(c, 404, SPAN_EMPTY);
        return true;
    }
    if (path && ws_accept(c, r))
        return true;
    /* A proxy that knows no WebSocket takes "Upgrade" away, and the client is not to blame. */
    if (r->upgrade.len == 0)
        http_respond(c, 400, SPAN_EMPTY);
    return r->upgrade.len == 0;
}

void server_request(struct conn *c, const struct http_request *r)
{
    struct span name = name_of(r->path);
    CLEANUP(params_done) struct params query = {0};
    bool text_mode;
    uint64_t version;

    params_parse(&query, r->query);
    text_mode = !params_get(&query, "LS_protocol") && request_known(name, REQUEST_TEXT_MODE);
    if (handle_websocket(c, r))
        return;
    if (!text_mode && !request_known(name, 0)) {
        sim_violation(c->sim, "client", "unknown path %.*s", SPAN_ARG(r->path));
        http_respond(c, 404, SPAN_EMPTY);
        return;
    }
    if (!span_is(r->method, "POST")) {
        sim_violation(c->sim, "client", "%.*s instead of POST", SPAN_ARG(r->method));
        http_respond(c, 405, SPAN_EMPTY);
        return;
    }
    if (text_mode) {
        handle_text_mode(c, name, r);
        return;
    }
    check_query(c, &query);
    version = version_of(params_text(&query, "LS_protocol"));
    if (version == 0)
        sim_violation(c->sim, "client", "no LS_protocol=TLCP-2.5.0 with %.*s", SPAN_ARG(name));
    request_handle(c, name, params_text(&query, "LS_session"), version, r->body);
}

void server_message(struct conn *c, struct span text)
{
    struct span name, lines = text;

    if (text.len > c->sim->options.request_limit_bytes) {
        sim_violation(c->sim, "client", "a message above the request limit");
        ws_add_close(c->ws, 1009, "above the request limit");
        return;
    }
    span_cut(&lines, '\n', &name);
    if (lines.at && name.len > 0 && name.at[name.len - 1] == '\r')
        name.len--;
    else if (lines.at)
        sim_violation(c->sim, "client", "a line that ends in LF alone");
    if (!request_known(name, ws_version(c->ws))) {
        sim_violation(c->sim, "client", "unknown request '%.*s'", SPAN_ARG(name));
        conn_add_lines(c, SPAN("ERROR,67,Unknown request\r\n"));
        return;
    }
    if (!lines.at && !span_is(name, "wsok")) {
        sim_violation(c->sim, "client", "%.*s without a line of parameters", SPAN_ARG(name));
        lines = span_make("", 0);
    }
    request_handle(c, name, SPAN_EMPTY, ws_version(c->ws), lines);
}
