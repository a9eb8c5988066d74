/* The socket, and the replies that wait for a server; what is answered is made in control_request.c. */
#include "bridge/control.h"

#include <errno.h>

#include "bridge/json.h"

struct control {
    struct bridge *b;
    struct zmq_router *router;
    sd_event_source *io, *again;
    struct buf request, reply;
    struct list waiting; /* of struct waiting */
};

/* A reply that waits for a server's answer; a session bounds how many (SESSION_ASKS_MAX), and for how long. */
struct waiting {
    struct list in_waiting;
    struct zmq_envelope *envelope; /* owned */
    struct control_later later;
    struct buf end; /* of the reply */
};
/* ---- replies that wait ---- */

static void waiting_free(struct waiting *w)
{
    list_remove(&w->in_waiting);
    zmq_envelope_free(w->envelope);
    buf_done(&w->end);
    free(w);
}

/* Keeps the end of the reply, which control_answer() left, and the way back. */
static int reply_later(struct control *c, struct zmq_envelope *taken_envelope,
                       const struct control_later *later)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        zmq_envelope_free(taken_envelope);
        return -ENOMEM;
    }
    *w = (struct waiting){.envelope = taken_envelope, .later = *later, .end = BUF_INIT(SIZE_MAX)};
    list_init(&w->in_waiting);
    buf_add_span(&w->end, buf_span(&c->reply));
    list_append(&c->waiting, &w->in_waiting);
    link_drain(later->link);
    return 0;
}

static void build_told(struct buf *json, const struct waiting *w, const struct session_answer *answer)
{
    json_open(json, '{');
    json_bool(json, "ok", answer->granted);
    if (answer->granted && answer->response.at)
        json_span(json, w->later.granted, answer->response);
    else if (answer->granted)
        json_amount(json, w->later.granted, answer->text);
    else
        json_text(json, "error", answer->text);
    if (answer->has_code)
        json_i64(json, "code", answer->code);
    if (!span_starts(buf_span(&w->end), SPAN("}")))
        buf_add_char(json, ',');
    buf_add_span(json, buf_span(&w->end));
}

void control_tell(struct control *c, const struct session_answer *answer)
{
    LIST_EACH_SAFE(at, &c->waiting) {
        struct waiting *w = CONTAINER_OF(at, struct waiting, in_waiting);
        if (w->later.token != answer->token)
            continue;
        AUTO_BUF struct buf reply = BUF_INIT(SIZE_MAX);
        build_told(&reply, w, answer);
        int r = buf_error(&reply);
        if (r == 0)
            r = zmq_router_reply(c->router, TAKE(w->envelope), buf_span(&reply));
        if (r < 0)
            log_line(c->b->env.log, LOG_ERR, NULL, NULL, "the control socket fails: %s", strerror(-r));
        waiting_free(w);
        /* The reply may have taken the edge of a request that came meanwhile. */
        sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT);
    }
}

/* ---- the socket ---- */

static int answer_one(struct control *c, bool *ret_none)
{
    struct zmq_envelope *envelope = NULL;
    int r = zmq_router_receive(c->router, &c->request, &envelope);
    *ret_none = r == ZMQ_ROUTER_NONE;
    if (r < 0 || *ret_none)
        return r;
    if (r == ZMQ_ROUTER_BAD_FRAMES) {
        buf_clear(&c->reply);
        buf_add_text(&c->reply, "{\"ok\":false,\"error\":\"a request is one body frame of at most 1 MiB\"}");
    } else {
        struct control_later later;
        control_answer(c->b, buf_span(&c->request), &c->reply, &later);
        if (later.token)
            return reply_later(c, envelope, &later);
    }
    return zmq_router_reply(c->router, envelope, buf_span(&c->reply));
}

static int on_again(sd_event_source *source UNUSED, void *userdata)
{
    struct control *c = userdata;
    bool none = false;
    int r = 0;
    while (!none && r >= 0)
        r = answer_one(c, &none);
    if (r < 0)
        log_line(c->b->env.log, LOG_ERR, NULL, NULL, "the control socket fails: %s", strerror(-r));
    return 0;
}

static int on_io(sd_event_source *source, int fd UNUSED, uint32_t events UNUSED, void *userdata)
{
    return on_again(source, userdata);
}

int control_new(struct bridge *b, struct zmq_router *taken_router, struct control **ret)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c) {
        zmq_router_close(taken_router);
        return -ENOMEM;
    }
    *c = (struct control){.b = b,
                          .router = taken_router,
                          .request = BUF_INIT(ZMQ_ROUTER_BODY_MAX),
                          .reply = BUF_INIT(SIZE_MAX)};
    list_init(&c->waiting);
    int r = sd_event_add_io(b->env.event, &c->io, zmq_router_fd(c->router), EPOLLIN, on_io, c);
    if (r >= 0)
        r = sd_event_add_defer(b->env.event, &c->again, on_again, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
    if (r < 0) {
        control_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    while (!list_empty(&c->waiting))
        waiting_free(CONTAINER_OF(c->waiting.next, struct waiting, in_waiting));
    sd_event_source_unref(c->io);
    sd_event_source_unref(c->again);
    zmq_router_close(c->router);
    buf_done(&c->request);
    buf_done(&c->reply);
    free(c);
}

const char *control_endpoint(const struct control *c, size_t index)
{
    return zmq_router_endpoint(c->router, index);
}
