/* The data notifications of a session, numbered from 1: those still to be sent, and, for a recovery, some of those
 * that were (the specification's chapter on session recovery). */
#pragma once

#include <stdint.h>

#include "base/span.h"

struct note {
    char *line;  /* owned: the line with its CR LF */
    size_t len;  /* bytes of it */
    char *event; /* owned: what --events prints once it is sent; NULL without --events */
};

struct history {
    struct note *ring; /* owned */
    size_t cap;        /* slots of the ring, 0 or a power of two */
    uint64_t first;    /* number of the oldest kept */
    uint64_t last;     /* number of the newest; first == last + 1 when nothing is kept */
};

void history_init(struct history *h);
void history_done(struct history *h);

/* Appends. LINE is copied, EVENT (or NULL) *taken*. Returns its number. */
uint64_t history_add(struct history *h, struct span line, char *event);

/* The notification with that NUMBER, or NULL when it is not kept; borrowed until the next change. */
struct note *history_get(const struct history *h, uint64_t number);

/* Forgets everything before NUMBER. */
void history_forget(struct history *h, uint64_t number);
