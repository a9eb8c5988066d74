#include "base/idmap.h"

#include <errno.h>

enum { IDMAP_FIRST_SHIFT = 60 };

void idmap_done(struct idmap *m)
{
    free(m->slots);
    *m = (struct idmap){0};
}

static void put(struct idmap *m, uint64_t id, void *value)
{
    size_t at = idmap_home(m, id);
    while (m->slots[at].value)
        at = (at + 1) & (m->n_slots - 1);
    m->slots[at] = (struct idmap_slot){id, value};
}

int idmap_reserve(struct idmap *m, size_t n)
{
    unsigned shift = m->n_slots ? m->shift : IDMAP_FIRST_SHIFT;
    /* At most half full: a search then looks at one slot or two. */
    while ((size_t)1 << (64 - shift) < n * 2)
        shift--;
    if (m->n_slots && shift == m->shift)
        return 0;
    struct idmap grown = {.n_slots = (size_t)1 << (64 - shift), .shift = shift, .count = m->count};
    grown.slots = calloc(grown.n_slots, sizeof *grown.slots);
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].value)
            put(&grown, m->slots[i].id, m->slots[i].value);
    free(m->slots);
    *m = grown;
    return 0;
}

void idmap_add(struct idmap *m, uint64_t id, void *value)
{
    put(m, id, value);
    m->count++;
}

void *idmap_remove(struct idmap *m, uint64_t id)
{
    if (!m->count)
        return NULL;
    size_t mask = m->n_slots - 1, hole = idmap_home(m, id);
    while (m->slots[hole].value && m->slots[hole].id != id)
        hole = (hole + 1) & mask;
    void *value = m->slots[hole].value;
    if (!value)
        return NULL;
    m->slots[hole].value = NULL;
    m->count--;
    /* Close the hole, as map_remove() does. */
    for (size_t at = (hole + 1) & mask; m->slots[at].value; at = (at + 1) & mask) {
        size_t home = idmap_home(m, m->slots[at].id);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        m->slots[hole] = m->slots[at];
        m->slots[at].value = NULL;
        hole = at;
    }
    return value;
}
