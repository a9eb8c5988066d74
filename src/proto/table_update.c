/* What updates make of a table's rows, and the rows for replays. */
#include "proto/table_internal.h"

#include <errno.h>

#include "proto/limits.h"

static const char *const command_names[] = {"ADD", "UPDATE", "DELETE"};

const char *table_command_name(enum table_command command)
{
    return command_names[command];
}

/* ---- cells ---- */

/* Sets a cell that is published. Returns 1 when that changed its value, 0 when not, -ENOMEM. VALUE must not point into it. */
static int cell_set(struct table *t, struct cell *c, size_t field, bool is_null, struct span value)
{
    if (cell_is(c, is_null, value))
        return 0;
    buf_clear(&t->encoded);
    int r = t->hooks.encode(t->hooks.userdata, field, is_null, value, &t->encoded);
    if (r == 0)
        r = buf_error(&t->encoded) ? -ENOMEM : cell_fill(c, is_null, value, buf_span(&t->encoded));
    return r < 0 ? r : 1;
}

/* Sets a cell that only later deltas refer to. */
static int cell_set_base(struct cell *c, bool is_null, struct span value)
{
    return cell_is(c, is_null, value) ? 0 : cell_fill(c, is_null, value, SPAN_EMPTY);
}

static struct row *row_of(struct list *link)
{
    return CONTAINER_OF(link, struct row, link);
}

/* ---- updates ---- */

static void mark_changed(struct table *t, size_t field)
{
    t->changed[field / 64] |= (uint64_t)1 << field % 64;
}

static void mark_none(struct table *t)
{
    memset(t->changed, 0, (t->n_fields + 63) / 64 * sizeof t->changed[0]);
}

static void mark_all(struct table *t)
{
    mark_none(t);
    for (size_t i = 0; i < t->n_fields; i++)
        mark_changed(t, i);
}

/* Where the values of a line go: fields from FIRST to before END. */
struct target {
    struct cell *cells; /* of all fields */
    size_t first, end;
    bool has_base;  /* "unchanged" has something to refer to */
    bool published; /* else only later deltas refer to them */
};

static int apply_field(struct table *t, const struct target *to, size_t field, const struct delta *delta,
                       const char **ret_why)
{
    struct cell *c = &to->cells[field];
    struct span value;
    int r = cell_resolve(t->options.syntax, c, delta, &t->decoded, &t->patched, &value, ret_why);
    if (r != 0)
        return r;
    bool is_null = delta->kind == DELTA_NULL;
    if (!to->published)
        return cell_set_base(c, is_null, value);
    r = cell_set(t, c, field, is_null, value);
    if (r > 0)
        mark_changed(t, field);
    return r < 0 ? r : 0;
}

/* All tokens of a line. */
static int apply_values(struct table *t, const struct target *to, struct span values, const char **ret_why)
{
    size_t field = to->first;
    struct delta delta;
    int r;
    while ((r = delta_next(t->options.syntax, &values, to->end - field, &delta)) == 0) {
        if (delta.kind != DELTA_UNCHANGED) {
            r = apply_field(t, to, field, &delta, ret_why);
            if (r != 0)
                return r;
        } else if (!to->has_base) {
            *ret_why = "an unchanged field in a first update";
            return TABLE_BAD;
        }
        field += delta.fields;
    }
    if (r == DELTA_BAD || field != to->end) {
        *ret_why = r == DELTA_BAD ? "too many fields, or a token that is none" : "too few fields";
        return TABLE_BAD;
    }
    return 0;
}

static void publish_row(struct table *t, struct item *item, struct row *row, struct table_update *ret)
{
    table_published(t, row, t->published);
    *ret = (struct table_update){.item = item,
                                 .row = row,
                                 .snapshot = item->in_snapshot,
                                 .values = t->published,
                                 .changed = t->changed};
}

static void publish_command_row(struct table *t, struct item *item, struct row *row, struct table_update *ret)
{
    publish_row(t, item, row, ret);
    ret->key = span_make(row->key, row->key_len);
    ret->command = row->command;
    ret->kseq = ++row->kseq;
}

static int command_of(const struct cell *c, enum table_command *ret)
{
    for (size_t i = 0; i < ARRAY_LENGTH(command_names); i++)
        if (!c->is_null && span_is(cell_value(c), command_names[i])) {
            *ret = (enum table_command)i;
            return 0;
        }
    return TABLE_BAD;
}

static int find_or_add_row(struct table *t, struct item *item, struct span key, struct row **ret,
                           const char **ret_why)
{
    struct row *row = map_get(&item->keys, key);
    if (!row) {
        if (item->keys.count >= LIMIT_KEYS_PER_ITEM) {
            *ret_why = "more keys in one item than can be kept";
            return TABLE_BAD;
        }
        row = table_row_new(t);
        if (!row)
            return -ENOMEM;
        row->key = span_dup(key);
        row->key_len = key.len;
        if (!row->key || map_add(&item->keys, span_make(row->key, key.len), row) < 0) {
            table_row_free(t, row);
            return -ENOMEM;
        }
        list_append(&item->rows, &row->link);
    }
    *ret = row;
    return 0;
}

/* ADD and UPDATE: the key's row becomes what the base says; published as the first of its key, or not. */
static int command_upsert(struct table *t, struct item *item, struct span key, struct table_update *ret,
                          const char **ret_why)
{
    struct row *row;
    int r = find_or_add_row(t, item, key, &row, ret_why);
    if (r != 0)
        return r;
    row->command = row->kseq ? TABLE_UPDATE : TABLE_ADD;
    for (size_t i = 0; i < t->n_first; i++) {
        const struct cell *base = &item->base->cells[i];
        bool is_command = i + 1 == t->command_field;
        struct span value = is_command ? span_of(command_names[row->command]) : cell_value(base);
        r = cell_set(t, &row->cells[i], i, !is_command && base->is_null, value);
        if (r < 0)
            return r;
        if (r > 0)
            mark_changed(t, i);
    }
    if (row->kseq == 0)
        mark_all(t);
    publish_command_row(t, item, row, ret);
    return 0;
}

static int command_delete(struct table *t, struct item *item, struct span key, struct table_update *ret)
{
    size_t key_at = t->key_field - 1, command_at = t->command_field - 1;
    int r = cell_set(t, &t->null_cell, key_at, true, SPAN_EMPTY);
    if (r >= 0)
        r = cell_set(t, &t->key_cell, key_at, false, key);
    if (r >= 0)
        r = cell_set(t, &t->delete_cell, command_at, false, span_of(command_names[TABLE_DELETE]));
    if (r < 0)
        return r;
    for (size_t i = 0; i < t->n_fields; i++)
        t->published[i] = cell_published(i == key_at       ? &t->key_cell
                                         : i == command_at ? &t->delete_cell
                                                           : &t->null_cell);
    mark_all(t);
    t->changed[key_at / 64] &= ~((uint64_t)1 << key_at % 64);
    struct row *row = map_remove(&item->keys, key);
    *ret = (struct table_update){.item = item,
                                 .snapshot = item->in_snapshot,
                                 .values = t->published,
                                 .changed = t->changed,
                                 .key = cell_value(&t->key_cell),
                                 .command = TABLE_DELETE,
                                 .kseq = row ? row->kseq + 1 : 1};
    table_row_free(t, row);
    return 0;
}

static int apply_command(struct table *t, struct item *item, struct table_update *ret, const char **ret_why)
{
    const struct cell *key = &item->base->cells[t->key_field - 1];
    enum table_command command;
    if (key->is_null || command_of(&item->base->cells[t->command_field - 1], &command) != 0) {
        *ret_why = key->is_null ? "a row without a key" : "a command that is none";
        return TABLE_BAD;
    }
    if (command == TABLE_DELETE)
        return command_delete(t, item, cell_value(key), ret);
    return command_upsert(t, item, cell_value(key), ret, ret_why);
}

int table_apply(struct table *t, uint64_t number, struct span values, struct table_update *ret,
                const char **ret_why)
{
    struct item *item = table_item(t, number);
    if (!item) {
        *ret_why = "an item that the table does not have";
        return TABLE_BAD;
    }
    if (!item->base && !(item->base = table_row_new(t)))
        return -ENOMEM;
    mark_none(t);
    /* COMMAND publishes the key's row instead, so there the base keeps values alone. */
    struct target base = {item->base->cells, 0, t->n_first, item->has_base, t->options.mode != TABLE_COMMAND};
    int r = apply_values(t, &base, values, ret_why);
    if (r != 0)
        return r;
    item->has_base = true;
    if (t->options.mode == TABLE_COMMAND)
        return apply_command(t, item, ret, ret_why);
    if (!item->shown)
        mark_all(t);
    item->shown = true;
    publish_row(t, item, item->base, ret);
    /* MERGE has no EOS: its snapshot is the first update alone. */
    if (t->options.mode == TABLE_MERGE)
        item->in_snapshot = false;
    return 0;
}

/* ---- the second level ---- */

/* Its update is one of the key's row. */
static int publish_second(struct table *t, struct item *item, struct row *row, struct table_update *ret)
{
    struct cell *command = &row->cells[t->command_field - 1];
    int r = cell_set(t, command, t->command_field - 1, false, span_of(command_names[TABLE_UPDATE]));
    if (r < 0)
        return r;
    if (r > 0)
        mark_changed(t, t->command_field - 1);
    row->command = TABLE_UPDATE;
    publish_command_row(t, item, row, ret);
    return 0;
}

int table_apply_second(struct table *t, struct item *item, struct row *row, struct span values,
                       struct table_update *ret, const char **ret_why)
{
    struct target to = {row->cells, t->n_first, t->n_fields, row->second_told, true};
    mark_none(t);
    int r = apply_values(t, &to, values, ret_why);
    if (r == 0)
        r = publish_second(t, item, row, ret);
    if (r != 0)
        return r;
    /* It is in mode MERGE: the first update alone is its snapshot. */
    ret->snapshot = !row->second_told;
    row->second_told = true;
    return 0;
}

int table_void_second(struct table *t, struct item *item, struct row *row, struct table_update *ret)
{
    bool any = false;
    mark_none(t);
    for (size_t i = t->n_first; i < t->n_fields; i++) {
        struct cell *c = &row->cells[i];
        if (c->is_null)
            continue;
        any = true;
        mark_changed(t, i);
        c->is_null = true;
        c->len = c->published_len = 0;
    }
    row->second_told = false;
    if (!any)
        return 0;
    int r = publish_second(t, item, row, ret);
    ret->snapshot = false;
    return r < 0 ? r : 1;
}

/* ---- rows for replays ---- */

static struct row *next_in_item(const struct table *t, const struct item *item, const struct row *after)
{
    if (t->options.mode == TABLE_MERGE)
        return !after && item->shown ? item->base : NULL;
    if (t->options.mode != TABLE_COMMAND)
        return NULL;
    struct list *next = after ? after->link.next : item->rows.next;
    return next != &item->rows ? row_of(next) : NULL;
}

bool table_next_row(const struct table *t, struct item **item, struct row **row)
{
    size_t at = *item ? (*item)->pos - 1 : 0;
    struct row *after = *row;
    for (; at < t->n_items; at++, after = NULL) {
        struct row *found = next_in_item(t, t->items[at], after);
        if (found) {
            *item = t->items[at];
            *row = found;
            return true;
        }
    }
    *item = NULL;
    *row = NULL;
    return false;
}

void table_published(const struct table *t, const struct row *row, struct span *values)
{
    for (size_t i = 0; i < t->n_fields; i++)
        values[i] = cell_published(&row->cells[i]);
}

struct span table_key(const struct table *t, const struct row *row)
{
    return t->options.mode == TABLE_COMMAND ? span_make(row->key, row->key_len) : SPAN_EMPTY;
}

static int encode_cell_again(struct table *t, struct cell *c, size_t field)
{
    if (!c->is_set || !c->published_len)
        return 0;
    buf_clear(&t->decoded);
    buf_add_span(&t->decoded, cell_value(c));
    if (buf_error(&t->decoded))
        return -ENOMEM;
    c->is_set = false;
    int r = cell_set(t, c, field, c->is_null, buf_span(&t->decoded));
    c->is_set = true;
    return r < 0 ? r : 0;
}

static int encode_row_again(struct table *t, struct row *row)
{
    int r = 0;
    for (size_t i = 0; i < t->n_fields && r == 0; i++)
        r = encode_cell_again(t, &row->cells[i], i);
    return r;
}

int table_encode_again(struct table *t)
{
    t->null_cell.is_set = t->key_cell.is_set = t->delete_cell.is_set = false;
    for (size_t i = 0; i < t->n_items; i++) {
        int r = t->items[i]->base ? encode_row_again(t, t->items[i]->base) : 0;
        LIST_EACH(link, &t->items[i]->rows)
            if (r == 0)
                r = encode_row_again(t, row_of(link));
        if (r < 0)
            return r;
    }
    return 0;
}
