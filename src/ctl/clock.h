/* Time for time-outs. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Milliseconds of a clock that nobody sets. */
static inline int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds from now until DEADLINE_MS, not below 0; -1 (for ever) when DEADLINE_MS is -1. */
static inline int64_t clock_until(int64_t deadline_ms)
{
    if (deadline_ms < 0)
        return -1;
    int64_t left = deadline_ms - clock_ms();
    return left > 0 ? left : 0;
}
