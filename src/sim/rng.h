/* Pseudo-random numbers that a seed repeats exactly (SplitMix64). */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t state; /* the seed */
};

uint64_t rng_next(struct rng *r);

/* 0 … BELOW-1; 0 for BELOW 0. */
uint64_t rng_below(struct rng *r, uint64_t below);

/* LOW … HIGH, both included. */
int64_t rng_between(struct rng *r, int64_t low, int64_t high);
