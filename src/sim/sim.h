/* The simulator as a whole: what its parts share. One thread, one sd-event loop; after every turn of it one handler
 * runs the script, sends what is due and frees what has ended, so that no callback frees what its caller still uses. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/map.h"
#include "sim/fault.h"
#include "sim/feed.h"
#include "sim/options.h"
#include "sim/rng.h"
#include "sim/server.h"

struct script;

struct sim {
    struct sim_options options;
    sd_event *loop;
    struct rng rng;
    struct server server;
    struct feed feed;
    struct faults faults;
    struct script *script; /* NULL without --script and --interactive */

    struct list sessions; /* those that live, oldest first */
    struct map sessions_by_id;
    struct list old_sessions; /* the last ones that do not: see session.h */
    unsigned n_old_sessions;
    unsigned n_sessions;                         /* ever created */
    struct list dead_sessions, dead_connections; /* to be freed at the end of this turn */

    uint64_t violations, sent; /* counted for the summary */
};

/* Monotonic time of this turn of the loop, in microseconds. */
uint64_t sim_now_us(const struct sim *sim);

/* Prints the JSON object in B as one line, under --events. */
void sim_emit(struct sim *sim, struct buf *b);

/* Says that a client did what the protocol forbids: WHO is "client", or its session. */
void sim_violation(struct sim *sim, const char *who, const char *format, ...) PRINTF_LIKE(3, 4);

/* (Re-)arms *TIMER, made on first use, for AT_US; HANDLER gets DATA. */
void sim_timer(struct sim *sim, sd_event_source **timer, uint64_t at_us, sd_event_time_handler_t handler,
               void *data);
void sim_timer_off(sd_event_source *timer);

/* Ends the loop with that exit STATUS. */
void sim_quit(struct sim *sim, int status);
