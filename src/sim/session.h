/* A session: bound to a connection that streams its data notifications, or unbound while they wait (the
 * specification's chapter on the session's life). What it was told is in request.c, what it subscribed to in
 * subscription.c. */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/map.h"
#include "base/span.h"
#include "sim/history.h"
#include "sim/pace.h"

struct buf;
struct conn;
struct dialect;
struct sim;

/* Data notifications that may wait to be sent; beyond that updates are dropped, which OV tells. */
#define SESSION_MAX_UNSENT 100000
/* The same under a limit of the bandwidth, which makes everything wait. */
#define SESSION_MAX_PACED 100
/* Request ids remembered to find one that is used twice. */
#define SESSION_MAX_REQUEST_IDS 4096
/* Sessions remembered after their end, to tell an old id from an invented one. */
#define SESSION_MAX_OLD 1000

/* What a create or bind asks for its connection. */
struct binding {
    bool polling;
    uint64_t polling_ms, idle_ms;
    uint64_t keepalive_ms;
    uint64_t inactivity_ms; /* 0: nothing was promised */
    uint64_t content_length_bytes;
    bool send_sync, reduce_head;
    bool report_info; /* text mode: MaxBandwidth and ServerName are wanted */
    bool recovery;
    uint64_t recovery_from;
};

struct session {
    struct sim *sim;
    const struct dialect *dialect; /* in which its lines are written */
    struct list link;              /* in the sim's list, or among the dead */
    char *id;                      /* owned */
    unsigned number;               /* the first session of this run is 1 */
    char *adapter_set;             /* owned */
    struct pace pace;              /* its bandwidth */
    uint64_t version;              /* of TLCP: 250 is 2.5.0 */
    bool no_cons;                  /* LS_reduce_head on create holds for the whole session */
    unsigned diffs;                /* enum encode_diffs */

    struct conn *conn; /* NULL while unbound */
    struct binding binding;
    uint64_t bound_us, stream_bytes, written_us, heard_us;
    bool lost;  /* unbound otherwise than by a LOOP: only a recovery may follow */
    bool broke; /* once at least: requests may have been lost with the connection */

    struct history history;
    uint64_t sent;            /* number of the last data notification handed to the present stream */
    uint64_t sent_most;       /* and to any */
    uint64_t confirmed;       /* the client has said that it has so many */
    uint64_t swallow;         /* so many of the next are lost on their way */
    bool swallowed;           /* some were, on the present connection */
    uint64_t cut_at, loop_at; /* numbers after which that happens; 0: never */
    bool cut_by_close;

    struct list subscriptions;
    uint64_t last_sub_id;
    struct map request_ids; /* of char *, owned */
    struct list sequences;  /* of messages: see message.h */
    struct list messages;   /* in no sequence, that are being processed */
    sd_event_source *probe_timer, *sync_timer, *life_timer, *idle_timer, *inactivity_timer;
    bool wake; /* there may be something to send */
};

struct session *session_new(struct sim *sim, const struct dialect *dialect, struct span adapter_set);
struct session *session_find(const struct sim *sim, struct span id);
/* Frees one that has ended. */
void session_free(struct session *s);

/* Makes C, which waits for an answer to its create or bind, the stream, and sends the head. */
void session_bind(struct session *s, struct conn *c, const struct binding *binding);

/* The connection is gone; CAUSE is for the events. */
void session_lost(struct session *s, const char *cause);

/* Sends LOOP and unbinds; CLOSE: the connection is closed as well. Nothing while unbound. */
void session_loop(struct session *s, uint64_t delay_ms, bool close);

/* Ends it. With a MESSAGE, END is sent if it is bound; without, its stream falls silent. CAUSE is for the events. */
void session_end(struct session *s, int code, const char *message, const char *cause);
/* The same with LAST, whole lines, in place of END; an empty one leaves the stream silent. */
void session_end_saying(struct session *s, struct span last, const char *cause);

/* Whether a session with that ID lived once; *RET_TOLD: how often its client was told that it does not any more. */
bool session_was(const struct sim *sim, struct span id, unsigned *ret_told);
/* Notes that the client was told, which it is not on a connection that is stalled. */
void session_tell(struct sim *sim, struct span id);
void session_forget_oldest(struct sim *sim);

/* Appends a data notification. LINE ends in CR LF; EVENT (or NULL) is *taken*: see session_event(). */
void session_note(struct session *s, struct span line, char *event);

/* Begins in *B the event of the next data notification, of that KIND. Returns false without --events. */
bool session_event(struct session *s, struct buf *b, const char *kind);
/* Closes it; the text is *owned* by the caller. */
char *session_event_end(struct buf *b);

/* Constrains it to so many kbps (an empty BANDWIDTH: as before), and says so. */
void session_constrain(struct session *s, struct span bandwidth);

/* Sends a line that does not count, such as PROBE, where it is bound. */
void session_say(struct session *s, struct span line);

/* Asks for session_pump() at the end of this turn. */
void session_wake(struct session *s);
/* Sends what waits, as far as the connection takes it. */
void session_pump(struct session *s);

/* Whether so much waits that updates have to be held back or dropped. */
bool session_full(const struct session *s);

/* A request of the client's was seen. */
void session_heard(struct session *s);
