#include "sim/feed.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/adapter.h"
#include "sim/memory.h"
#include "sim/sim.h"
#include "sim/subscription.h"

/* How often the feed looks what is due. */
#define TICK_US 10000
/* A pause of the process is not made up for beyond this. */
#define MAX_CATCH_UP_US 1000000

/* --- items --- */

static struct item *new_item(struct sim *sim, const struct adapter *adapter, struct span name)
{
    struct item *item = memory_get(sizeof(*item));
    AUTO_BUF struct buf id = BUF_INIT(1 << 20);

    buf_printf(&id, "%zu/", adapter_index(adapter));
    item->name.len = id.len;
    buf_add_span(&id, name);
    item->id = memory_dup(buf_span(&id));
    item->name = span_make(item->id + item->name.len, name.len);
    item->sim = sim;
    item->adapter = adapter;
    list_init(&item->keys);
    list_init(&item->listeners);
    list_init(&item->live_link);
    for (struct span rest = span_of(adapter->fields), field; span_cut(&rest, ' ', &field);) {
        item->fields = memory_resize(item->fields, (item->n_fields + 1) * sizeof(struct text *));
        item->fields[item->n_fields++] = text_new(field);
    }
    row_init(&item->merged, item->n_fields);
    memory_map_add(&sim->feed.items, span_make(item->id, id.len), item);
    return item;
}

struct item *feed_item(struct sim *sim, const struct adapter *adapter, struct span name)
{
    AUTO_BUF struct buf id = BUF_INIT(1 << 20);
    struct item *item;

    buf_printf(&id, "%zu/", adapter_index(adapter));
    buf_add_span(&id, name);
    item = map_get(&sim->feed.items, buf_span(&id));
    if (item)
        return item;
    item = new_item(sim, adapter, name);
    if (adapter->begin)
        adapter->begin(item);
    return item;
}

static void free_key(struct item *item, struct key_row *key)
{
    list_remove(&key->link);
    text_unref(key->key);
    row_done(&key->row);
    free(key);
    item->n_keys--;
}

static void forget_state(struct item *item)
{
    LIST_EACH_SAFE(link, &item->keys)
        free_key(item, CONTAINER_OF(link, struct key_row, link));
    for (size_t i = 0; i < FEED_RECENT; i++)
        row_done(&item->recent[i]);
    item->n_recent = item->next_recent = 0;
    item->known = false;
}

static void free_item(struct item *item)
{
    forget_state(item);
    row_done(&item->merged);
    for (size_t i = 0; i < item->n_fields; i++)
        text_unref(item->fields[i]);
    free(item->fields);
    free(item->id);
    free(item);
}

ptrdiff_t item_field(struct item *item, struct span name)
{
    for (size_t i = 0; i < item->n_fields; i++) {
        if (span_equal(text_span(item->fields[i]), name))
            return (ptrdiff_t)i;
    }
    if (item->adapter->fields || span_starts(name, SPAN("no-such")))
        return -1;
    item->fields = memory_resize(item->fields, (item->n_fields + 1) * sizeof(struct text *));
    item->fields[item->n_fields++] = text_new(name);
    row_resize(&item->merged, item->n_fields);
    return (ptrdiff_t)item->n_fields - 1;
}

/* --- updates --- */

void update_begin(struct update *u, struct item *item)
{
    u->item = item;
    row_init(&u->row, item->n_fields);
    u->set = memory_get(item->n_fields);
}

bool update_set(struct update *u, struct span field, struct text *value)
{
    ptrdiff_t at = item_field(u->item, field);

    if (at < 0) {
        text_unref(value);
        return false;
    }
    if ((size_t)at >= u->row.n) {
        u->set = memory_resize(u->set, u->item->n_fields);
        memset(u->set + u->row.n, 0, u->item->n_fields - u->row.n);
        row_resize(&u->row, u->item->n_fields);
    }
    row_set(&u->row, (size_t)at, value);
    u->set[at] = true;
    return true;
}

void update_set_text(struct update *u, const char *field, const char *value)
{
    update_set(u, span_of(field), text_new(span_of(value)));
}

/* Takes over the fields of U that were set. */
static void merge(struct row *row, const struct update *u)
{
    if (row->n < u->row.n)
        row_resize(row, u->row.n);
    for (size_t i = 0; i < u->row.n; i++) {
        if (u->set[i])
            row_set(row, i, text_ref(u->row.values[i]));
    }
}

static void remember_recent(struct item *item, const struct row *row)
{
    struct row *slot = &item->recent[item->next_recent];

    row_done(slot);
    row_copy(slot, row);
    item->next_recent = (item->next_recent + 1) % FEED_RECENT;
    if (item->n_recent < FEED_RECENT)
        item->n_recent++;
}

static struct key_row *find_key(struct item *item, const struct text *key)
{
    LIST_EACH(link, &item->keys) {
        struct key_row *row = CONTAINER_OF(link, struct key_row, link);

        if (text_equal(row->key, key))
            return row;
    }
    return NULL;
}

static struct key_row *add_key(struct item *item, struct text *key)
{
    struct key_row *row = memory_get(sizeof(*row));

    row->key = text_ref(key);
    row_init(&row->row, item->n_fields);
    list_append(&item->keys, &row->link);
    item->n_keys++;
    return row;
}

/* Applies U to the rows of COMMAND and gives the whole row that it means, *owned* by the caller. A row that is kept
 * has the command ADD, which is what a snapshot says. */
static void apply_command(const struct update *u, ptrdiff_t key_at, ptrdiff_t command_at, struct row *ret)
{
    struct item *item = u->item;
    struct text *key = u->row.values[key_at], *command = u->row.values[command_at];
    struct key_row *row = find_key(item, key);

    if (command && span_is(text_span(command), "DELETE")) {
        if (row)
            free_key(item, row);
        row_init(ret, u->row.n);
        row_set(ret, (size_t)key_at, text_ref(key));
        row_set(ret, (size_t)command_at, text_ref(command));
        return;
    }
    if (!row && item->n_keys >= FEED_MAX_KEYS) {
        row_copy(ret, &u->row);
        return;
    }
    if (!row)
        row = add_key(item, key);
    merge(&row->row, u);
    row_copy(ret, &row->row);
    row_set(&row->row, (size_t)command_at, text_new(SPAN("ADD")));
}

/* The index of a field that may not exist, without adding it. */
static ptrdiff_t existing_field(const struct item *item, const char *name)
{
    for (size_t i = 0; i < item->n_fields; i++) {
        if (span_is(text_span(item->fields[i]), name))
            return (ptrdiff_t)i;
    }
    return -1;
}

void update_publish(struct update *u)
{
    struct item *item = u->item;
    ptrdiff_t key = existing_field(item, "key"), command = existing_field(item, "command");
    struct row whole = {0};

    if (u->row.n < item->n_fields) {
        u->set = memory_resize(u->set, item->n_fields);
        memset(u->set + u->row.n, 0, item->n_fields - u->row.n);
        row_resize(&u->row, item->n_fields);
    }
    item->serial++;
    item->known = true;
    merge(&item->merged, u);
    remember_recent(item, &u->row);
    if (key >= 0 && command >= 0 && u->set[key])
        apply_command(u, key, command, &whole);
    else
        row_copy(&whole, &u->row);
    LIST_EACH_SAFE(link, &item->listeners)
        subscription_update(CONTAINER_OF(link, struct sub_item, link), &item->merged, &u->row, &whole);
    row_done(&whole);
    row_done(&u->row);
    free(u->set);
}

void item_clear(struct item *item)
{
    size_t n = item->n_fields;

    forget_state(item);
    row_done(&item->merged);
    row_init(&item->merged, n);
    LIST_EACH_SAFE(link, &item->listeners)
        subscription_clear(CONTAINER_OF(link, struct sub_item, link), &item->merged);
}

void item_eos(struct item *item)
{
    LIST_EACH_SAFE(link, &item->listeners)
        subscription_eos(CONTAINER_OF(link, struct sub_item, link));
}

void item_lost(struct item *item, uint64_t count)
{
    LIST_EACH_SAFE(link, &item->listeners)
        subscription_lost(CONTAINER_OF(link, struct sub_item, link), count);
}

/* --- time --- */

void item_step(struct item *item)
{
    uint64_t (*step)(struct item *) = item->adapter->step ? item->adapter->step : source_test_step;
    uint64_t pause_ms = step(item);

    item->due_us = pause_ms > 0 ? sim_now_us(item->sim) + pause_ms * 1000 : UINT64_MAX;
}

void item_listened(struct item *item)
{
    struct feed *feed = &item->sim->feed;
    bool wanted = !list_empty(&item->listeners), live = !list_empty(&item->live_link);

    if (wanted && !live) {
        list_append(&feed->live, &item->live_link);
        feed->n_live++;
        item->due_us = sim_now_us(item->sim) + 1000 * (100 + rng_below(&item->sim->rng, 900));
    } else if (!wanted && live) {
        list_remove(&item->live_link);
        feed->n_live--;
    }
}

static void step_due(struct sim *sim, uint64_t now)
{
    LIST_EACH_SAFE(link, &sim->feed.live) {
        struct item *item = CONTAINER_OF(link, struct item, live_link);

        if (item->adapter->step && item->due_us <= now)
            item_step(item);
    }
}

/* --rate: as many updates as the time since the last turn is worth, in turn over the items. */
static void step_rate(struct sim *sim, uint64_t passed_us)
{
    struct feed *feed = &sim->feed;

    feed->owed_us += passed_us * sim->options.rate;
    for (uint64_t n = feed->owed_us / 1000000; n > 0 && feed->n_live > 0; n--) {
        struct list *first = feed->live.next;

        list_remove(first);
        list_append(&feed->live, first);
        item_step(CONTAINER_OF(first, struct item, live_link));
    }
    feed->owed_us %= 1000000;
}

static int on_tick(sd_event_source *source, uint64_t time, void *data)
{
    struct sim *sim = data;
    uint64_t now = sim_now_us(sim), passed = now - sim->feed.last_us;

    (void)source;
    (void)time;
    sim->feed.last_us = now;
    if (sim->options.rate > 0)
        step_rate(sim, passed < MAX_CATCH_UP_US ? passed : MAX_CATCH_UP_US);
    else if (!sim->options.still)
        step_due(sim, now);
    sim_timer(sim, &sim->feed.timer, now + TICK_US, on_tick, sim);
    return 0;
}

void feed_start(struct sim *sim)
{
    list_init(&sim->feed.live);
    sim->feed.last_us = sim_now_us(sim);
    sim_timer(sim, &sim->feed.timer, sim->feed.last_us + TICK_US, on_tick, sim);
}

void feed_stop(struct sim *sim)
{
    sim->feed.timer = sd_event_source_disable_unref(sim->feed.timer);
    for (size_t i = 0; i < sim->feed.items.n_slots; i++) {
        if (sim->feed.items.slots[i].value)
            free_item(sim->feed.items.slots[i].value);
    }
    map_done(&sim->feed.items);
}
