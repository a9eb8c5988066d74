/* A table whose group the server refused, tried again item by item (INTERFACE.md, split_on_error): until the session ends, every item has a part of its own. What
 * the table is told to be follows from theirs. */
#include "proto/session_internal.h"

#include <errno.h>
#include <stdio.h>

static void count_part(struct session_split *x, const struct session_part *p, size_t change)
{
    switch (p->state) {
    case PART_OPEN: x->n_open += change; break;
    case PART_ACTIVE: x->n_active += change; break;
    case PART_WAITS: x->n_waiting += change; break;
    case PART_FAILED: break;
    }
    x->n_failed += p->failed ? change : 0;
}

/* FAILED: it is one of those to be named. One that failed stays so while it is asked for again. */
static void set_part(struct session_part *p, enum session_part_state state, bool failed)
{
    struct session_split *x = p->table->split;
    count_part(x, p, (size_t)-1);
    x->untold |= failed != p->failed;
    p->state = state;
    p->failed = failed;
    count_part(x, p, 1);
}

/* What the server refused last, as long as anything is refused. */
static void keep_reason(struct session_split *x, const char *reason, const int *code)
{
    x->untold |=
        strcmp(x->reason, reason) != 0 || x->has_code != (code != NULL) || (code && *code != x->code);
    x->has_code = code != NULL;
    x->code = code ? *code : 0;
    snprintf(x->reason, sizeof x->reason, "%s", reason);
}

static void forget_reason(struct session_split *x)
{
    if (!x->n_failed && !x->n_waiting)
        keep_reason(x, "", NULL);
}

static enum session_table_state state_of(const struct session_table *t)
{
    const struct session_split *x = t->split;
    if (x->n_active)
        return t->state == SESSION_TABLE_STALE ? SESSION_TABLE_STALE : SESSION_TABLE_ACTIVE;
    return x->n_open || x->n_waiting ? SESSION_TABLE_PENDING : SESSION_TABLE_FAILED;
}

/* Another state at once; who else was refused only with the last answer: a table of thousands would be told thousands of times, each time with
 * thousands of names. LATE: that answer may never come. */
static void tell(struct session *s, struct session_table *t, bool late)
{
    struct session_split *x = t->split;
    enum session_table_state state = state_of(t);
    if (state == t->state && !(x->untold && (late || !x->n_open)))
        return;
    x->untold = false;
    if (state == SESSION_TABLE_FAILED) {
        t->max_frequency[0] = '\0';
        session_asks_refused(s, t, "table failed", NULL);
    }
    session_table_set(s, t, state, NULL, NULL);
}

int session_split(struct session *s, uint64_t now, struct session_table *t, const char *reason,
                  const int *code)
{
    size_t n = t->table->options.n_items;
    struct session_split *x = calloc(1, sizeof *x + n * sizeof x->parts[0]);
    if (!x || timers_reserve(&s->retries, s->n_parts + n) < 0) {
        free(x);
        return -ENOMEM;
    }
    session_part_reset(s, &t->whole);
    t->split = x;
    for (; x->n < n; x->n++) {
        session_part_init(s, &x->parts[x->n], t, PART_ITEM, x->n + 1);
        count_part(x, &x->parts[x->n], 1);
        if (n > 1)
            session_part_ask(s, &x->parts[x->n]);
    }
    keep_reason(x, reason, code);
    if (n == 1)
        session_split_failed(s, now, &x->parts[0], "table failed", reason, code);
    else
        session_table_set(s, t, SESSION_TABLE_PENDING, NULL, NULL);
    return 0;
}

void session_unsplit(struct session *s, struct session_table *t)
{
    for (size_t i = 0; t->split && i < t->split->n; i++)
        session_part_done(s, &t->split->parts[i]);
    free(TAKE(t->split));
}

bool session_item_is_failed(const struct session_table *t, size_t pos)
{
    return t->split && pos >= 1 && pos <= t->split->n && t->split->parts[pos - 1].failed;
}

/* ---- what becomes of an item ---- */

void session_split_active(struct session *s, struct session_part *p)
{
    set_part(p, PART_ACTIVE, false);
    forget_reason(p->table->split);
    tell(s, p->table, false);
}

/* They are all asked for again at the same time, by the timer that the whole has no use for. */
void session_split_failed(struct session *s, uint64_t now, struct session_part *p, const char *gap_reason,
                          const char *reason, const int *code)
{
    struct session_table *t = p->table;
    set_part(p, PART_FAILED, true);
    keep_reason(t->split, reason, code);
    if (t->retry_failed_ms && t->whole.retry.at == TIMER_OFF)
        timers_set(&s->retries, &t->whole.retry, now + session_spread(s, t->retry_failed_ms));
    session_item_gap(s, t, p->item, gap_reason);
    tell(s, t, false);
}

void session_split_waits(struct session *s, struct session_part *p, const char *reason, const int *code)
{
    set_part(p, PART_WAITS, p->failed);
    keep_reason(p->table->split, reason, code);
    tell(s, p->table, false);
}

void session_split_late(struct session *s, struct session_part *p)
{
    tell(s, p->table, true);
}

void session_split_open(struct session *s, struct session_part *p)
{
    set_part(p, PART_OPEN, p->failed);
    tell(s, p->table, false);
}

void session_split_again(struct session *s, struct session_table *t, bool all)
{
    timers_set(&s->retries, &t->whole.retry, TIMER_OFF);
    for (size_t i = 0; i < t->split->n; i++) {
        struct session_part *p = &t->split->parts[i];
        if (p->state == PART_FAILED || (all && p->state == PART_WAITS)) {
            set_part(p, PART_OPEN, p->failed);
            session_part_now(s, p);
        }
    }
    tell(s, t, false);
}
