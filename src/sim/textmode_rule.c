#include "sim/textmode_rule.h"

#include "sim/connect.h"
#include "sim/sim.h"

#define IN(rules)  (1U << RULES_##rules)
#define IN_STREAM  (IN(CREATE) | IN(BIND))
#define IN_TABLE   (IN(ADD) | IN(START) | IN(DELETE) | IN(RECONF))
#define IN_CONTROL (IN_TABLE | IN(CONSTRAIN) | IN(FORCE_REBIND) | IN(DESTROY))
#define IN_LIVE    (IN(BIND) | IN_CONTROL | IN(MSG))

static const struct rule rows[] = {
    {"LS_op2", RULE_WORD, IN(CREATE), 0},
    {"LS_cid", RULE_TEXT, IN(CREATE), 0},
    {"LS_user", RULE_TEXT, IN(CREATE), 0},
    {"LS_password", RULE_TEXT, IN(CREATE), 0},
    {"LS_adapter_set", RULE_TEXT, IN(CREATE), 0},
    {"LS_requested_max_bandwidth", RULE_LIMIT, IN_STREAM | IN(CONSTRAIN), IN(CONSTRAIN)},
    {"LS_content_length", RULE_NUMBER, IN_STREAM, 0},
    {"LS_keepalive_millis", RULE_NUMBER, IN_STREAM, 0},
    {"LS_report_info", RULE_BOOLEAN, IN_STREAM, 0},
    {"LS_polling", RULE_BOOLEAN, IN_STREAM, 0},
    {"LS_polling_millis", RULE_NUMBER, IN_STREAM | IN(FORCE_REBIND), 0},
    {"LS_idle_millis", RULE_NUMBER, IN_STREAM, 0},
    {"LS_session", RULE_TEXT, IN_LIVE, IN_LIVE},
    {"LS_op", RULE_WORD, IN_CONTROL, IN_CONTROL},
    {"LS_table", RULE_NUMBER, IN_TABLE, IN_TABLE},
    {"LS_id", RULE_TEXT, IN(ADD), IN(ADD)},
    {"LS_schema", RULE_TEXT, IN(ADD), IN(ADD)},
    {"LS_mode", RULE_MODE, IN(ADD), IN(ADD)},
    {"LS_data_adapter", RULE_TEXT, IN(ADD), 0},
    {"LS_adapter", RULE_TEXT, IN(ADD), 0},
    {"LS_selector", RULE_TEXT, IN(ADD), 0},
    {"LS_snapshot", RULE_SNAPSHOT, IN(ADD), 0},
    {"LS_requested_buffer_size", RULE_LIMIT, IN(ADD), 0},
    {"LS_requested_max_frequency", RULE_FREQUENCY, IN(ADD) | IN(RECONF), IN(RECONF)},
    {"LS_cause_code", RULE_INTEGER, IN(DESTROY), 0},
    {"LS_message", RULE_TEXT, IN(MSG), IN(MSG)},
    {"LS_sequence", RULE_WORD, IN(MSG), 0},
    {"LS_msg_prog", RULE_NUMBER, IN(MSG), 0},
    {"LS_max_wait", RULE_NUMBER, IN(MSG), 0},
};

enum rules textmode_rules_of(struct span operation)
{
    if (span_is(operation, "add_silent"))
        return RULES_ADD;
    return span_is(operation, "start") ? RULES_START : rules_of_operation(operation);
}

/* A form's encoding: letters, digits and a few marks stand for themselves, a blank is '+', the rest is %XX. */
static const char *encoding_fault(struct span raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (c == '%' && !rule_is_encoded(span_from(raw, i)))
            return "a '%' that begins no encoded character";
        if (!letter && (c == 0 || !strchr("%+-._~*!'(),", c)))
            return "an unencoded character";
    }
    return NULL;
}

/* What public clients say where they have nothing to say: py-lightstreamer, and the Ruby client without a user. */
static bool forgiven(const struct conn *c, const struct param *p)
{
    bool empty = span_is(p->name, "LS_snapshot") ? span_is(p->value, "False") : !p->raw.at;

    return c->sim->options.lenient && empty;
}

static const char *check_stream(struct conn *c, enum rules rules, const struct params *p)
{
    if (rules == RULES_CREATE && !c->sim->options.lenient) {
        if (!params_is(p, "LS_op2", "create"))
            sim_violation(c->sim, "client", "no LS_op2=create");
        if (!params_is(p, "LS_cid", CONNECT_CID))
            sim_violation(c->sim, "client", "a wrong LS_cid");
    }
    if (!params_is(p, "LS_polling", "true")) {
        rules_forbid(c, p, "LS_polling_millis", "without LS_polling=true");
        rules_forbid(c, p, "LS_idle_millis", "without LS_polling=true");
        return NULL;
    }
    if (params_get(p, "LS_polling_millis"))
        return NULL;
    sim_violation(c->sim, "client", "LS_polling=true without LS_polling_millis");
    return "LS_polling_millis is missing";
}

static const char *check_add(struct conn *c, const struct params *p)
{
    const char *called = c->sim->options.adapter_parameter;
    struct span snapshot = params_text(p, "LS_snapshot");
    uint64_t length;

    if (!called)
        called = params_get(p, "LS_adapter") ? "LS_adapter" : "LS_data_adapter";
    rules_forbid(c, p, span_is(span_of(called), "LS_adapter") ? "LS_data_adapter" : "LS_adapter",
                 "is not what this server calls it");
    if (!span_to_u64(snapshot, UINT64_MAX, &length) || params_is(p, "LS_mode", "DISTINCT"))
        return NULL;
    sim_violation(c->sim, "client", "a snapshot length in a mode other than DISTINCT");
    return "LS_snapshot is a number in DISTINCT alone";
}

static const char *check_message(struct conn *c, const struct params *p)
{
    if (params_get(p, "LS_sequence") && !params_get(p, "LS_msg_prog")) {
        sim_violation(c->sim, "client", "LS_sequence without LS_msg_prog");
        return "LS_msg_prog is missing";
    }
    if (!params_get(p, "LS_sequence")) {
        rules_forbid(c, p, "LS_msg_prog", "without LS_sequence");
        rules_forbid(c, p, "LS_max_wait", "without LS_sequence");
    }
    return NULL;
}

static const char *check_together(struct conn *c, enum rules rules, const struct params *p)
{
    if (rules == RULES_ADD)
        return check_add(c, p);
    if (rules == RULES_MSG)
        return check_message(c, p);
    return rules == RULES_CREATE || rules == RULES_BIND ? check_stream(c, rules, p) : NULL;
}

const char *textmode_check(struct conn *c, enum rules rules, const struct params *p)
{
    static const struct rule_book book = {
        .rows = rows,
        .n = ARRAY_LENGTH(rows),
        .encoding_fault = encoding_fault,
        .forgiven = forgiven,
    };
    const char *fault = rules_check_book(c, &book, rules, p), *together = check_together(c, rules, p);

    return fault ? fault : together;
}

struct span textmode_bandwidth(const struct params *p)
{
    struct span kbps = params_text(p, "LS_requested_max_bandwidth");
    bool zero = kbps.len > 0;

    for (size_t i = 0; i < kbps.len; i++)
        zero &= kbps.at[i] == '0' || kbps.at[i] == '.';
    return zero ? SPAN("unlimited") : kbps;
}
