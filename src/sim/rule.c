#include "sim/rule.h"

#include "sim/json.h"
#include "sim/sim.h"
#include "sim/ws.h"

enum form {
    TEXT,      /* anything */
    NUMBER,    /* digits */
    DECIMAL,   /* digits, perhaps with a dot */
    INTEGER,   /* perhaps negative */
    BOOLEAN,   /* true or false */
    WORD,      /* letters, digits and underscores */
    FREQUENCY, /* decimal, unlimited or unfiltered */
    LIMIT,     /* decimal or unlimited */
    LIFE,      /* number, unlimited or unknown */
    SNAPSHOT,  /* boolean or number */
    MODE,
    DIFFS, /* letters, comma-separated */
};

#define IN(rules)  (1U << RULES_##rules)
#define IN_CONTROL (IN(ADD) | IN(DELETE) | IN(RECONF) | IN(CONSTRAIN) | IN(FORCE_REBIND) | IN(DESTROY))
#define IN_SUB     (IN(ADD) | IN(DELETE) | IN(RECONF))
#define IN_STREAM  (IN(CREATE) | IN(BIND))

static const struct rule {
    const char *name;
    enum form form;
    unsigned allowed, required; /* in which requests */
} rows[] = {
    {"LS_cid", TEXT, IN(CREATE), IN(CREATE)},
    {"LS_user", TEXT, IN(CREATE), 0},
    {"LS_password", TEXT, IN(CREATE), 0},
    {"LS_adapter_set", TEXT, IN(CREATE), 0},
    {"LS_requested_max_bandwidth", LIMIT, IN(CREATE) | IN(CONSTRAIN), 0},
    {"LS_supported_diffs", DIFFS, IN(CREATE), 0},
    {"LS_ttl_millis", LIFE, IN(CREATE), 0},
    {"LS_content_length", NUMBER, IN_STREAM, 0},
    {"LS_reduce_head", BOOLEAN, IN_STREAM, 0},
    {"LS_polling", BOOLEAN, IN_STREAM, 0},
    {"LS_polling_millis", NUMBER, IN_STREAM | IN(FORCE_REBIND), 0},
    {"LS_idle_millis", NUMBER, IN_STREAM, 0},
    {"LS_inactivity_millis", NUMBER, IN_STREAM, 0},
    {"LS_keepalive_millis", NUMBER, IN_STREAM, 0},
    {"LS_send_sync", BOOLEAN, IN_STREAM, 0},
    {"LS_recovery_from", NUMBER, IN(BIND), 0},
    {"LS_session", TEXT, IN(BIND) | IN_CONTROL | IN(MSG) | IN(HEARTBEAT), 0},
    {"LS_reqId", WORD, IN_CONTROL | IN(MSG), IN_CONTROL | IN(MSG)},
    {"LS_op", WORD, IN_CONTROL, IN_CONTROL},
    {"LS_subId", NUMBER, IN_SUB, IN_SUB},
    {"LS_group", TEXT, IN(ADD), IN(ADD)},
    {"LS_schema", TEXT, IN(ADD), IN(ADD)},
    {"LS_mode", MODE, IN(ADD), IN(ADD)},
    {"LS_data_adapter", TEXT, IN(ADD), 0},
    {"LS_selector", TEXT, IN(ADD), 0},
    {"LS_snapshot", SNAPSHOT, IN(ADD), 0},
    {"LS_requested_buffer_size", LIMIT, IN(ADD), 0},
    {"LS_requested_max_frequency", FREQUENCY, IN(ADD) | IN(RECONF), 0},
    {"LS_ack", BOOLEAN, IN(ADD) | IN(DELETE) | IN(MSG), 0},
    {"LS_close_socket", BOOLEAN, IN(FORCE_REBIND) | IN(DESTROY), 0},
    {"LS_cause_code", INTEGER, IN(DESTROY), 0},
    {"LS_cause_message", TEXT, IN(DESTROY), 0},
    {"LS_message", TEXT, IN(MSG), IN(MSG)},
    {"LS_sequence", WORD, IN(MSG), 0},
    {"LS_msg_prog", NUMBER, IN(MSG), 0},
    {"LS_max_wait", NUMBER, IN(MSG), 0},
    {"LS_outcome", BOOLEAN, IN(MSG), 0},
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

static bool has_form(struct span s, enum form form)
{
    switch (form) {
    case TEXT: return true;
    case NUMBER: return is_number(s);
    case DECIMAL: return is_decimal(s);
    case INTEGER: return is_number(s.len > 0 && s.at[0] == '-' ? span_from(s, 1) : s);
    case BOOLEAN: return is_boolean(s);
    case WORD: return is_word(s);
    case FREQUENCY: return is_decimal(s) || span_is(s, "unlimited") || span_is(s, "unfiltered");
    case LIMIT: return is_decimal(s) || span_is(s, "unlimited");
    case LIFE: return is_number(s) || span_is(s, "unlimited") || span_is(s, "unknown");
    case SNAPSHOT: return is_boolean(s) || is_number(s);
    case MODE: return is_mode(s);
    case DIFFS: return s.len == 0 || all_in(s, "PT,");
    }
    return false;
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
        if (c == '%' && (raw.len - i < 3 || !all_in(span_make(raw.at + i + 1, 2), "0123456789ABCDEFabcdef")))
            return "a '%' that begins no encoded character";
    }
    return NULL;
}

static const struct rule *rule_of(struct span name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (span_is(name, rows[i].name))
            return &rows[i];
    }
    return NULL;
}

static const char *check_param(struct conn *c, enum rules rules, const struct params *params,
                               const struct param *p)
{
    const struct rule *rule = rule_of(p->name);
    const char *fault = encoding_fault(p->raw);

    /* The official clients' notes for the server's log. */
    if (c->sim->options.lenient && (span_is(p->name, "LS_cause") || span_is(p->name, "LS_old_session")))
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

static const char *check_required(struct conn *c, enum rules rules, const struct params *p)
{
    const char *fault = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!(rows[i].required & 1U << rules) || params_get(p, rows[i].name))
            continue;
        sim_violation(c->sim, "client", "no %s", rows[i].name);
        fault = "A parameter is missing";
    }
    return fault;
}

static const char *forbid(struct conn *c, const struct params *p, const char *name, const char *when)
{
    if (!params_get(p, name))
        return NULL;
    sim_violation(c->sim, "client", "%s %s", name, when);
    return "A parameter that is not allowed here";
}

static const char *check_stream(struct conn *c, const struct params *p)
{
    static const char *const streaming[] = {"LS_inactivity_millis", "LS_keepalive_millis", "LS_send_sync"};
    static const char *const polling[] = {"LS_polling_millis", "LS_idle_millis"};

    if (!params_is(p, "LS_polling", "true")) {
        for (size_t i = 0; i < ARRAY_LENGTH(polling); i++)
            forbid(c, p, polling[i], "without LS_polling=true");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(streaming); i++)
        forbid(c, p, streaming[i], "with LS_polling=true");
    if (params_get(p, "LS_polling_millis"))
        return NULL;
    sim_violation(c->sim, "client", "LS_polling=true without LS_polling_millis");
    return "LS_polling_millis is missing";
}

static const char *check_create(struct conn *c, const struct params *p)
{
    if (c->sim->options.lenient)
        return NULL;
    if (!params_is(p, "LS_cid", "mgQkwtwdysogQz2BJ4Ji kOj2Bg"))
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
        return forbid(c, p, "LS_requested_max_frequency", "cannot become unfiltered");
    if (rules != RULES_CREATE && rules != RULES_BIND)
        return NULL;
    const char *fault = check_stream(c, p);

    return fault || rules == RULES_BIND ? fault : check_create(c, p);
}

const char *rules_check(struct conn *c, enum rules rules, const struct params *p, bool session_given)
{
    const char *fault = p->too_many ? "Too many parameters" : NULL;

    for (size_t i = 0; i < p->n; i++) {
        const char *wrong = check_param(c, rules, p, &p->list[i]);

        fault = fault ? fault : wrong;
    }
    const char *missing = check_required(c, rules, p), *together = check_together(c, rules, p);

    if (!c->ws && rules != RULES_CREATE && rules != RULES_HEARTBEAT && !session_given) {
        sim_violation(c->sim, "client", "no LS_session over HTTP");
        missing = "LS_session is missing";
    }
    return fault ? fault : missing ? missing : together;
}
