/* A table whose group was refused, and that is asked for item by item: what its items' subscriptions do, and what may be told of the whole. Which of
 * several answers is told is open; at rest the table's state must be the right one. */
#include "world.h"

#include "../lib/must.h"

bool split_name(struct world *w, struct span group, struct told_table **ret, size_t *ret_item)
{
    struct span name;
    uint64_t item;
    if (!span_cut(&group, '.', &name) || !span_to_u64(group, ITEMS_MAX, &item))
        return false;
    *ret = oracle_table(w, name);
    *ret_item = item;
    return *ret && (*ret)->split && item >= 1 && item <= (*ret)->shape.items;
}

enum session_table_state split_state(const struct told_table *t)
{
    bool open = false;
    for (size_t i = 0; i < t->shape.items; i++) {
        if (t->parts[i].state == PART_IS_ACTIVE)
            return t->state == SESSION_TABLE_STALE ? SESSION_TABLE_STALE : SESSION_TABLE_ACTIVE;
        open |= t->parts[i].state != PART_IS_FAILED;
    }
    return open ? SESSION_TABLE_PENDING : SESSION_TABLE_FAILED;
}

bool split_is_unsure(const struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++)
        if (t->parts[i].unsure)
            return true;
    return false;
}

static void may_tell(struct world *w, struct told_table *t)
{
    const char *state = split_is_unsure(t) ? "" : oracle_state_name(split_state(t));
    struct want *wanted = oracle_want(w, "table %s %s...", t->shape.name, state);
    wanted->maybe = true;
    wanted->effect = EFFECT_SPLIT_STATE;
    wanted->told = t;
}

void split_seen_state(struct told_table *t, const char *event)
{
    for (enum session_table_state state = SESSION_TABLE_PENDING; state <= SESSION_TABLE_FAILED; state++) {
        char pattern[64];
        snprintf(pattern, sizeof pattern, "table %s %s...", t->shape.name, oracle_state_name(state));
        if (player_match(pattern, event))
            t->state = state;
    }
    if (t->state == SESSION_TABLE_FAILED)
        t->frequency[0] = '\0';
}

void split_forget(struct told_table *t)
{
    for (size_t i = 0; i < ITEMS_MAX; i++) {
        if (t->parts[i].sub)
            t->parts[i].sub->table = NULL;
        t->parts[i] = (struct told_part){0};
    }
    t->split = false;
}

void split_begin(struct world *w, struct told_table *t)
{
    split_forget(t);
    t->split = true;
    t->part_shape = t->shape;
    t->part_shape.items = 1;
    /* One item alone is not asked for again under its own name at once. */
    if (t->shape.items == 1) {
        t->parts[0].state = PART_IS_FAILED;
        t->failed_at = w->player.now;
    }
    t->state = split_state(t);
}

void split_retried(struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++) {
        struct told_part *part = &t->parts[i];
        if (part->state != PART_IS_FAILED)
            continue;
        /* One that failed since then may be later, or not. */
        if (part->since > t->failed_at + t->retry_ms)
            part->unsure = true;
        else
            part->state = PART_IS_OPEN;
    }
}

void split_started(struct world *w, struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++)
        if (t->parts[i].state == PART_IS_FAILED || t->parts[i].state == PART_IS_WAITING)
            t->parts[i].state = PART_IS_OPEN;
    may_tell(w, t);
}

static void drop(struct told_part *part)
{
    if (part->sub)
        part->sub->table = NULL;
    part->sub = NULL;
}

/* The add of an item. */
void split_asked(struct world *w, struct told_table *t, struct sub *sub, bool overdue)
{
    struct told_part *part = &t->parts[sub->item - 1];
    bool retried = t->retry_ms && w->player.now >= t->failed_at + t->retry_ms;
    if (part->state == PART_IS_FAILED && retried)
        split_retried(t);
    if (part->state == PART_IS_WAITING && w->player.now >= part->since + w->options.retry_ms / 2)
        part->state = PART_IS_OPEN;
    if (part->sub && overdue)
        part->state = PART_IS_OPEN;
    if ((part->state != PART_IS_OPEN && !part->unsure) || (part->sub && !overdue))
        world_fail(w, NULL, "an add of item %zu of %s that is not to be asked for", sub->item, t->shape.name);
    drop(part);
    *part = (struct told_part){.sub = sub};
}

void split_subscribed(struct world *w, struct sub *sub, bool overdue)
{
    struct told_table *t = sub->table;
    struct told_part *part = &t->parts[sub->item - 1];
    if (sub->given_up) {
        drop(part);
        return;
    }
    bool snapshot = t->shape.mode != TABLE_RAW && (t->shape.snapshot || t->shape.length);
    sub->on = true;
    sub->unsure = part->unsure = overdue;
    part->state = PART_IS_ACTIVE;
    t->items[sub->item - 1].in_snapshot = snapshot;
    if (!overdue) {
        t->heard_at = w->player.now;
        if (t->state == SESSION_TABLE_STALE)
            t->state = SESSION_TABLE_ACTIVE;
    }
    may_tell(w, t);
}

/* Those that failed before may be open again, though nothing shows it yet: their time, and up to a quarter more, is over. */
static void doubt_failed(const struct world *w, struct told_table *t)
{
    for (size_t i = 0; t->retry_ms && i < t->shape.items; i++)
        if (t->parts[i].state == PART_IS_FAILED && w->player.now >= t->failed_at + t->retry_ms)
            t->parts[i].unsure = true;
}

static void fail_part(struct world *w, struct told_table *t, size_t item)
{
    bool first = true;
    doubt_failed(w, t);
    for (size_t i = 0; i < t->shape.items; i++)
        first = first && t->parts[i].state != PART_IS_FAILED;
    if (first)
        t->failed_at = w->player.now;
    drop(&t->parts[item - 1]);
    t->parts[item - 1].state = PART_IS_FAILED;
    t->parts[item - 1].since = w->player.now;
    may_tell(w, t);
}

void split_refused(struct world *w, struct sub *sub, int code, bool overdue)
{
    struct told_table *t = sub->table;
    struct told_part *part = &t->parts[sub->item - 1];
    part->unsure = overdue;
    if (code == 66 || code == 68) {
        drop(part);
        part->state = PART_IS_WAITING;
        part->since = w->player.now;
        may_tell(w, t);
    } else {
        fail_part(w, t, sub->item);
    }
}

void split_unsubscribed(struct world *w, struct sub *sub)
{
    struct told_table *t = sub->table;
    bool unsure = sub->unsure;
    t->parts[sub->item - 1].unsure = unsure;
    if (t->items[sub->item - 1].has_messages)
        oracle_want(w, "gap %s %zu : unsubscribed by the server", t->shape.name, sub->item)->maybe = unsure;
    oracle_void_item(&t->items[sub->item - 1]);
    fail_part(w, t, sub->item);
}

void split_check_asked(struct world *w, const struct told_table *t)
{
    for (size_t i = 0; i < t->shape.items; i++) {
        const struct told_part *part = &t->parts[i];
        bool asked = part->sub && !(part->sub->given_up && !part->sub->on);
        if (part->state == PART_IS_OPEN && !part->unsure && !asked)
            world_fail(w, NULL, "item %zu of %s is not asked for", i + 1, t->shape.name);
    }
}

void split_at_rest(struct world *w, const struct told_table *t)
{
    if (!split_is_unsure(t) && t->state != split_state(t))
        world_fail(w, NULL, "table %s is told as %s", t->shape.name, oracle_state_name(t->state));
}
