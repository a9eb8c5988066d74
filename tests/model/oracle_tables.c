/* What comes out of data: each notification's effects on tables, items and rows, known from what was meant, not from its line. */
#define _GNU_SOURCE
#include "world.h"

#include <stdarg.h>

#include "../lib/must.h"

/* ---- wants ---- */

static struct want *add_want(struct world *w, char *text)
{
    struct oracle *o = &w->oracle;
    MUST(text && o->n_wants < WANTS_MAX);
    o->wants[o->n_wants] = (struct want){.text = text};
    return &o->wants[o->n_wants++];
}

struct want *oracle_want(struct world *w, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    MUST(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return add_want(w, text);
}

const char *oracle_state_name(enum session_table_state state)
{
    static const char *const names[] = {"pending", "active", "stale", "failed", "silent", "deleted"};
    return names[state];
}

static struct told_table *table_of(struct list *link)
{
    return CONTAINER_OF(link, struct told_table, link);
}

const char *oracle_frequency_text(const struct told_table *t, char text[static 48])
{
    snprintf(text, 48, "%s%s", *t->frequency ? " frequency=" : "", t->frequency);
    return text;
}

/* Its state as it is told now; TAIL: a reason, perhaps. */
static struct want *want_table(struct world *w, const struct told_table *t, const char *tail)
{
    char frequency[48];
    return oracle_want(w, "table %s %s%s%s", t->shape.name, oracle_state_name(t->state),
                       oracle_frequency_text(t, frequency), tail);
}

/* ---- items ---- */

static void free_rows(struct told_item *item)
{
    LIST_EACH_SAFE(link, &item->rows) {
        struct key_row *row = CONTAINER_OF(link, struct key_row, link);
        list_remove(link);
        values_done(&row->values);
        free(row->key);
        free(row);
    }
}

void oracle_void_item(struct told_item *item)
{
    free_rows(item);
    values_done(&item->row);
    item->shown = item->has_messages = false;
}

static void void_items(struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++)
        oracle_void_item(&t->items[i]);
}

void oracle_gaps(struct world *w, struct told_table *t, const char *reason)
{
    for (size_t i = 0; i < t->shape.items; i++)
        if (t->items[i].has_messages)
            oracle_want(w, "gap %s %zu : %s", t->shape.name, i + 1, reason);
    void_items(t);
}

void oracle_drop_sub(struct told_table *t)
{
    if (t->sub)
        t->sub->table = NULL;
    t->sub = NULL;
}

void oracle_forget_sub(struct told_table *t)
{
    oracle_drop_sub(t);
    split_forget(t);
    t->reconf = NULL;
    t->reconf_wanted = false;
}

static void lose_table(struct world *w, struct told_table *t, const char *reason)
{
    struct oracle *o = &w->oracle;
    size_t first = o->n_wants;
    oracle_gaps(w, t, reason);
    oracle_forget_sub(t);
    t->waits = false;
    t->frequency[0] = '\0';
    if (t->state != SESSION_TABLE_SILENT && t->state != SESSION_TABLE_PENDING) {
        t->state = SESSION_TABLE_PENDING;
        want_table(w, t, "");
    }
    for (size_t i = first; i < o->n_wants; i++)
        o->wants[i].lost = t;
}

void oracle_lose(struct world *w, const char *reason)
{
    struct oracle *o = &w->oracle;
    LIST_EACH(link, &o->tables)
        lose_table(w, table_of(link), reason);
    o->previous = o->session ? o->session : o->previous;
    o->session = NULL;
    o->got = 0;
    o->last_sub_id = 0;
    o->bound = o->clean = o->stalled = o->odd = o->rebind_wanted = o->constrain_wanted = false;
    o->dead = true;
    o->recover_by = NEVER;
    o->owed = SESSION_CONTINUITY_NONE;
}

static void fail_table(struct world *w, struct told_table *t, const char *gap_reason, const char *tail)
{
    oracle_forget_sub(t);
    t->frequency[0] = '\0';
    t->failed_at = w->player.now;
    if (gap_reason)
        oracle_gaps(w, t, gap_reason);
    t->state = SESSION_TABLE_FAILED;
    want_table(w, t, tail);
}

/* ---- updates ---- */

static void put_text(struct buf *out, const char *value)
{
    if (!value || !*value)
        buf_add_char(out, value ? '$' : '#');
    for (const char *c = value ? value : ""; *c; c++)
        if ((c == value && strchr("#$^", *c)) || strchr("|%", *c) || (unsigned char)*c < ' ' || *c == 0x7f)
            buf_printf(out, "%%%02X", (unsigned char)*c);
        else
            buf_add_char(out, *c);
}

/* Which of the table's items it is about. */
size_t oracle_position(const struct note *note)
{
    return note->sub->item ? note->sub->item : note->item;
}

static void put_row(struct buf *out, const struct told_table *t, const struct note *note,
                    const struct values *values)
{
    bool snapshot = t->items[oracle_position(note) - 1].in_snapshot;
    buf_printf(out, "%s %s %zu ", snapshot ? "snapshot" : "update", t->shape.name, oracle_position(note));
    for (size_t i = 0; i < t->shape.fields; i++) {
        if (i)
            buf_add_char(out, '|');
        put_text(out, values->at[i]);
    }
}

/* BEFORE: NULL for a first row. */
static void put_changed(struct buf *out, const struct shape *shape, const struct values *before,
                        const struct values *now)
{
    size_t n = 0;
    AUTO_BUF struct buf list = BUF_INIT(SIZE_MAX / 2);
    for (size_t i = 0; i < shape->fields; i++)
        if (!before || !value_equal(before->at[i], now->at[i]))
            buf_printf(&list, "%s%zu", n++ ? "," : "", i + 1);
    buf_printf(out, " changed=%s", n == shape->fields ? "all" : n ? buf_text(&list) : "none");
}

static struct key_row *find_key(struct told_item *item, const char *key)
{
    LIST_EACH(link, &item->rows)
        if (strcmp(CONTAINER_OF(link, struct key_row, link)->key, key) == 0)
            return CONTAINER_OF(link, struct key_row, link);
    return NULL;
}

static void put_key(struct buf *out, const char *command, const char *key, uint64_t kseq)
{
    buf_printf(out, " %s key=", command);
    put_text(out, key);
    buf_printf(out, " kseq=%llu", (unsigned long long)kseq);
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text ? strdup(text) : NULL;
    MUST(*to || !text);
}

static void want_delete(struct world *w, struct told_table *t, const struct note *note, const char *key)
{
    struct key_row *row = find_key(&t->items[oracle_position(note) - 1], key);
    struct values values = {0};
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    set_text(&values.at[t->shape.key - 1], key);
    set_text(&values.at[t->shape.command - 1], "DELETE");
    put_row(&out, t, note, &values);
    put_key(&out, "DELETE", key, row ? row->kseq + 1 : 1);
    const char *comma = " changed=";
    for (size_t i = 1; i <= t->shape.fields; i++)
        if (i != t->shape.key) {
            buf_printf(&out, "%s%zu", comma, i);
            comma = ",";
        }
    oracle_want(w, "%s", buf_text(&out));
    values_done(&values);
    if (!row)
        return;
    list_remove(&row->link);
    values_done(&row->values);
    free(row->key);
    free(row);
}

static void want_command(struct world *w, struct told_table *t, const struct note *note)
{
    struct told_item *item = &t->items[oracle_position(note) - 1];
    const char *key = note->values.at[t->shape.key - 1];
    if (strcmp(note->values.at[t->shape.command - 1], "DELETE") == 0) {
        want_delete(w, t, note, key);
        return;
    }
    struct key_row *row = find_key(item, key);
    bool first = !row;
    if (first) {
        row = calloc(1, sizeof *row);
        MUST(row);
        set_text(&row->key, key);
        list_append(&item->rows, &row->link);
    }
    const char *command = first ? "ADD" : "UPDATE";
    struct values values = {0};
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    values_copy(&values, &note->values);
    set_text(&values.at[t->shape.command - 1], command);
    put_row(&out, t, note, &values);
    put_key(&out, command, key, ++row->kseq);
    put_changed(&out, &t->shape, first ? NULL : &row->values, &values);
    oracle_want(w, "%s", buf_text(&out));
    values_done(&row->values);
    row->values = values;
}

static void want_update(struct world *w, struct told_table *t, const struct note *note)
{
    struct told_item *item = &t->items[oracle_position(note) - 1];
    if (t->shape.mode == TABLE_COMMAND) {
        want_command(w, t, note);
        return;
    }
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    put_row(&out, t, note, &note->values);
    put_changed(&out, &t->shape, item->shown ? &item->row : NULL, &note->values);
    oracle_want(w, "%s", buf_text(&out));
    values_copy(&item->row, &note->values);
    item->shown = true;
    if (t->shape.mode == TABLE_MERGE)
        item->in_snapshot = false;
}

/* ---- data notifications ---- */

bool oracle_overdue(struct world *w, const struct sub *sub)
{
    return sub->doubtful || w->player.now >= sub->asked_at + w->options.connect_ms;
}

static void want_subscribed(struct world *w, struct sub *sub)
{
    struct told_table *t = sub->table;
    if (!t || sub->on)
        return;
    bool maybe = oracle_overdue(w, sub);
    if (sub->item) {
        split_subscribed(w, sub, maybe);
        return;
    }
    struct want *wanted =
        oracle_want(w, "table %s %s...", t->shape.name, sub->odd_counts ? "failed" : "active");
    wanted->effect = sub->odd_counts ? EFFECT_FAILED : EFFECT_ACTIVE;
    wanted->sub = sub;
    wanted->maybe = maybe;
}

static void want_conf(struct world *w, struct sub *sub, const struct note *note)
{
    struct told_table *t = sub->table;
    if (!t || (!t->split && strcmp(t->frequency, note->frequency) == 0))
        return;
    struct want *wanted = oracle_want(w, "table %s %s frequency=%s...", t->shape.name,
                                      oracle_state_name(t->state), note->frequency);
    wanted->effect = EFFECT_FREQUENCY;
    wanted->sub = sub;
    wanted->note = note;
    wanted->maybe = t->split || (!sub->on && oracle_overdue(w, sub));
    /* Of a table in parts either of two reasons may be told, or both. */
    if (t->split)
        snprintf(t->frequency, sizeof t->frequency, "%s", note->frequency);
}

static void want_item_message(struct world *w, struct told_table *t, const struct note *note)
{
    struct told_item *item = &t->items[oracle_position(note) - 1];
    static const char *const names[] = {[NOTE_EOS] = "eos", [NOTE_CLEAR] = "clear"};
    if (note->kind == NOTE_LOST)
        oracle_want(w, "lost %s %zu %llu", t->shape.name, oracle_position(note),
                    (unsigned long long)note->count);
    else
        oracle_want(w, "%s %s %zu", names[note->kind], t->shape.name, oracle_position(note));
    if (note->kind == NOTE_EOS)
        item->in_snapshot = false;
    if (note->kind == NOTE_CLEAR) {
        free_rows(item);
        item->shown = false;
    }
}

void oracle_bad(struct world *w)
{
    oracle_want(w, "state connecting waiting ... : protocol error: ...");
    oracle_lose(w, "session lost");
}

static void want_message(struct world *w, struct told_table *t, const struct note *note)
{
    if (note->kind == NOTE_UPDATE)
        want_update(w, t, note);
    else
        want_item_message(w, t, note);
    if (note->sub->unsure) {
        struct want *wanted = &w->oracle.wants[w->oracle.n_wants - 1];
        *wanted = (struct want){
            .text = wanted->text, .maybe = true, .effect = EFFECT_MESSAGE, .sub = note->sub, .note = note};
        return;
    }
    t->items[oracle_position(note) - 1].has_messages = true;
    t->heard_at = w->player.now;
    if (t->state != SESSION_TABLE_STALE)
        return;
    t->state = SESSION_TABLE_ACTIVE;
    want_table(w, t, t->split ? "..." : "");
}

static void on_note(struct world *w, const struct note *note)
{
    struct sub *sub = note->sub;
    struct told_table *t = sub->table;
    if (note->kind == NOTE_SUBOK) {
        want_subscribed(w, sub);
    } else if (note->kind == NOTE_CONF) {
        want_conf(w, sub, note);
    } else if (note->kind == NOTE_UNSUB) {
        if (t && sub->item)
            split_unsubscribed(w, sub);
        else if (t)
            fail_table(w, t, "unsubscribed by the server", " : unsubscribed by the server");
    } else if (t && sub->on && note->kind == NOTE_BAD && sub->unsure) {
        struct want *wanted = oracle_want(w, "state connecting waiting ... : protocol error: ...");
        wanted->maybe = true;
        wanted->effect = EFFECT_BAD;
        wanted->sub = sub;
    } else if (t && sub->on && note->kind == NOTE_BAD) {
        oracle_bad(w);
    } else if (t && sub->on) {
        want_message(w, t, note);
    }
}

void oracle_note(struct world *w, const struct line *line)
{
    struct oracle *o = &w->oracle;
    /* Sent again after a recovery: it was had before. */
    if (line->note <= o->got)
        return;
    if (line->note != o->got + 1)
        world_fail(w, NULL, "the test's server left out a notification");
    o->got++;
    if (line->session->notes[line->note - 1].sub)
        on_note(w, &line->session->notes[line->note - 1]);
}
