/* The script's commands about how requests are answered, and what is granted. */
#include <stdlib.h>

#include "sim/adapter.h"
#include "sim/command_internal.h"
#include "sim/memory.h"
#include "sim/sim.h"

const char *const command_not_a_number = "a number is expected";

struct span command_word(const struct call *call, size_t at)
{
    return at < call->words->n ? call->words->list[at].text : SPAN_EMPTY;
}

bool command_word_is(const struct call *call, size_t at, const char *text)
{
    return span_is(command_word(call, at), text);
}

bool command_number(const struct call *call, size_t at, uint64_t otherwise, uint64_t *ret)
{
    *ret = otherwise;
    return !command_word(call, at).at || span_to_u64(command_word(call, at), INT64_MAX, ret);
}

char *command_joined(const struct call *call, size_t at)
{
    AUTO_BUF struct buf text = BUF_INIT(WORD_LINE_MAX);

    for (size_t i = at; i < call->words->n; i++) {
        if (i > at)
            buf_add_char(&text, ' ');
        buf_add_span(&text, command_word(call, i));
    }
    return call->words->n > at ? memory_dup(buf_span(&text)) : NULL;
}

/* --- refusals --- */

static bool kind_of(struct span name, enum request_kind *ret)
{
    static const char *const names[] = {"create", "bind", "control"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (span_is(name, names[i])) {
            *ret = (enum request_kind)i;
            return true;
        }
    }
    return false;
}

static enum rules operation_of(struct span name)
{
    return span_is(name, "msg") ? RULES_MSG : rules_of_operation(name);
}

static bool times(const struct call *call, size_t at, uint64_t *ret)
{
    if (!command_word_is(call, at, "always"))
        return command_number(call, at, 1, ret);
    *ret = UINT64_MAX;
    return true;
}

/* What the words from AT on say: CODE [TIMES [TEXT]], or "off". Returns NULL, or what is wrong. */
static const char *read_refusal(const struct call *call, size_t at, struct refusal *ret)
{
    bool off = command_word_is(call, at, "off");

    if (!off && ret->how != REFUSE_CLOSE && !ret->no_code && !span_to_int(command_word(call, at), &ret->code))
        return command_not_a_number;
    if (!off && !times(call, at + 1, &ret->times))
        return command_not_a_number;
    ret->text = command_joined(call, at + 2);
    return NULL;
}

static const char *refuse_kind(const struct call *call, enum request_kind kind)
{
    struct refusal r = {.how = REFUSE_CODE}, *place = &call->sim->faults.refuse[kind];
    const char *fault;
    size_t at = 2;

    if (command_word_is(call, at, "http"))
        r.how = REFUSE_HTTP, at++;
    else if (command_word_is(call, at, "close"))
        r.how = REFUSE_CLOSE;
    else if (command_word_is(call, at, "end"))
        r.how = REFUSE_END, r.no_code = command_word_is(call, ++at, "none");
    fault = read_refusal(call, at, &r);
    if (fault)
        return fault;
    free(place->text);
    *place = r;
    return NULL;
}

static const char *refuse_operation(const struct call *call, enum rules operation)
{
    struct refusal r = {.how = REFUSE_CODE}, *place = &call->sim->faults.refuse_operation[operation];
    const char *fault = read_refusal(call, 2, &r);

    if (fault)
        return fault;
    free(place->text);
    *place = r;
    return NULL;
}

static const char *refuse_item(const struct call *call)
{
    struct refusal r = {.how = REFUSE_CODE};
    const char *fault = read_refusal(call, 3, &r);

    if (!fault)
        faults_set_item(&call->sim->faults, command_word(call, 2), &r);
    return fault;
}

const char *command_refuse(const struct call *call)
{
    struct span what = command_word(call, 1);
    enum rules operation = operation_of(what);
    enum request_kind kind;

    if (kind_of(what, &kind))
        return refuse_kind(call, kind);
    if (span_is(what, "item"))
        return refuse_item(call);
    if (operation != RULES_NONE)
        return refuse_operation(call, operation);
    return "create, bind, control, an operation or item is expected";
}

const char *command_late(const struct call *call)
{
    enum request_kind kind;
    uint64_t ms;

    if (!kind_of(command_word(call, 1), &kind))
        return "create, bind or control is expected";
    if (command_word_is(call, 2, "never"))
        call->sim->faults.late_ms[kind] = -1;
    else if (command_number(call, 2, 0, &ms))
        call->sim->faults.late_ms[kind] = (int64_t)ms;
    else
        return command_not_a_number;
    return NULL;
}

/* --- messages --- */

/* Reads the fate from the words from AT on. Returns NULL, or what is wrong. */
static const char *read_fate(const struct call *call, size_t at, struct message_rule *rule)
{
    if (command_word_is(call, at, "done")) {
        rule->fate = MESSAGE_DONE;
        rule->text = command_joined(call, at + 1);
    } else if (command_word_is(call, at, "fail")) {
        rule->fate = MESSAGE_FAIL;
        rule->text = command_joined(call, at + 2);
        if (!span_to_int(command_word(call, at + 1), &rule->code))
            return command_not_a_number;
    } else if (command_word_is(call, at, "swallow")) {
        rule->fate = MESSAGE_SWALLOW;
    } else if (command_word_is(call, at, "skip")) {
        rule->fate = MESSAGE_SKIP;
    } else if (command_word(call, at).at) {
        return "done, fail, swallow or skip is expected";
    }
    return NULL;
}

const char *command_message(const struct call *call)
{
    struct message_rule *rule = memory_get(sizeof(*rule));
    const char *fault = NULL;
    size_t at = 2;

    rule->pattern = memory_dup(command_word(call, 1));
    if (command_word_is(call, at, "late")) {
        fault = command_number(call, at + 1, 0, &rule->late_ms) ? NULL : command_not_a_number;
        at += 2;
    }
    if (!fault && !command_word_is(call, at, "off"))
        fault = read_fate(call, at, rule);
    if (!fault) {
        faults_set_message(&call->sim->faults, rule);
        return NULL;
    }
    free(rule->pattern);
    free(rule->text);
    free(rule);
    return fault;
}

/* --- what is granted --- */

static bool positive(struct span text, double *ret)
{
    AUTO_FREE char *copy = memory_dup(text);
    char *end;

    *ret = strtod(copy, &end);
    return text.len > 0 && *end == '\0' && *ret > 0;
}

static const char *grant_bandwidth(const struct call *call)
{
    char **place = &call->sim->faults.grant_bandwidth;
    bool off = command_word_is(call, 2, "off");
    double most;

    if (!off && !command_word_is(call, 2, "unmanaged") && !positive(command_word(call, 2), &most))
        return "a number, unmanaged or off is expected";
    free(*place);
    *place = off ? NULL : memory_dup(command_word(call, 2));
    return NULL;
}

const char *command_grant(const struct call *call)
{
    double most = 0;

    if (command_word_is(call, 1, "bandwidth"))
        return grant_bandwidth(call);
    if (!command_word_is(call, 1, "frequency"))
        return "frequency or bandwidth is expected";
    if (!command_word_is(call, 2, "off") && !positive(command_word(call, 2), &most))
        return command_not_a_number;
    call->sim->faults.grant_frequency = most;
    return NULL;
}

const char *command_behind(const struct call *call)
{
    return command_number(call, 1, 0, &call->sim->faults.behind_ms) ? NULL : command_not_a_number;
}

/* --- what is said amiss --- */

const char *command_keep(const struct call *call)
{
    return command_number(call, 1, 0, &call->sim->faults.keep) ? NULL : command_not_a_number;
}

const char *command_prog(const struct call *call)
{
    struct span text = command_word(call, 1);
    int shift;

    if (text.len > 0 && text.at[0] == '+')
        text = span_from(text, 1);
    if (!span_to_int(text, &shift))
        return command_not_a_number;
    call->sim->faults.prog_shift = shift;
    return NULL;
}

const char *command_drop(const struct call *call)
{
    return command_number(call, 1, 1, &call->sim->faults.drop_next) ? NULL : command_not_a_number;
}

const char *command_subok(const struct call *call)
{
    struct faults *f = &call->sim->faults;

    f->wrong_counts =
        command_number(call, 1, 0, &f->wrong_items) && command_number(call, 2, 0, &f->wrong_fields);
    return f->wrong_counts ? NULL : command_not_a_number;
}
