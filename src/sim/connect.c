#include "sim/connect.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/adapter.h"
#include "sim/dialect.h"
#include "sim/encode.h"
#include "sim/http.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/param.h"
#include "sim/rule.h"
#include "sim/session.h"
#include "sim/sim.h"

/* Shorter streams would be nothing but LOOPs. */
#define MIN_CONTENT_LENGTH 1000
#define MIN_KEEPALIVE_MS   50
/* A client may not have heard that its session is over, but not so often. */
#define TOLD_OFTEN_ENOUGH 3
#define MAX_IDLE_MS       30000

void connect_refuse(struct conn *c, const struct dialect *dialect, const char *request, int code,
                    const char *text)
{
    AUTO_BUF struct buf line = BUF_INIT(65536);
    AUTO_BUF struct buf event = BUF_INIT(65536);

    dialect->refusal(&line, code, span_of(text));
    if (c->ws)
        conn_add_lines(c, buf_span(&line));
    else
        http_respond(c, 200, buf_span(&line));
    json_begin(&event, "refused");
    json_text(&event, "request", span_of(request));
    json_number(&event, "code", code);
    json_text(&event, "text", span_of(text));
    json_end(&event);
    sim_emit(c->sim, &event);
}

/* The first line; a second one is not offered (the combined request of the specification). */
struct span connect_only_line(struct conn *c, struct span lines)
{
    struct span line = SPAN_EMPTY;

    span_cut(&lines, '\n', &line);
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    if (lines.len > 0)
        sim_violation(c->sim, "client", "several lines in a request that takes one");
    return line;
}

void connect_read_binding(struct conn *c, const struct params *p, struct binding *ret)
{
    const struct sim_options *o = &c->sim->options;
    struct binding b = {.polling = params_is(p, "LS_polling", "true")};

    b.polling_ms = params_number(p, "LS_polling_millis", 0);
    b.idle_ms = params_number(p, "LS_idle_millis", 0);
    b.idle_ms = b.idle_ms < MAX_IDLE_MS ? b.idle_ms : MAX_IDLE_MS;
    b.keepalive_ms = params_number(p, "LS_keepalive_millis", o->keepalive_ms);
    b.keepalive_ms = b.keepalive_ms > MIN_KEEPALIVE_MS ? b.keepalive_ms : MIN_KEEPALIVE_MS;
    b.inactivity_ms = params_number(p, "LS_inactivity_millis", 0);
    b.content_length_bytes = params_number(p, "LS_content_length", o->content_length_bytes);
    if (b.content_length_bytes < MIN_CONTENT_LENGTH)
        b.content_length_bytes = o->content_length_bytes;
    b.send_sync = !params_is(p, "LS_send_sync", "false");
    b.reduce_head = params_is(p, "LS_reduce_head", "true");
    b.report_info = params_is(p, "LS_report_info", "true");
    b.recovery = params_get(p, "LS_recovery_from");
    b.recovery_from = params_number(p, "LS_recovery_from", 0);
    *ret = b;
}

static unsigned read_diffs(const struct sim *sim, const struct params *p)
{
    struct span offered = params_text(p, "LS_supported_diffs");
    unsigned diffs = 0;

    if (!sim->options.diffs)
        return 0;
    if (!offered.at)
        return ENCODE_PATCH | ENCODE_TLCP_DIFF;
    for (size_t i = 0; i < offered.len; i++)
        diffs |= offered.at[i] == 'P' ? ENCODE_PATCH : offered.at[i] == 'T' ? ENCODE_TLCP_DIFF : 0;
    return diffs;
}

static bool user_is_welcome(const struct sim *sim, const struct params *p)
{
    const struct sim_options *o = &sim->options;

    return !o->user.at || (span_equal(params_text(p, "LS_user"), o->user) &&
                           span_equal(params_text(p, "LS_password"), o->password));
}

static void emit_created(struct session *s, const struct conn *c, const struct params *p)
{
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);

    json_begin(&b, "session");
    json_text(&b, "session", span_of(s->id));
    json_count(&b, "number", s->number);
    json_text(&b, "protocol", span_of(s->dialect->name));
    json_text(&b, "transport", c->ws ? SPAN("ws") : SPAN("http"));
    json_text(&b, "adapter_set", span_of(s->adapter_set));
    if (params_get(p, "LS_user"))
        json_text(&b, "user", params_text(p, "LS_user"));
    json_end(&b);
    sim_emit(s->sim, &b);
}

int connect_admit(const struct conn *c, const struct params *p, const char **ret_text)
{
    struct span set = params_text(p, "LS_adapter_set");

    *ret_text = "Requested Adapter Set not available";
    if (!adapter_set_known(set.len > 0 ? set : SPAN("DEFAULT")))
        return 2;
    *ret_text = "User/password check failed";
    if (!user_is_welcome(c->sim, p))
        return 1;
    *ret_text = "A stream is in place on this WebSocket";
    return c->session ? 69 : 0;
}

/* Why a create is refused: a code, with its *RET_TEXT; 0 when it is not. */
static int fault_of_create(struct conn *c, uint64_t version, const struct params *p, const char **ret_text)
{
    struct sim *sim = c->sim;
    const char *fault = rules_check(c, RULES_CREATE, p, true);
    const struct refusal *refusal = faults_refuse(&sim->faults, REQUEST_CREATE);

    if (refusal) {
        *ret_text = refusal->text ? refusal->text : "Refused by the script";
        return refusal->code;
    }
    *ret_text = fault;
    if (fault)
        return 65;
    *ret_text = "Unsupported protocol version";
    if (version == 0 || version > sim->options.version || sim->options.no_tlcp)
        return 65;
    *ret_text = "Client type not supported";
    if (!sim->options.lenient && !params_is(p, "LS_cid", CONNECT_CID))
        return 71;
    return connect_admit(c, p, ret_text);
}

struct session *connect_new_session(struct conn *c, const struct dialect *dialect, const struct params *p)
{
    struct span set = params_text(p, "LS_adapter_set");
    struct session *s = session_new(c->sim, dialect, set.len > 0 ? set : SPAN("DEFAULT"));

    emit_created(s, c, p);
    return s;
}

void connect_create(struct conn *c, uint64_t version, struct span lines)
{
    CLEANUP(params_done) struct params p = {0};
    const char *text = NULL;
    struct binding binding;
    struct session *s;
    int code;

    params_parse(&p, connect_only_line(c, lines));
    /* Known since 2.4.0. */
    if (!c->sim->options.lenient && version >= 240 && !params_get(&p, "LS_supported_diffs"))
        sim_violation(c->sim, "client", "no LS_supported_diffs: the server may send any");
    code = fault_of_create(c, version, &p, &text);
    if (code != 0) {
        connect_refuse(c, &dialect_tlcp, "create_session", code, text);
        return;
    }
    connect_read_binding(c, &p, &binding);
    s = connect_new_session(c, &dialect_tlcp, &p);
    s->no_cons = binding.reduce_head;
    s->diffs = version >= 240 ? read_diffs(c->sim, &p) : 0;
    s->version = version;
    session_constrain(s, params_text(&p, "LS_requested_max_bandwidth"));
    session_bind(s, c, &binding);
}

/* --- bind --- */

static void check_order(struct session *s, const struct conn *c, const struct binding *b)
{
    if (!b->recovery && s->conn && s->conn != c)
        sim_violation(s->sim, s->id, "a plain bind while another connection has the stream");
    else if (!b->recovery && s->lost)
        sim_violation(s->sim, s->id, "a plain bind after a lost connection: it says that everything arrived");
    if (b->recovery && b->recovery_from > s->sent_most)
        sim_violation(s->sim, s->id, "a recovery from %" PRIu64 ", where %" PRIu64 " were sent",
                      b->recovery_from, s->sent_most);
    if (b->recovery && b->recovery_from < s->confirmed)
        sim_violation(s->sim, s->id,
                      "a recovery from %" PRIu64 ", after %" PRIu64 " were said to have arrived",
                      b->recovery_from, s->confirmed);
}

/* Why a bind of S is refused, as above. */
static int fault_of_bind(struct session *s, const struct conn *c, const struct binding *b,
                         const char **ret_text)
{
    const struct refusal *refusal = faults_refuse(&s->sim->faults, REQUEST_BIND);

    if (refusal) {
        *ret_text = refusal->text ? refusal->text : "Refused by the script";
        return refusal->code;
    }
    *ret_text = "A stream is in place on this WebSocket";
    if (c->session)
        return 69;
    *ret_text = "The progressive to recover from is not kept";
    if (b->recovery && (b->recovery_from > s->sent_most || b->recovery_from + 1 < s->history.first))
        return 4;
    return 0;
}

void connect_note_unknown(struct conn *c, struct span id)
{
    unsigned told;

    if (!session_was(c->sim, id, &told) && id.len > 0)
        sim_violation(c->sim, "client", "a bind of a session that never was: %.*s", SPAN_ARG(id));
    else if (told >= TOLD_OFTEN_ENOUGH)
        sim_violation(c->sim, "client", "binds of a session that is known to be over");
    if (!c->stalled)
        session_tell(c->sim, id);
}

/* What a bind says about what arrived. */
static void confirm(struct session *s, const struct binding *b)
{
    s->confirmed = b->recovery ? b->recovery_from : s->sent;
}

void connect_bind(struct conn *c, uint64_t version, struct span session, struct span lines)
{
    CLEANUP(params_done) struct params p = {0};
    const char *text = NULL, *fault;
    struct binding binding;
    struct session *s;
    int code;

    params_parse(&p, connect_only_line(c, lines));
    if (params_get(&p, "LS_session"))
        session = params_text(&p, "LS_session");
    else if (!session.at && c->ws)
        session = span_of(c->last_session);
    fault = rules_check(c, RULES_BIND, &p, session.at);
    if (fault || version == 0 || version > c->sim->options.version) {
        connect_refuse(c, &dialect_tlcp, "bind_session", 65, fault ? fault : "Unsupported protocol version");
        return;
    }
    connect_read_binding(c, &p, &binding);
    s = session_find(c->sim, session);
    if (!s) {
        connect_note_unknown(c, session);
        connect_refuse(c, &dialect_tlcp, "bind_session", 20, "Specified session not found");
        return;
    }
    if (s->dialect != &dialect_tlcp) {
        connect_refuse(c, &dialect_tlcp, "bind_session", 3, "The session speaks another protocol");
        return;
    }
    check_order(s, c, &binding);
    code = fault_of_bind(s, c, &binding, &text);
    if (code != 0) {
        connect_refuse(c, &dialect_tlcp, "bind_session", code, text);
        if (code == 4)
            session_end(s, 0, NULL, "recovery refused");
        return;
    }
    confirm(s, &binding);
    session_bind(s, c, &binding);
}
