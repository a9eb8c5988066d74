/* One server: its session, the connections that the session asks for, and what comes out of it. */
#pragma once

#include <systemd/sd-event.h>

#include "base/list.h"
#include "bridge/added.h"
#include "bridge/feed.h"
#include "bridge/log.h"
#include "bridge/status.h"
#include "conf/conf.h"
#include "net/net.h"

/* What links work with; borrowed as long as they live. */
struct link_env {
    sd_event *event;
    struct log *log;
    struct net *net;
    struct feed *feed;
    struct status *status;
    void (*changed)(void *userdata); /* a session's state */
    void (*answered)(void *userdata,
                     const struct session_answer *
                         answer); /* what link_reconf(), link_constrain() and link_send_message() asked for */
    void (*over)(
        void *userdata); /* a link is over (see link_is_over), and may be freed once this call is through */
    void *userdata;
};

struct link;

/* Makes the link of a configured session, with its tables. CONF is borrowed until link_reconfigure(). REPLACES: its name was in use, so
 * its first session is told as replaced. AFTER: a link that is on its way out, and must be over before this one starts; or
 * NULL. Returns 0 or -errno. */
int link_new(const struct link_env *env, const struct conf_session *conf, bool replaces, struct link *after,
             struct link **ret);
void link_free(struct link *l);

struct link *link_of(struct list *in_links);
struct list *link_in_links(struct link *l);
const char *link_name(const struct link *l);
/* Its configuration; tables aside, what is in effect. */
const struct conf_session *link_conf(const struct link *l);
/* Still the one of its name: not on its way out. */
bool link_is_current(const struct link *l);

void link_start(struct link *l);
/* Ends the session, also on the server, until link_start(). */
void link_stop(struct link *l, const char *reason);
/* Asks the server to end the connection, so that it is bound anew; nothing is lost. Returns whether it is connected. */
bool link_rebind(struct link *l);
/* Ends it for good: env's over() is called once its gaps are out and the server was told (connect_ms at most). REASON is
 * reported; GAP_REASON, a constant, goes to the gaps. REMOVED: its tables are told as deleted. */
void link_leave(struct link *l, const char *reason, const char *gap_reason, bool removed);
/* Stopped, its events taken, its farewell said: may be freed. */
bool link_is_over(const struct link *l);
/* OTHER, which was to be over before this one starts, is. */
bool link_waits_for(const struct link *l, const struct link *other);
void link_is_free_of(struct link *l);

/* The bus is full, or not any more. */
void link_hold(struct link *l, bool held, bool announce);
/* Takes what waits: events, actions. */
void link_drain(struct link *l);

/* CONF says the same of the session itself, perhaps not of its tables; borrowed from now on. */
void link_reconfigure(struct link *l, const struct conf_session *conf);
bool link_has_table(const struct link *l, const char *name);
int link_add_table(struct link *l, const struct conf_table *conf);
void link_remove_table(struct link *l, const char *name, bool replaced);
size_t link_count_tables(const struct link *l);
/* Tables that stand in no file: TAKEN is freed when the table is removed or the link is, and also when it cannot be added. */
int link_add_added(struct link *l, struct added_table *taken);
/* NULL when the table of that name is not one of them. */
const struct added_table *link_find_added(const struct link *l, const char *name);
/* One after the other: NULL gives the first, the last gives NULL. */
const struct added_table *link_next_added(const struct link *l, const struct added_table *after);
/* The table of that name (NULL: all) is none of them any more. */
void link_forget_added(struct link *l, const char *name);
/* Subscribes a silent table, asks again for a failed one. */
void link_start_table(struct link *l, const char *name);
/* Conditions of the next two. */
enum { LINK_CANNOT = 1 }; /* why is in the text */
/* Ask the server for another frequency of a table that is there, or another bandwidth. The outcome is told by env's answered() under
 * TOKEN, exactly once, not before the next link_drain(). Return 0, LINK_CANNOT (nothing was asked, nothing will be told) or
 * -ENOMEM. */
int link_reconf(struct link *l, const char *name, const char *max_frequency, uint64_t token,
                const char **ret_why);
int link_constrain(struct link *l, const char *max_bandwidth_kbps, uint64_t token, const char **ret_why);
/* Sends a message once the session is connected; timeout_ms 0: connect_ms, and its max_wait_ms. Likewise; TOKEN is the message's. */
int link_send_message(struct link *l, const struct session_message *message, const char **ret_why);
/* Whether it was silent, and started. */
bool link_table_started(const struct link *l, const char *name);
/* Of the kinds CONF_CHANGE_LIVE and CONF_CHANGE_RECONF. */
int link_change_table(struct link *l, const struct conf_table *conf, unsigned changes);

const struct session_report *link_report(const struct link *l);
/* Adds the members of the session's status to an object; the table's likewise. */
void link_add_session(const struct link *l, struct buf *json);
void link_add_counters(const struct link *l, struct buf *json);
/* Adds an object for each table (NULL: of all) to an array. */
void link_add_tables(const struct link *l, struct buf *json);

enum encode_format link_format(enum conf_encoding encoding);
