/* A hash map from numbers to pointers: ids that are given out one after the other, of which few live on. Open addressing, as in map.h. */
#pragma once

#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

struct idmap_slot {
    uint64_t id;
    void *value; /* NULL marks a free slot */
};

struct idmap {
    struct idmap_slot *slots; /* owned */
    size_t n_slots;           /* 0 or a power of two */
    unsigned shift;           /* 64 less its logarithm */
    size_t count;             /* entries */
};

/* A zeroed map is empty. */
void idmap_done(struct idmap *m);

/* Room for N entries in all: so many can be added without fail. Returns 0 or -ENOMEM (nothing changed). */
int idmap_reserve(struct idmap *m, size_t n) WARN_UNUSED;

/* Puts VALUE (not NULL) under ID, which must not be there yet; there is room for it. */
void idmap_add(struct idmap *m, uint64_t id, void *value);

/* Takes ID out. Returns its value, or NULL when it was not there. */
void *idmap_remove(struct idmap *m, uint64_t id);

/* The upper bits of a product depend on all of the id's: neighbours do not pile up behind those that stayed. */
static inline size_t idmap_home(const struct idmap *m, uint64_t id)
{
    return (size_t)(id * 0x9e3779b97f4a7c15u >> m->shift);
}

/* The value under ID, or NULL. */
static inline void *idmap_get(const struct idmap *m, uint64_t id)
{
    if (!m->count)
        return NULL;
    size_t at = idmap_home(m, id);
    while (m->slots[at].value && m->slots[at].id != id)
        at = (at + 1) & (m->n_slots - 1);
    return m->slots[at].value;
}
