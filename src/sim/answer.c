#include "sim/answer.h"

#include "sim/http.h"
#include "sim/memory.h"
#include "sim/request.h"
#include "sim/sim.h"
#include "sim/text.h"

struct late_answer {
    struct list link; /* in the connection's answers */
    struct conn *conn;
    sd_event_source *timer;
    struct text *lines;          /* the answer, or the lines of the request */
    struct text *name, *session; /* a request that was put off; NULL for an answer */
    uint64_t version;
};

static void forget(struct late_answer *late)
{
    list_remove(&late->link);
    sd_event_source_disable_unref(late->timer);
    text_unref(late->lines);
    text_unref(late->name);
    text_unref(late->session);
    free(late);
}

static void send_now(struct conn *c, struct span lines)
{
    if (!c->ws)
        http_respond(c, 200, lines);
    else
        conn_add_lines(c, lines);
}

static int on_time(sd_event_source *source, uint64_t now, void *data)
{
    struct late_answer *late = data;
    struct conn *c = late->conn;

    (void)source;
    (void)now;
    if (late->name) {
        c->state = c->ws ? CONN_READY : CONN_BUSY;
        request_handle_now(c, text_span(late->name), text_span(late->session), late->version,
                           text_span(late->lines));
    } else {
        send_now(c, text_span(late->lines));
    }
    if (c->fd < 0)
        return 0; /* it went with the connection */
    forget(late);
    conn_look_again(c);
    return 0;
}

static struct late_answer *owe(struct conn *c, struct span lines, int64_t late_ms)
{
    struct late_answer *late = memory_get(sizeof(*late));

    late->conn = c;
    late->lines = text_new(lines);
    list_append(&c->answers, &late->link);
    if (late_ms > 0)
        sim_timer(c->sim, &late->timer, sim_now_us(c->sim) + (uint64_t)late_ms * 1000, on_time, late);
    return late;
}

void answer_send(struct conn *c, enum request_kind kind, struct span lines)
{
    int64_t late_ms = kind == REQUEST_CONTROL ? c->sim->faults.late_ms[kind] : 0;

    if (c->ws && lines.len == 0)
        return;
    if (late_ms == 0)
        send_now(c, lines);
    else
        owe(c, lines, late_ms);
}

bool answer_put_off(struct conn *c, enum request_kind kind, struct span name, struct span session,
                    uint64_t version, struct span lines)
{
    int64_t late_ms = c->sim->faults.late_ms[kind];
    struct late_answer *late;

    if (late_ms == 0 || kind == REQUEST_CONTROL)
        return false;
    late = owe(c, lines, late_ms);
    late->name = text_new(name);
    late->session = session.at ? text_new(session) : NULL; /* none is not an empty one */
    late->version = version;
    c->state = CONN_BUSY;
    return true;
}

void answer_drop_all(struct conn *c)
{
    LIST_EACH_SAFE(link, &c->answers)
        forget(CONTAINER_OF(link, struct late_answer, link));
}
