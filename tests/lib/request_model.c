#include "request_model.h"

#include <ctype.h>
#include <string.h>

#include "must.h"

#define POLL       "LS_polling LS_polling_millis LS_idle_millis"
#define STREAM     "LS_keepalive_millis LS_inactivity_millis LS_send_sync"
#define CONNECTION POLL " " STREAM " LS_content_length"
#define CONTROL    "LS_session LS_reqId LS_op"
#define TEXT       "LS_polling LS_polling_millis LS_idle_millis LS_keepalive_millis LS_content_length"
#define TEXT_ADD                                                                                             \
    "LS_session LS_op LS_table LS_id LS_schema LS_mode LS_data_adapter LS_adapter LS_selector LS_snapshot "  \
    "LS_requested_max_frequency LS_requested_buffer_size"

/* Every request there is, and every parameter that it may have. What TLCP knows besides is not sent: LS_reduce_head, LS_ttl_millis, LS_ack, LS_outcome (the
 * default is what is wanted), LS_close_socket, LS_cause_code and LS_cause_message, and everything of mobile push. */
struct request {
    const char *name, *operation, *parameters;
};
static const struct request tlcp_requests[] = {
    {"create_session", NULL,
     "LS_cid LS_user LS_password LS_adapter_set LS_requested_max_bandwidth LS_supported_diffs " CONNECTION},
    {"bind_session", NULL, "LS_session LS_recovery_from " CONNECTION},
    {"control", "add",
     CONTROL " LS_subId LS_group LS_schema LS_mode LS_data_adapter LS_selector LS_snapshot "
             "LS_requested_max_frequency LS_requested_buffer_size"},
    {"control", "delete", CONTROL " LS_subId"},
    {"control", "reconf", CONTROL " LS_subId LS_requested_max_frequency"},
    {"control", "constrain", CONTROL " LS_requested_max_bandwidth"},
    {"control", "force_rebind", CONTROL},
    {"control", "destroy", CONTROL},
    {"msg", NULL, "LS_session LS_reqId LS_message LS_sequence LS_msg_prog LS_max_wait"},
    {"heartbeat", NULL, "LS_session"},
};
static const struct request text_requests[] = {
    {"create_session", NULL,
     "LS_op2 LS_cid LS_user LS_password LS_adapter_set LS_requested_max_bandwidth LS_report_info " TEXT},
    {"bind_session", NULL, "LS_session " TEXT},
    {"control", "add", TEXT_ADD},
    {"control", "add_silent", TEXT_ADD},
    {"control", "start", "LS_session LS_op LS_table"},
    {"control", "delete", "LS_session LS_op LS_table"},
    {"control", "reconf", "LS_session LS_op LS_table LS_requested_max_frequency"},
    {"control", "constrain", "LS_session LS_op LS_requested_max_bandwidth"},
    {"control", "force_rebind", "LS_session LS_op"},
    {"control", "destroy", "LS_session LS_op"},
    {"send_message", NULL, "LS_session LS_message LS_sequence LS_msg_prog LS_max_wait"},
};

/* ---- parameters ---- */

static bool in_words(struct span words, struct span word)
{
    struct span w;
    while (span_cut(&words, ' ', &w))
        if (span_equal(w, word))
            return true;
    return false;
}

/* The parameter NAME= of a request's line. */
static bool parameter(struct span line, struct span name, struct span *ret)
{
    struct span pair, key;
    while (span_cut(&line, '&', &pair))
        if (span_cut(&pair, '=', &key) && span_equal(key, name)) {
            *ret = pair;
            return true;
        }
    return false;
}

static uint64_t number(struct span line, struct span name)
{
    struct span value;
    uint64_t n = 0;
    MUST(parameter(line, name, &value) && span_to_u64(value, UINT64_MAX, &n));
    return n;
}

static void check_value(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        MUST(c > ' ' && c < 0x7f && c != '+' && c != '=');
        MUST(c != '%' || (i + 2 < value.len && isxdigit((unsigned char)value.at[i + 1]) &&
                          isxdigit((unsigned char)value.at[i + 2])));
    }
}

static struct span allowed_parameters(const struct request_model *m, struct span name, struct span line)
{
    const struct request *requests = m->text ? text_requests : tlcp_requests;
    size_t n = m->text ? ARRAY_LENGTH(text_requests) : ARRAY_LENGTH(tlcp_requests);
    struct span operation = SPAN_EMPTY;
    bool has_operation = parameter(line, SPAN("LS_op"), &operation);
    for (size_t i = 0; i < n; i++)
        if (span_is(name, requests[i].name) &&
            (requests[i].operation ? has_operation && span_is(operation, requests[i].operation)
                                   : !has_operation))
            return span_of(requests[i].parameters);
    must_abort("a request that there is", __FILE__, __LINE__);
}

static void check_parameters(const struct request_model *m, struct span name, struct span line)
{
    struct span allowed = allowed_parameters(m, name, line), rest = line, pair, key, again;
    while (span_cut(&rest, '&', &pair)) {
        MUST(span_cut(&pair, '=', &key) && pair.at);
        MUST(in_words(allowed, key));
        MUST(!parameter(rest, key, &again));
        check_value(pair);
    }
    struct span names = SPAN(STREAM), stream_only;
    while (parameter(line, SPAN("LS_polling"), &again) && span_cut(&names, ' ', &stream_only))
        MUST(!parameter(line, stream_only, &again));
}

/* ---- requests ---- */

static void check_id(struct request_model *m, struct span line)
{
    if (m->text)
        return;
    uint64_t id = number(line, SPAN("LS_reqId"));
    MUST(id > m->request_id);
    m->request_id = id;
}

static void check_control(struct request_model *m, struct span line)
{
    struct span operation;
    check_id(m, line);
    if (parameter(line, SPAN("LS_op"), &operation) && span_starts(operation, SPAN("add")))
        MUST(number(line, m->text ? SPAN("LS_table") : SPAN("LS_subId")) == ++m->sub_id);
}

/* Where the last number of the line's sequence is kept; what falls to the same place for two names is checked less. */
static uint64_t *number_place(struct request_model *m, struct span line)
{
    struct span name;
    uint64_t hash = 0;
    if (!parameter(line, SPAN("LS_sequence"), &name))
        return &m->unordered;
    MUST(session_is_sequence(name));
    for (size_t i = 0; i < name.len; i++)
        hash = hash * 31 + (unsigned char)name.at[i];
    return &m->numbers[hash % ARRAY_LENGTH(m->numbers)];
}

/* A number is used again only in a sequence, and none is left out. */
static void check_msg(struct request_model *m, struct span line)
{
    uint64_t prog, *last = number_place(m, line);
    struct span value;
    check_id(m, line);
    if (m->text && last == &m->unordered)
        return;
    prog = number(line, SPAN("LS_msg_prog"));
    MUST(parameter(line, SPAN("LS_message"), &value));
    MUST(prog >= 1 && prog <= *last + 1 && (last != &m->unordered || prog == *last + 1));
    MUST(last != &m->unordered || !parameter(line, SPAN("LS_max_wait"), &value));
    if (prog > *last)
        *last = prog;
}

static void check_bind(struct request_model *m, struct span line)
{
    struct span value;
    MUST(parameter(line, SPAN("LS_session"), &value) && value.len);
    if (!parameter(line, SPAN("LS_recovery_from"), &value))
        return;
    uint64_t from = number(line, SPAN("LS_recovery_from"));
    MUST(from >= m->recovery_from);
    m->recovery_from = from;
}

static void check_create(struct request_model *m, struct span line)
{
    if (m->text)
        MUST(span_starts(line, SPAN("LS_op2=create&")));
    line = span_from(line, m->text ? strlen("LS_op2=create&") : 0);
    MUST(span_starts(line, SPAN("LS_cid=mgQkwtwdysogQz2BJ4Ji%20kOj2Bg")));
    m->sub_id = m->recovery_from = m->unordered = 0;
    memset(m->numbers, 0, sizeof m->numbers);
}

static void check_line(struct request_model *m, struct span name, struct span line)
{
    check_parameters(m, name, line);
    if (span_is(name, "create_session"))
        check_create(m, line);
    else if (span_is(name, "bind_session"))
        check_bind(m, line);
    else if (span_is(name, m->text ? "send_message" : "msg"))
        check_msg(m, line);
    else if (!span_is(name, "heartbeat"))
        check_control(m, line);
}

/* Takes a line off *REST: what is before CR LF, or the rest, which must not be empty. */
static struct span take_line(struct span *rest)
{
    struct span line;
    MUST(span_cut(rest, '\n', &line));
    MUST(!rest->at || (line.len && line.at[line.len - 1] == '\r'));
    if (rest->at)
        line.len--;
    return line;
}

/* Only control requests and messages are batched, and none of a batch is empty; a heartbeat on a WebSocket has a line without parameters. */
static void check_request(struct request_model *m, struct span name, struct span lines)
{
    if (span_is(name, "heartbeat") && !lines.len)
        return;
    check_line(m, name, take_line(&lines));
    MUST(!lines.at || span_is(name, "control") || span_is(name, "msg"));
    while (lines.at)
        check_line(m, name, take_line(&lines));
}

static void check_message(struct request_model *m, struct span message)
{
    if (span_is(message, "wsok"))
        return;
    struct span name = take_line(&message);
    MUST(message.at);
    check_request(m, name, message);
}

void request_model_action(struct request_model *m, const struct session_action *a)
{
    m->text = !a->version;
    if (a->kind == SESSION_SEND)
        check_message(m, a->body);
    else if (a->kind == SESSION_OPEN
                 ? !a->websocket
                 : a->kind == SESSION_CONTROL || a->kind == SESSION_FAREWELL || a->kind == SESSION_HEARTBEAT)
        check_request(m, span_of(a->name), a->body);
}
