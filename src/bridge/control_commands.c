/* What a request asks for: reading it, the commands, and the reply (control_answer). */
#include "config.h"

#include "bridge/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "bridge/clock.h"
#include "bridge/json.h"
#include "bridge/reload.h"
#include "proto/jsontext.h"

/* A frequency or a bandwidth: more digits than this mean nothing. */
enum { AMOUNT_MAX_BYTES = 24 };

/* Tables are found by walking over them, and each may be as large as a request. What the daemon remembers of those that it had (the number
 * of each item's last message, which never goes back; the last state) stays for its run: some 500 bytes of each. */
enum { TABLES_MAX = 10000, ADDED_MAX = 1000000 };
enum { TIME_MAX_MS = 24 * 3600 * 1000 };

/* A page of `rows` ends here, or at its limit. */
enum { ROWS_MAX_BYTES = 1 << 20, ROWS_LIMIT_DEFAULT = 100, ROWS_LIMIT_MAX = 1000 };
/* ---- one request ---- */

enum key {
    KEY_SESSION,
    KEY_TABLE,
    KEY_ITEM,
    KEY_KEY,
    KEY_LIMIT,
    KEY_AFTER,
    KEY_LEVEL,
    KEY_MAX_FREQUENCY,
    KEY_MAX_BANDWIDTH,
    KEY_TABLE_OBJECT,
    KEY_TEXT,
    KEY_SEQUENCE,
    KEY_MAX_WAIT,
    KEY_TIMEOUT,
    N_KEYS
};

static const char *const key_names[N_KEYS] = {"session",     "table",         "item",
                                              "key",         "limit",         "after",
                                              "level",       "max_frequency", "max_bandwidth_kbps",
                                              "table",       "text",          "sequence",
                                              "max_wait_ms", "timeout_ms"};

struct request {
    struct bridge *b;
    char *texts[N_KEYS];    /* owned; NULL: not given */
    size_t lengths[N_KEYS]; /* of the texts, which may hold NULs */
    unsigned given;         /* bits of KEY_… */
    uint64_t limit;
    struct jsondoc *doc; /* the request; borrowed */
    const struct jsondoc_node *table;
    uint64_t max_wait_ms, timeout_ms; /* UINT64_MAX, 0: not given */
    struct control_later later;       /* token set: the command asked a server */
    struct buf *reply;                /* an open object with "ok":true */
    struct buf error;                 /* anything in it: the answer is that instead */
};

/* A command fails by writing what is wrong to q->error. Returns 0 or -errno for our own trouble. */
typedef int command_function(struct request *q);

static int fail(struct request *q, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(struct request *q, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_add_text(&q->error, text);
    return 0;
}

/* The link of `session`, or NULL and an error. */
static struct link *named_link(struct request *q)
{
    struct link *l = bridge_find_link(q->b, q->texts[KEY_SESSION]);
    if (!l)
        fail(q, "there is no session \"%s\"", q->texts[KEY_SESSION]);
    return l;
}

/* Whether `table`, if given, is there: in `session`, or in any. */
static bool table_exists(struct request *q)
{
    const char *session = q->texts[KEY_SESSION], *table = q->texts[KEY_TABLE];
    if (!table)
        return true;
    LIST_EACH(at, &q->b->links) {
        const struct link *l = link_of(at);
        if (link_is_current(l) && (!session || strcmp(session, link_name(l)) == 0) &&
            link_has_table(l, table))
            return true;
    }
    fail(q, "there is no table \"%s\"", table);
    return false;
}

/* ---- commands ---- */

static int cmd_ping(struct request *q)
{
    json_u64(q->reply, "time", clock_wall_us());
    return 0;
}

static int cmd_version(struct request *q)
{
    AUTO_BUF struct buf zmq = BUF_INIT(64);
    zmq_bus_version(&zmq);
    json_text(q->reply, "version", PACKAGE_VERSION);
    json_name(q->reply, "libraries");
    json_open(q->reply, '{');
    json_text(q->reply, "libzmq", buf_text(&zmq));
    json_text(q->reply, "libcurl", net_version());
    json_text(q->reply, "wslay", net_ws_version());
    json_close(q->reply, '}');
    return 0;
}

static void add_sessions(struct request *q)
{
    json_name(q->reply, "sessions");
    json_open(q->reply, '[');
    LIST_EACH(at, &q->b->links) {
        struct link *l = link_of(at);
        if (!link_is_current(l) ||
            (q->texts[KEY_SESSION] && strcmp(q->texts[KEY_SESSION], link_name(l)) != 0))
            continue;
        json_open(q->reply, '{');
        link_add_session(l, q->reply);
        json_close(q->reply, '}');
    }
    json_close(q->reply, ']');
}

static void add_tables(struct request *q)
{
    json_name(q->reply, "tables");
    json_open(q->reply, '[');
    LIST_EACH(at, &q->b->links) {
        struct link *l = link_of(at);
        if (link_is_current(l) &&
            (!q->texts[KEY_SESSION] || strcmp(q->texts[KEY_SESSION], link_name(l)) == 0))
            link_add_tables(l, q->reply);
    }
    json_close(q->reply, ']');
}

static int cmd_status(struct request *q)
{
    json_text(q->reply, "version", PACKAGE_VERSION);
    json_text(q->reply, "run", q->b->run);
    json_u64(q->reply, "pid", (uint64_t)getpid());
    json_text(q->reply, "config", q->b->conf->path);
    json_raw(q->reply, "endpoints", buf_span(&q->b->endpoints));
    add_sessions(q);
    add_tables(q);
    json_name(q->reply, "stats");
    json_open(q->reply, '{');
    bridge_add_stats(q->b, q->reply);
    json_close(q->reply, '}');
    return 0;
}

static int cmd_config(struct request *q)
{
    json_name(q->reply, "config");
    return bridge_add_config(q->b, q->reply);
}

static int cmd_sessions(struct request *q)
{
    if (q->texts[KEY_SESSION] && !named_link(q))
        return 0;
    add_sessions(q);
    return 0;
}

static int cmd_tables(struct request *q)
{
    if (q->texts[KEY_SESSION] && !named_link(q))
        return 0;
    add_tables(q);
    return 0;
}

static int cmd_rows(struct request *q)
{
    struct feed_query query = {.session = q->texts[KEY_SESSION],
                               .table = q->texts[KEY_TABLE],
                               .item = span_make(q->texts[KEY_ITEM], q->lengths[KEY_ITEM]),
                               .key = span_make(q->texts[KEY_KEY], q->lengths[KEY_KEY]),
                               .limit = q->limit,
                               .max_bytes = ROWS_MAX_BYTES,
                               .after = q->texts[KEY_AFTER]};
    if ((q->texts[KEY_SESSION] && !named_link(q)) || !table_exists(q))
        return 0;
    json_text(q->reply, "run", q->b->run);
    int r = feed_rows(q->b->env.feed, &query, q->reply);
    return r == FEED_BAD_CURSOR ? fail(q, "\"after\" is not a cursor of an earlier page") : r;
}

static int cmd_connect(struct request *q)
{
    struct link *l = named_link(q);
    if (l)
        link_start(l);
    return 0;
}

static int cmd_disconnect(struct request *q)
{
    struct link *l = named_link(q);
    if (l)
        link_stop(l, "disconnected on request");
    return 0;
}

static int cmd_rebind(struct request *q)
{
    struct link *l = named_link(q);
    if (l && !link_rebind(l))
        return fail(q, "session \"%s\" is not connected", link_name(l));
    return 0;
}

static int cmd_log_level(struct request *q)
{
    int level = log_level_of(q->texts[KEY_LEVEL]);
    if (level < 0)
        return fail(q, "\"level\" must be \"error\", \"warning\", \"notice\", \"info\" or \"debug\"");
    log_set_level(q->b->env.log, level);
    return 0;
}

/* The command asked a server, or says why it could not. */
static int wait_for_answer(struct request *q, struct link *l, int r, const char *why, const char *granted)
{
    if (r == LINK_CANNOT)
        return fail(q, "%s", why);
    if (r == 0)
        q->later = (struct control_later){q->b->last_token, granted, l};
    return r;
}

/* The link that has the table of the request, or NULL and an error. */
static struct link *link_of_table(struct request *q)
{
    struct link *l = named_link(q);
    return l && table_exists(q) ? l : NULL;
}

static int cmd_start(struct request *q)
{
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    link_start_table(l, q->texts[KEY_TABLE]);
    link_drain(l);
    return 0;
}

static bool is_taken(const void *link, const char *name)
{
    return link_has_table(link, name);
}

static int cmd_add_table(struct request *q)
{
    struct link *l = named_link(q);
    if (!l)
        return 0;
    if (q->b->stopping)
        return fail(q, "the daemon is stopping");
    if (link_count_tables(l) >= TABLES_MAX || q->b->tables_added >= ADDED_MAX)
        return fail(q, "there is no room for more tables in %s", link_name(l));
    struct added_table *added = NULL;
    int r = added_read(link_conf(l), q->doc, q->table, is_taken, l, &added, &q->error);
    if (r == ADDED_FAULT)
        return q->error.len ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    q->b->tables_added++;
    r = link_add_added(l, added);
    link_drain(l);
    return r;
}

static int cmd_delete_table(struct request *q)
{
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    link_remove_table(l, q->texts[KEY_TABLE], false);
    link_drain(l);
    return 0;
}

static int cmd_reconf(struct request *q)
{
    const char *why;
    struct link *l = link_of_table(q);
    if (!l)
        return 0;
    int r = link_reconf(l, q->texts[KEY_TABLE], q->texts[KEY_MAX_FREQUENCY], ++q->b->last_token, &why);
    return wait_for_answer(q, l, r, why, "max_frequency");
}

static int cmd_constrain(struct request *q)
{
    const char *why;
    struct link *l = named_link(q);
    if (!l)
        return 0;
    int r = link_constrain(l, q->texts[KEY_MAX_BANDWIDTH], ++q->b->last_token, &why);
    return wait_for_answer(q, l, r, why, "max_bandwidth_kbps");
}

static int cmd_send_message(struct request *q)
{
    const char *why;
    struct link *l = named_link(q);
    struct session_message m = {.token = ++q->b->last_token,
                                .text = span_make(q->texts[KEY_TEXT], q->lengths[KEY_TEXT]),
                                .sequence = span_make(q->texts[KEY_SEQUENCE], q->lengths[KEY_SEQUENCE]),
                                .max_wait_ms = q->max_wait_ms,
                                .timeout_ms = q->timeout_ms};
    if (!l)
        return 0;
    if (m.sequence.at && !session_is_sequence(m.sequence))
        return fail(q, "\"sequence\" must be 1 to %d of A-Z, a-z, 0-9 and _, and not UNORDERED_MESSAGES",
                    SESSION_SEQUENCE_BYTES_MAX);
    int r = link_send_message(l, &m, &why);
    return wait_for_answer(q, l, r, why, "response");
}

static int cmd_reload(struct request *q)
{
    if (q->b->stopping)
        return fail(q, "the daemon is stopping");
    int r = reload(q->b, q->reply, &q->error);
    if (r == RELOAD_FAULT && !q->error.len)
        return fail(q, "the configuration was not reloaded");
    return r < 0 ? r : 0;
}

#define BIT(key) (1u << (key))

static const struct command {
    const char *name;
    command_function *run;
    unsigned required, optional; /* bits of KEY_… */
} commands[] = {
    {"ping", cmd_ping, 0, 0},
    {"version", cmd_version, 0, 0},
    {"status", cmd_status, 0, 0},
    {"config", cmd_config, 0, 0},
    {"sessions", cmd_sessions, 0, BIT(KEY_SESSION)},
    {"tables", cmd_tables, 0, BIT(KEY_SESSION)},
    {"rows", cmd_rows, 0,
     BIT(KEY_SESSION) | BIT(KEY_TABLE) | BIT(KEY_ITEM) | BIT(KEY_KEY) | BIT(KEY_LIMIT) | BIT(KEY_AFTER)},
    {"connect", cmd_connect, BIT(KEY_SESSION), 0},
    {"disconnect", cmd_disconnect, BIT(KEY_SESSION), 0},
    {"start", cmd_start, BIT(KEY_SESSION) | BIT(KEY_TABLE), 0},
    {"add-table", cmd_add_table, BIT(KEY_SESSION) | BIT(KEY_TABLE_OBJECT), 0},
    {"delete-table", cmd_delete_table, BIT(KEY_SESSION) | BIT(KEY_TABLE), 0},
    {"reconf", cmd_reconf, BIT(KEY_SESSION) | BIT(KEY_TABLE) | BIT(KEY_MAX_FREQUENCY), 0},
    {"constrain", cmd_constrain, BIT(KEY_SESSION) | BIT(KEY_MAX_BANDWIDTH), 0},
    {"rebind", cmd_rebind, BIT(KEY_SESSION), 0},
    {"send-message", cmd_send_message, BIT(KEY_SESSION) | BIT(KEY_TEXT),
     BIT(KEY_SEQUENCE) | BIT(KEY_MAX_WAIT) | BIT(KEY_TIMEOUT)},
    {"reload", cmd_reload, 0, 0},
    {"log-level", cmd_log_level, BIT(KEY_LEVEL), 0},
};

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
        return fail(q, "\"limit\" must be an integer from 1 to %d", ROWS_LIMIT_MAX);
    q->limit = limit;
    return 0;
}

/* A day is longer than anybody waits. */
static int take_ms(struct request *q, enum key key, const struct jsondoc_node *value, uint64_t least,
                   uint64_t *ret)
{
    uint64_t ms;
    if (value->type != JSONDOC_NUMBER || !span_to_u64(value->text, TIME_MAX_MS, &ms) || ms < least)
        return fail(q, "\"%s\" must be an integer from %d to %d", key_names[key], (int)least, TIME_MAX_MS);
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
        return fail(q, "\"%s\" must be a number above 0, without an exponent, or \"unlimited\"",
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
        return fail(q, "\"%s\" takes no key \"%.*s\"", command->name, SPAN_ARG(member->name));
    q->given |= BIT(key);
    if (key == KEY_LIMIT)
        return take_limit(q, member);
    if (key == KEY_TABLE_OBJECT) {
        q->table = member;
        return member->type == JSONDOC_OBJECT ? 0 : fail(q, "\"table\" must be an object");
    }
    if (key == KEY_MAX_FREQUENCY || key == KEY_MAX_BANDWIDTH)
        return take_amount(q, key, member);
    if (key == KEY_MAX_WAIT)
        return take_ms(q, key, member, 0, &q->max_wait_ms);
    if (key == KEY_TIMEOUT)
        return take_ms(q, key, member, 1, &q->timeout_ms);
    if (member->type != JSONDOC_STRING)
        return fail(q, "\"%s\" must be a string", key_names[key]);
    bool may_hold_nul = key == KEY_ITEM || key == KEY_KEY || key == KEY_TEXT;
    if (!may_hold_nul && member->text.len && memchr(member->text.at, '\0', member->text.len))
        return fail(q, "\"%s\" must not hold U+0000", key_names[key]);
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
            return fail(q, "\"%s\" needs \"%s\"", command->name, key_names[i]);
    return 0;
}

static const struct command *find_command(struct request *q, const struct jsondoc_node *cmd)
{
    if (!cmd || cmd->type != JSONDOC_STRING) {
        fail(q, "a request needs \"cmd\", a string");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (span_is(cmd->text, commands[i].name))
            return &commands[i];
    fail(q, "there is no command \"%.*s\"", (int)(cmd->text.len < 64 ? cmd->text.len : 64),
         cmd->text.at ? cmd->text.at : "");
    return NULL;
}

static int run_request(struct request *q, struct jsondoc *doc, struct span text,
                       const struct jsondoc_node **ret_id)
{
    const struct jsondoc_node *root = jsontext_read(doc, text);
    if (!root || root->type != JSONDOC_OBJECT)
        return fail(q, "a request is one JSON object");
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
