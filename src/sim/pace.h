/* A session's bandwidth: what it was granted, and data notifications that are spread over time accordingly (the
 * specification's chapters on constraining a session and on CONS). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/span.h"

struct session;

struct pace {
    char *text;       /* owned: what CONS says */
    double kbps;      /* 0: no limit */
    uint64_t free_us; /* when what was sent so far has used up its time */
    sd_event_source *timer;
};

void pace_init(struct pace *p);
void pace_done(struct pace *p);

/* Grants S the bandwidth it ASKED for (kbps or "unlimited"; empty: no change), unless the script grants less. */
void pace_grant(struct session *s, struct span asked);

/* How many bytes S may send now; 0: later, when it is woken. */
size_t pace_room(struct session *s);
/* S sent so many. */
void pace_spend(struct session *s, size_t bytes);
