/* A hash map from bytes to a pointer: open addressing, deletion without tombstones. The keys are borrowed: they
 * must live, unchanged, as long as their entry (usually they are part of what the entry points to). */
#pragma once

#include "base/span.h"
#include "base/util.h"

struct map_entry {
    struct span key;
    void *value; /* NULL marks a free slot */
    uint64_t hash;
};

struct map {
    struct map_entry *slots; /* owned */
    size_t n_slots;          /* 0 or a power of two */
    size_t count;            /* entries */
};

/* A zeroed map is empty. */
void map_done(struct map *m);

/* The value under KEY, or NULL. */
void *map_get(const struct map *m, struct span key);

/* Puts VALUE (not NULL) under KEY, which must not be there yet. Returns 0 or -ENOMEM (nothing changed). */
int map_add(struct map *m, struct span key, void *value) WARN_UNUSED;

/* Takes KEY out. Returns its value, or NULL when it was not there. */
void *map_remove(struct map *m, struct span key);
