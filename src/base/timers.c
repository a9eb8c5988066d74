#include "base/timers.h"

#include <errno.h>

void timers_done(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){0};
}

int timers_reserve(struct timers *t, size_t n)
{
    if (n <= t->cap)
        return 0;
    size_t cap = n < 16 ? 16 : n + n / 2;
    struct timer **grown = realloc(t->heap, cap * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    t->heap = grown;
    t->cap = cap;
    return 0;
}

static void put(struct timers *t, size_t place, struct timer *timer)
{
    t->heap[place] = timer;
    timer->place = place;
}

/* Puts TIMER at PLACE, or as far above it as it belongs. */
static void rise(struct timers *t, size_t place, struct timer *timer)
{
    while (place && t->heap[(place - 1) / 2]->at > timer->at) {
        put(t, place, t->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(t, place, timer);
}

/* Puts TIMER at PLACE, or as far below it as it belongs. */
static void sink(struct timers *t, size_t place, struct timer *timer)
{
    for (;;) {
        size_t child = place * 2 + 1;
        if (child + 1 < t->n && t->heap[child + 1]->at < t->heap[child]->at)
            child++;
        if (child >= t->n || t->heap[child]->at >= timer->at)
            break;
        put(t, place, t->heap[child]);
        place = child;
    }
    put(t, place, timer);
}

static void settle(struct timers *t, size_t place, struct timer *timer)
{
    if (place && t->heap[(place - 1) / 2]->at > timer->at)
        rise(t, place, timer);
    else
        sink(t, place, timer);
}

static void take_out(struct timers *t, struct timer *timer)
{
    struct timer *last = t->heap[--t->n];
    if (last != timer)
        settle(t, timer->place, last);
}

void timers_set(struct timers *t, struct timer *timer, uint64_t at)
{
    bool was_set = timer->at != TIMER_OFF;
    timer->at = at;
    if (at == TIMER_OFF && was_set)
        take_out(t, timer);
    else if (at != TIMER_OFF)
        settle(t, was_set ? timer->place : t->n++, timer);
}

uint64_t timers_next(const struct timers *t)
{
    return t->n ? t->heap[0]->at : TIMER_OFF;
}

struct timer *timers_take(struct timers *t, uint64_t now)
{
    if (timers_next(t) > now || !t->n)
        return NULL;
    struct timer *first = t->heap[0];
    timers_set(t, first, TIMER_OFF);
    return first;
}

/* Keeps the order, and so the heap. */
void timers_postpone(struct timers *t, uint64_t ms)
{
    for (size_t i = 0; i < t->n; i++)
        t->heap[i]->at += ms;
}
