#include "session_model.h"

#include <errno.h>

#include "must.h"

struct model_row {
    struct list link; /* of its item */
    char *key;        /* COMMAND */
    size_t key_len;
    uint64_t kseq;
    size_t n_fields;
    struct buf values[]; /* as published */
};

struct model_item {
    struct list link;
    const struct item *item;
    bool has_messages, snapshot_over;
    struct list rows; /* COMMAND: one a key; else the last one */
};

struct model_table {
    struct list link;
    const struct session_table *table;
    bool active;
    struct list items;
};

/* ---- what is published ---- */

static int encode(void *userdata, size_t field, bool is_null, struct span value, struct buf *out)
{
    (void)userdata;
    (void)field;
    buf_add_char(out, is_null ? 'n' : 'v');
    buf_add_span(out, value);
    return buf_error(out) == -ENOMEM ? -ENOMEM : 0;
}

static void drop_user(void *userdata, void *user)
{
    (void)userdata;
    free(user);
}

const struct table_hooks session_model_hooks = {.encode = encode, .drop_user = drop_user};

/* ---- rows ---- */

static struct model_row *row_of(struct list *link)
{
    return CONTAINER_OF(link, struct model_row, link);
}

static struct model_row *find_row(const struct model_item *item, struct span key)
{
    LIST_EACH(link, &item->rows)
        if (span_equal(span_make(row_of(link)->key, row_of(link)->key_len), key))
            return row_of(link);
    return NULL;
}

static void free_row(struct model_row *row)
{
    list_remove(&row->link);
    for (size_t i = 0; i < row->n_fields; i++)
        buf_done(&row->values[i]);
    free(row->key);
    free(row);
}

static void free_rows(struct model_item *item)
{
    LIST_EACH_SAFE(link, &item->rows)
        free_row(row_of(link));
}

static struct model_row *new_row(struct model_item *item, struct span key, size_t n_fields)
{
    struct model_row *row = calloc(1, sizeof *row + n_fields * sizeof row->values[0]);
    MUST(row);
    row->key = span_dup(key);
    MUST(row->key);
    row->key_len = key.len;
    row->n_fields = n_fields;
    for (size_t i = 0; i < n_fields; i++)
        buf_init(&row->values[i], SIZE_MAX / 2);
    list_append(&item->rows, &row->link);
    return row;
}

static void keep_values(struct model_row *row, const struct span *values)
{
    for (size_t i = 0; i < row->n_fields; i++) {
        buf_clear(&row->values[i]);
        buf_add_span(&row->values[i], values[i]);
        MUST(buf_error(&row->values[i]) == 0);
    }
}

/* ---- tables and items ---- */

static struct model_table *table_of(struct list *link)
{
    return CONTAINER_OF(link, struct model_table, link);
}

static struct model_item *item_of(struct list *link)
{
    return CONTAINER_OF(link, struct model_item, link);
}

static void free_items(struct model_table *t)
{
    LIST_EACH_SAFE(link, &t->items) {
        free_rows(item_of(link));
        list_remove(link);
        free(item_of(link));
    }
}

static void free_table(struct model_table *t)
{
    free_items(t);
    list_remove(&t->link);
    free(t);
}

static struct model_table *get_table(struct session_model *m, const struct session_table *table)
{
    LIST_EACH(link, &m->tables)
        if (table_of(link)->table == table)
            return table_of(link);
    struct model_table *t = calloc(1, sizeof *t);
    MUST(t);
    t->table = table;
    list_init(&t->items);
    list_append(&m->tables, &t->link);
    return t;
}

static struct model_item *get_item(struct model_table *t, struct item *item)
{
    LIST_EACH(link, &t->items)
        if (item_of(link)->item == item)
            return item_of(link);
    struct model_item *found = calloc(1, sizeof *found);
    MUST(found);
    found->item = item;
    list_init(&found->rows);
    list_append(&t->items, &found->link);
    /* The table owns it from now on. */
    if (!item->user)
        item->user = malloc(1);
    return found;
}

static bool has_messages(const struct model_table *t)
{
    LIST_EACH(link, &t->items)
        if (item_of(link)->has_messages)
            return true;
    return false;
}

void session_model_init(struct session_model *m)
{
    *m = (struct session_model){.state = SESSION_DISCONNECTED};
    list_init(&m->tables);
}

void session_model_done(struct session_model *m)
{
    LIST_EACH_SAFE(link, &m->tables)
        free_table(table_of(link));
}

/* ---- events ---- */

static void on_state(struct session_model *m, const struct session_report *r)
{
    MUST(r->previous == m->state);
    MUST(session_state_name(r->state) && r->detail[0]);
    MUST(strlen(r->id_end) <= 6);
    MUST((r->state == SESSION_CONNECTED) == (r->continuity != SESSION_CONTINUITY_NONE));
    if (r->state == SESSION_CONNECTED && r->previous != SESSION_CONNECTED) {
        bool anew = r->continuity == SESSION_NEW || r->continuity == SESSION_REPLACED;
        MUST(anew || !m->lost);
        m->lost = false;
    }
    m->state = r->state;
}

/* What is told of a table's state: rows are void by then unless it goes on. */
static void on_table(struct session_model *m, const struct session_table *table)
{
    struct model_table *t = get_table(m, table);
    bool active = table->state == SESSION_TABLE_ACTIVE || table->state == SESSION_TABLE_STALE;
    MUST(session_table_state_name(table->state));
    MUST((active && t->active) || !has_messages(t));
    if (!active || !t->active)
        free_items(t);
    t->active = active;
    if (table->state == SESSION_TABLE_DELETED)
        free_table(t);
}

static bool is_changed(const struct table_update *u, size_t field)
{
    return u->changed[field / 64] >> field % 64 & 1;
}

/* A bit is set where the value differs from the row before; all are in a first row, all but the key on a DELETE. */
static void check_changed(const struct table *t, const struct table_update *u, const struct model_row *before)
{
    bool command = t->options.mode == TABLE_COMMAND, deleted = command && u->command == TABLE_DELETE;
    for (size_t i = 0; i < t->n_fields; i++) {
        MUST(u->values[i].len >= 1 || i >= t->n_first);
        bool differs = !before || !span_equal(u->values[i], buf_span(&before->values[i]));
        MUST(is_changed(u, i) == (deleted ? i + 1 != t->key_field : differs));
    }
}

/* The field is published as VALUE is. */
static void check_value(const struct table *t, const struct table_update *u, size_t field, bool is_null,
                        struct span value)
{
    AUTO_BUF struct buf encoded = BUF_INIT(SIZE_MAX / 2);
    MUST(t->hooks.encode(t->hooks.userdata, field, is_null, value, &encoded) == 0);
    MUST(span_equal(u->values[field], buf_span(&encoded)));
}

static void check_command(const struct table *t, const struct table_update *u, const struct model_row *before)
{
    check_value(t, u, t->key_field - 1, false, u->key);
    check_value(t, u, t->command_field - 1, false, span_of(table_command_name(u->command)));
    MUST(u->kseq == (before ? before->kseq + 1 : 1));
    MUST(u->command == TABLE_DELETE || (u->command == TABLE_ADD) == !before);
    for (size_t i = 0; u->command == TABLE_DELETE && i < t->n_fields; i++)
        if (i + 1 != t->key_field && i + 1 != t->command_field)
            check_value(t, u, i, true, SPAN_EMPTY);
}

static void on_update(struct model_table *t, struct model_item *item, const struct table_update *u)
{
    const struct table *table = t->table->table;
    struct span key = table->options.mode == TABLE_COMMAND ? u->key : SPAN_EMPTY;
    struct model_row *row = find_row(item, key);
    MUST(!row || row->n_fields == table->n_fields);
    bool second = table->options.n_second && u->command == TABLE_UPDATE;
    MUST(!u->snapshot || !item->snapshot_over || second);
    if (table->options.mode == TABLE_MERGE)
        item->snapshot_over = true;
    check_changed(table, u, row);
    if (table->options.mode == TABLE_COMMAND) {
        check_command(table, u, row);
        if (u->command == TABLE_DELETE) {
            if (row)
                free_row(row);
            return;
        }
    }
    if (!row)
        row = new_row(item, key, table->n_fields);
    row->kseq = u->kseq;
    keep_values(row, u->values);
}

static void on_gap(struct session_model *m, struct model_item *item, const char *reason)
{
    MUST(item->has_messages);
    MUST(reason && reason[0]);
    m->lost = m->lost || strcmp(reason, "session lost") == 0;
    free_rows(item);
    item->has_messages = item->snapshot_over = false;
}

static void on_item(struct session_model *m, const struct session_event *e)
{
    struct model_table *t = get_table(m, e->table);
    struct model_item *item = get_item(t, e->item);
    MUST(t->active);
    MUST(table_item(e->table->table, e->item->pos) == e->item);
    if (e->kind == SESSION_EVENT_GAP) {
        on_gap(m, item, e->text);
        return;
    }
    item->has_messages = true;
    if (e->kind == SESSION_EVENT_UPDATE)
        on_update(t, item, &e->update);
    else if (e->kind == SESSION_EVENT_EOS)
        item->snapshot_over = true;
    else if (e->kind == SESSION_EVENT_CLEAR)
        free_rows(item);
}

void session_model_event(struct session_model *m, const struct session_event *e)
{
    switch (e->kind) {
    case SESSION_EVENT_STATE: on_state(m, e->report); break;
    case SESSION_EVENT_TABLE: on_table(m, e->table); break;
    case SESSION_EVENT_UPDATE:
    case SESSION_EVENT_EOS:
    case SESSION_EVENT_CLEAR:
    case SESSION_EVENT_LOST:
    case SESSION_EVENT_GAP: on_item(m, e); break;
    case SESSION_EVENT_ANSWER:
        MUST(e->answer->token && !e->answer->text[0] == (e->answer->response.at != NULL));
        m->answers++;
        break;
    case SESSION_EVENT_ODDITY: MUST(e->text[0]); break;
    }
}

/* ---- between events ---- */

static size_t count_rows(const struct model_table *t)
{
    size_t n = 0;
    LIST_EACH(link, &t->items)
        LIST_EACH(row, &item_of(link)->rows)
            n++;
    return n;
}

static void check_row(const struct model_table *t, struct item *item, const struct row *row)
{
    const struct table *table = t->table->table;
    const struct model_row *kept = NULL;
    LIST_EACH(link, &t->items)
        if (item_of(link)->item == item)
            kept = find_row(item_of(link), table_key(table, row));
    MUST(kept);
    AUTO_FREE struct span *values = malloc(table->n_fields * sizeof *values);
    MUST(values);
    table_published(table, row, values);
    for (size_t i = 0; i < table->n_fields; i++)
        MUST(span_equal(values[i], buf_span(&kept->values[i])));
}

void session_model_rows(const struct session_model *m)
{
    LIST_EACH(link, &m->tables) {
        const struct model_table *t = table_of(link);
        enum table_mode mode = t->table->table->options.mode;
        struct item *item = NULL;
        struct row *row = NULL;
        size_t n = 0;
        while (table_next_row(t->table->table, &item, &row)) {
            check_row(t, item, row);
            n++;
        }
        MUST(n == (mode == TABLE_MERGE || mode == TABLE_COMMAND ? count_rows(t) : 0));
    }
}

void session_model_is_void(const struct session_model *m)
{
    LIST_EACH(link, &m->tables)
        MUST(!has_messages(table_of(link)));
}
