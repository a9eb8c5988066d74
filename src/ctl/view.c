#include "ctl/view.h"

#include "ctl/cells.h"

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

void view_response(struct buf *out, struct json_object *reply)
{
    struct span response = reply_text(reply, "response");
    if (response.len > 0)
        text_add_plain(out, response);
    else
        buf_add_text(out, "ok");
    buf_add_char(out, '\n');
}

static void add_reasons(struct buf *out, struct json_object *list, const char *name_key)
{
    for (size_t i = 0; i < reply_length(list); i++)
        cells_add_reason(out, json_object_array_get_idx(list, i), name_key, true);
}

void view_sessions(struct buf *out, struct json_object *reply)
{
    static const char *const titles[] = {"SESSION", "STATE",    "DETAIL",   "ID",         "TABLES",
                                         "UPDATES", "RECEIVED", "SESSIONS", "RECOVERIES", "LAST"};
    struct json_object *list = reply_get(reply, "sessions");
    AUTO_GRID struct grid g = GRID_INIT(ARRAY_LENGTH(titles), 0x3f0);
    int64_t now_us = cells_now_us();
    cells_head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i), *counters = reply_get(s, "counters");
        cells_add(&g, s, "session");
        cells_add(&g, s, "state");
        cells_add(&g, s, "detail");
        cells_add(&g, s, "session_id");
        cells_add(&g, s, "tables");
        cells_add(&g, counters, "updates");
        cells_add_bytes(&g, counters, "bytes_received", "");
        cells_add(&g, counters, "sessions");
        cells_add(&g, counters, "recoveries");
        cells_add_age(&g, counters, "last_received", now_us);
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
    int64_t now_us = cells_now_us();
    cells_head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *t = json_object_array_get_idx(list, i), *counters = reply_get(t, "counters");
        cells_add(&g, t, "session");
        cells_add(&g, t, "table");
        cells_add(&g, t, "mode");
        cells_add(&g, t, "state");
        cells_add(&g, t, "items");
        cells_add(&g, t, "fields");
        cells_add(&g, t, "max_frequency");
        cells_add(&g, counters, "messages");
        cells_add_age(&g, counters, "last_update", now_us);
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
