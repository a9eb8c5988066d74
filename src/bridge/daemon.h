/* The daemon: everything that lives as long as the process, and the loop it runs in. */
#pragma once

#include <systemd/sd-event.h>

#include "base/list.h"
#include "bridge/feed.h"
#include "bridge/log.h"
#include "bridge/status.h"
#include "bus/zmq.h"
#include "conf/conf.h"
#include "net/net.h"

struct control;

struct daemon {
    sd_event *event;
    struct log *log;
    struct conf *conf;     /* as last loaded */
    struct conf *old_conf; /* of a reload that failed half-way: some links still look at it */
    char run[17];          /* this run of the daemon: 16 hex digits */
    uint64_t started_us;   /* monotonic */
    struct zmq_bus *bus;
    struct net *net;
    struct feed *feed;
    struct status *status;
    struct control *control;
    struct list links; /* of struct link, in the configuration's order */
    sd_event_source *stats_timer, *released, *sweep, *stop_timer;
    size_t turn; /* which link is drained first after a hold, so that none starves */
    bool stopping;
    int failure; /* of the bus, told once; 0: none */
};

/* Takes CONF and LOG. On failure says why in the log, returns -errno, and nothing is left. */
int daemon_new(struct conf *taken_conf, struct log *taken_log, struct daemon **ret);
/* Until SIGTERM, SIGINT, or trouble of our own. Returns 0 or -errno. */
int daemon_run(struct daemon *d);
void daemon_free(struct daemon *d);

struct link;
struct link *daemon_find_link(const struct daemon *d, const char *name);
/* From the loop's next turn: links that are over are freed, those that waited for them start. */
void daemon_sweep(struct daemon *d);
/* How many sessions are connected: for systemctl status. */
void daemon_notify_status(struct daemon *d);
/* The topic `bridge` and what status replies have of endpoints. */
void daemon_tell_bridge(struct daemon *d, const char *event);
struct buf;
void daemon_add_endpoints(const struct daemon *d, struct buf *json);
void daemon_add_stats(const struct daemon *d, struct buf *json);

/* NEW is the last one loaded. WHOLE: nobody looks at the one before any more. */
void daemon_take_conf(struct daemon *d, struct conf *taken_new, bool whole);

uint64_t daemon_now_ms(const struct daemon *d);
uint64_t daemon_wall_us(void);
