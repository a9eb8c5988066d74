#include "base/map.h"

#include <errno.h>

enum { MAP_FIRST_SLOTS = 16 };

/* FNV-1a with a final mix, so that the low bits, which choose the slot, depend on every byte. */
static uint64_t map_hash(struct span key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.at[i]) * 1099511628211u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

/* The slot that holds KEY, or the free one where it would go. There is always a free one: see map_add(). */
static size_t map_slot(const struct map *m, struct span key, uint64_t hash)
{
    size_t at = hash & (m->n_slots - 1);
    while (m->slots[at].value && (m->slots[at].hash != hash || !span_equal(m->slots[at].key, key)))
        at = (at + 1) & (m->n_slots - 1);
    return at;
}

void map_done(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

void *map_get(const struct map *m, struct span key)
{
    return m->count ? m->slots[map_slot(m, key, map_hash(key))].value : NULL;
}

static int map_grow(struct map *m)
{
    size_t n = m->n_slots ? m->n_slots * 2 : MAP_FIRST_SLOTS;
    struct map grown = {.slots = calloc(n, sizeof *grown.slots), .n_slots = n, .count = m->count};
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].value)
            grown.slots[map_slot(&grown, m->slots[i].key, m->slots[i].hash)] = m->slots[i];
    free(m->slots);
    *m = grown;
    return 0;
}

int map_add(struct map *m, struct span key, void *value)
{
    /* At most three quarters full. */
    if (m->count + 1 > m->n_slots / 4 * 3) {
        int r = map_grow(m);
        if (r < 0)
            return r;
    }
    uint64_t hash = map_hash(key);
    m->slots[map_slot(m, key, hash)] = (struct map_entry){key, value, hash};
    m->count++;
    return 0;
}

void *map_remove(struct map *m, struct span key)
{
    if (!m->count)
        return NULL;
    size_t mask = m->n_slots - 1, hole = map_slot(m, key, map_hash(key));
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    m->slots[hole].value = NULL;
    m->count--;
    /* Close the hole: an entry behind it that could no longer be reached from its own slot moves into it. */
    for (size_t at = (hole + 1) & mask; m->slots[at].value; at = (at + 1) & mask) {
        size_t home = m->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        m->slots[hole] = m->slots[at];
        m->slots[at].value = NULL;
        hole = at;
    }
    return value;
}
