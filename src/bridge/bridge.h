/* The bridge's parts, as control and reload work on them; daemon puts them together and runs the loop. */
#pragma once

#include "bridge/link.h"
#include "conf/conf.h"

struct bridge {
    struct link_env env;   /* loop, log, net, feed, status: what every link works with */
    struct conf *conf;     /* in effect: the sessions as last loaded, all else as at the start; owned */
    struct conf *loaded;   /* all else as last loaded, without sessions; NULL: as in effect; owned */
    struct conf *old_conf; /* of a reload that failed half-way: some links still look at it; owned */
    char run[17];          /* this run of the daemon: 16 hex digits */
    uint64_t started_us;   /* monotonic */
    struct buf endpoints;  /* as bound: a JSON object */
    struct list links;     /* of struct link, in the configuration's order; those that leave too */
    uint64_t tables_added; /* at run time */
    uint64_t last_token;   /* of a request that waited for a server's answer */
    bool stopping;
};

/* The link of that name that is not on its way out, or NULL. */
struct link *bridge_find_link(const struct bridge *b, const char *name);

/* Makes a link and puts it in its place; see link_new(). */
int bridge_add_link(struct bridge *b, const struct conf_session *conf, bool replaces, struct link *after,
                    struct link **ret);

/* Frees links that are over; those that waited for them start. Not from within a link. */
void bridge_sweep(struct bridge *b);

/* The configuration that a new one is compared with, outside `sessions`. */
const struct conf *bridge_loaded(const struct bridge *b);

/* NEW is the last one loaded: its sessions are in effect from now on. WHOLE: nobody looks at those before any more.
 * Returns 0 or -ENOMEM, and then all of NEW is. */
int bridge_take_conf(struct bridge *b, struct conf *taken_new, bool whole);

/* Tells the topic `bridge`: EVENT is "start", "reload" or "stop". */
void bridge_tell(struct bridge *b, const char *event);

/* Adds the counters of the whole daemon and of each session to an object. */
void bridge_add_stats(const struct bridge *b, struct buf *json);

/* Adds the configuration in effect, its tables those that there are now, as a JSON object. Returns 0 or -ENOMEM. */
int bridge_add_config(const struct bridge *b, struct buf *json);

/* How many sessions there are, and how many are connected. */
void bridge_count(const struct bridge *b, size_t *ret_all, size_t *ret_connected);
