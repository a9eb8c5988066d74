#include "ctl/view.h"

#include <time.h>

#include "ctl/text.h"

void view_ok(struct buf *out, struct json_object *reply)
{
    (void)reply;
    buf_add_text(out, "ok\n");
}

void view_granted(struct buf *out, struct json_object *reply)
{
    static const char *const skip[] = {"ok", "id", NULL};
    buf_add_text(out, "granted");
    reply_add_known(out, reply, skip);
    buf_add_char(out, '\n');
}

/* A cell: KEY's value, "-" when it is missing, null or empty. */
static void cell(struct grid *g, struct json_object *object, const char *key)
{
    struct json_object *value = reply_get(object, key);
    AUTO_BUF struct buf text = BUF_INIT(64 << 10);
    if (json_object_is_type(value, json_type_string))
        buf_add_span(&text, reply_text(object, key));
    else if (value)
        reply_add_value(&text, value);
    grid_add(g, text.len > 0 ? buf_span(&text) : SPAN("-"));
}

static void cell_bytes(struct grid *g, struct json_object *object, const char *key)
{
    int64_t bytes = reply_integer(object, key, -1);
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (bytes >= 0)
        text_add_bytes(&text, (uint64_t)bytes);
    grid_add(g, bytes >= 0 ? buf_span(&text) : SPAN("-"));
}

/* How long ago KEY (microseconds since 1970) was; "-" also for never, which is 0. */
static void cell_age(struct grid *g, struct json_object *object, const char *key)
{
    int64_t since = reply_integer(object, key, -1);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (since > 0)
        text_add_duration(&text, (int64_t)now.tv_sec * 1000 - since / 1000);
    grid_add(g, since > 0 ? buf_span(&text) : SPAN("-"));
}

static void head(struct grid *g, const char *const *titles)
{
    for (size_t i = 0; i < g->n_columns; i++)
        grid_add(g, span_of(titles[i]));
}

/* Why an object is as it is: "demo: refused by the server (code 7), retry in 12 s". Nothing when it does not say. */
static void add_reason(struct buf *out, struct json_object *object, const char *name_key)
{
    struct json_object *reason = reply_get(object, "reason"), *code = reply_get(object, "code");
    int64_t retry_ms = reply_integer(object, "retry_in_ms", -1);
    if (!reason && !code && retry_ms < 0)
        return;
    buf_add_text(out, "  ");
    text_add_plain(out, reply_text(object, name_key));
    buf_add_char(out, ':');
    if (reason) {
        buf_add_char(out, ' ');
        text_add_plain(out, reply_text(object, "reason"));
    }
    if (code) {
        buf_add_text(out, " (code ");
        reply_add_value(out, code);
        buf_add_char(out, ')');
    }
    if (retry_ms >= 0)
        buf_printf(out, "%s retry in %.1f s", reason || code ? "," : "", (double)retry_ms / 1000);
    buf_add_char(out, '\n');
}

static void add_reasons(struct buf *out, struct json_object *list, const char *name_key)
{
    for (size_t i = 0; i < reply_length(list); i++)
        add_reason(out, json_object_array_get_idx(list, i), name_key);
}

void view_sessions(struct buf *out, struct json_object *reply)
{
    static const char *const titles[] = {"SESSION", "STATE",    "DETAIL",   "ID",         "TABLES",
                                         "UPDATES", "RECEIVED", "SESSIONS", "RECOVERIES", "LAST"};
    struct json_object *list = reply_get(reply, "sessions");
    AUTO_GRID struct grid g = GRID_INIT(ARRAY_LENGTH(titles), 0x3f0);
    head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i), *counters = reply_get(s, "counters");
        cell(&g, s, "session");
        cell(&g, s, "state");
        cell(&g, s, "detail");
        cell(&g, s, "session_id");
        cell(&g, s, "tables");
        cell(&g, counters, "updates");
        cell_bytes(&g, counters, "bytes_received");
        cell(&g, counters, "sessions");
        cell(&g, counters, "recoveries");
        cell_age(&g, counters, "last_received");
    }
    grid_print(&g, out);
    add_reasons(out, list, "session");
}

void view_tables(struct buf *out, struct json_object *reply)
{
    static const char *const titles[] = {"SESSION", "TABLE",         "MODE",     "STATE", "ITEMS",
                                         "FIELDS",  "MAX-FREQUENCY", "MESSAGES", "LAST"};
    struct json_object *list = reply_get(reply, "tables");
    AUTO_GRID struct grid g = GRID_INIT(ARRAY_LENGTH(titles), 0x1b0);
    head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *t = json_object_array_get_idx(list, i), *counters = reply_get(t, "counters");
        cell(&g, t, "session");
        cell(&g, t, "table");
        cell(&g, t, "mode");
        cell(&g, t, "state");
        cell(&g, t, "items");
        cell(&g, t, "fields");
        cell(&g, t, "max_frequency");
        cell(&g, counters, "messages");
        cell_age(&g, counters, "last_update");
    }
    grid_print(&g, out);
    add_reasons(out, list, "table");
}

/* "name   a  b  c" */
static void add_list(struct buf *out, const char *name, struct json_object *list)
{
    buf_printf(out, "%-15s", name);
    for (size_t i = 0; i < reply_length(list); i++) {
        buf_add_text(out, i > 0 ? "  " : "");
        reply_add_value(out, json_object_array_get_idx(list, i));
    }
    buf_add_char(out, '\n');
}

static void add_head(struct buf *out, struct json_object *reply)
{
    buf_add_text(out, "lsbridged ");
    text_add_plain(out, reply_text(reply, "version"));
    buf_add_text(out, ", run ");
    text_add_plain(out, reply_text(reply, "run"));
    buf_printf(out, ", pid %jd, up ", (intmax_t)reply_integer(reply, "pid", 0));
    text_add_duration(out, reply_integer(reply_get(reply, "stats"), "uptime_ms", 0));
    buf_printf(out, "\n%-15s", "configuration");
    text_add_plain(out, reply_text(reply, "config"));
    buf_add_char(out, '\n');
    static const char *const sockets[] = {"data", "status", "control"};
    for (size_t i = 0; i < ARRAY_LENGTH(sockets); i++)
        add_list(out, sockets[i], reply_get(reply_get(reply, "endpoints"), sockets[i]));
}

static void add_pair(void *to, struct span path, struct json_object *value)
{
    struct grid *g = to;
    AUTO_BUF struct buf text = BUF_INIT(64 << 10);
    if (json_object_is_type(value, json_type_string))
        buf_add_text(&text, json_object_get_string(value));
    else
        reply_add_value(&text, value);
    grid_add(g, path);
    grid_add(g, buf_span(&text));
}

/* The daemon's own counters; those of its sessions stand in their table. */
static void add_counters(struct buf *out, struct json_object *stats)
{
    static const char *const elsewhere[] = {"sessions", "uptime_ms", NULL};
    AUTO_GRID struct grid g = GRID_INIT(2, 2);
    reply_each(stats, elsewhere, add_pair, &g);
    if (g.cells.len > 0)
        buf_add_char(out, '\n');
    grid_print(&g, out);
}

void view_details(struct buf *out, struct json_object *reply)
{
    struct json_object *list = reply_get(reply, "sessions");
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        AUTO_GRID struct grid g = GRID_INIT(2, 0);
        buf_add_char(out, '\n');
        text_add_plain(out, reply_text(s, "session"));
        buf_add_char(out, '\n');
        reply_each(reply_get(s, "details"), NULL, add_pair, &g);
        grid_print(&g, out);
    }
}

void view_status(struct buf *out, struct json_object *reply)
{
    add_head(out, reply);
    buf_add_char(out, '\n');
    view_sessions(out, reply);
    if (reply_get(reply, "tables")) {
        buf_add_char(out, '\n');
        view_tables(out, reply);
    }
    add_counters(out, reply_get(reply, "stats"));
}

void view_reload(struct buf *out, struct json_object *reply)
{
    static const char *const kinds[] = {"added", "removed", "changed", "restart_needed"};
    bool any = false;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        struct json_object *list = reply_get(reply, kinds[i]);
        if (reply_length(list) == 0)
            continue;
        any = true;
        add_list(out, kinds[i], list);
    }
    if (!any)
        buf_add_text(out, "nothing changed\n");
}

void view_config(struct buf *out, struct json_object *reply)
{
    struct json_object *config = reply_get(reply, "config");
    buf_add_text(out,
                 json_object_to_json_string_ext(config, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
    buf_add_char(out, '\n');
}

void view_version(struct buf *out, struct json_object *reply)
{
    buf_add_text(out, "lsbridged ");
    text_add_plain(out, reply_text(reply, "version"));
    buf_add_char(out, '\n');
    AUTO_GRID struct grid g = GRID_INIT(2, 0);
    reply_each(reply_get(reply, "libraries"), NULL, add_pair, &g);
    grid_print(&g, out);
}
