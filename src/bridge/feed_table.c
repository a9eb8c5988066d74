#include "bridge/feed_internal.h"

#include <errno.h>
#include <stdio.h>

/* ---- the order of tables ---- */

static struct feed_table *table_of(struct list *link)
{
    return CONTAINER_OF(link, struct feed_table, link);
}

struct feed_table *feed_next_table(const struct feed *f, const struct feed_table *after)
{
    struct list *next = after ? after->link.next : f->tables.next;
    return next != &f->tables ? table_of(next) : NULL;
}

static int compare(const struct feed_table *a, const struct feed_table *b)
{
    int sessions = strcmp(a->session, b->session);
    return sessions ? sessions : strcmp(a->name, b->name);
}

static void insert_sorted(struct feed *f, struct feed_table *t)
{
    struct feed_table *before = NULL;
    while ((before = feed_next_table(f, before)) && compare(before, t) <= 0)
        ;
    /* Appending to a link puts in front of it: at the head, behind the last. */
    list_append(before ? &before->link : &f->tables, &t->link);
}

/* ---- items ---- */

static int find_series(struct feed_table *t, struct span item, struct series **ret)
{
    AUTO_BUF struct buf key = BUF_INIT(SIZE_MAX);
    buf_add(&key, t->session, strlen(t->session) + 1);
    buf_add(&key, t->name, strlen(t->name) + 1);
    buf_add_span(&key, item);
    if (buf_error(&key))
        return -ENOMEM;
    struct series *series = map_get(&t->feed->series, buf_span(&key));
    if (!series) {
        series = calloc(1, sizeof *series + key.len);
        if (!series)
            return -ENOMEM;
        series->key_len = key.len;
        memcpy(series->key, key.at, key.len);
        if (map_add(&t->feed->series, span_make(series->key, key.len), series) < 0) {
            free(series);
            return -ENOMEM;
        }
    }
    *ret = series;
    return 0;
}

static void item_free(struct feed_item *item)
{
    if (!item)
        return;
    encode_item_free(item->encode);
    free(item);
}

static struct span item_name(const struct feed_table *t, const struct item *item, char text[static 24])
{
    if (item->pos <= t->n_items)
        return t->items[item->pos - 1];
    int n = snprintf(text, 24, "%zu", item->pos);
    return span_make(text, (size_t)n);
}

static int make_item(struct feed_table *t, struct item *item)
{
    char text[24];
    struct span name = item_name(t, item, text);
    struct feed_item *made = calloc(1, sizeof *made);
    int r = made ? find_series(t, name, &made->series) : -ENOMEM;
    if (r < 0) {
        item_free(made);
        return r;
    }
    made->name = span_make(made->series->key + made->series->key_len - name.len, name.len);
    made->generation = t->generation - 1;
    item->user = made;
    return 0;
}

int feed_table_item(struct feed_table *t, struct item *item, struct feed_item **ret)
{
    int r = item->user ? 0 : make_item(t, item);
    if (r < 0)
        return r;
    struct feed_item *found = item->user;
    if (found->generation != t->generation) {
        encode_item_free(TAKE(found->encode));
        r = encode_item_new(t->encode, found->name, item->pos, &found->encode);
        if (r < 0)
            return r;
        found->generation = t->generation;
    }
    *ret = found;
    return 0;
}

/* ---- encoders ---- */

/* Names of all fields, those that have none by their positions; *RET_TEXTS is what these are in. */
static struct span *field_names(const struct feed_names *names, size_t n, char (**ret_texts)[24])
{
    char(*texts)[24] = calloc(n + 1, sizeof *texts);
    struct span *all = calloc(n + 1, sizeof *all);
    if (!texts || !all) {
        free(texts);
        free(all);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        all[i] = feed_name(names, n, i, texts[i]);
    *ret_texts = texts;
    return all;
}

static int make_encoder(struct feed_table *t)
{
    size_t n = t->table->n_fields;
    char(*texts)[24] = NULL;
    struct span *names = field_names(&t->names, n, &texts);
    if (!names)
        return -ENOMEM;
    enum table_mode mode = t->table->options.mode;
    struct encode_table_options options = {
        .format = t->format,
        .changed_only = t->feed->changed_only,
        .run = t->feed->run,
        .session = span_of(t->session),
        .table = span_of(t->name),
        .fields = names,
        .n_fields = n,
        .key_field = t->table->key_field,
        .command_field = t->table->command_field,
        .always_whole = mode == TABLE_DISTINCT || mode == TABLE_RAW,
        .topic = t->topic ? t->topic : t->feed->topic_template,
    };
    struct encode_table *made;
    int r = encode_table_new(&options, &made);
    free(names);
    free(texts);
    if (r < 0)
        return r;
    encode_table_free(t->encode);
    t->encode = made;
    t->generation++;
    t->encoded_fields = n;
    t->encoded_key = t->table->key_field;
    t->encoded_command = t->table->command_field;
    return 0;
}

static int make_room_for_values(struct feed *f, size_t n)
{
    if (n <= f->n_values)
        return 0;
    struct span *grown = realloc(f->values, n * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    f->values = grown;
    f->n_values = n;
    return 0;
}

int feed_table_prepare(struct feed_table *t)
{
    const struct table *table = t->table;
    if (t->encode && t->encoded_fields == table->n_fields && t->encoded_key == table->key_field &&
        t->encoded_command == table->command_field)
        return 0;
    int r = make_room_for_values(t->feed, table->n_fields);
    return r < 0 ? r : make_encoder(t);
}

int feed_table_row(struct feed_table *t, struct item *item, struct row *row, struct feed_item **ret_item,
                   struct encode_row *ret)
{
    int r = feed_table_prepare(t);
    if (r == 0)
        r = feed_table_item(t, item, ret_item);
    if (r < 0)
        return r;
    table_published(t->table, row, t->feed->values);
    *ret = (struct encode_row){.type = row->stamp.snapshot ? ENCODE_SNAPSHOT : ENCODE_UPDATE,
                               .seq = row->stamp.seq,
                               .kseq = row->kseq,
                               .time_us = row->stamp.time_us,
                               .values = t->feed->values,
                               .key = table_key(t->table, row),
                               .command = row->kseq ? span_of(table_command_name(row->command)) : SPAN_EMPTY,
                               .replay = true};
    return 0;
}

/* Every value of the row one after the other: their places are known once the buffer has stopped growing. */
int feed_table_row_json(struct feed_table *t, const struct row *row)
{
    struct feed *f = t->feed;
    int r = feed_types_fit(&t->types, t->table->n_fields, &t->names);
    buf_clear(&f->json);
    for (size_t i = 0; r >= 0 && i < t->table->n_fields; i++) {
        const struct cell *c = &row->cells[i];
        size_t before = f->json.len;
        r = encode_value(ENCODE_JSON, t->types.fields[i].type, !c->is_set || c->is_null,
                         span_make(c->at, c->len), &f->json);
        f->values[i].len = f->json.len - before;
    }
    if (r < 0)
        return r;
    size_t at = 0;
    for (size_t i = 0; i < t->table->n_fields; at += f->values[i++].len)
        f->values[i].at = f->json.at + at;
    return 0;
}

/* ---- hooks ---- */

static void note_misfit(struct feed_table *t, size_t field, struct span value)
{
    struct feed_field *f = &t->types.fields[field];
    char text[24];
    struct feed_misfit misfit = {.table = t->name,
                                 .field = feed_name(&t->names, t->table->n_fields, field, text),
                                 .type = f->type,
                                 .value = value,
                                 .first = !f->told};
    if (t->encoding_again && f->type_kept)
        return;
    f->told = true;
    t->misfits++;
    t->feed->counters.misfits++;
    if (t->misfit)
        t->misfit(t->userdata, &misfit);
}

static int hook_encode(void *userdata, size_t field, bool is_null, struct span value, struct buf *out)
{
    struct feed_table *t = userdata;
    int r = feed_types_fit(&t->types, t->table->n_fields, &t->names);
    if (r == 0)
        r = encode_value(t->format, t->types.fields[field].type, is_null, value, out);
    if (r == ENCODE_MISFIT)
        note_misfit(t, field, value);
    return r < 0 ? r : 0;
}

static void hook_drop_user(void *userdata UNUSED, void *user)
{
    item_free(user);
}

static void hook_drop_table(void *userdata)
{
    feed_table_free(userdata);
}

struct table_hooks feed_table_hooks(struct feed_table *t)
{
    return (struct table_hooks){
        .encode = hook_encode, .drop_user = hook_drop_user, .drop_table = hook_drop_table, .userdata = t};
}

/* ---- making and freeing ---- */

static struct span *copy_names(const struct span *names, size_t n)
{
    struct span *copies = calloc(n ? n : 1, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = span_make(span_dup(names[i]), names[i].len);
        if (!copies[i].at) {
            while (i--)
                free((void *)(uintptr_t)copies[i].at);
            free(copies);
            return NULL;
        }
    }
    return copies;
}

static void free_names(struct span *names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        free((void *)(uintptr_t)names[i].at);
    free(names);
}

int feed_table_new(struct feed *f, const struct feed_table_options *options, struct feed_table **ret)
{
    struct feed_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    *t = (struct feed_table){.feed = f,
                             .session = strdup(options->session),
                             .name = strdup(options->name),
                             .items = copy_names(options->items, options->n_items),
                             .n_items = options->n_items,
                             .names = {.first = copy_names(options->fields, options->n_fields),
                                       .second = copy_names(options->second_fields, options->n_second),
                                       .n_first = options->n_fields,
                                       .n_second = options->n_second},
                             .topic = options->topic ? strdup(options->topic) : NULL,
                             .format = options->format ? *options->format : f->format,
                             .misfit = options->misfit,
                             .userdata = options->userdata};
    list_init(&t->link);
    if (!t->session || !t->name || !t->items || !t->names.first || !t->names.second ||
        (options->topic && !t->topic) ||
        feed_types_set(&t->types, options->types, options->n_types, &t->names) < 0) {
        feed_table_free(t);
        return -ENOMEM;
    }
    insert_sorted(f, t);
    *ret = t;
    return 0;
}

void feed_table_free(struct feed_table *t)
{
    if (!t)
        return;
    feed_replays_leave(t->feed, t);
    list_remove(&t->link);
    encode_table_free(t->encode);
    free_names(t->items, t->n_items);
    free_names(t->names.first, t->names.n_first);
    free_names(t->names.second, t->names.n_second);
    feed_types_done(&t->types);
    free(t->session);
    free(t->name);
    free(t->topic);
    free(t);
}

void feed_table_attach(struct feed_table *t, struct table *table)
{
    t->table = table;
}

int feed_table_set_topic(struct feed_table *t, const char *topic)
{
    char *copy = topic ? strdup(topic) : NULL;
    if (topic && !copy)
        return -ENOMEM;
    free(t->topic);
    t->topic = copy;
    encode_table_free(TAKE(t->encode));
    return 0;
}

int feed_table_set_encoding(struct feed_table *t, const enum encode_format *format,
                            const struct feed_type *types, size_t n_types)
{
    int r = feed_types_set(&t->types, types, n_types, &t->names);
    if (r < 0)
        return r;
    t->format = format ? *format : t->feed->format;
    encode_table_free(TAKE(t->encode));
    t->encoding_again = true;
    r = table_encode_again(t->table);
    t->encoding_again = false;
    return r;
}

uint64_t feed_table_updates(const struct feed_table *t)
{
    return t->updates;
}

uint64_t feed_table_messages(const struct feed_table *t)
{
    return t->messages;
}

uint64_t feed_table_misfits(const struct feed_table *t)
{
    return t->misfits;
}

uint64_t feed_table_last_us(const struct feed_table *t)
{
    return t->last_us;
}
