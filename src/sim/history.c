#include "sim/history.h"

#include "sim/memory.h"

void history_init(struct history *h)
{
    *h = (struct history){.first = 1};
}

static struct note *slot(const struct history *h, uint64_t number)
{
    return &h->ring[number & (h->cap - 1)];
}

static void drop_first(struct history *h)
{
    struct note *note = slot(h, h->first++);

    free(note->line);
    free(note->event);
}

void history_done(struct history *h)
{
    history_forget(h, h->last + 1);
    free(h->ring);
    *h = (struct history){0};
}

static void grow(struct history *h)
{
    struct history bigger = *h;

    bigger.cap = h->cap > 0 ? 2 * h->cap : 64;
    bigger.ring = memory_get(bigger.cap * sizeof(*bigger.ring));
    for (uint64_t i = h->first; i <= h->last; i++)
        *slot(&bigger, i) = *slot(h, i);
    free(h->ring);
    *h = bigger;
}

uint64_t history_add(struct history *h, struct span line, char *event)
{
    if (h->last + 1 - h->first == h->cap)
        grow(h);
    h->last++;
    *slot(h, h->last) = (struct note){.line = memory_dup(line), .len = line.len, .event = event};
    return h->last;
}

struct note *history_get(const struct history *h, uint64_t number)
{
    return number >= h->first && number <= h->last ? slot(h, number) : NULL;
}

void history_forget(struct history *h, uint64_t number)
{
    while (h->first <= h->last && h->first < number)
        drop_first(h);
}
