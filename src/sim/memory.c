#include "sim/memory.h"

#include <stdio.h>

static void *checked(void *at)
{
    if (!at) {
        fputs("lsbridge-sim: out of memory\n", stderr);
        abort();
    }
    return at;
}

void *memory_get(size_t n)
{
    return checked(calloc(1, n > 0 ? n : 1));
}

void *memory_resize(void *at, size_t size)
{
    return checked(realloc(at, size > 0 ? size : 1));
}

char *memory_dup(struct span s)
{
    return checked(span_dup(s));
}

void memory_map_add(struct map *m, struct span key, void *value)
{
    if (map_add(m, key, value) < 0)
        checked(NULL);
}
