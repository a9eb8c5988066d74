#include "proto/table_internal.h"

#include <errno.h>

#include "proto/limits.h"

static const char *const mode_names[] = {"MERGE", "DISTINCT", "COMMAND", "RAW"};

const char *table_mode_name(enum table_mode mode)
{
    return mode_names[mode];
}

/* ---- rows ---- */

struct row *table_row_new(struct table *t)
{
    struct row *row = calloc(1, sizeof *row + t->n_fields * sizeof row->cells[0]);
    if (!row)
        return NULL;
    list_init(&row->link);
    row->id = ++t->next_row_id;
    for (size_t i = t->n_first; i < t->n_fields; i++)
        row->cells[i].is_set = row->cells[i].is_null = true;
    return row;
}

void table_row_free(struct table *t, struct row *row)
{
    if (!row)
        return;
    for (size_t i = 0; i < t->n_fields; i++)
        free(row->cells[i].at);
    if (row->ref) {
        row->ref->row = NULL;
        list_append(&t->orphans, &row->ref->link);
    }
    list_remove(&row->link);
    free(row->key);
    free(row);
}

static struct row *row_of(struct list *link)
{
    return CONTAINER_OF(link, struct row, link);
}

void table_clear(struct table *t, struct item *item)
{
    item->shown = false;
    LIST_EACH_SAFE(link, &item->rows)
        table_row_free(t, row_of(link));
    map_done(&item->keys);
}

void table_void_item(struct table *t, struct item *item)
{
    table_clear(t, item);
    item->has_base = false;
    item->in_snapshot = t->options.mode != TABLE_RAW && (t->options.snapshot || t->options.snapshot_length);
    /* The base's memory stays for the next update, its values do not. */
    if (item->base)
        for (size_t i = 0; i < t->n_fields; i++)
            item->base->cells[i].is_set = false;
}

void table_void(struct table *t)
{
    for (size_t i = 0; i < t->n_items; i++)
        table_void_item(t, t->items[i]);
}

static void drop_items(struct table *t)
{
    for (size_t i = 0; i < t->n_items; i++) {
        struct item *item = t->items[i];
        table_clear(t, item);
        table_row_free(t, item->base);
        if (item->user)
            t->hooks.drop_user(t->hooks.userdata, item->user);
        free(item);
    }
    free(t->items);
    free(t->changed);
    free(t->published);
    t->items = NULL;
    t->changed = NULL;
    t->published = NULL;
    t->n_items = t->cap_items = t->n_first = t->n_fields = 0;
}

/* ---- life ---- */

static int copy_texts(struct table_options *to, const struct table_options *from)
{
    const char **texts[] = {&to->name,          &to->group,         &to->schema,
                            &to->data_adapter,  &to->selector,      &to->buffer_size,
                            &to->max_frequency, &to->second_schema, &to->second_adapter};
    const char *const sources[] = {from->name,          from->group,         from->schema,
                                   from->data_adapter,  from->selector,      from->buffer_size,
                                   from->max_frequency, from->second_schema, from->second_adapter};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        *texts[i] = sources[i] ? strdup(sources[i]) : NULL;
        if (sources[i] && !*texts[i])
            r = -ENOMEM;
    }
    return r;
}

static void free_texts(struct table_options *o)
{
    const char *texts[] = {o->name,        o->group,         o->schema,        o->data_adapter,  o->selector,
                           o->buffer_size, o->max_frequency, o->second_schema, o->second_adapter};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        free((void *)(uintptr_t)texts[i]);
}

int table_new(const struct table_options *options, const struct table_hooks *hooks, struct table **ret)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->options = *options;
    t->hooks = *hooks;
    list_init(&t->orphans);
    buf_init(&t->decoded, LIMIT_VALUE_BYTES);
    buf_init(&t->patched, LIMIT_VALUE_BYTES);
    buf_init(&t->encoded, LIMIT_VALUE_BYTES * 8);
    int r = copy_texts(&t->options, options);
    if (r < 0) {
        /* Its owner never had it. */
        t->hooks.drop_table = NULL;
        table_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    drop_items(t);
    free(t->null_cell.at);
    free(t->key_cell.at);
    free(t->delete_cell.at);
    buf_done(&t->decoded);
    buf_done(&t->patched);
    buf_done(&t->encoded);
    free_texts(&t->options);
    if (t->hooks.drop_table)
        t->hooks.drop_table(t->hooks.userdata);
    free(t);
}

static const char *check_items(const struct table *t, uint64_t items)
{
    if (t->options.n_items ? items != t->options.n_items : items == 0 || items > LIMIT_ITEMS)
        return t->options.n_items ? "the server counts other items than are configured"
                                  : "an impossible count of items";
    return NULL;
}

static const char *check_fields(const struct table *t, const struct table_counts *c)
{
    if (t->options.n_fields ? c->fields != t->options.n_fields : c->fields == 0 || c->fields > LIMIT_FIELDS)
        return t->options.n_fields ? "the server counts other fields than are configured"
                                   : "an impossible count of fields";
    if (t->options.mode != TABLE_COMMAND)
        return c->key_field || c->command_field ? "SUBCMD for a table that is not in mode COMMAND" : NULL;
    if (c->key_field == 0 || c->command_field == 0)
        return "SUBOK, without key and command, for a table in mode COMMAND";
    return c->key_field > c->fields || c->command_field > c->fields || c->key_field == c->command_field
               ? "an impossible key or command field"
               : NULL;
}

/* Up to N items, none of them taken away. Returns 0 or -ENOMEM (some more are there then, perhaps). */
static int grow_items(struct table *t, size_t n)
{
    if (n > t->cap_items) {
        size_t cap = n < 2 * t->n_items ? 2 * t->n_items : n;
        struct item **grown = realloc(t->items, cap * sizeof t->items[0]);
        if (!grown)
            return -ENOMEM;
        t->items = grown;
        t->cap_items = cap;
    }
    while (t->n_items < n) {
        struct item *item = calloc(1, sizeof *item);
        if (!item)
            return -ENOMEM;
        item->pos = t->n_items + 1;
        list_init(&item->rows);
        table_void_item(t, item);
        t->items[t->n_items++] = item;
    }
    return 0;
}

static int make_items(struct table *t, size_t items, size_t fields)
{
    drop_items(t);
    t->n_first = fields;
    t->n_fields = fields + t->options.n_second;
    t->changed = calloc((t->n_fields + 63) / 64, sizeof t->changed[0]);
    t->published = calloc(t->n_fields, sizeof t->published[0]);
    if (t->changed && t->published && grow_items(t, items) == 0)
        return 0;
    drop_items(t);
    return -ENOMEM;
}

/* As many of both as the server said. */
static int fit(struct table *t, size_t items, size_t fields)
{
    return items == t->n_items && fields == t->n_first ? 0 : make_items(t, items, fields);
}

static void set_positions(struct table *t, uint64_t key_field, uint64_t command_field)
{
    t->key_field = (size_t)key_field;
    t->command_field = (size_t)command_field;
    /* They were encoded for the fields of before. */
    t->null_cell.is_set = t->key_cell.is_set = t->delete_cell.is_set = false;
}

int table_begin(struct table *t, const struct table_counts *counts, const char **ret_why)
{
    const char *why = check_items(t, counts->items);
    if (!why)
        why = check_fields(t, counts);
    if (why) {
        *ret_why = why;
        return TABLE_BAD;
    }
    int r = fit(t, (size_t)counts->items, (size_t)counts->fields);
    if (r < 0)
        return r;
    set_positions(t, counts->key_field, counts->command_field);
    table_void(t);
    return 0;
}

static bool same_fields(const struct table *t, const struct table_counts *c)
{
    return c->fields == t->n_first && c->key_field == t->key_field && c->command_field == t->command_field;
}

int table_begin_item(struct table *t, size_t pos, bool others, const struct table_counts *counts,
                     const char **ret_why)
{
    const char *why = counts->items != 1 ? "the server counts other items than are configured" : NULL;
    if (!why)
        why = check_fields(t, counts);
    if (!why && others && !same_fields(t, counts))
        why = "the server counts other fields than for another item";
    if (why) {
        *ret_why = why;
        return TABLE_BAD;
    }
    int r = others ? 0 : fit(t, t->options.n_items, (size_t)counts->fields);
    if (r < 0)
        return r;
    if (!others)
        set_positions(t, counts->key_field, counts->command_field);
    table_void_item(t, table_item(t, pos));
    return 0;
}

int table_begin_untold(struct table *t, const char **ret_why)
{
    const struct table_options *o = &t->options;
    size_t highest = o->key_field > o->command_field ? o->key_field : o->command_field;
    if (o->n_fields && highest > o->n_fields) {
        *ret_why = "a key or command field that it does not have";
        return TABLE_BAD;
    }
    int r = o->n_fields && o->n_fields != t->n_first ? make_items(t, o->n_items, o->n_fields) : 0;
    if (r == 0)
        r = grow_items(t, o->n_items);
    if (r < 0)
        return r;
    t->told_fields = o->n_fields != 0;
    set_positions(t, o->key_field, o->command_field);
    table_void(t);
    return 0;
}

int table_begin_untold_item(struct table *t, size_t pos, bool others, const char **ret_why)
{
    if (!others)
        return table_begin_untold(t, ret_why);
    table_void_item(t, table_item(t, pos));
    return 0;
}

/* Only before any row is there: rows have their fields for life. */
static int set_fields(struct table *t, size_t fields)
{
    size_t all = fields + t->options.n_second;
    uint64_t *changed = calloc((all + 63) / 64, sizeof *changed);
    struct span *published = calloc(all, sizeof *published);
    if (!changed || !published) {
        free(changed);
        free(published);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->n_items; i++)
        table_row_free(t, TAKE(t->items[i]->base));
    free(t->changed);
    free(t->published);
    t->changed = changed;
    t->published = published;
    t->n_first = fields;
    t->n_fields = all;
    return 0;
}

static int meet_fields(struct table *t, size_t fields, const char **ret_why)
{
    if (fields > LIMIT_FIELDS || t->options.key_field > fields || t->options.command_field > fields) {
        *ret_why = fields > LIMIT_FIELDS ? "an impossible count of fields"
                                         : "fewer fields than the position of its key or command";
        return TABLE_BAD;
    }
    t->told_fields = true;
    return fields == t->n_first ? 0 : set_fields(t, fields);
}

int table_meet(struct table *t, uint64_t item, size_t fields, const char **ret_why)
{
    int r = 0;
    if (t->options.n_items ? item > t->options.n_items : item == 0 || item > LIMIT_ITEMS) {
        *ret_why = "an item that the table does not have";
        return TABLE_BAD;
    }
    if (fields && !t->told_fields)
        r = meet_fields(t, fields, ret_why);
    if (r == 0 && item > t->n_items)
        r = grow_items(t, (size_t)item);
    return r;
}

struct item *table_item(const struct table *t, uint64_t item)
{
    return item >= 1 && item <= t->n_items ? t->items[item - 1] : NULL;
}

void table_end_snapshot(struct item *item)
{
    item->in_snapshot = false;
}
