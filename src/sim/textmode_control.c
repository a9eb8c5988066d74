#include "sim/textmode_control.h"

#include <inttypes.h>

#include "sim/answer.h"
#include "sim/control.h"
#include "sim/dialect.h"
#include "sim/memory.h"
#include "sim/message.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/subscription.h"
#include "sim/textmode_rule.h"

/* One request that is being handled. */
struct control {
    struct session *session;
    const struct params *params;
    int code; /* 0: fine */
    const char *text;
    struct buf outcome; /* what a message that was refused says; owned */
};

static void fail(struct control *r, int code, const char *text)
{
    r->code = code;
    r->text = text;
}

static uint64_t table_of(const struct control *r)
{
    return params_number(r->params, "LS_table", 0);
}

/* --- tables --- */

static uint64_t read_buffer_size(const struct params *p, enum mode mode)
{
    uint64_t otherwise =
        mode == MODE_DISTINCT || params_is(p, "LS_requested_buffer_size", "unlimited") ? UINT64_MAX : 1;
    uint64_t size = params_number(p, "LS_requested_buffer_size", otherwise);

    return size > 0 ? size : UINT64_MAX;
}

/* The data adapter: before server version 4.1 it was called otherwise. */
static struct span read_adapter(const struct sim *sim, const struct params *p)
{
    const char *called = sim->options.adapter_parameter;

    if (!called)
        called = params_get(p, "LS_adapter") ? "LS_adapter" : "LS_data_adapter";
    return params_text(p, called);
}

static void read_table(const struct sim *sim, const struct params *p, struct subscription_request *ret)
{
    struct subscription_request r = {.id = params_number(p, "LS_table", 0)};

    r.mode = control_mode(params_text(p, "LS_mode"));
    r.adapter = read_adapter(sim, p);
    r.group = params_text(p, "LS_id");
    r.schema = params_text(p, "LS_schema");
    r.silent = params_is(p, "LS_op", "add_silent");
    r.snapshot = params_is(p, "LS_snapshot", "true") || params_number(p, "LS_snapshot", 0) > 0;
    r.snapshot_length = params_number(p, "LS_snapshot", UINT64_MAX);
    r.frequency = params_text(p, "LS_requested_max_frequency");
    r.buffer_size = read_buffer_size(p, r.mode);
    *ret = r;
}

/* Remembers the number of a table that goes. There is no word for the last of its lines, so that those of another table
 * with the same number could not be told from them. */
static void spend(struct session *s, uint64_t id)
{
    AUTO_BUF struct buf name = BUF_INIT(24);
    char *copy;

    buf_add_u64(&name, id);
    if (map_get(&s->request_ids, buf_span(&name)) || s->request_ids.count >= SESSION_MAX_REQUEST_IDS)
        return;
    copy = memory_dup(buf_span(&name));
    memory_map_add(&s->request_ids, span_of(copy), copy);
}

static void check_number(struct session *s, uint64_t id)
{
    AUTO_BUF struct buf name = BUF_INIT(24);

    buf_add_u64(&name, id);
    if (id == 0)
        sim_violation(s->sim, s->id, "LS_table 0");
    else if (map_get(&s->request_ids, buf_span(&name)) && !s->sim->options.lenient)
        sim_violation(s->sim, s->id, "LS_table %" PRIu64 " again, after its delete", id);
    if (id > s->last_sub_id)
        s->last_sub_id = id;
}

static void add(struct control *r)
{
    struct session *s = r->session;
    struct subscription_request request;

    read_table(s->sim, r->params, &request);
    if (subscription_find(s, request.id)) {
        sim_violation(s->sim, s->id, "LS_table %" PRIu64 " is in use", request.id);
        fail(r, 65, "LS_table is in use");
        return;
    }
    check_number(s, request.id);
    r->code = subscription_add(s, &request, &r->text);
}

static struct subscription *find(struct control *r)
{
    uint64_t id = table_of(r);
    struct subscription *sub = subscription_find(r->session, id);

    if (!sub)
        fail(r, 19, "Specified table not found");
    if (!sub && id > r->session->last_sub_id)
        sim_violation(r->session->sim, r->session->id, "LS_table %" PRIu64 " was never added", id);
    return sub;
}

static void start(struct control *r)
{
    struct subscription *sub = find(r);

    if (sub)
        subscription_start(sub);
}

static void delete (struct control *r)
{
    struct subscription *sub = find(r);

    if (!sub)
        return;
    spend(r->session, sub->id);
    subscription_delete(sub);
}

static void reconf(struct control *r)
{
    struct span frequency = params_text(r->params, "LS_requested_max_frequency");
    struct subscription *sub = find(r);

    if (sub && (span_is(frequency, "unfiltered") || subscription_reconf(sub, frequency) != 0))
        fail(r, 13, "A table cannot become unfiltered, nor cease to be");
}

/* --- sessions and messages --- */

static void constrain(struct control *r)
{
    session_constrain(r->session, textmode_bandwidth(r->params));
}

static void force_rebind(struct control *r)
{
    session_loop(r->session, params_number(r->params, "LS_polling_millis", 0), false);
}

static void destroy(struct control *r)
{
    int code = 31;

    if (span_to_int(params_text(r->params, "LS_cause_code"), &code))
        code = code > 0 ? 0 : code;
    session_end(r->session, code, "", "destroyed");
    session_tell(r->session->sim, span_of(r->session->id));
}

/* In a sequence its outcome comes on the stream; without one it is the answer. */
static void message(struct control *r)
{
    if (!params_get(r->params, "LS_sequence")) {
        r->code = message_now(r->session, params_text(r->params, "LS_message"), &r->outcome);
        r->text = buf_text(&r->outcome);
        return;
    }
    r->code = message_take(r->session, r->params);
    r->text = "The message's number is too low";
}

/* --- what they have in common --- */

static void obey(struct control *r, enum rules rules)
{
    static void (*const operations[])(struct control *) = {
        [RULES_ADD] = add,         [RULES_START] = start,         [RULES_DELETE] = delete,
        [RULES_RECONF] = reconf,   [RULES_CONSTRAIN] = constrain, [RULES_FORCE_REBIND] = force_rebind,
        [RULES_DESTROY] = destroy, [RULES_MSG] = message,
    };
    const struct refusal *refusal = faults_refuse_operation(&r->session->sim->faults, rules);

    if (refusal && rules == RULES_ADD)
        check_number(r->session, table_of(r));
    if (refusal)
        fail(r, refusal->code, refusal->text ? refusal->text : "Refused by the script");
    else
        operations[rules](r);
}

static void add_reply(struct buf *replies, const struct control *r)
{
    if (r->code == 0)
        buf_add_text(replies, "OK\r\n");
    else
        dialect_text.refusal(replies, r->code, span_of(r->text));
}

static enum rules rules_of(struct conn *c, struct span name, const struct params *p)
{
    enum rules rules = span_is(name, "send_message") ? RULES_MSG : textmode_rules_of(params_text(p, "LS_op"));

    if (rules == RULES_NONE)
        sim_violation(c->sim, "client", "no or an unknown LS_op");
    return rules;
}

static void handle_line(struct conn *c, struct span name, struct span line, struct buf *replies)
{
    CLEANUP(params_done) struct params p = {0};
    struct control r = {.params = &p, .outcome = BUF_INIT(CONN_MAX_INPUT)};
    const char *fault = "Unknown operation";
    enum rules rules;

    params_parse_form(&p, line);
    rules = rules_of(c, name, &p);
    if (rules != RULES_NONE)
        fault = textmode_check(c, rules, &p);
    r.session = control_find_session(c, params_text(&p, "LS_session"));
    if (fault)
        fail(&r, rules == RULES_NONE ? 67 : 65, fault);
    else if (!r.session)
        fail(&r, 20, "");
    else if (r.session->dialect != &dialect_text)
        fail(&r, 3, "The session speaks another protocol");
    else
        obey(&r, rules);
    add_reply(replies, &r);
    buf_done(&r.outcome);
}

void textmode_batch(struct conn *c, struct span name, struct span lines)
{
    AUTO_BUF struct buf replies = BUF_INIT(CONN_MAX_OUTPUT);
    struct span line;
    bool any = false;

    while (span_cut(&lines, '\n', &line)) {
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        else if (lines.at)
            sim_violation(c->sim, "client", "a line that ends in LF alone");
        if (line.len == 0)
            continue;
        any = true;
        handle_line(c, name, line, &replies);
    }
    if (!any) {
        sim_violation(c->sim, "client", "%.*s without parameters", SPAN_ARG(name));
        dialect_text.refusal(&replies, 67, SPAN("Malformed request"));
    }
    if (c->fd >= 0)
        answer_send(c, REQUEST_CONTROL, buf_span(&replies));
}
