#include "sim/control.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/answer.h"
#include "sim/dialect.h"
#include "sim/encode.h"
#include "sim/memory.h"
#include "sim/message.h"
#include "sim/rule.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/subscription.h"

/* One request that is being handled. */
struct control {
    struct conn *conn;
    struct session *session;
    const struct params *params;
    const char *text; /* of the error */
    int code;         /* 0: fine */
};

static void fail(struct control *r, int code, const char *text)
{
    r->code = code;
    r->text = text;
}

/* --- LS_op=add --- */

enum mode control_mode(struct span name)
{
    if (span_is(name, "DISTINCT"))
        return MODE_DISTINCT;
    if (span_is(name, "COMMAND"))
        return MODE_COMMAND;
    return span_is(name, "RAW") ? MODE_RAW : MODE_MERGE;
}

static void read_subscription(const struct params *p, struct subscription_request *ret)
{
    struct subscription_request r = {.id = params_number(p, "LS_subId", 0)};
    uint64_t otherwise;

    r.mode = control_mode(params_text(p, "LS_mode"));
    r.adapter = params_text(p, "LS_data_adapter");
    r.group = params_text(p, "LS_group");
    r.schema = params_text(p, "LS_schema");
    r.snapshot = params_get(p, "LS_snapshot") && !params_is(p, "LS_snapshot", "false");
    r.snapshot_length = params_number(p, "LS_snapshot", UINT64_MAX);
    r.frequency = params_text(p, "LS_requested_max_frequency");
    otherwise =
        r.mode == MODE_DISTINCT || params_is(p, "LS_requested_buffer_size", "unlimited") ? UINT64_MAX : 1;
    r.buffer_size = params_number(p, "LS_requested_buffer_size", otherwise);
    if (r.buffer_size == 0)
        r.buffer_size = 1;
    *ret = r;
}

/* Complains of an LS_subId that is not the next one. Requests over HTTP may overtake each other. */
static void check_sub_id(struct control *r, uint64_t id)
{
    struct session *s = r->session;

    if (id == 0)
        sim_violation(s->sim, s->id, "LS_subId 0");
    else if (r->conn->ws && id <= s->last_sub_id)
        sim_violation(s->sim, s->id, "LS_subId %" PRIu64 " after %" PRIu64, id, s->last_sub_id);
    else if (r->conn->ws && id != s->last_sub_id + 1 && !s->broke && !s->sim->options.lenient)
        sim_violation(s->sim, s->id, "LS_subId %" PRIu64 " skips from %" PRIu64, id, s->last_sub_id);
    if (id > s->last_sub_id)
        s->last_sub_id = id;
}

static void add(struct control *r)
{
    struct subscription_request request;

    read_subscription(r->params, &request);
    /* The official clients ask again on a new connection, not waiting for what the recovery will bring. */
    if (subscription_find(r->session, request.id) && r->session->sim->options.lenient)
        return;
    if (subscription_find(r->session, request.id)) {
        sim_violation(r->session->sim, r->session->id, "LS_subId %" PRIu64 " is in use", request.id);
        fail(r, 65, "LS_subId is in use");
        return;
    }
    check_sub_id(r, request.id);
    r->code = subscription_add(r->session, &request, &r->text);
}

/* --- the other operations --- */

static struct subscription *find(struct control *r)
{
    uint64_t id = params_number(r->params, "LS_subId", 0);
    struct subscription *sub = subscription_find(r->session, id);

    if (!sub)
        fail(r, 19, "Specified subscription not found");
    if (!sub && id > r->session->last_sub_id)
        sim_violation(r->session->sim, r->session->id, "LS_subId %" PRIu64 " was never subscribed", id);
    return sub;
}

static void delete (struct control *r)
{
    struct subscription *sub = find(r);

    if (sub)
        subscription_delete(sub);
}

static void reconf(struct control *r)
{
    struct subscription *sub = find(r);

    if (sub && subscription_reconf(sub, params_text(r->params, "LS_requested_max_frequency")) != 0)
        fail(r, 13, "The subscription is unfiltered");
}

static void constrain(struct control *r)
{
    session_constrain(r->session, params_text(r->params, "LS_requested_max_bandwidth"));
}

static void force_rebind(struct control *r)
{
    session_loop(r->session, params_number(r->params, "LS_polling_millis", 0),
                 params_is(r->params, "LS_close_socket", "true"));
}

static void destroy(struct control *r)
{
    struct conn *stream = r->session->conn;
    struct span message = params_text(r->params, "LS_cause_message");
    AUTO_FREE char *text = memory_dup(message.at ? message : SPAN("null"));
    int code = 31;

    if (span_to_int(params_text(r->params, "LS_cause_code"), &code))
        code = code > 0 ? 0 : code;
    session_end(r->session, code, params_get(r->params, "LS_cause_code") ? text : "Destroy invoked by client",
                "destroyed");
    session_tell(r->conn->sim, span_of(r->session->id));
    if (stream && params_is(r->params, "LS_close_socket", "true"))
        stream->close_after = true;
}

static void msg(struct control *r)
{
    r->code = message_take(r->session, r->params);
    if (r->code != 0)
        r->text = "The message's number is too low";
}

/* --- what they have in common --- */

static void obey(struct control *r, enum rules rules)
{
    static void (*const operations[])(struct control *) = {
        [RULES_ADD] = add,
        [RULES_DELETE] = delete,
        [RULES_RECONF] = reconf,
        [RULES_CONSTRAIN] = constrain,
        [RULES_FORCE_REBIND] = force_rebind,
        [RULES_DESTROY] = destroy,
        [RULES_MSG] = msg,
    };
    const struct refusal *refusal = faults_refuse_operation(&r->conn->sim->faults, rules);

    if (refusal && rules == RULES_ADD)
        check_sub_id(r, params_number(r->params, "LS_subId", 0)); /* it is spent all the same */
    if (refusal)
        fail(r, refusal->code, refusal->text ? refusal->text : "Refused by the script");
    else
        operations[rules](r);
}

static void check_request_id(struct session *s, struct span id)
{
    char *copy;

    if (map_get(&s->request_ids, id)) {
        sim_violation(s->sim, s->id, "LS_reqId %.*s twice", SPAN_ARG(id));
        return;
    }
    if (s->request_ids.count >= SESSION_MAX_REQUEST_IDS)
        return;
    copy = memory_dup(id);
    memory_map_add(&s->request_ids, span_make(copy, id.len), copy);
}

struct session *control_find_session(struct conn *c, struct span id)
{
    struct session *s = session_find(c->sim, id);
    unsigned told;

    if (s)
        session_heard(s);
    if (s || id.len == 0)
        return s;
    if (!session_was(c->sim, id, &told))
        sim_violation(c->sim, "client", "a request for a session that never was: %.*s", SPAN_ARG(id));
    if (!c->stalled)
        session_tell(c->sim, id);
    return NULL;
}

static void add_reply(struct buf *replies, const struct control *r)
{
    struct span id = params_text(r->params, "LS_reqId");
    bool silent = r->conn->ws && params_is(r->params, "LS_ack", "false");

    if (r->code != 0 && id.len > 0)
        buf_printf(replies, "REQERR,%.*s,%d,", SPAN_ARG(id), r->code);
    else if (r->code != 0)
        buf_printf(replies, "ERROR,%d,", r->code);
    else if (!silent)
        buf_printf(replies, "REQOK,%.*s\r\n", SPAN_ARG(id));
    if (r->code != 0) {
        encode_argument(replies, span_of(r->text));
        buf_add_text(replies, "\r\n");
    }
}

static enum rules rules_of(struct span name, const struct params *p)
{
    return span_is(name, "msg") ? RULES_MSG : rules_of_operation(params_text(p, "LS_op"));
}

static void handle_line(struct conn *c, struct span name, struct span session, struct span line,
                        struct buf *replies)
{
    CLEANUP(params_done) struct params p = {0};
    struct control r = {.conn = c, .params = &p};
    enum rules rules;
    const char *fault;

    params_parse(&p, line);
    if (params_get(&p, "LS_session"))
        session = params_text(&p, "LS_session");
    else if (!session.at && c->ws)
        session = span_of(c->last_session);
    rules = rules_of(name, &p);
    if (rules == RULES_NONE) {
        sim_violation(c->sim, "client", "no or an unknown LS_op");
        fail(&r, 67, "Unknown operation");
        add_reply(replies, &r);
        return;
    }
    fault = rules_check(c, rules, &p, session.at);
    r.session = control_find_session(c, session);
    if (r.session && params_get(&p, "LS_reqId"))
        check_request_id(r.session, params_text(&p, "LS_reqId"));
    if (fault)
        fail(&r, 65, fault);
    else if (!r.session)
        fail(&r, 20, "Specified session not found");
    else if (r.session->dialect != &dialect_tlcp)
        fail(&r, 3, "The session speaks another protocol");
    else
        obey(&r, rules);
    add_reply(replies, &r);
}

/* A heartbeat is answered over HTTP alone, and does not mind an unknown session. */
static void handle_heartbeat(struct conn *c, struct span session, struct span line)
{
    CLEANUP(params_done) struct params p = {0};
    struct session *s;

    params_parse(&p, line);
    rules_check(c, RULES_HEARTBEAT, &p, true);
    if (params_get(&p, "LS_session"))
        session = params_text(&p, "LS_session");
    else if (!session.at && c->ws)
        session = span_of(c->last_session);
    s = session_find(c->sim, session);
    if (s)
        session_heard(s);
    if (!c->ws)
        answer_send(c, REQUEST_CONTROL, SPAN("REQOK\r\n"));
}

void control_batch(struct conn *c, struct span name, struct span session, struct span lines)
{
    AUTO_BUF struct buf replies = BUF_INIT(CONN_MAX_OUTPUT);
    struct span line;
    bool any = false;

    if (!lines.at)
        lines = span_make("", 0);
    if (span_is(name, "heartbeat")) {
        span_cut(&lines, '\n', &line);
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        handle_heartbeat(c, session, line);
        return;
    }
    while (span_cut(&lines, '\n', &line)) {
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        else if (lines.at)
            sim_violation(c->sim, "client", "a line that ends in LF alone");
        if (line.len == 0)
            continue;
        any = true;
        handle_line(c, name, session, line, &replies);
    }
    if (!any) {
        sim_violation(c->sim, "client", "%.*s without parameters", SPAN_ARG(name));
        buf_add_text(&replies, "ERROR,67,Malformed request\r\n");
    }
    if (c->fd >= 0)
        answer_send(c, REQUEST_CONTROL, buf_span(&replies));
}
