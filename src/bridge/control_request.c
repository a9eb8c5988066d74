/* What a request asks for, and the reply (control_answer). */
#include "bridge/control_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bridge/json.h"
#include "proto/jsontext.h"

/* A frequency or a bandwidth: more digits than this mean nothing. */
enum { AMOUNT_MAX_BYTES = 24 };

/* A day is longer than anybody waits. */
enum { TIME_MAX_MS = 24 * 3600 * 1000 };

static const char *const key_names[N_KEYS] = {"session",     "table",         "item",
                                              "key",         "limit",         "after",
                                              "level",       "max_frequency", "max_bandwidth_kbps",
                                              "table",       "text",          "sequence",
                                              "max_wait_ms", "timeout_ms"};

int request_fail(struct request *q, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_add_text(&q->error, text);
    return 0;
}

/* ---- reading a request ---- */

/* One of the keys in ALLOWED. */
static bool find_key(struct span name, unsigned allowed, enum key *ret)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (allowed & BIT(i) && span_is(name, key_names[i])) {
            *ret = (enum key)i;
            return true;
        }
    return false;
}

static int take_limit(struct request *q, const struct jsondoc_node *value)
{
    uint64_t limit;
    if (value->type != JSONDOC_NUMBER || !span_to_u64(value->text, ROWS_LIMIT_MAX, &limit) || limit == 0)
        return request_fail(q, "\"limit\" must be an integer from 1 to %d", ROWS_LIMIT_MAX);
    q->limit = limit;
    return 0;
}

static int take_ms(struct request *q, enum key key, const struct jsondoc_node *value, uint64_t least,
                   uint64_t *ret)
{
    uint64_t ms;
    if (value->type != JSONDOC_NUMBER || !span_to_u64(value->text, TIME_MAX_MS, &ms) || ms < least)
        return request_fail(q, "\"%s\" must be an integer from %d to %d", key_names[key], (int)least,
                            TIME_MAX_MS);
    *ret = ms;
    return 0;
}

/* Above 0, as a server can take it: no sign, no exponent. */
static bool is_amount(struct span text)
{
    bool above_0 = false, dot = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool inside = i > 0 && i + 1 < text.len;
        if (!(c >= '0' && c <= '9') && !(c == '.' && inside && !dot))
            return false;
        dot |= c == '.';
        above_0 |= c >= '1' && c <= '9';
    }
    return above_0 && text.len <= AMOUNT_MAX_BYTES;
}

/* A number or "unlimited"; a number may be a string, too. */
static int take_amount(struct request *q, enum key key, const struct jsondoc_node *value)
{
    bool text = value->type == JSONDOC_NUMBER || value->type == JSONDOC_STRING;
    if (!text || !(is_amount(value->text) || span_is(value->text, "unlimited")))
        return request_fail(q, "\"%s\" must be a number above 0, without an exponent, or \"unlimited\"",
                            key_names[key]);
    q->texts[key] = span_dup(value->text);
    return q->texts[key] ? 0 : -ENOMEM;
}

static int take_member(struct request *q, const struct command *command, const struct jsondoc_node *member)
{
    enum key key;
    if (span_is(member->name, "cmd") || span_is(member->name, "id"))
        return 0;
    if (!find_key(member->name, command->required | command->optional, &key))
        return request_fail(q, "\"%s\" takes no key \"%.*s\"", command->name, SPAN_ARG(member->name));
    q->given |= BIT(key);
    if (key == KEY_LIMIT)
        return take_limit(q, member);
    if (key == KEY_TABLE_OBJECT) {
        q->table = member;
        return member->type == JSONDOC_OBJECT ? 0 : request_fail(q, "\"table\" must be an object");
    }
    if (key == KEY_MAX_FREQUENCY || key == KEY_MAX_BANDWIDTH)
        return take_amount(q, key, member);
    if (key == KEY_MAX_WAIT)
        return take_ms(q, key, member, 0, &q->max_wait_ms);
    if (key == KEY_TIMEOUT)
        return take_ms(q, key, member, 1, &q->timeout_ms);
    if (member->type != JSONDOC_STRING)
        return request_fail(q, "\"%s\" must be a string", key_names[key]);
    bool may_hold_nul = key == KEY_ITEM || key == KEY_KEY || key == KEY_TEXT;
    if (!may_hold_nul && member->text.len && memchr(member->text.at, '\0', member->text.len))
        return request_fail(q, "\"%s\" must not hold U+0000", key_names[key]);
    q->texts[key] = span_dup(member->text);
    q->lengths[key] = member->text.len;
    return q->texts[key] ? 0 : -ENOMEM;
}

static int take_members(struct request *q, const struct command *command, const struct jsondoc_node *object)
{
    LIST_EACH(link, &object->children) {
        int r = take_member(q, command, jsondoc_at(link));
        if (r < 0 || q->error.len)
            return r;
    }
    for (size_t i = 0; i < N_KEYS; i++)
        if (command->required & ~q->given & BIT(i))
            return request_fail(q, "\"%s\" needs \"%s\"", command->name, key_names[i]);
    return 0;
}

static const struct command *find_command(struct request *q, const struct jsondoc_node *cmd)
{
    if (!cmd || cmd->type != JSONDOC_STRING) {
        request_fail(q, "a request needs \"cmd\", a string");
        return NULL;
    }
    const struct command *found = command_find(cmd->text);
    if (found)
        return found;
    request_fail(q, "there is no command \"%.*s\"", (int)(cmd->text.len < 64 ? cmd->text.len : 64),
                 cmd->text.at ? cmd->text.at : "");
    return NULL;
}

static int run_request(struct request *q, struct jsondoc *doc, struct span text,
                       const struct jsondoc_node **ret_id)
{
    const struct jsondoc_node *root = jsontext_read(doc, text);
    if (!root || root->type != JSONDOC_OBJECT)
        return request_fail(q, "a request is one JSON object");
    *ret_id = jsondoc_member(doc, root, SPAN("id"));
    const struct command *command = find_command(q, jsondoc_member(doc, root, SPAN("cmd")));
    if (!command)
        return 0;
    int r = take_members(q, command, root);
    q->doc = doc;
    return r < 0 || q->error.len ? r : command->run(q);
}

static void end_reply(struct buf *reply, const struct jsondoc_node *id)
{
    if (id) {
        json_name(reply, "id");
        jsontext_write(id, reply);
    }
    json_close(reply, '}');
}

void control_answer(struct bridge *b, struct span text, struct buf *reply, struct control_later *ret_later)
{
    struct request q = {.b = b,
                        .limit = ROWS_LIMIT_DEFAULT,
                        .max_wait_ms = SESSION_MAX_WAIT_UNSET,
                        .reply = reply,
                        .error = BUF_INIT(ROWS_MAX_BYTES)};
    struct jsondoc doc = {0};
    const struct jsondoc_node *id = NULL;
    buf_clear(reply);
    json_open(reply, '{');
    json_bool(reply, "ok", true);
    int r = run_request(&q, &doc, text, &id);
    if (r < 0)
        buf_add_text(&q.error, strerror(-r));
    if (q.error.len) {
        buf_clear(reply);
        json_open(reply, '{');
        json_bool(reply, "ok", false);
        json_span(reply, "error", buf_span(&q.error));
    }
    *ret_later = q.later;
    if (q.later.token)
        buf_clear(reply);
    end_reply(reply, id);
    for (size_t i = 0; i < N_KEYS; i++)
        free(q.texts[i]);
    buf_done(&q.error);
    jsondoc_done(&doc);
}
