/* Random numbers for tests that try many inputs: the same ones in every run. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; /* any but 0 */
};

static inline uint64_t random_next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * 0x2545f4914f6cdd1du;
}

/* From 0 to below N (not 0). */
static inline size_t random_below(struct random *r, size_t n)
{
    return (size_t)((random_next(r) >> 33) % n);
}
