/* One accepted connection: its socket, what waits to be written to it, and the faults that concern bytes (writing in
 * pieces, stalling, being cut in the middle). HTTP and WebSocket are spoken on top of it (http.h, ws.h). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/list.h"

struct session;
struct sim;
struct ws;

/* A client that sends more than this before a request is complete is not one of ours. */
#define CONN_MAX_INPUT (4U << 20)
/* A stream is not given more while this much waits for the client to read. */
#define CONN_FULL (256U << 10)
/* Never reached: what fills a connection stops at CONN_FULL, and answers are small. */
#define CONN_MAX_OUTPUT (64U << 20)

enum conn_state {
    CONN_READY,  /* waits for a request, or (WebSocket) takes them at any time */
    CONN_BUSY,   /* an answer is still owed: later requests wait */
    CONN_STREAM, /* HTTP: a stream is its response */
};

struct conn {
    struct sim *sim;
    struct list link; /* in the server's list, or among the dead */
    int fd;           /* -1 once closed */
    sd_event_source *io, *cut_timer;
    uint64_t number; /* counts connections from 1 */
    char peer[INET6_ADDRSTRLEN];
    enum conn_state state;
    struct buf in, out;
    uint64_t written; /* bytes, ever */
    uint64_t cut_at;  /* cut once so many bytes were written */
    bool writing;     /* EPOLLOUT is asked for */
    bool stalled;     /* nothing more is written */
    bool deaf;        /* nothing more is read, the client's close included */
    bool look_again;  /* see conn_look_again() */
    bool continued;   /* "100 Continue" was sent for the request that is being read */
    bool keep_alive;  /* HTTP: another request may follow the present one */
    bool chunks;      /* HTTP: the client knows them; else a stream lasts as long as its connection */
    bool close_after; /* closed once everything is written */
    bool cut_after;   /* the same, but by a reset */

    struct ws *ws;           /* owned; NULL while HTTP is spoken */
    struct session *session; /* the session whose stream this connection carries, or NULL */
    char *last_session;      /* owned: WebSocket: the id that requests without LS_session mean */
    uint64_t last_sub_id;    /* of the last LS_op=add seen here */
    uint64_t version;        /* of the protocol, in which the present request is written: see request.h */
    struct list answers;     /* those that are late: struct late_answer */
};

/* Takes FD over. */
struct conn *conn_new(struct sim *sim, int fd, const char *peer);

/* Closes it, and tells the session whose stream it was, with CAUSE; it is freed at the end of the turn. Fine on a
 * closed one. */
void conn_close(struct conn *c, const char *cause);

/* The same by a reset, dropping what waits. */
void conn_reset(struct conn *c, const char *cause);

/* Closes or resets it once everything that waits is written. */
void conn_finish(struct conn *c, bool by_reset);

/* Frees a closed one. */
void conn_free(struct conn *c);

/* Adds bytes as they are to what waits. */
void conn_add(struct conn *c, struct span bytes);

/* Adds lines of the protocol to the stream: a chunk, or a WebSocket message. */
void conn_add_lines(struct conn *c, struct span lines);

/* Whether a stream may be given more now. */
bool conn_has_room(const struct conn *c);

/* Looks at what arrived again, at the end of this turn: after an answer that was owed. Not at once: what is found may
 * end any session, also one that the caller stands on. */
void conn_look_again(struct conn *c);

/* Takes requests from what arrived. */
void conn_input(struct conn *c);

void conn_stall(struct conn *c, bool stalled);
/* Reads no more, whatever comes. */
void conn_deafen(struct conn *c);
