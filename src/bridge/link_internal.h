/* What link.c (events, life), link_details.c, link_messages.c, link_net.c (connections) and link_tables.c (tables) share. */
#pragma once

#include "bridge/credentials.h"
#include "bridge/link.h"

struct link {
    const struct link_env *env;
    struct list in_links;
    char *name;
    const struct conf_session *conf; /* borrowed */
    struct session *session;
    struct net_peer *peer;
    struct net_stream *stream, *control;
    struct credentials *credentials;   /* a command that runs */
    struct list added;                 /* of struct added_table: the tables that are in no file */
    struct list farewells, heartbeats; /* requests whose answers nobody waits for */
    struct buf control_in;             /* the response to the control request, until it is whole */
    enum { CONTROL_NONE, CONTROL_OPEN, CONTROL_ENDED, CONTROL_FED } control_end;
    bool on_control_link; /* the last control request went to it */
    sd_event_source *timer;
    uint64_t timer_ms; /* what the timer is set to; UINT64_MAX: off */
    bool draining, leaving, held;
    struct link *after; /* must be over before this one starts */
    uint64_t read_us;   /* when the bytes that are being taken were read, since 1970 */
    uint64_t last_heartbeat_us, last_byte_us;
    uint64_t since_us; /* the session's last transition, since 1970 */
    uint64_t messages; /* published for it */
    uint64_t misfits;  /* values that are not what `types` says */

    /* the stream ended, but what it brought is not all taken yet (a slow consumer) */
    bool ended;
    enum session_fault ended_fault;
    int ended_code;
    char ended_why[LIMIT_REASON_BYTES];
};

/* ---- link_details.c ---- */
/* Adds "details": what holds between the server and us. */
void link_add_details(const struct link *l, struct buf *json);

/* ---- link_net.c ---- */
int link_make_peer(struct link *l);
void link_act(struct link *l, const struct session_action *action);
void link_close_all(struct link *l);
void link_pause(struct link *l, bool pause);

/* ---- link_tables.c ---- */
void link_tell_table(struct link *l, struct session_table *t);
struct session_table *link_find_table(const struct link *l, const char *name);
