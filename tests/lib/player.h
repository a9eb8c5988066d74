/* A session without a network: what happens to it is told here, what it wants and what comes out is kept as lines of text. Aborts where a rule that
 * holds always is broken: those of session_model.h and request_model.h, events and actions without end, a whole session id in what people read. */
#pragma once

#include "request_model.h"
#include "session_model.h"

struct player_lines {
    char **at; /* owned, as are the lines */
    size_t n, cap;
};

struct player {
    struct session *session;
    uint64_t now;                        /* ms; set by the owner, never back */
    struct player_lines events, actions; /* since player_forget() */
    bool stream_gone, control_gone;      /* the session asked for their end: no more bytes of them */
    struct session_model model;          /* what the rules need to remember */
    struct request_model asked;
    char *session_id; /* of the last CONOK that was fed; owned */
    /* As when a consumer is at its mark: the next message of a server that comes out is the last one; and: it was. */
    bool hold_next, holds;
    struct buf unread; /* fed while it holds */
};

/* The settings' defaults (INTERFACE.md), over HTTP. */
struct session_options player_defaults(void);

void player_init(struct player *p, const struct session_options *options);
void player_done(struct player *p);

/* Takes events and actions until there is neither. To be called after everything that is told to the session. */
void player_drain(struct player *p);
void player_forget(struct player *p);

/* Feeds BYTES in pieces: a first one of CUT bytes and the rest; all at once (0); byte by byte (SIZE_MAX). Each piece is a memory block of its own,
 * freed when it was taken. Stops where the session ends the stream. */
void player_feed(struct player *p, struct span bytes, size_t cut);
void player_feed_control(struct player *p, struct span bytes, size_t cut);

/* Ends a hold of either kind: what waits comes out, what was not read is. */
void player_release(struct player *p, bool announce);

/* Adds the table; its values are published as # (null), $ (empty), or the value with | % and control characters
 * percent-encoded. */
struct session_table *player_add_table(struct player *p, const struct table_options *options,
                                       uint64_t retry_failed_ms);
struct session_table *player_table(const struct player *p, struct span name);

/* Whether TEXT is what PATTERN says: ... stands for anything, 10..20 for a number in that range. */
bool player_match(const char *pattern, const char *text);
