/* The rows there are: replayed to a new subscription, and listed page by page for the control socket. */
#include "bridge/feed_internal.h"

#include <errno.h>
#include <stdio.h>

#include "bridge/json.h"

/* ---- replays ---- */

static struct replay *replay_of(struct list *link)
{
    return CONTAINER_OF(link, struct replay, link);
}

int feed_add_replay(struct feed *f, struct span prefix)
{
    struct replay *r = calloc(1, sizeof *r + prefix.len);
    if (!r)
        return -ENOMEM;
    r->prefix_len = prefix.len;
    if (prefix.len)
        memcpy(r->prefix, prefix.at, prefix.len);
    r->table = feed_next_table(f, NULL);
    list_append(&f->replays, &r->link);
    return 0;
}

static void replay_free(struct replay *r)
{
    list_remove(&r->link);
    free(r);
}

void feed_forget_replays(struct feed *f)
{
    while (!list_empty(&f->replays))
        replay_free(replay_of(f->replays.next));
}

void feed_replays_leave(struct feed *f, const struct feed_table *t)
{
    LIST_EACH(link, &f->replays) {
        struct replay *r = replay_of(link);
        if (r->table != t)
            continue;
        r->table = feed_next_table(f, t);
        r->pos = 0;
        r->row_id = 0;
    }
}

/* The first row after item POS's row ROW_ID (POS 0: the first of all). */
static bool next_row_after(const struct table *t, size_t pos, uint64_t row_id, struct item **item,
                           struct row **row)
{
    *item = NULL;
    *row = NULL;
    if (pos > t->n_items)
        return false;
    if (pos)
        *item = t->items[pos - 1];
    while (table_next_row(t, item, row))
        if ((*item)->pos > pos || (*row)->id > row_id)
            return true;
    return false;
}

/* Whether the row's topic begins with the replay's prefix. Returns 1, 0, or -errno. */
static int matches(struct feed *f, const struct replay *r, struct feed_table *t, struct item *item,
                   const struct row *row)
{
    struct feed_item *fi;
    int e = feed_table_prepare(t);
    if (e == 0)
        e = feed_table_item(t, item, &fi);
    if (e == 0)
        e = encode_topic(fi->encode, table_key(t->table, row), &f->topic);
    return e < 0 ? e : span_starts(buf_span(&f->topic), span_make(r->prefix, r->prefix_len));
}

/* Writes the row's message to f->topic and f->payload. */
static int encode_replay(struct feed *f, struct feed_table *t, struct item *item, struct row *row)
{
    struct feed_item *fi;
    struct encode_row encoded;
    int r = feed_table_row(t, item, row, &fi, &encoded);
    return r < 0 ? r : encode_row(t->encode, fi->encode, &encoded, &f->topic, &f->payload);
}

/* How many rows match. */
static int count_matches(struct feed *f, const struct replay *r, uint64_t *ret)
{
    *ret = 0;
    for (struct feed_table *t = feed_next_table(f, NULL); t; t = feed_next_table(f, t)) {
        struct item *item = NULL;
        struct row *row = NULL;
        while (t->table && table_next_row(t->table, &item, &row)) {
            int e = matches(f, r, t, item, row);
            if (e < 0)
                return e;
            *ret += (uint64_t)e;
        }
    }
    return 0;
}

/* Sends the replay's next matching row. Returns 1 when there was one, 0 at the end, -errno. */
static int replay_one(struct feed *f, struct replay *r)
{
    while (r->table) {
        struct item *item;
        struct row *row;
        while (r->table->table && next_row_after(r->table->table, r->pos, r->row_id, &item, &row)) {
            r->pos = item->pos;
            r->row_id = row->id;
            int e = matches(f, r, r->table, item, row);
            if (e == 0)
                continue;
            if (e > 0)
                e = encode_replay(f, r->table, item, row);
            if (e < 0)
                return e;
            r->count++;
            f->counters.replayed++;
            e = feed_send(f);
            return e < 0 ? e : 1;
        }
        r->table = feed_next_table(f, r->table);
        r->pos = 0;
        r->row_id = 0;
    }
    return 0;
}

/* The last message of a replay, under the prefix itself. */
static int finish_replay(struct feed *f, struct replay *r, uint64_t count, bool limited)
{
    buf_clear(&f->topic);
    buf_add(&f->topic, r->prefix, r->prefix_len);
    replay_free(r);
    int e = encode_replayed(f->format, f->run, count, limited, &f->payload);
    if (e == 0)
        e = buf_error(&f->topic);
    return e < 0 ? e : feed_send(f);
}

static int run_replay(struct feed *f, struct replay *r)
{
    if (!r->counted) {
        uint64_t matches;
        int e = count_matches(f, r, &matches);
        if (e < 0)
            return e;
        if (matches > f->replay_limit)
            return finish_replay(f, r, matches, true);
        r->counted = true;
    }
    int e = 1;
    while (e > 0 && !f->held)
        e = replay_one(f, r);
    return e != 0 ? e : finish_replay(f, r, r->count, false);
}

int feed_run_replays(struct feed *f)
{
    int r = 0;
    while (r >= 0 && !f->held && !list_empty(&f->replays))
        r = run_replay(f, replay_of(f->replays.next));
    return r < 0 ? r : 0;
}

/* ---- `rows` ---- */

/* Where a page begins: after this row. */
struct cursor {
    char session[256], table[256];
    uint64_t pos, row_id;
};

static bool parse_cursor(const char *text, struct cursor *ret)
{
    *ret = (struct cursor){0};
    if (!text)
        return true;
    struct span rest = span_of(text), parts[4], extra;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (!span_cut(&rest, '/', &parts[i]))
            return false;
    if (span_cut(&rest, '/', &extra) || parts[0].len >= sizeof ret->session ||
        parts[1].len >= sizeof ret->table)
        return false;
    memcpy(ret->session, parts[0].at, parts[0].len);
    memcpy(ret->table, parts[1].at, parts[1].len);
    return parts[0].len && parts[1].len && span_to_u64(parts[2], SIZE_MAX, &ret->pos) &&
           span_to_u64(parts[3], UINT64_MAX, &ret->row_id);
}

/* Below, at or above the cursor's table, in the order of the feed. */
static int compare_to_cursor(const struct feed_table *t, const struct cursor *c)
{
    int sessions = strcmp(t->session, c->session);
    return sessions ? sessions : strcmp(t->name, c->table);
}

struct page {
    const struct feed_query *query;
    struct buf *out;
    struct buf items; /* of "items" */
    size_t rows;
    struct feed_item *last; /* whose seq is in `items` already */
    struct cursor at;
    bool full;
};

static int add_item_seq(struct page *p, const struct feed_table *t, struct feed_item *item)
{
    if (p->last == item)
        return 0;
    p->last = item;
    json_open(&p->items, '{');
    json_text(&p->items, "session", t->session);
    json_text(&p->items, "table", t->name);
    json_span(&p->items, "item", item->name);
    json_u64(&p->items, "seq", item->series->seq);
    json_close(&p->items, '}');
    return buf_error(&p->items);
}

/* Adds the row, unless the page is full: then it is taken back. */
static int add_row(struct page *p, struct feed_table *t, struct item *item, struct row *row)
{
    struct feed_item *fi;
    struct encode_row encoded;
    int r = feed_table_row(t, item, row, &fi, &encoded);
    if (r == 0 && t->format != ENCODE_JSON)
        r = feed_table_row_json(t, row);
    if (r < 0)
        return r;
    if ((p->query->item.at && !span_equal(p->query->item, fi->name)) ||
        (p->query->key.at && !span_equal(p->query->key, encoded.key)))
        return 0;
    encoded.replay = false;
    size_t before = p->out->len;
    if (p->rows)
        buf_add_char(p->out, ',');
    r = encode_row_json(t->encode, fi->encode, &encoded, p->out);
    if (r < 0)
        return r;
    if (p->rows == p->query->limit || (p->rows && p->out->len + p->items.len > p->query->max_bytes)) {
        p->out->len = before;
        p->full = true;
        return 0;
    }
    p->rows++;
    snprintf(p->at.session, sizeof p->at.session, "%s", t->session);
    snprintf(p->at.table, sizeof p->at.table, "%s", t->name);
    p->at.pos = item->pos;
    p->at.row_id = row->id;
    return add_item_seq(p, t, fi);
}

static bool asked_for(const struct feed_query *q, const struct feed_table *t)
{
    return t->table && (!q->session || strcmp(q->session, t->session) == 0) &&
           (!q->table || strcmp(q->table, t->name) == 0);
}

static int add_table(struct page *p, struct feed_table *t, const struct cursor *from)
{
    bool resume = compare_to_cursor(t, from) == 0;
    struct item *item;
    struct row *row;
    bool more =
        next_row_after(t->table, resume ? (size_t)from->pos : 0, resume ? from->row_id : 0, &item, &row);
    for (; more && !p->full; more = table_next_row(t->table, &item, &row)) {
        int r = add_row(p, t, item, row);
        if (r < 0)
            return r;
    }
    return 0;
}

int feed_rows(struct feed *f, const struct feed_query *query, struct buf *out)
{
    struct cursor from;
    if (!parse_cursor(query->after, &from))
        return FEED_BAD_CURSOR;
    struct page p = {.query = query, .out = out, .items = BUF_INIT(SIZE_MAX)};
    int r = 0;
    json_name(out, "rows");
    buf_add_char(out, '[');
    for (struct feed_table *t = feed_next_table(f, NULL); t && r == 0 && !p.full; t = feed_next_table(f, t))
        if (asked_for(query, t) && compare_to_cursor(t, &from) >= 0)
            r = add_table(&p, t, &from);
    buf_add_char(out, ']');
    json_name(out, "items");
    buf_add_char(out, '[');
    buf_add_span(out, buf_span(&p.items));
    buf_add_char(out, ']');
    if (p.full) {
        char next[600];
        snprintf(next, sizeof next, "%s/%s/%llu/%llu", p.at.session, p.at.table, (unsigned long long)p.at.pos,
                 (unsigned long long)p.at.row_id);
        json_text(out, "next", next);
    }
    buf_done(&p.items);
    return r < 0 ? r : buf_error(out);
}
