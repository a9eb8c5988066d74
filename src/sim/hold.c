#include "sim/hold.h"

#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"

struct held_row {
    struct list link;
    struct row row; /* owned */
};

struct slot {
    struct list link;
    struct text *key;  /* owned; NULL but in COMMAND */
    struct list queue; /* of struct held_row */
    uint64_t n;
    uint64_t next_us; /* not before */
};

/* The queue must not be empty. */
static struct held_row *oldest(struct slot *slot)
{
    return CONTAINER_OF(slot->queue.next, struct held_row, link);
}

static void drop_oldest(struct slot *slot)
{
    struct held_row *held = oldest(slot);

    list_remove(&held->link);
    row_done(&held->row);
    free(held);
    slot->n--;
}

static void free_slot(struct slot *slot)
{
    while (slot->n > 0)
        drop_oldest(slot);
    list_remove(&slot->link);
    text_unref(slot->key);
    free(slot);
}

void hold_forget(struct sub_item *si, const struct text *key)
{
    LIST_EACH_SAFE(link, &si->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);

        if (!key || text_equal(slot->key, key))
            free_slot(slot);
    }
}

static struct slot *slot_for(struct sub_item *si, struct text *key)
{
    struct slot *slot;

    LIST_EACH(link, &si->slots) {
        slot = CONTAINER_OF(link, struct slot, link);
        if (text_equal(slot->key, key))
            return slot;
    }
    slot = memory_get(sizeof(*slot));
    slot->key = text_ref(key);
    list_init(&slot->queue);
    list_append(&si->slots, &slot->link);
    return slot;
}

static void queue(struct slot *slot, struct row *row, uint64_t most)
{
    struct held_row *held = memory_get(sizeof(*held));

    held->row = *row;
    list_append(&slot->queue, &held->link);
    for (slot->n++; slot->n > most;)
        drop_oldest(slot);
}

void hold_offer(struct sub_item *si, struct row *row, struct text *key)
{
    struct subscription *sub = si->sub;
    uint64_t now = sim_now_us(sub->session->sim);
    bool full = session_full(sub->session);
    struct slot *slot;

    if (sub->interval_us == 0 && !full && list_empty(&si->slots)) {
        subscription_send(si, row);
        return;
    }
    slot = slot_for(si, key);
    if (slot->n == 0 && slot->next_us <= now && !full) {
        slot->next_us = now + sub->interval_us;
        subscription_send(si, row);
        return;
    }
    queue(slot, row, sub->buffer_size < SUBSCRIPTION_MAX_HELD ? sub->buffer_size : SUBSCRIPTION_MAX_HELD);
    hold_release(sub);
}

static int on_time(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    hold_release(data);
    return 0;
}

/* Sends what is due of SLOT. Returns when the rest is, UINT64_MAX when nothing is left. */
static uint64_t release_slot(struct sub_item *si, struct slot *slot, uint64_t now)
{
    while (slot->n > 0 && slot->next_us <= now && !session_full(si->sub->session)) {
        struct held_row *held = oldest(slot);
        struct row row = held->row;

        held->row = (struct row){0};
        drop_oldest(slot);
        slot->next_us = now + si->sub->interval_us;
        subscription_send(si, &row);
    }
    return slot->n > 0 ? slot->next_us : UINT64_MAX;
}

void hold_release(struct subscription *sub)
{
    struct sim *sim = sub->session->sim;
    uint64_t now = sim_now_us(sim), next = UINT64_MAX;

    for (size_t i = 0; i < sub->n_items; i++) {
        LIST_EACH_SAFE(link, &sub->items[i].slots) {
            struct slot *slot = CONTAINER_OF(link, struct slot, link);
            uint64_t due = release_slot(&sub->items[i], slot, now);

            next = due < next ? due : next;
            if (slot->n == 0 && slot->next_us <= now)
                free_slot(slot);
        }
    }
    if (next != UINT64_MAX && next > now)
        sim_timer(sim, &sub->timer, next, on_time, sub);
}
