/* The tables of a link: from the configuration to proto and feed, and what is told of them. */
#include "bridge/link_internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/escape.h"
#include "bridge/clock.h"
#include "bridge/json.h"
#include "conf/diff.h"

/* A value that does not fit may be of any length. */
enum { MISFIT_SHOWN_BYTES = 60 };

/* ---- from the configuration ---- */

static enum table_mode mode_of(enum conf_mode mode)
{
    static const enum table_mode modes[] = {[CONF_MODE_MERGE] = TABLE_MERGE,
                                            [CONF_MODE_DISTINCT] = TABLE_DISTINCT,
                                            [CONF_MODE_COMMAND] = TABLE_COMMAND,
                                            [CONF_MODE_RAW] = TABLE_RAW};
    return modes[mode];
}

static const char *joined(struct buf *out, const struct conf_strings *names, const char *separator)
{
    for (size_t i = 0; i < names->n; i++) {
        if (i)
            buf_add_text(out, separator);
        buf_add_text(out, names->at[i]);
    }
    return buf_text(out);
}

static struct span *spans_of(const struct conf_strings *names)
{
    struct span *spans = calloc(names->n + 1, sizeof *spans);
    for (size_t i = 0; spans && i < names->n; i++)
        spans[i] = span_of(names->at[i]);
    return spans;
}

/* Returns an *owned* array; its texts are the configuration's. */
static struct feed_type *types_of(const struct conf_table *conf)
{
    static const enum encode_type types[] = {[CONF_TYPE_NUMBER] = ENCODE_NUMBER,
                                             [CONF_TYPE_INTEGER] = ENCODE_INTEGER,
                                             [CONF_TYPE_BOOLEAN] = ENCODE_BOOLEAN,
                                             [CONF_TYPE_JSON] = ENCODE_JSON_VALUE};
    struct feed_type *made = calloc(conf->n_types + 1, sizeof *made);
    for (size_t i = 0; made && i < conf->n_types; i++)
        made[i] = (struct feed_type){span_of(conf->types[i].field), types[conf->types[i].type]};
    return made;
}

static void on_misfit(void *userdata, const struct feed_misfit *m)
{
    struct link *l = userdata;
    AUTO_BUF struct buf shown = BUF_INIT(SIZE_MAX);
    l->misfits++;
    if (!m->first)
        return;
    bool cut = m->value.len > MISFIT_SHOWN_BYTES;
    escape_json(&shown, cut ? span_make(m->value.at, MISFIT_SHOWN_BYTES) : m->value);
    log_line(l->env->log, LOG_WARNING, l->name, m->table,
             "field %.*s: %s%s is not of type %s, and is published as a string (told once)",
             (int)m->field.len, m->field.at, buf_error(&shown) ? "a value" : buf_text(&shown), cut ? "…" : "",
             feed_type_name(m->type));
}

enum encode_format link_format(enum conf_encoding encoding)
{
    return encoding == CONF_ENCODING_JSON ? ENCODE_JSON : ENCODE_MSGPACK;
}

static int make_feed_table(struct link *l, const struct conf_table *conf, struct feed_table **ret)
{
    struct span *items = spans_of(&conf->items), *fields = spans_of(&conf->fields);
    AUTO_FREE struct span *second = spans_of(&conf->second_level.fields);
    AUTO_FREE struct feed_type *types = types_of(conf);
    enum encode_format format = link_format(conf->encoding);
    int r = -ENOMEM;
    if (items && fields && second && types) {
        struct feed_table_options options = {.session = l->name,
                                             .name = conf->name,
                                             .items = items,
                                             .n_items = conf->items.n,
                                             .fields = fields,
                                             .n_fields = conf->fields.n,
                                             .second_fields = second,
                                             .n_second = conf->second_level.fields.n,
                                             .topic = conf->topic,
                                             .format = conf->has_encoding ? &format : NULL,
                                             .types = types,
                                             .n_types = conf->n_types,
                                             .misfit = on_misfit,
                                             .userdata = l};
        r = feed_table_new(l->env->feed, &options, ret);
    }
    free(items);
    free(fields);
    return r;
}

static const char *frequency_of(const struct conf_table *conf)
{
    /* RAW knows no frequency; "unlimited" is the server's default in every mode. */
    return conf->mode == CONF_MODE_RAW && strncmp(conf->max_frequency, "un", 2) == 0 ? NULL
                                                                                     : conf->max_frequency;
}

int link_add_table(struct link *l, const struct conf_table *conf)
{
    struct feed_table *ft;
    int r = make_feed_table(l, conf, &ft);
    if (r < 0)
        return r;
    AUTO_BUF struct buf group = BUF_INIT(SIZE_MAX), schema = BUF_INIT(SIZE_MAX), second = BUF_INIT(SIZE_MAX);
    const struct conf_strings *second_fields = &conf->second_level.fields;
    struct table_options options = {
        .name = conf->name,
        .mode = mode_of(conf->mode),
        .group = conf->group ? conf->group : joined(&group, &conf->items, l->conf->separator),
        .schema = conf->schema ? conf->schema : joined(&schema, &conf->fields, l->conf->separator),
        .n_items = conf->items.n,
        .n_fields = conf->fields.n,
        .data_adapter = conf->data_adapter,
        .selector = conf->selector,
        .buffer_size = conf->buffer_size,
        .max_frequency = frequency_of(conf),
        .snapshot = conf->snapshot,
        .snapshot_length = (uint64_t)conf->snapshot_length,
        .n_second = second_fields->n,
        .second_schema = second_fields->n ? joined(&second, second_fields, l->conf->separator) : NULL,
        .second_adapter = conf->second_level.data_adapter,
        .key_field = conf->key_field ? conf_field_position(conf, conf->key_field) : 0,
        .command_field = conf->command_field ? conf_field_position(conf, conf->command_field) : 0,
    };
    struct table_hooks hooks = feed_table_hooks(ft);
    struct session_table *t = NULL;
    r = buf_error(&group) || buf_error(&schema) || buf_error(&second)
            ? -ENOMEM
            : session_add_table(l->session, clock_loop_ms(l->env->event), &options, &hooks,
                                (uint64_t)conf->retry_failed_ms, ft, &t);
    if (r < 0) {
        feed_table_free(ft);
        return r;
    }
    feed_table_attach(ft, t->table);
    if (conf->split_on_error && session_split_on_error(t, (const char *const *)conf->items.at) < 0) {
        session_remove_table(l->session, clock_loop_ms(l->env->event), t, true);
        return -ENOMEM;
    }
    if (conf->silent)
        session_silence_table(l->session, t);
    session_set_stale(l->session, clock_loop_ms(l->env->event), t, (uint64_t)conf->stale_ms);
    return 0;
}

struct session_table *link_find_table(const struct link *l, const char *name)
{
    struct session_table *t = NULL;
    while ((t = session_next_table(l->session, t)))
        if (strcmp(t->table->options.name, name) == 0)
            return t;
    return NULL;
}

bool link_has_table(const struct link *l, const char *name)
{
    return link_find_table(l, name) != NULL;
}

size_t link_count_tables(const struct link *l)
{
    size_t n = 0;
    for (struct session_table *t = NULL; (t = session_next_table(l->session, t));)
        n++;
    return n;
}

void link_remove_table(struct link *l, const char *name, bool replaced)
{
    struct session_table *t = link_find_table(l, name);
    if (t)
        session_remove_table(l->session, clock_loop_ms(l->env->event), t, replaced);
    link_forget_added(l, name);
}

/* ---- tables that are in no file ---- */

static struct added_table *added_of(struct list *in_added)
{
    return CONTAINER_OF(in_added, struct added_table, in_added);
}

int link_add_added(struct link *l, struct added_table *taken)
{
    int r = link_add_table(l, taken->conf);
    if (r < 0)
        added_free(taken);
    else
        list_append(&l->added, &taken->in_added);
    return r;
}

const struct added_table *link_next_added(const struct link *l, const struct added_table *after)
{
    struct list *next = after ? after->in_added.next : l->added.next;
    return next != &l->added ? added_of(next) : NULL;
}

const struct added_table *link_find_added(const struct link *l, const char *name)
{
    const struct added_table *a = NULL;
    while ((a = link_next_added(l, a)))
        if (strcmp(a->conf->name, name) == 0)
            return a;
    return NULL;
}

void link_forget_added(struct link *l, const char *name)
{
    LIST_EACH_SAFE(at, &l->added)
        if (!name || strcmp(added_of(at)->conf->name, name) == 0)
            added_free(added_of(at));
}

/* ---- tables while they are there ---- */

void link_start_table(struct link *l, const char *name)
{
    struct session_table *t = link_find_table(l, name);
    if (t)
        session_start_table(l->session, t);
}

static const char too_many[] = "too many requests wait for the server's answer";

/* NULL when another frequency can be asked for. */
static const char *why_not_reconf(const struct session_table *t)
{
    const char *now = t->table->options.max_frequency;
    if (t->state != SESSION_TABLE_ACTIVE)
        return "the table is not active";
    if (t->table->options.mode == TABLE_RAW)
        return "updates are not filtered in mode RAW";
    return now && strcmp(now, "unfiltered") == 0 ? "the table is subscribed as \"unfiltered\"" : NULL;
}

int link_reconf(struct link *l, const char *name, const char *max_frequency, uint64_t token,
                const char **ret_why)
{
    uint64_t now = clock_loop_ms(l->env->event);
    struct session_table *t = link_find_table(l, name);
    *ret_why = t ? why_not_reconf(t) : "there is no such table";
    if (!*ret_why && !session_await(l->session, now, token, t))
        *ret_why = too_many;
    return *ret_why ? LINK_CANNOT : session_reconf(l->session, now, t, max_frequency);
}

int link_constrain(struct link *l, const char *max_bandwidth_kbps, uint64_t token, const char **ret_why)
{
    enum session_state state = link_report(l)->state;
    *ret_why = NULL;
    if (state != SESSION_CONNECTED && state != SESSION_RECONNECTING)
        *ret_why = "the session is not connected";
    else if (!session_await(l->session, clock_loop_ms(l->env->event), token, NULL))
        *ret_why = too_many;
    return *ret_why ? LINK_CANNOT : session_constrain(l->session, max_bandwidth_kbps);
}

bool link_table_started(const struct link *l, const char *name)
{
    const struct session_table *t = link_find_table(l, name);
    return t && t->started;
}

static int change_live(struct link *l, struct session_table *t, const struct conf_table *conf)
{
    session_set_stale(l->session, clock_loop_ms(l->env->event), t, (uint64_t)conf->stale_ms);
    AUTO_FREE struct feed_type *types = types_of(conf);
    enum encode_format format = link_format(conf->encoding);
    int r = types ? feed_table_set_topic(t->user, conf->topic) : -ENOMEM;
    return r < 0
               ? r
               : feed_table_set_encoding(t->user, conf->has_encoding ? &format : NULL, types, conf->n_types);
}

int link_change_table(struct link *l, const struct conf_table *conf, unsigned changes)
{
    struct session_table *t = link_find_table(l, conf->name);
    int r = 0;
    if (t && changes & CONF_CHANGE_LIVE)
        r = change_live(l, t, conf);
    if (r == 0 && t && changes & CONF_CHANGE_RECONF)
        r = session_reconf(l->session, clock_loop_ms(l->env->event), t, conf->max_frequency);
    return r;
}

/* ---- what is told ---- */

static void add_failed_items(const struct session_table *t, struct buf *json)
{
    bool any = false;
    for (size_t pos = 1; t->item_names && pos <= t->table->options.n_items; pos++) {
        if (!session_item_is_failed(t, pos))
            continue;
        if (!any) {
            json_name(json, "failed_items");
            json_open(json, '[');
        }
        any = true;
        json_value_text(json, span_of(t->item_names[pos - 1]));
    }
    if (any)
        json_close(json, ']');
}

/* Of both levels. */
static size_t fields_of(const struct table *table)
{
    const struct table_options *o = &table->options;
    if (table->n_fields)
        return table->n_fields;
    return o->n_fields ? o->n_fields + o->n_second : 0;
}

static void add_table_state(const struct session_table *t, struct buf *json)
{
    const struct table *table = t->table;
    json_text(json, "state", session_table_state_name(t->state));
    json_u64(json, "items", table->n_items ? table->n_items : table->options.n_items);
    json_u64(json, "fields", fields_of(table));
    if (t->has_code)
        json_i64(json, "code", t->code);
    if (t->reason[0])
        json_text(json, "reason", t->reason);
    if (t->max_frequency[0])
        json_text(json, "max_frequency", t->max_frequency);
    add_failed_items(t, json);
}

/* ", items: a, b" of those that failed, as many as have room. */
static const char *failed_items_text(const struct session_table *t, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    for (size_t pos = 1; t->item_names && pos <= t->table->options.n_items && n < size; pos++)
        if (session_item_is_failed(t, pos))
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "; items: ", t->item_names[pos - 1]);
    return text;
}

static void log_table(struct link *l, const struct session_table *t)
{
    const char *name = t->table->options.name;
    char items[200];
    failed_items_text(t, items, sizeof items);
    if (t->state == SESSION_TABLE_FAILED && t->has_code)
        log_line(l->env->log, LOG_WARNING, l->name, name, "failed: %s (code %d)%s", t->reason, t->code,
                 items);
    else if (t->state == SESSION_TABLE_FAILED)
        log_line(l->env->log, LOG_WARNING, l->name, name, "failed: %s%s", t->reason, items);
    else if (t->state == SESSION_TABLE_STALE)
        log_line(l->env->log, LOG_WARNING, l->name, name, "stale: %s", t->reason);
    else if (t->has_code)
        log_line(l->env->log, LOG_WARNING, l->name, name, "%s; the server refused: %s (code %d)%s",
                 session_table_state_name(t->state), t->reason, t->code, items);
    else if (items[0])
        log_line(l->env->log, LOG_WARNING, l->name, name, "%s; failed: %s%s",
                 session_table_state_name(t->state), t->reason, items);
    else
        log_line(l->env->log, LOG_INFO, l->name, name, "%s%s%s", session_table_state_name(t->state),
                 t->max_frequency[0] ? ", max_frequency " : "", t->max_frequency);
}

void link_tell_table(struct link *l, struct session_table *t)
{
    if (t->replaced)
        return;
    struct buf *json = status_begin(l->env->status, "table", l->name, t->table->options.name);
    json_text(json, "session", l->name);
    json_text(json, "table", t->table->options.name);
    add_table_state(t, json);
    status_end(l->env->status, true);
    log_table(l, t);
}

void link_add_tables(const struct link *l, struct buf *json)
{
    struct session_table *t = NULL;
    while ((t = session_next_table(l->session, t))) {
        json_open(json, '{');
        json_text(json, "session", l->name);
        json_text(json, "table", t->table->options.name);
        json_text(json, "mode", table_mode_name(t->table->options.mode));
        add_table_state(t, json);
        json_name(json, "counters");
        json_open(json, '{');
        if (t->table->options.n_second) {
            json_u64(json, "keys", t->n_keys);
            json_u64(json, "keys_failed", t->n_keys_failed);
        }
        json_u64(json, "updates", feed_table_updates(t->user));
        json_u64(json, "messages", feed_table_messages(t->user));
        json_u64(json, "misfits", feed_table_misfits(t->user));
        json_u64(json, "last_update", feed_table_last_us(t->user));
        json_close(json, '}');
        json_close(json, '}');
    }
}
