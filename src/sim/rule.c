#include "sim/rule.h"

#include "sim/connect.h"
#include "sim/json.h"
#include "sim/sim.h"
#include "sim/ws.h"

#define IN(rules)  (1U << RULES_##rules)
#define IN_CONTROL (IN(ADD) | IN(DELETE) | IN(RECONF) | IN(CONSTRAIN) | IN(FORCE_REBIND) | IN(DESTROY))
#define IN_SUB     (IN(ADD) | IN(DELETE) | IN(RECONF))
#define IN_STREAM  (IN(CREATE) | IN(BIND))

static const struct rule rows[] = {
    {"LS_cid", RULE_TEXT, IN(CREATE), IN(CREATE)},
    {"LS_user", RULE_TEXT, IN(CREATE), 0},
    {"LS_password", RULE_TEXT, IN(CREATE), 0},
    {"LS_adapter_set", RULE_TEXT, IN(CREATE), 0},
    {"LS_requested_max_bandwidth", RULE_LIMIT, IN(CREATE) | IN(CONSTRAIN), 0},
    {"LS_supported_diffs", RULE_DIFFS, IN(CREATE), 0},
    {"LS_ttl_millis", RULE_LIFE, IN(CREATE), 0},
    {"LS_content_length", RULE_NUMBER, IN_STREAM, 0},
    {"LS_reduce_head", RULE_BOOLEAN, IN_STREAM, 0},
    {"LS_polling", RULE_BOOLEAN, IN_STREAM, 0},
    {"LS_polling_millis", RULE_NUMBER, IN_STREAM | IN(FORCE_REBIND), 0},
    {"LS_idle_millis", RULE_NUMBER, IN_STREAM, 0},
    {"LS_inactivity_millis", RULE_NUMBER, IN_STREAM, 0},
    {"LS_keepalive_millis", RULE_NUMBER, IN_STREAM, 0},
    {"LS_send_sync", RULE_BOOLEAN, IN_STREAM, 0},
    {"LS_recovery_from", RULE_NUMBER, IN(BIND), 0},
    {"LS_session", RULE_TEXT, IN(BIND) | IN_CONTROL | IN(MSG) | IN(HEARTBEAT), 0},
    {"LS_reqId", RULE_WORD, IN_CONTROL | IN(MSG), IN_CONTROL | IN(MSG)},
    {"LS_op", RULE_WORD, IN_CONTROL, IN_CONTROL},
    {"LS_subId", RULE_NUMBER, IN_SUB, IN_SUB},
    {"LS_group", RULE_TEXT, IN(ADD), IN(ADD)},
    {"LS_schema", RULE_TEXT, IN(ADD), IN(ADD)},
    {"LS_mode", RULE_MODE, IN(ADD), IN(ADD)},
    {"LS_data_adapter", RULE_TEXT, IN(ADD), 0},
    {"LS_selector", RULE_TEXT, IN(ADD), 0},
    {"LS_snapshot", RULE_SNAPSHOT, IN(ADD), 0},
    {"LS_requested_buffer_size", RULE_LIMIT, IN(ADD), 0},
    {"LS_requested_max_frequency", RULE_FREQUENCY, IN(ADD) | IN(RECONF), 0},
    {"LS_ack", RULE_BOOLEAN, IN(ADD) | IN(DELETE) | IN(MSG), 0},
    {"LS_close_socket", RULE_BOOLEAN, IN(FORCE_REBIND) | IN(DESTROY), 0},
    {"LS_cause_code", RULE_INTEGER, IN(DESTROY), 0},
    {"LS_cause_message", RULE_TEXT, IN(DESTROY), 0},
    {"LS_message", RULE_TEXT, IN(MSG), IN(MSG)},
    {"LS_sequence", RULE_WORD, IN(MSG), 0},
    {"LS_msg_prog", RULE_NUMBER, IN(MSG), 0},
    {"LS_max_wait", RULE_NUMBER, IN(MSG), 0},
    {"LS_outcome", RULE_BOOLEAN, IN(MSG), 0},
};

enum rules rules_of_operation(struct span operation)
{
    static const struct {
        const char *name;
        enum rules rules;
    } operations[] = {
        {"add", RULES_ADD},
        {"delete", RULES_DELETE},
        {"reconf", RULES_RECONF},
        {"constrain", RULES_CONSTRAIN},
        {"force_rebind", RULES_FORCE_REBIND},
        {"destroy", RULES_DESTROY},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        if (span_is(operation, operations[i].name))
            return operations[i].rules;
    }
    return RULES_NONE;
}

static bool all_in(struct span s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!s.at[i] || !strchr(set, s.at[i]))
            return false;
    }
    return s.len > 0;
}

static bool is_number(struct span s)
{
    return all_in(s, "0123456789");
}

static bool is_decimal(struct span s)
{
    struct span fraction = s, whole = SPAN_EMPTY;

    span_cut(&fraction, '.', &whole);
    return is_number(whole) && (!fraction.at || is_number(fraction));
}

static bool is_boolean(struct span s)
{
    return span_is(s, "true") || span_is(s, "false");
}

static bool is_word(struct span s)
{
    return all_in(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_");
}

static bool is_mode(struct span s)
{
    return span_is(s, "MERGE") || span_is(s, "DISTINCT") || span_is(s, "COMMAND") || span_is(s, "RAW");
}

static bool has_form(struct span s, enum rule_form form)
{
    switch (form) {
    case RULE_TEXT: return true;
    case RULE_NUMBER: return is_number(s);
    case RULE_DECIMAL: return is_decimal(s);
    case RULE_INTEGER: return is_number(s.len > 0 && s.at[0] == '-' ? span_from(s, 1) : s);
    case RULE_BOOLEAN: return is_boolean(s);
    case RULE_WORD: return is_word(s);
    case RULE_FREQUENCY: return is_decimal(s) || span_is(s, "unlimited") || span_is(s, "unfiltered");
    case RULE_LIMIT: return is_decimal(s) || span_is(s, "unlimited");
    case RULE_LIFE: return is_number(s) || span_is(s, "unlimited") || span_is(s, "unknown");
    case RULE_SNAPSHOT: return is_boolean(s) || is_number(s);
    case RULE_MODE: return is_mode(s);
    case RULE_DIFFS: return s.len == 0 || all_in(s, "PT,");
    }
    return false;
}

bool rule_is_encoded(struct span s)
{
    return s.len >= 3 && all_in(span_make(s.at + 1, 2), "0123456789ABCDEFabcdef");
}

/* What is wrong with the way a value was encoded, or NULL. */
static const char *encoding_fault(struct span raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.at[i];

        if (c == '=' || c == '+')
            return c == '=' ? "an unencoded '='" : "an unencoded '+'";
        if (c < ' ')
            return "an unencoded control character";
        if (c == '%' && !rule_is_encoded(span_from(raw, i)))
            return "a '%' that begins no encoded character";
    }
    return NULL;
}

static const struct rule *rule_of(const struct rule_book *book, struct span name)
{
    for (size_t i = 0; i < book->n; i++) {
        if (span_is(name, book->rows[i].name))
            return &book->rows[i];
    }
    return NULL;
}

static const char *check_param(struct conn *c, const struct rule_book *book, enum rules rules,
                               const struct params *params, const struct param *p)
{
    const struct rule *rule = rule_of(book, p->name);
    const char *fault = book->encoding_fault(p->raw);

    if (book->forgiven(c, p))
        return NULL;
    if (!p->raw.at)
        sim_violation(c->sim, "client", "%.*s without '='", SPAN_ARG(p->name));
    if (fault)
        sim_violation(c->sim, "client", "%s in the value of %.*s", fault, SPAN_ARG(p->name));
    if (params_get(params, rule ? rule->name : "") != p && rule)
        sim_violation(c->sim, "client", "%.*s twice", SPAN_ARG(p->name));
    if (!rule || !(rule->allowed & 1U << rules)) {
        sim_violation(c->sim, "client", "a parameter that does not belong here: %.*s", SPAN_ARG(p->name));
        return NULL;
    }
    if (has_form(p->value, rule->form))
        return NULL;
    sim_violation(c->sim, "client", "%.*s cannot be '%.*s'", SPAN_ARG(p->name), SPAN_ARG(p->value));
    return "Invalid value of a parameter";
}

static const char *check_required(struct conn *c, const struct rule_book *book, enum rules rules,
                                  const struct params *p)
{
    const char *fault = NULL;

    for (size_t i = 0; i < book->n; i++) {
        const struct rule *rule = &book->rows[i];

        if (!(rule->required & 1U << rules) || params_get(p, rule->name))
            continue;
        sim_violation(c->sim, "client", "no %s", rule->name);
        fault = "A parameter is missing";
    }
    return fault;
}

const char *rules_check_book(struct conn *c, const struct rule_book *book, enum rules rules,
                             const struct params *p)
{
    const char *fault = p->too_many ? "Too many parameters" : NULL;

    for (size_t i = 0; i < p->n; i++) {
        const char *wrong = check_param(c, book, rules, p, &p->list[i]);

        fault = fault ? fault : wrong;
    }
    const char *missing = check_required(c, book, rules, p);

    return fault ? fault : missing;
}

const char *rules_forbid(struct conn *c, const struct params *p, const char *name, const char *when)
{
    if (!params_get(p, name))
        return NULL;
    sim_violation(c->sim, "client", "%s %s", name, when);
    return "A parameter that is not allowed here";
}

/* The official clients' notes for the server's log. */
static bool forgiven(const struct conn *c, const struct param *p)
{
    return c->sim->options.lenient && (span_is(p->name, "LS_cause") || span_is(p->name, "LS_old_session"));
}

static const char *check_stream(struct conn *c, const struct params *p)
{
    static const char *const streaming[] = {"LS_inactivity_millis", "LS_keepalive_millis", "LS_send_sync"};
    static const char *const polling[] = {"LS_polling_millis", "LS_idle_millis"};

    if (!params_is(p, "LS_polling", "true")) {
        for (size_t i = 0; i < ARRAY_LENGTH(polling); i++)
            rules_forbid(c, p, polling[i], "without LS_polling=true");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(streaming); i++)
        rules_forbid(c, p, streaming[i], "with LS_polling=true");
    if (params_get(p, "LS_polling_millis"))
        return NULL;
    sim_violation(c->sim, "client", "LS_polling=true without LS_polling_millis");
    return "LS_polling_millis is missing";
}

static const char *check_create(struct conn *c, const struct params *p)
{
    if (c->sim->options.lenient)
        return NULL;
    if (!params_is(p, "LS_cid", CONNECT_CID))
        sim_violation(c->sim, "client", "a wrong LS_cid");
    return NULL;
}

static const char *check_add(struct conn *c, const struct params *p)
{
    struct span snapshot = params_text(p, "LS_snapshot");

    if (!is_number(snapshot) || params_is(p, "LS_mode", "DISTINCT"))
        return NULL;
    sim_violation(c->sim, "client", "a snapshot length in a mode other than DISTINCT");
    return "LS_snapshot is a number in DISTINCT alone";
}

static const char *check_msg(struct conn *c, const struct params *p)
{
    bool outcome = !params_is(p, "LS_outcome", "false");

    if (params_is(p, "LS_sequence", "UNORDERED_MESSAGES")) {
        sim_violation(c->sim, "client", "the reserved sequence UNORDERED_MESSAGES");
        return "UNORDERED_MESSAGES is reserved";
    }
    if (params_get(p, "LS_msg_prog") || (!params_get(p, "LS_sequence") && !outcome))
        return NULL;
    sim_violation(c->sim, "client", "no LS_msg_prog where a sequence or an outcome is asked for");
    return "LS_msg_prog is missing";
}

static const char *check_together(struct conn *c, enum rules rules, const struct params *p)
{
    if (rules == RULES_ADD)
        return check_add(c, p);
    if (rules == RULES_MSG)
        return check_msg(c, p);
    if (rules == RULES_RECONF && params_is(p, "LS_requested_max_frequency", "unfiltered"))
        return rules_forbid(c, p, "LS_requested_max_frequency", "cannot become unfiltered");
    if (rules != RULES_CREATE && rules != RULES_BIND)
        return NULL;
    const char *fault = check_stream(c, p);

    return fault || rules == RULES_BIND ? fault : check_create(c, p);
}

/* What came with a later version than the one that the request is written in. */
static void check_version(struct conn *c, const struct params *p)
{
    static const struct {
        const char *name;
        uint64_t version;
    } news[] = {
        {"LS_supported_diffs", 240},
        {"LS_ack", 230},
        {"LS_reduce_head", 220},
        {"LS_ttl_millis", 220},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(news); i++) {
        if (c->version < news[i].version && params_get(p, news[i].name))
            sim_violation(c->sim, "client", "%s, which is not known before 2.%u.0", news[i].name,
                          (unsigned)(news[i].version / 10 % 10));
    }
}

const char *rules_check(struct conn *c, enum rules rules, const struct params *p, bool session_given)
{
    static const struct rule_book book = {
        .rows = rows,
        .n = ARRAY_LENGTH(rows),
        .encoding_fault = encoding_fault,
        .forgiven = forgiven,
    };
    const char *fault = rules_check_book(c, &book, rules, p), *together = check_together(c, rules, p);

    check_version(c, p);
    if (c->ws && c->version < 220 && (IN_CONTROL | IN(MSG)) & 1U << rules && !params_get(p, "LS_session"))
        sim_violation(c->sim, "client", "no LS_session on a WebSocket, which is fine since 2.2.0 alone");
    if (!c->ws && rules != RULES_CREATE && rules != RULES_HEARTBEAT && !session_given) {
        sim_violation(c->sim, "client", "no LS_session over HTTP");
        fault = fault ? fault : "LS_session is missing";
    }
    return fault ? fault : together;
}
