#include "ctl/snapshot.h"

#include <errno.h>
#include <stdio.h>

#include "ctl/cells.h"

/* ---- counters ---- */

static int add_object(struct json_object *to, const char *key, struct json_object *taken)
{
    if (taken && json_object_object_add(to, key, taken) == 0)
        return 0;
    json_object_put(taken);
    return -ENOMEM;
}

/* What is missing in FROM is missing in TO. */
static int share(struct json_object *to, const char *key, struct json_object *from, const char *from_key)
{
    struct json_object *value = reply_get(from, from_key);
    return value ? add_object(to, key, json_object_get(value)) : 0;
}

/* A name that no other has: session and table have none of these characters. */
static const char *key_of(struct buf *key, struct json_object *object)
{
    buf_clear(key);
    buf_add_span(key, reply_text(object, "session"));
    buf_add_char(key, '/');
    buf_add_span(key, reply_text(object, "table"));
    return buf_text(key);
}

static int index_list(struct json_object *index, struct json_object *list)
{
    AUTO_BUF struct buf key = BUF_INIT(64 << 10);
    int r = 0;
    for (size_t i = 0; r == 0 && i < reply_length(list); i++) {
        struct json_object *object = json_object_array_get_idx(list, i);
        const char *name = key_of(&key, object);
        r = buf_error(&key);
        if (r == 0)
            r = share(index, name, object, "counters");
    }
    return r;
}

int snapshot_take(struct snapshot *ret, struct json_object *reply, int64_t at_ms)
{
    AUTO_JSON struct json_object *index = json_object_new_object();
    int r = index ? index_list(index, reply_get(reply, "sessions")) : -ENOMEM;
    if (r == 0)
        r = index_list(index, reply_get(reply, "tables"));
    if (r == 0)
        r = share(index, "stats", reply, "stats");
    if (r == 0)
        r = share(index, "run", reply, "run");
    if (r < 0)
        return r;
    json_object_put(ret->counters);
    *ret = (struct snapshot){TAKE(index), at_ms};
    return 0;
}

void snapshot_done(struct snapshot *s)
{
    json_object_put(s->counters);
    *s = (struct snapshot){0};
}

/* ---- rates ---- */

struct compared {
    struct json_object *before; /* the counters then */
    int64_t elapsed_ms;
};

/* With one decimal, as it is shown. */
static struct json_object *rate_of(double per_second)
{
    char text[64];
    snprintf(text, sizeof text, "%.1f", per_second);
    return json_object_new_double_s(per_second, text);
}

static int add_rates(struct json_object *to, struct json_object *now, const struct compared *c)
{
    static const char *const counters[] = {"updates", "messages", "bytes_received", "bytes_sent"};
    if (!json_object_is_type(to, json_type_object))
        return 0;
    struct json_object *rates = json_object_new_object();
    int r = add_object(to, "rates", rates);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(counters); i++) {
        int64_t was = reply_integer(c->before, counters[i], -1), is = reply_integer(now, counters[i], -1);
        if (was >= 0 && is >= was && c->elapsed_ms > 0)
            r = add_object(rates, counters[i], rate_of((double)(is - was) * 1000 / (double)c->elapsed_ms));
    }
    return r;
}

static int add_list_rates(struct json_object *list, const struct compared *all)
{
    AUTO_BUF struct buf key = BUF_INIT(64 << 10);
    int r = 0;
    for (size_t i = 0; r == 0 && i < reply_length(list); i++) {
        struct json_object *object = json_object_array_get_idx(list, i);
        const char *name = key_of(&key, object);
        struct compared c = {reply_get(all->before, name), all->elapsed_ms};
        r = buf_error(&key);
        if (r == 0)
            r = add_rates(object, reply_get(object, "counters"), &c);
    }
    return r;
}

int snapshot_add_rates(struct json_object *reply, const struct snapshot *before, int64_t at_ms)
{
    bool same_run = span_equal(reply_text(reply, "run"), reply_text(before->counters, "run"));
    struct compared all = {same_run ? before->counters : NULL, at_ms - before->at_ms};
    struct compared stats = {reply_get(all.before, "stats"), all.elapsed_ms};
    int r = add_list_rates(reply_get(reply, "sessions"), &all);
    if (r == 0)
        r = add_list_rates(reply_get(reply, "tables"), &all);
    if (r == 0)
        r = add_rates(reply, reply_get(reply, "stats"), &stats);
    if (r == 0 && before->counters)
        r = add_object(reply, "interval_ms", json_object_new_int64(all.elapsed_ms));
    return r;
}

/* ---- the picture ---- */

/* Adds TEXT's lines, the first as a title; the others in the style that STYLE says of their element of LIST. */
static void add_styled(struct buf *out, struct span text, struct json_object *list,
                       char (*style)(struct json_object *element))
{
    struct span line;
    for (size_t i = 0; text.len > 0 && span_cut(&text, '\n', &line); i++) {
        buf_add_char(out, i ? style(json_object_array_get_idx(list, i - 1)) : SNAPSHOT_TITLE);
        buf_add_span(out, line);
        buf_add_char(out, '\n');
    }
}

static char session_style(struct json_object *session)
{
    struct span state = reply_text(session, "state"), detail = reply_text(session, "detail");
    bool trouble = !span_is(state, "connected") || span_is(detail, "stalled") || span_is(detail, "held");
    return trouble ? SNAPSHOT_TROUBLE : SNAPSHOT_PLAIN;
}

static char table_style(struct json_object *table)
{
    struct span state = reply_text(table, "state");
    return span_is(state, "failed") || span_is(state, "stale") ? SNAPSHOT_TROUBLE : SNAPSHOT_PLAIN;
}

/* What is left of retry_in_ms, which was told at `since`. */
static void add_retry(struct grid *g, struct json_object *session, int64_t now_us)
{
    int64_t ms = reply_integer(session, "retry_in_ms", -1),
            since_us = reply_integer(session, "since", now_us);
    int64_t left_ms = ms - (now_us - since_us) / 1000;
    if (ms < 0)
        grid_add(g, SPAN("-"));
    else
        grid_printf(g, "%.1f s", left_ms > 0 ? (double)left_ms / 1000 : 0.0);
}

static void add_byte_rate(struct grid *g, struct json_object *rates)
{
    struct json_object *rate = reply_get(rates, "bytes_received");
    AUTO_BUF struct buf text = BUF_INIT(64);
    if (rate) {
        text_add_bytes(&text, (uint64_t)json_object_get_double(rate));
        buf_add_text(&text, "/s");
    }
    grid_add(g, rate ? buf_span(&text) : SPAN("-"));
}

static void add_sessions(struct buf *out, struct json_object *list, int64_t now_us)
{
    static const char *const titles[] = {"SESSION",    "STATE", "DETAIL",   "TABLES", "UPDATES/S",
                                         "RECEIVED/S", "LAST",  "RETRY IN", "KBPS"};
    AUTO_GRID struct grid g = GRID_INIT(ARRAY_LENGTH(titles), 0x1f8);
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    cells_head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i), *rates = reply_get(s, "rates");
        cells_add(&g, s, "session");
        cells_add(&g, s, "state");
        cells_add(&g, s, "detail");
        cells_add(&g, s, "tables");
        cells_add(&g, rates, "updates");
        add_byte_rate(&g, rates);
        cells_add_age(&g, reply_get(s, "counters"), "last_received", now_us);
        add_retry(&g, s, now_us);
        cells_add(&g, reply_get(s, "details"), "max_bandwidth_kbps");
    }
    grid_print(&g, &text);
    add_styled(out, buf_span(&text), list, session_style);
}

static void add_tables(struct buf *out, struct json_object *list, int64_t now_us)
{
    static const char *const titles[] = {"SESSION", "TABLE",     "MODE",       "STATE",         "ITEMS",
                                         "FIELDS",  "UPDATES/S", "MESSAGES/S", "MAX-FREQUENCY", "LAST"};
    AUTO_GRID struct grid g = GRID_INIT(ARRAY_LENGTH(titles), 0x3f0);
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    cells_head(&g, titles);
    for (size_t i = 0; i < reply_length(list); i++) {
        struct json_object *t = json_object_array_get_idx(list, i), *rates = reply_get(t, "rates");
        cells_add(&g, t, "session");
        cells_add(&g, t, "table");
        cells_add(&g, t, "mode");
        cells_add(&g, t, "state");
        cells_add(&g, t, "items");
        cells_add(&g, t, "fields");
        cells_add(&g, rates, "updates");
        cells_add(&g, rates, "messages");
        cells_add(&g, t, "max_frequency");
        cells_add_age(&g, reply_get(t, "counters"), "last_update", now_us);
    }
    grid_print(&g, &text);
    add_styled(out, buf_span(&text), list, table_style);
}

static void add_reasons(struct buf *out, struct json_object *list, const char *name_key)
{
    for (size_t i = 0; i < reply_length(list); i++) {
        AUTO_BUF struct buf line = BUF_INIT(1 << 20);
        cells_add_reason(&line, json_object_array_get_idx(list, i), name_key, false);
        if (!line.len)
            continue;
        buf_add_char(out, SNAPSHOT_TROUBLE);
        buf_add_span(out, buf_span(&line));
    }
}

static void add_head(struct buf *out, struct json_object *reply, int64_t now_us)
{
    struct json_object *stats = reply_get(reply, "stats"),
                       *rate = reply_get(reply_get(reply, "rates"), "messages");
    buf_add_text(out, " lsbridged ");
    text_add_plain(out, reply_text(reply, "version"));
    buf_add_text(out, ", run ");
    text_add_plain(out, reply_text(reply, "run"));
    buf_add_text(out, ", up ");
    text_add_duration(out, reply_integer(stats, "uptime_ms", 0));
    buf_add_text(out, ", ");
    text_add_clock(out, now_us);
    buf_add_text(out, "\n messages/s ");
    if (rate)
        reply_add_value(out, rate);
    else
        buf_add_char(out, '-');
    buf_printf(out, ", held %jd ms in %jd holds, dropped %jd, replayed %jd\n \n",
               (intmax_t)reply_integer(stats, "held_ms", 0), (intmax_t)reply_integer(stats, "holds", 0),
               (intmax_t)reply_integer(stats, "dropped", 0), (intmax_t)reply_integer(stats, "replayed", 0));
}

void snapshot_view(struct buf *out, struct json_object *reply, int64_t now_us)
{
    struct json_object *sessions = reply_get(reply, "sessions"), *tables = reply_get(reply, "tables");
    add_head(out, reply, now_us);
    add_sessions(out, sessions, now_us);
    add_reasons(out, sessions, "session");
    buf_add_text(out, " \n");
    add_tables(out, tables, now_us);
    add_reasons(out, tables, "table");
}
