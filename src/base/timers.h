/* Times at which something is due, the earliest at hand: a heap. A timer is a member of what it is for, so setting one never fails. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define TIMER_OFF UINT64_MAX

struct timer {
    uint64_t at;  /* TIMER_OFF: not set */
    size_t place; /* in the heap, while it is set */
};

struct timers {
    struct timer **heap; /* owned; what they point to is not */
    size_t n, cap;
};

/* Zeroed timers are none. */
void timers_done(struct timers *t);

/* Room for N timers in all: so many can be set at a time. Returns 0 or -ENOMEM (nothing changed). */
int timers_reserve(struct timers *t, size_t n) WARN_UNUSED;

/* A timer must begin so. */
#define TIMER_INIT                                                                                           \
    {                                                                                                        \
        .at = TIMER_OFF                                                                                      \
    }

/* Sets TIMER, which may be set already, to AT; TIMER_OFF: not at all. */
void timers_set(struct timers *t, struct timer *timer, uint64_t at);

/* The earliest time; TIMER_OFF: none is set. */
uint64_t timers_next(const struct timers *t);

/* Takes off one that is due by NOW; NULL: none is. */
struct timer *timers_take(struct timers *t, uint64_t now);

/* All are later by MS. */
void timers_postpone(struct timers *t, uint64_t ms);
