/* What `top` shows: a reply to `status`, with how fast its counters grow, as lines of a picture. Pure. */
#pragma once

#include "ctl/reply.h"

/* The counters of one reply, by session and table, to compare later ones with. A zeroed one is empty. */
struct snapshot {
    struct json_object *counters; /* owned */
    int64_t at_ms;                /* on any clock that does not jump */
};

/* Takes those of REPLY. Returns 0 or -ENOMEM; what RET had is freed. */
int snapshot_take(struct snapshot *ret, struct json_object *reply, int64_t at_ms);
void snapshot_done(struct snapshot *s);

/* Adds to REPLY, to each of its sessions and to each of its tables "rates": counters that grew since BEFORE, as so many per second. Of what was
 * not there, or has begun again, none. Adds "interval_ms" as well. Returns 0 or -ENOMEM. */
int snapshot_add_rates(struct json_object *reply, const struct snapshot *before, int64_t at_ms);

/* How a line is to look: its first byte. */
enum { SNAPSHOT_PLAIN = ' ', SNAPSHOT_TITLE = '#', SNAPSHOT_TROUBLE = '!' };

/* Adds the picture of REPLY (with rates) at NOW_US: lines, each with one of the above before it. The first SNAPSHOT_HEAD of
 * them belong above whatever is scrolled. */
enum { SNAPSHOT_HEAD = 3 };
void snapshot_view(struct buf *out, struct json_object *reply, int64_t now_us);
