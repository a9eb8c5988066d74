#include "sim/subscription.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/dialect.h"
#include "sim/hold.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"

static const char *mode_name(enum mode mode)
{
    static const char *const names[] = {"MERGE", "DISTINCT", "COMMAND", "RAW"};

    return names[mode];
}

struct subscription *subscription_find(const struct session *s, uint64_t id)
{
    LIST_EACH(link, &s->subscriptions) {
        struct subscription *sub = CONTAINER_OF(link, struct subscription, link);

        if (sub->id == id)
            return sub;
    }
    return NULL;
}

static void free_subscription(struct subscription *sub)
{
    list_remove(&sub->link);
    sd_event_source_disable_unref(sub->timer);
    for (size_t i = 0; i < sub->n_items; i++) {
        struct sub_item *si = &sub->items[i];

        hold_forget(si, NULL);
        list_remove(&si->link);
        item_listened(si->item);
        row_done(&si->last);
        free(si->fields);
    }
    for (size_t i = 0; i < sub->n_fields; i++)
        text_unref(sub->names[i]);
    free(sub->items);
    free(sub->names);
    free(sub);
}

void subscription_free_all(struct session *s)
{
    LIST_EACH_SAFE(link, &s->subscriptions)
        free_subscription(CONTAINER_OF(link, struct subscription, link));
}

/* --- notifications --- */

/* Appends a notification about an item. */
static void note(const struct sub_item *si, const char *tag, const char *kind, const uint64_t *number)
{
    struct session *s = si->sub->session;
    AUTO_BUF struct buf line = BUF_INIT(4096);
    AUTO_BUF struct buf event = BUF_INIT(65536);
    char *text = NULL;

    s->dialect->mark(&line, si->sub->id, si->pos, tag, number);
    if (session_event(s, &event, kind)) {
        json_count(&event, "sub", si->sub->id);
        json_text(&event, "item", si->item->name);
        json_count(&event, "pos", si->pos);
        if (number)
            json_count(&event, "lost", *number);
        text = session_event_end(&event);
    }
    session_note(s, buf_span(&line), text);
}

static void note_unsub(const struct subscription *sub)
{
    AUTO_BUF struct buf line = BUF_INIT(4096);
    AUTO_BUF struct buf event = BUF_INIT(4096);
    char *text = NULL;

    if (!sub->session->dialect->tells_of_subs)
        return;
    buf_printf(&line, "UNSUB,%" PRIu64 "\r\n", sub->id);
    if (session_event(sub->session, &event, "unsub")) {
        json_count(&event, "sub", sub->id);
        text = session_event_end(&event);
    }
    session_note(sub->session, buf_span(&line), text);
}

static void note_sub(struct subscription *sub)
{
    struct faults *f = &sub->session->sim->faults;
    uint64_t items = f->wrong_counts ? f->wrong_items : sub->n_items;
    uint64_t fields = f->wrong_counts ? f->wrong_fields : sub->n_fields;
    AUTO_BUF struct buf line = BUF_INIT(4096);
    AUTO_BUF struct buf event = BUF_INIT(65536);
    char *text = NULL;

    if (!sub->session->dialect->tells_of_subs)
        return;
    f->wrong_counts = false;
    buf_printf(&line, "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64, sub->mode == MODE_COMMAND ? "SUBCMD" : "SUBOK",
               sub->id, items, fields);
    if (sub->mode == MODE_COMMAND)
        buf_printf(&line, ",%zu,%zu", sub->key_field + 1, sub->command_field + 1);
    buf_add_text(&line, "\r\n");
    if (session_event(sub->session, &event, "subok")) {
        json_count(&event, "sub", sub->id);
        json_count(&event, "items", items);
        json_count(&event, "n_fields", fields);
        text = session_event_end(&event);
    }
    session_note(sub->session, buf_span(&line), text);
}

/* The text of CONF's frequency: updates a second, or "unlimited". */
static void note_conf(struct subscription *sub)
{
    AUTO_BUF struct buf line = BUF_INIT(4096);
    AUTO_BUF struct buf event = BUF_INIT(4096);
    char frequency[32] = "unlimited", *text = NULL;

    if (!sub->session->dialect->tells_of_subs)
        return;
    if (sub->interval_us > 0)
        snprintf(frequency, sizeof(frequency), "%.*f", 1000000 % sub->interval_us ? 3 : 1,
                 1000000.0 / (double)sub->interval_us);
    buf_printf(&line, "CONF,%" PRIu64 ",%s,%s\r\n", sub->id, frequency,
               sub->unfiltered ? "unfiltered" : "filtered");
    if (session_event(sub->session, &event, "conf")) {
        json_count(&event, "sub", sub->id);
        json_text(&event, "frequency", span_of(frequency));
        text = session_event_end(&event);
    }
    session_note(sub->session, buf_span(&line), text);
}

static void add_fields(struct buf *event, const struct subscription *sub, const struct row *row)
{
    json_key(event, "fields");
    buf_add_char(event, '{');
    for (size_t i = 0; i < sub->n_fields; i++) {
        if (i > 0)
            buf_add_char(event, ',');
        json_string(event, text_span(sub->names[i]));
        buf_add_char(event, ':');
        if (row->values[i])
            json_string(event, text_span(row->values[i]));
        else
            buf_add_text(event, "null");
    }
    buf_add_char(event, '}');
}

static bool is_snapshot(const struct sub_item *si)
{
    if (!si->sub->snapshot || si->sub->mode == MODE_RAW)
        return false;
    return si->sub->mode == MODE_MERGE ? !si->any : !si->snapshot_over;
}

static char *update_event(struct sub_item *si, const struct row *row)
{
    struct subscription *sub = si->sub;
    AUTO_BUF struct buf event = BUF_INIT(64U << 20);

    if (!session_event(sub->session, &event, "update"))
        return NULL;
    json_count(&event, "sub", sub->id);
    json_text(&event, "mode", span_of(mode_name(sub->mode)));
    json_text(&event, "item", si->item->name);
    json_count(&event, "pos", si->pos);
    json_bool(&event, "snapshot", is_snapshot(si));
    add_fields(&event, sub, row);
    return session_event_end(&event);
}

void subscription_send(struct sub_item *si, struct row *row)
{
    struct subscription *sub = si->sub;
    AUTO_BUF struct buf line = BUF_INIT(64U << 20);

    sub->session->dialect->update(&line, sub->id, si->pos, si->any ? &si->last : NULL, row,
                                  sub->session->diffs);
    session_note(sub->session, buf_span(&line), update_event(si, row));
    row_done(&si->last);
    si->last = *row;
    si->any = true;
}

static void note_lost(struct sub_item *si)
{
    uint64_t lost = si->lost;

    if (lost == 0 || session_full(si->sub->session))
        return;
    si->lost = 0;
    note(si, "OV", "lost", &lost);
}

void subscription_lost(struct sub_item *si, uint64_t count)
{
    if (si->sub->silent)
        return;
    si->lost += count;
    note_lost(si);
}

void subscription_eos(struct sub_item *si)
{
    enum mode mode = si->sub->mode;

    if (!si->sub->snapshot || si->sub->silent || si->snapshot_over || mode == MODE_MERGE || mode == MODE_RAW)
        return;
    si->snapshot_over = true;
    note(si, "EOS", "eos", NULL);
}

/* --- updates --- */

/* The fields of the schema out of an item's ROW. */
static struct row projected(const struct sub_item *si, const struct row *row)
{
    struct row r;

    row_init(&r, si->sub->n_fields);
    for (size_t i = 0; i < r.n; i++)
        r.values[i] = text_ref(row_get(row, si->fields[i]));
    return r;
}

static bool to_be_dropped(struct sub_item *si)
{
    struct faults *f = &si->sub->session->sim->faults;

    if (f->drop_next > 0) {
        f->drop_next--;
        return true;
    }
    return f->drop_every > 0 && si->updates % f->drop_every == 0;
}

/* ADD and DELETE are never held back, and what is held of their key is out of date. */
static void offer_command(struct sub_item *si, struct row *row)
{
    struct text *key = row->values[si->sub->key_field], *command = row->values[si->sub->command_field];

    if (command && span_is(text_span(command), "UPDATE") && !si->sub->unfiltered) {
        hold_offer(si, row, key);
        return;
    }
    hold_forget(si, key);
    subscription_send(si, row);
}

void subscription_update(struct sub_item *si, const struct row *merged, const struct row *event,
                         const struct row *keyed)
{
    enum mode mode = si->sub->mode;

    if (si->sub->silent)
        return;

    struct row row = projected(si, mode == MODE_MERGE ? merged : mode == MODE_COMMAND ? keyed : event);
    bool may_hold = mode != MODE_RAW && !si->sub->unfiltered;

    si->updates++;
    if (to_be_dropped(si) || (session_full(si->sub->session) && (!may_hold || mode == MODE_COMMAND))) {
        row_done(&row);
        subscription_lost(si, 1);
    } else if (mode == MODE_COMMAND) {
        offer_command(si, &row);
    } else if (may_hold) {
        hold_offer(si, &row, NULL);
    } else {
        subscription_send(si, &row);
    }
}

void subscription_clear(struct sub_item *si, const struct row *nulls)
{
    struct row row;

    hold_forget(si, NULL);
    if (si->sub->silent)
        return;
    if (si->sub->mode == MODE_MERGE) {
        row = projected(si, nulls);
        subscription_send(si, &row);
    } else if (si->sub->mode != MODE_RAW) {
        note(si, "CS", "clear", NULL);
    }
}

void subscription_resume_all(struct session *s)
{
    LIST_EACH(link, &s->subscriptions) {
        struct subscription *sub = CONTAINER_OF(link, struct subscription, link);

        for (size_t i = 0; i < sub->n_items; i++)
            note_lost(&sub->items[i]);
        hold_release(sub);
    }
}

/* --- subscribing --- */

static void set_frequency(struct subscription *sub, struct span frequency)
{
    double a_second, most = sub->session->sim->faults.grant_frequency;
    char text[32];

    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(frequency));
    a_second = strtod(text, NULL);
    sub->unfiltered = sub->unfiltered || span_is(frequency, "unfiltered");
    if (most > 0 && (a_second <= 0 || a_second > most))
        a_second = most;
    sub->interval_us =
        a_second > 0 && !sub->unfiltered && sub->mode != MODE_RAW ? (uint64_t)(1000000.0 / a_second) : 0;
}

/* Cuts NAMES at the separator and counts them; an empty one counts as a bad name. */
static size_t count_names(struct span names, char separator)
{
    size_t n = 0;

    for (struct span name; span_cut(&names, separator, &name); n++) {
        if (name.len == 0 || n == SUBSCRIPTION_MAX_NAMES)
            return 0;
    }
    return n;
}

static int take_fields(struct subscription *sub, struct span schema, char separator)
{
    bool key = false, command = false;
    size_t i = 0;

    sub->n_fields = count_names(schema, separator);
    if (sub->n_fields == 0)
        return 23;
    sub->names = memory_get(sub->n_fields * sizeof(struct text *));
    for (struct span name; span_cut(&schema, separator, &name); i++) {
        sub->names[i] = text_new(name);
        if (span_is(name, "key"))
            key = true, sub->key_field = i;
        else if (span_is(name, "command"))
            command = true, sub->command_field = i;
    }
    if (sub->mode != MODE_COMMAND)
        return 0;
    return key ? command ? 0 : 16 : 15;
}

static int take_item(struct subscription *sub, struct sub_item *si, struct span adapter_name,
                     struct span name)
{
    struct session *s = sub->session;
    int code = 0;
    const struct adapter *adapter = adapter_find(span_of(s->adapter_set), adapter_name, name, &code);

    if (!adapter)
        return code;
    if (!(adapter->modes & 1U << sub->mode))
        return 24;
    si->item = feed_item(s->sim, adapter, name);
    si->sub = sub;
    si->fields = memory_get(sub->n_fields * sizeof(size_t));
    list_init(&si->slots);
    list_append(&si->item->listeners, &si->link);
    for (size_t i = 0; i < sub->n_fields; i++) {
        ptrdiff_t at = item_field(si->item, text_span(sub->names[i]));

        si->fields[i] = at < 0 ? 0 : (size_t)at;
        code = at < 0 ? 23 : code;
    }
    item_listened(si->item);
    return code == 23 ? 23 : 0;
}

static int take_items(struct subscription *sub, const struct subscription_request *r, char separator)
{
    size_t n = count_names(r->group, separator);
    struct span names = r->group;

    if (n == 0)
        return 21;
    sub->items = memory_get(n * sizeof(*sub->items));
    for (struct span name; span_cut(&names, separator, &name);) {
        struct sub_item *si = &sub->items[sub->n_items];
        int code = take_item(sub, si, r->adapter, name);

        if (si->item)
            si->pos = ++sub->n_items;
        if (code != 0)
            return code;
    }
    return 0;
}

static const char *text_of_code(int code)
{
    switch (code) {
    case 15: return "No key field in the schema";
    case 16: return "No command field in the schema";
    case 17: return "Unknown data adapter";
    case 21: return "Bad item group";
    case 23: return "Bad field schema";
    case 24: return "Mode not allowed for an item";
    default: return "";
    }
}

static void send_snapshot(struct sub_item *si)
{
    uint64_t length = si->sub->snapshot_length;
    struct item *item = si->item;
    struct row row;

    if (si->sub->mode == MODE_MERGE && item->known) {
        row = projected(si, &item->merged);
        subscription_send(si, &row);
    }
    if (si->sub->mode == MODE_COMMAND) {
        LIST_EACH(link, &item->keys) {
            row = projected(si, &CONTAINER_OF(link, struct key_row, link)->row);
            subscription_send(si, &row);
        }
    }
    for (size_t i = 0; si->sub->mode == MODE_DISTINCT && i < item->n_recent; i++) {
        size_t at = (item->next_recent + FEED_RECENT - item->n_recent + i) % FEED_RECENT;

        if (item->n_recent - i > length)
            continue;
        row = projected(si, &item->recent[at]);
        subscription_send(si, &row);
    }
    if (!si->sub->session->sim->faults.hold_eos)
        subscription_eos(si);
}

static void send_snapshots(struct subscription *sub)
{
    for (size_t i = 0; i < sub->n_items && sub->snapshot; i++)
        send_snapshot(&sub->items[i]);
}

static void emit_subscribed(const struct subscription *sub, const char *event)
{
    AUTO_BUF struct buf b = BUF_INIT(16U << 20);

    json_begin(&b, event);
    json_text(&b, "session", span_of(sub->session->id));
    json_count(&b, "number", sub->session->number);
    json_count(&b, "sub", sub->id);
    json_text(&b, "mode", span_of(mode_name(sub->mode)));
    json_key(&b, "items");
    for (size_t i = 0; i < sub->n_items; i++) {
        buf_add_char(&b, i > 0 ? ',' : '[');
        json_string(&b, sub->items[i].item->name);
    }
    buf_add_text(&b, "],\"fields\":");
    for (size_t i = 0; i < sub->n_fields; i++) {
        buf_add_char(&b, i > 0 ? ',' : '[');
        json_string(&b, text_span(sub->names[i]));
    }
    buf_add_char(&b, ']');
    json_end(&b);
    sim_emit(sub->session->sim, &b);
}

/* The refusal by the script of an item in the group, or NULL. */
static const struct refusal *refused_item(struct session *s, struct span group, char separator)
{
    const struct refusal *refusal = NULL;

    for (struct span name; !refusal && span_cut(&group, separator, &name);)
        refusal = faults_refuse_item(&s->sim->faults, name);
    return refusal;
}

int subscription_add(struct session *s, const struct subscription_request *r, const char **ret_text)
{
    struct subscription *sub = memory_get(sizeof(*sub));
    char separator = s->sim->options.separator;
    const struct refusal *refusal = refused_item(s, r->group, separator);
    int code;

    sub->session = s;
    sub->id = r->id;
    sub->mode = r->mode;
    sub->snapshot = r->snapshot && r->mode != MODE_RAW;
    sub->snapshot_length = r->snapshot_length;
    sub->silent = r->silent;
    sub->buffer_size = r->buffer_size;
    set_frequency(sub, r->frequency);
    list_init(&sub->link);
    list_append(&s->subscriptions, &sub->link);
    code = refusal ? refusal->code : take_fields(sub, r->schema, separator);
    if (code == 0)
        code = take_items(sub, r, separator);
    if (code != 0) {
        *ret_text = refusal && refusal->text ? refusal->text : text_of_code(code);
        free_subscription(sub);
        return code;
    }
    emit_subscribed(sub, "subscribed");
    note_sub(sub);
    note_conf(sub);
    if (!sub->silent)
        send_snapshots(sub);
    return 0;
}

void subscription_start(struct subscription *sub)
{
    if (!sub->silent)
        return;
    sub->silent = false;
    send_snapshots(sub);
}

void subscription_delete(struct subscription *sub)
{
    emit_subscribed(sub, "unsubscribed");
    note_unsub(sub);
    free_subscription(sub);
}

int subscription_reconf(struct subscription *sub, struct span frequency)
{
    if (sub->unfiltered)
        return 13;
    if (frequency.at)
        set_frequency(sub, frequency);
    note_conf(sub);
    hold_release(sub);
    return 0;
}
