#include "sim/request.h"

#include "sim/answer.h"
#include "sim/connect.h"
#include "sim/control.h"
#include "sim/dialect.h"
#include "sim/http.h"
#include "sim/json.h"
#include "sim/sim.h"
#include "sim/textmode_connect.h"
#include "sim/textmode_control.h"
#include "sim/ws.h"

struct request {
    struct conn *conn;
    struct span name, session, lines;
    uint64_t version;
};

static void handle_wsok(const struct request *r)
{
    if (!r->conn->ws) {
        sim_violation(r->conn->sim, "client", "wsok over HTTP");
        answer_send(r->conn, REQUEST_CONTROL, SPAN("ERROR,67,wsok is for WebSockets\r\n"));
        return;
    }
    if (r->version < 220) {
        sim_violation(r->conn->sim, "client", "wsok, which is not known before 2.2.0");
        conn_add_lines(r->conn, SPAN("ERROR,67,Unknown request\r\n"));
        return;
    }
    if (r->lines.at)
        sim_violation(r->conn->sim, "client", "wsok with a line of parameters");
    conn_add_lines(r->conn, SPAN("WSOK\r\n"));
}

static void handle_create(const struct request *r)
{
    connect_create(r->conn, r->version, r->lines);
}

static void handle_bind(const struct request *r)
{
    connect_bind(r->conn, r->version, r->session, r->lines);
}

static void handle_control(const struct request *r)
{
    control_batch(r->conn, r->name, r->session, r->lines);
}

static void handle_text_create(const struct request *r)
{
    textmode_create(r->conn, r->lines);
}

static void handle_text_bind(const struct request *r)
{
    textmode_bind(r->conn, r->lines);
}

static void handle_text_control(const struct request *r)
{
    textmode_batch(r->conn, r->name, r->lines);
}

static const struct handler {
    bool text_mode;
    const char *name;
    enum request_kind kind;
    void (*handle)(const struct request *r);
} handlers[] = {
    {false, "create_session", REQUEST_CREATE, handle_create},
    {false, "bind_session", REQUEST_BIND, handle_bind},
    {false, "control", REQUEST_CONTROL, handle_control},
    {false, "msg", REQUEST_CONTROL, handle_control},
    {false, "heartbeat", REQUEST_CONTROL, handle_control},
    {false, "wsok", REQUEST_CONTROL, handle_wsok},
    {true, "create_session", REQUEST_CREATE, handle_text_create},
    {true, "bind_session", REQUEST_BIND, handle_text_bind},
    {true, "control", REQUEST_CONTROL, handle_text_control},
    {true, "send_message", REQUEST_CONTROL, handle_text_control},
};

static const struct handler *handler_of(struct span name, uint64_t version)
{
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        if (handlers[i].text_mode == (version == REQUEST_TEXT_MODE) && span_is(name, handlers[i].name))
            return &handlers[i];
    }
    return NULL;
}

bool request_known(struct span name, uint64_t version)
{
    return handler_of(name, version);
}

static void emit(struct conn *c, struct span name, uint64_t version, struct span lines)
{
    AUTO_BUF struct buf b = BUF_INIT(CONN_MAX_INPUT * 6);

    json_begin(&b, "request");
    json_text(&b, "name", name);
    json_text(&b, "protocol", version == REQUEST_TEXT_MODE ? SPAN("text") : SPAN("tlcp"));
    json_text(&b, "transport", c->ws ? SPAN("ws") : SPAN("http"));
    json_count(&b, "connection", c->number);
    json_text(&b, "lines", lines);
    json_end(&b);
    sim_emit(c->sim, &b);
}

/* Answers that the session has ended: in the text mode the code, if there is one, has a line of its own. */
static void say_ended(struct conn *c, uint64_t version, const struct refusal *refusal)
{
    AUTO_BUF struct buf lines = BUF_INIT(65536);
    const char *text = refusal->text ? refusal->text : "Ended by the script";

    if (version != REQUEST_TEXT_MODE)
        dialect_tlcp.end(&lines, refusal->code, span_of(text));
    else if (refusal->no_code)
        buf_add_text(&lines, "END\r\n");
    else
        buf_printf(&lines, "END\r\n%d\r\n", refusal->code);
    answer_send(c, REQUEST_BIND, buf_span(&lines));
}

/* Refuses before the request is looked at. */
static void turn_away(struct conn *c, uint64_t version, const struct refusal *refusal)
{
    if (refusal->how == REFUSE_END)
        say_ended(c, version, refusal);
    else if (refusal->how == REFUSE_HTTP && !c->ws)
        http_respond(c, (unsigned)refusal->code, SPAN_EMPTY);
    else
        conn_close(c, "refused");
}

void request_handle(struct conn *c, struct span name, struct span session, uint64_t version,
                    struct span lines)
{
    const struct handler *handler = handler_of(name, version);

    emit(c, name, version, lines);
    if (answer_put_off(c, handler->kind, name, session, version, lines))
        return;
    request_handle_now(c, name, session, version, lines);
}

void request_handle_now(struct conn *c, struct span name, struct span session, uint64_t version,
                        struct span lines)
{
    const struct handler *handler = handler_of(name, version);
    struct request r = {.conn = c, .name = name, .session = session, .lines = lines, .version = version};
    struct refusal *refusal = &c->sim->faults.refuse[handler->kind];

    c->version = version;
    if (refusal->times > 0 && refusal->how != REFUSE_CODE) {
        turn_away(c, version, faults_refuse(&c->sim->faults, handler->kind));
        return;
    }
    handler->handle(&r);
}
