#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

static struct session_table *table_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct session_table, link);
}

static struct session_table *table_of_pending(struct list *link)
{
    return CONTAINER_OF(link, struct session_table, pending_link);
}

const char *session_table_state_name(enum session_table_state state)
{
    static const char *const names[] = {"pending", "active", "stale", "failed", "silent", "deleted"};
    return names[state];
}

/* ---- what is to be told of a table ---- */

static void wait_for_telling(struct session *s, struct session_table *t)
{
    if (list_empty(&t->pending_link))
        list_append(&s->pending, &t->pending_link);
}

void session_table_set(struct session *s, struct session_table *t, enum session_table_state state,
                       const char *reason, const int *code)
{
    const struct session_split *x = t->split;
    if (x && !reason) {
        reason = x->reason;
        code = x->has_code ? &x->code : NULL;
    }
    t->state = state;
    t->has_code = code != NULL;
    t->code = code ? *code : 0;
    snprintf(t->reason, sizeof t->reason, "%s", reason ? reason : "");
    t->announce = true;
    wait_for_telling(s, t);
}

bool session_table_is_active(const struct session_table *t)
{
    return t->state == SESSION_TABLE_ACTIVE || t->state == SESSION_TABLE_STALE;
}

void session_table_gap(struct session *s, struct session_table *t, const char *reason)
{
    table_void(t->table);
    session_second_sweep(s, t);
    for (size_t i = 0; i < t->table->n_items; i++)
        t->table->items[i]->gap_due = true;
    t->gap_at = 0;
    t->gap_reason = reason;
    wait_for_telling(s, t);
}

void session_item_gap(struct session *s, struct session_table *t, size_t pos, const char *reason)
{
    struct item *item = table_item(t->table, pos);
    if (!item)
        return;
    table_void_item(t->table, item);
    session_second_sweep(s, t);
    item->gap_due = true;
    if (t->gap_at > pos - 1)
        t->gap_at = pos - 1;
    t->gap_reason = reason;
    wait_for_telling(s, t);
}

static bool next_gap(struct session_table *t, struct session_event *ret)
{
    while (t->gap_at < t->table->n_items) {
        struct item *item = t->table->items[t->gap_at++];
        bool due = item->gap_due;
        item->gap_due = false;
        if (!due || !item->has_messages)
            continue;
        item->has_messages = false;
        *ret = (struct session_event){
            .kind = SESSION_EVENT_GAP, .table = t, .item = item, .text = t->gap_reason};
        return true;
    }
    t->gap_at = SIZE_MAX;
    return false;
}

/* Gaps first, so that nothing is said to be active, deleted… before its rows are void. */
bool session_next_table_event(struct session *s, struct session_event *ret)
{
    struct list *link;
    while ((link = list_first(&s->pending))) {
        struct session_table *t = table_of_pending(link);
        if (t->gap_at != SIZE_MAX && next_gap(t, ret))
            return true;
        list_remove(&t->pending_link);
        if (!t->announce)
            continue;
        t->announce = false;
        if (t->state == SESSION_TABLE_DELETED)
            s->corpse = t;
        *ret = (struct session_event){.kind = SESSION_EVENT_TABLE, .table = t};
        return true;
    }
    return false;
}

static void table_bury(struct session *s, struct session_table *t)
{
    table_void(t->table);
    session_second_sweep(s, t);
    session_unsplit(s, t);
    session_part_done(s, &t->whole);
    for (size_t i = 0; t->item_names && i < t->table->options.n_items; i++)
        free(t->item_names[i]);
    free(t->item_names);
    list_remove(&t->link);
    list_remove(&t->pending_link);
    table_free(t->table);
    free((void *)(uintptr_t)t->frequency_before);
    free(t);
}

void session_bury(struct session *s)
{
    if (s->corpse)
        table_bury(s, TAKE(s->corpse));
}

/* ---- their lives ---- */

int session_add_table(struct session *s, uint64_t now, const struct table_options *options,
                      const struct table_hooks *hooks, uint64_t retry_failed_ms, void *user,
                      struct session_table **ret)
{
    (void)now;
    struct session_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    int r = timers_reserve(&s->retries, s->n_parts + 1);
    if (r == 0)
        r = table_new(options, hooks, &t->table);
    if (r < 0) {
        free(t);
        return r;
    }
    t->table->options.syntax = s->dialect->syntax;
    list_init(&t->link);
    list_init(&t->pending_link);
    list_init(&t->asking);
    list_init(&t->asking_many);
    session_part_init(s, &t->whole, t, PART_WHOLE, 0);
    list_append(&s->tables, &t->link);
    t->retry_failed_ms = retry_failed_ms;
    t->gap_at = SIZE_MAX;
    t->user = user;
    session_table_set(s, t, SESSION_TABLE_PENDING, NULL, NULL);
    session_part_ask(s, &t->whole);
    *ret = t;
    return 0;
}

int session_split_on_error(struct session_table *t, const char *const *names)
{
    size_t n = t->table->options.n_items;
    char **copies = calloc(n + 1, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = strdup(names[i]);
        if (copies[i])
            continue;
        while (i--)
            free(copies[i]);
        free(copies);
        copies = NULL;
    }
    t->item_names = copies;
    return copies ? 0 : -ENOMEM;
}

void session_silence_table(struct session *s, struct session_table *t)
{
    session_part_reset(s, &t->whole);
    session_table_set(s, t, SESSION_TABLE_SILENT, NULL, NULL);
    if (s->dialect->silences_on_the_server)
        session_part_ask(s, &t->whole);
}

void session_start_table(struct session *s, struct session_table *t)
{
    bool silent = t->state == SESSION_TABLE_SILENT;
    if ((t->whole.sub && !silent) || t->state == SESSION_TABLE_DELETED)
        return;
    t->started = t->started || silent;
    if (t->split) {
        session_split_again(s, t, true);
        return;
    }
    if (t->whole.sub)
        session_part_start(s, &t->whole);
    else
        session_part_now(s, &t->whole);
    if (t->state != SESSION_TABLE_PENDING)
        session_table_set(s, t, SESSION_TABLE_PENDING, NULL, NULL);
}

void session_remove_table(struct session *s, uint64_t now, struct session_table *t, bool replaced)
{
    (void)now;
    if (t->state == SESSION_TABLE_DELETED)
        return;
    session_unsplit(s, t);
    session_part_reset(s, &t->whole);
    session_asks_refused(s, t, "the table was deleted", NULL);
    t->replaced = replaced;
    session_table_gap(s, t, replaced ? "table subscribed anew" : "table deleted");
    session_table_set(s, t, SESSION_TABLE_DELETED, NULL, NULL);
}

int session_reconf(struct session *s, uint64_t now, struct session_table *t, const char *max_frequency)
{
    (void)now;
    char *copy = strdup(max_frequency);
    if (!copy)
        return -ENOMEM;
    bool asking = t->reconfs;
    const char **old = asking ? &t->table->options.max_frequency : &t->frequency_before;
    free((void *)(uintptr_t)TAKE(*old));
    if (!asking)
        t->frequency_before = t->table->options.max_frequency;
    t->table->options.max_frequency = copy;
    session_part_reconf(s, &t->whole);
    for (size_t i = 0; t->split && i < t->split->n; i++)
        session_part_reconf(s, &t->split->parts[i]);
    session_second_reconf(s, t);
    return 0;
}

int session_constrain(struct session *s, const char *max_bandwidth_kbps)
{
    char *copy = strdup(max_bandwidth_kbps);
    if (!copy)
        return -ENOMEM;
    free(s->bandwidth_wanted);
    s->bandwidth_wanted = copy;
    s->constrain_wanted = s->requests_wait = true;
    return 0;
}

/* ---- what becomes of their parts ---- */

void session_part_fail(struct session *s, uint64_t now, struct session_part *p, const char *gap_reason,
                       const char *reason, const int *code)
{
    struct session_table *t = p->table;
    session_part_reset(s, p);
    if (p->kind == PART_KEY) {
        session_second_failed(s, now, p, reason, code);
        return;
    }
    if (p->kind == PART_ITEM) {
        session_split_failed(s, now, p, gap_reason, reason, code);
        return;
    }
    if (t->retry_failed_ms)
        timers_set(&s->retries, &p->retry, now + session_spread(s, t->retry_failed_ms));
    t->max_frequency[0] = '\0';
    session_asks_refused(s, t, gap_reason, NULL);
    session_table_gap(s, t, gap_reason);
    session_table_set(s, t, SESSION_TABLE_FAILED, reason, code);
}

void session_part_refused(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                          const int *code)
{
    struct session_table *t = p->table;
    bool splits = p->kind == PART_WHOLE && t->item_names && t->state != SESSION_TABLE_SILENT;
    if (!splits || session_split(s, now, t, reason, code) < 0)
        session_part_fail(s, now, p, "table failed", reason, code);
}

void session_part_again(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                        const int *code)
{
    timers_set(&s->retries, &p->retry, now + session_backoff(s, p->retries++));
    if (p->kind == PART_KEY)
        session_second_tell(s, p, reason, code);
    else if (p->kind == PART_ITEM)
        session_split_waits(s, p, reason, code);
    else
        session_table_set(s, p->table, SESSION_TABLE_PENDING, reason, code);
}

void session_part_retry(struct session *s, struct session_part *p)
{
    if (p->kind == PART_WHOLE && p->table->split) {
        session_split_again(s, p->table, false);
        return;
    }
    if (p->kind == PART_ITEM)
        session_split_open(s, p);
    else if (p->kind == PART_WHOLE && p->table->state == SESSION_TABLE_FAILED)
        session_table_set(s, p->table, SESSION_TABLE_PENDING, NULL, NULL);
    session_part_ask(s, p);
}

void session_part_active(struct session *s, uint64_t now, struct session_part *p)
{
    p->retries = 0;
    if (p->reconf == PART_RECONF_WANTED || p->start == PART_START_WANTED)
        session_part_ask(s, p);
    if (p->table->state == SESSION_TABLE_SILENT || p->start != PART_START_NONE)
        return;
    if (p->kind == PART_KEY)
        session_second_active(p);
    else if (p->kind == PART_ITEM)
        session_split_active(s, p);
    else
        session_table_set(s, p->table, SESSION_TABLE_ACTIVE, NULL, NULL);
    session_table_heard(s, now, p->table);
}

void session_part_started(struct session *s, uint64_t now, struct session_part *p)
{
    p->start = PART_START_NONE;
    list_remove(&p->ask_link);
    session_part_active(s, now, p);
}

/* ---- silence ---- */

static void watch(struct session *s, const struct session_table *t)
{
    if (t->state == SESSION_TABLE_ACTIVE && t->stale_ms && t->heard_at + t->stale_ms < s->stale_at)
        s->stale_at = t->heard_at + t->stale_ms;
}

void session_table_heard(struct session *s, uint64_t now, struct session_table *t)
{
    t->heard_at = now;
    if (t->state == SESSION_TABLE_STALE)
        session_table_set(s, t, SESSION_TABLE_ACTIVE, NULL, NULL);
    watch(s, t);
}

void session_set_stale(struct session *s, uint64_t now, struct session_table *t, uint64_t ms)
{
    /* Held, the clock stands. */
    uint64_t silent_ms = (s->held ? s->held_since : now) - t->heard_at;
    t->stale_ms = ms;
    if (t->state == SESSION_TABLE_STALE && (!ms || silent_ms < ms))
        session_table_set(s, t, SESSION_TABLE_ACTIVE, NULL, NULL);
    watch(s, t);
}

void session_tables_tick(struct session *s, uint64_t now)
{
    s->stale_at = NEVER;
    LIST_EACH(link, &s->tables) {
        struct session_table *t = table_of_link(link);
        if (t->state == SESSION_TABLE_ACTIVE && t->stale_ms && t->heard_at + t->stale_ms <= now)
            session_table_set(s, t, SESSION_TABLE_STALE, "nothing came for stale_ms", NULL);
        watch(s, t);
    }
}

void session_tables_postpone(struct session *s, uint64_t ms)
{
    if (s->stale_at != NEVER)
        s->stale_at += ms;
    LIST_EACH(link, &s->tables)
        table_of_link(link)->heard_at += ms;
}

static void table_begin_anew(struct session *s, struct session_table *t, const char *reason)
{
    session_unsplit(s, t);
    session_part_reset(s, &t->whole);
    t->second_told = false;
    t->max_frequency[0] = '\0';
    if (t->state == SESSION_TABLE_DELETED)
        return;
    session_table_gap(s, t, reason);
    if (session_table_is_active(t) || t->state == SESSION_TABLE_FAILED)
        session_table_set(s, t, SESSION_TABLE_PENDING, NULL, NULL);
    if (t->state == SESSION_TABLE_PENDING ||
        (t->state == SESSION_TABLE_SILENT && s->dialect->silences_on_the_server))
        session_part_ask(s, &t->whole);
}

void session_void_tables(struct session *s, const char *reason)
{
    session_forget_subs(s);
    LIST_EACH(link, &s->tables)
        table_begin_anew(s, table_of_link(link), reason);
    s->stale_at = NEVER;
    session_asks_lost(s, reason);
    s->n_strays = 0;
    s->requests_wait = true;
}

struct session_table *session_next_table(const struct session *s, const struct session_table *after)
{
    for (struct list *link = after ? after->link.next : s->tables.next; link != &s->tables; link = link->next)
        if (table_of_link(link)->state != SESSION_TABLE_DELETED)
            return table_of_link(link);
    return NULL;
}
