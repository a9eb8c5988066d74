#include "sim/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/answer.h"
#include "sim/http.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/ws.h"

#define READ_SIZE 65536

static void ask_for_events(struct conn *c)
{
    bool wanted = c->out.len > 0 && !c->stalled;
    uint32_t events = (c->deaf ? 0 : EPOLLIN) | (wanted ? EPOLLOUT : 0);

    c->writing = wanted;
    if (c->io && events == 0)
        sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
    else if (c->io) {
        sd_event_source_set_io_events(c->io, events);
        sd_event_source_set_enabled(c->io, SD_EVENT_ON);
    }
}

static size_t most_to_write(struct conn *c)
{
    const struct sim_options *o = &c->sim->options;
    size_t most = c->out.len;

    if (o->split_random)
        most = 1 + (size_t)rng_below(&c->sim->rng, o->split_bytes);
    else if (o->split_bytes > 0)
        most = o->split_bytes;
    if (most > c->out.len)
        most = c->out.len;
    return c->cut_at - c->written < most ? (size_t)(c->cut_at - c->written) : most;
}

static void after_write(struct conn *c)
{
    if (c->written >= c->cut_at)
        conn_reset(c, "cut");
    else if (c->out.len == 0 && c->cut_after)
        conn_reset(c, "cut");
    else if (c->out.len == 0 && c->close_after)
        conn_close(c, "closed");
}

void conn_finish(struct conn *c, bool by_reset)
{
    if (by_reset)
        c->cut_after = true;
    else
        c->close_after = true;
    if (c->out.len == 0 && c->fd >= 0)
        after_write(c);
}

static void write_some(struct conn *c)
{
    size_t most = most_to_write(c);
    ssize_t n = most > 0 ? send(c->fd, c->out.at, most, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        conn_close(c, "closed by the client");
        return;
    }
    c->written += (uint64_t)n;
    buf_drop_front(&c->out, (size_t)n);
    if (c->session && conn_has_room(c))
        session_wake(c->session);
    after_write(c);
}

static void read_some(struct conn *c)
{
    ssize_t n;

    if (buf_reserve(&c->in, READ_SIZE) < 0) {
        sim_violation(c->sim, "client", "a request of more than %u bytes", CONN_MAX_INPUT);
        conn_reset(c, "request too long");
        return;
    }
    n = recv(c->fd, c->in.at + c->in.len, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_close(c, "closed by the client");
        return;
    }
    c->in.len += (size_t)n;
    conn_input(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct conn *c = data;

    (void)source;
    (void)fd;
    if (events & EPOLLOUT && c->fd >= 0 && !c->stalled)
        write_some(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->fd >= 0 && !c->deaf)
        read_some(c);
    if (c->fd >= 0)
        ask_for_events(c);
    return 0;
}

struct conn *conn_new(struct sim *sim, int fd, const char *peer)
{
    struct conn *c = memory_get(sizeof(*c));
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->sim = sim;
    c->fd = fd;
    c->number = ++sim->server.n_connections;
    snprintf(c->peer, sizeof(c->peer), "%s", peer);
    c->in = BUF_INIT(CONN_MAX_INPUT);
    c->out = BUF_INIT(CONN_MAX_OUTPUT);
    c->cut_at = UINT64_MAX;
    list_init(&c->answers);
    list_init(&c->link);
    list_append(&sim->server.connections, &c->link);
    if (sd_event_add_io(sim->loop, &c->io, fd, EPOLLIN, on_io, c) < 0)
        abort();
    return c;
}

void conn_close(struct conn *c, const char *cause)
{
    struct session *session = c->session;

    if (c->fd < 0)
        return;
    c->io = sd_event_source_disable_unref(c->io);
    c->cut_timer = sd_event_source_disable_unref(c->cut_timer);
    close(c->fd);
    c->fd = -1;
    answer_drop_all(c);
    list_remove(&c->link);
    list_append(&c->sim->dead_connections, &c->link);
    c->session = NULL;
    if (session)
        session_lost(session, cause);
}

void conn_reset(struct conn *c, const char *cause)
{
    struct linger now = {.l_onoff = 1};

    if (c->fd >= 0)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    conn_close(c, cause);
}

void conn_free(struct conn *c)
{
    list_remove(&c->link);
    ws_free(c->ws);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c->last_session);
    free(c);
}

void conn_add(struct conn *c, struct span bytes)
{
    if (c->fd < 0)
        return;
    buf_add_span(&c->out, bytes);
    if (!c->writing && c->out.len > 0)
        ask_for_events(c);
}

void conn_add_lines(struct conn *c, struct span lines)
{
    if (lines.len == 0 || c->fd < 0)
        return;
    if (c->ws)
        ws_add_message(c->ws, lines);
    else
        http_add_chunk(c, lines);
}

bool conn_has_room(const struct conn *c)
{
    return c->fd >= 0 && !c->stalled && c->out.len < CONN_FULL;
}

void conn_input(struct conn *c)
{
    while (c->fd >= 0 && c->in.len > 0 && c->state == CONN_READY && (c->ws || !c->close_after)) {
        size_t before = c->in.len;

        if (c->ws)
            ws_input(c->ws);
        else
            http_input(c);
        if (c->in.len == before)
            break;
    }
    if (c->ws && c->fd >= 0 && c->state == CONN_READY)
        ws_input(c->ws);
}

void conn_look_again(struct conn *c)
{
    c->look_again = c->sim->server.look_again = true;
}

void conn_stall(struct conn *c, bool stalled)
{
    c->stalled = stalled;
    ask_for_events(c);
    if (!stalled && c->session)
        session_wake(c->session);
}

void conn_deafen(struct conn *c)
{
    c->deaf = true;
    ask_for_events(c);
}
