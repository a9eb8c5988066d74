/* The two clocks: the loop's, which decides, and the wall's, which is only told. */
#pragma once

#include <systemd/sd-event.h>
#include <time.h>

/* Monotonic, in ms, as of the loop's current turn. */
static inline uint64_t clock_loop_ms(sd_event *event)
{
    uint64_t us;
    return sd_event_now(event, CLOCK_MONOTONIC, &us) < 0 ? 0 : us / 1000;
}

static inline uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Monotonic, in µs, right now. */
static inline uint64_t clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

/* µs since 1970, right now. */
static inline uint64_t clock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}
