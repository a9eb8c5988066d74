/* One virtual session and everything around it: a clock, a network, a server (server.c), whoever uses the session (steps.c), and the oracle that knows what
 * must come out (oracle.c). Everything that happens is written down as a transcript. Nothing of src/proto but its public header is used. */
#pragma once

#include <stdio.h>

#include "../lib/player.h"
#include "source.h"

#define NEVER UINT64_MAX

/* A subscription: one LS_subId. */
struct sub {
    uint64_t id;
    struct served *session;
    const struct shape *shape;
    /* the server's */
    enum { SUB_UNHEARD, SUB_ASKED, SUB_ON, SUB_OFF } stage;
    uint64_t due_at; /* ASKED: when SUBOK is said */
    bool odd_counts; /* SUBOK will tell others than are configured */
    struct source_item items[ITEMS_MAX];
    /* the oracle's */
    struct told_table *table; /* who asked for it; NULL: nobody wants it any more */
    size_t item;              /* of the table's, 1-based, that is its only one; 0: it is of them all */
    bool unsure;              /* its SUBOK came late: what it brings may be nobody's */
    uint64_t asked_at;        /* the add (or taken), or the delete */
    bool doubtful;            /* the client may have given it up: it was not answered in time */
    bool on;                  /* its SUBOK was delivered */
    bool given_up;            /* it was not answered before a recovery: it is asked for anew */
    bool delete_asked;
};

enum note_kind {
    NOTE_SUBOK,
    NOTE_CONF,
    NOTE_UPDATE,
    NOTE_EOS,
    NOTE_CLEAR,
    NOTE_LOST,
    NOTE_UNSUB,
    NOTE_MESSAGE, /* sub is NULL: of no table */
    NOTE_BAD,     /* something that breaks the protocol, if its subscription is still wanted */
};

/* A data notification. */
struct note {
    enum note_kind kind;
    struct sub *sub;
    size_t item; /* 1-based */
    uint64_t count;
    struct values values; /* UPDATE: what is true from here on */
    char frequency[16];   /* CONF */
    char *line;           /* owned */
};

enum { SEQUENCES = 2 };

/* A session on the server. */
struct served {
    struct list link;
    char id[24];
    struct note *notes; /* all since its begin */
    size_t n_notes, cap_notes;
    size_t sent; /* of them, on any connection */
    bool alive, bound;
    bool known, refused;               /* the client had it; and was told by a code that it is lost */
    uint64_t messages_done[SEQUENCES]; /* the last number that was processed or given up */
    size_t message_last[SEQUENCES];    /* the last message */
};

enum operation { OP_ADD, OP_DELETE, OP_RECONF, OP_CONSTRAIN, OP_REBIND, OP_DESTROY, OP_MESSAGE };

/* A control request, from the moment it is sent. */
struct request {
    struct list link;
    enum operation operation;
    uint64_t id;
    struct served *session;
    struct sub *sub; /* NULL: an id that nobody has */
    uint64_t sub_id; /* MESSAGE: its token */
    char value[24];  /* frequency, bandwidth */
    uint64_t at;
    bool doubtful; /* it was not answered before a recovery */
};

enum line_kind {
    LINE_NOTHING, /* filler */
    LINE_CONOK,
    LINE_CONERR,
    LINE_END,
    LINE_PROG,
    LINE_LOOP,
    LINE_NOTE,
    LINE_REQOK,
    LINE_REQERR,
    LINE_ODD, /* something that a client may wonder at */
    LINE_BAD, /* something that breaks the protocol */
};

/* A line of the server's, on its way. */
struct line {
    enum line_kind kind;
    char *text; /* owned, without its end */
    struct served *session;
    size_t note; /* NOTE: counts from 1 */
    const struct request *request;
    int code;
    uint64_t number; /* PROG; LOOP: ms */
};

struct lines {
    struct line *at;      /* owned */
    size_t n, cap, first; /* first: not delivered yet */
};

enum bind_kind { BIND_CREATE, BIND_PLAIN, BIND_RECOVERY };

struct stream {
    enum { STREAM_NONE, STREAM_OPENING, STREAM_OPEN } state;
    bool websocket;
    char *request; /* HTTP: what is posted when it opens; owned */
    uint64_t opens_at;
    enum { OPENS, FAILS_PASSING, FAILS_LASTING, FAILS_SILENT, HANGS } fate;
    struct lines lines;
    size_t in_line; /* bytes of the first line that were delivered */
    uint64_t next_at;
    uint64_t cut_after; /* bytes; NEVER: not cut */
    bool cut_soon;      /* and whatever waits to be written then */
    bool dead;          /* half open: nothing arrives any more, nobody is told */
    bool ends;          /* by the server, after what it wrote */
    /* the server's side of it */
    struct served *session; /* bound to it */
    enum bind_kind kind;
    bool polls;
    uint64_t polling_ms, idle_ms;
    uint64_t keepalive_ms, probe_at; /* streaming */
    uint64_t loop_at;                /* polling: its end, whatever comes */
};

struct control {
    bool busy;
    char *request; /* not arrived yet; owned */
    uint64_t arrives_at, answers_at;
    struct lines answer;
};

/* What is going to go wrong next; each is used up once. */
struct troubles {
    int open;           /* stream.fate of the next stream */
    uint64_t open_ms;   /* it takes longer */
    uint64_t cut_after; /* the next stream ends after so many bytes; NEVER */
    bool next_dead;     /* the next stream opens, and says nothing */
    int create_code;    /* CONERR; 0: none */
    unsigned creates;   /* so many times */
    int bind_code;
    bool prog_high, forget;
    uint64_t prog_less;
    bool streams_on;          /* the next recovery is answered by a stream */
    bool control_lost;        /* the next control request never arrives */
    uint64_t control_ms;      /* its answer takes longer */
    unsigned silent_requests; /* so many are taken, but not answered */
    int request_code;         /* the next request is refused */
    uint64_t subok_ms;        /* the next SUBOK takes longer */
    bool odd_counts;          /* and tells others than are configured */
    bool odd_first;           /* and is followed by a first update that says unchanged */
    bool credentials_fail;
};

struct server {
    struct list sessions, requests; /* of this run, owned */
    struct sub **subs;              /* owned */
    size_t n_subs, cap_subs;
    unsigned n_sessions;
    struct served *current;
    struct random chance;
    struct lines late; /* WebSocket: answers that wait for late_at */
    uint64_t late_at;
};

/* A row of COMMAND. */
struct key_row {
    struct list link;
    char *key; /* owned */
    uint64_t kseq;
    struct values values;
};

struct told_item {
    bool has_messages, shown, in_snapshot;
    struct values row;
    struct list rows; /* COMMAND */
};

/* An item that is asked for by itself. */
struct told_part {
    struct sub *sub;
    enum { PART_IS_OPEN, PART_IS_ACTIVE, PART_IS_FAILED, PART_IS_WAITING } state;
    uint64_t since; /* WAITING, FAILED */
    bool unsure;    /* the server's word came late, and may not count */
};

/* A table, as its user sees it. */
struct told_table {
    struct list link;
    struct shape shape;
    enum session_table_state state;
    struct sub *sub; /* the last that was asked for in this session */
    bool waits;      /* the server asked for patience */
    uint64_t waits_since;
    char frequency[32];           /* as it was told */
    char wished[16];              /* what a subscription asks for, or "" */
    char before[16];              /* what a refused reconf gives back */
    const struct request *reconf; /* that waits for its answer */
    bool reconf_wanted;
    uint64_t stale_ms, heard_at, retry_ms, failed_at;
    bool split; /* it is asked for item by item */
    struct shape part_shape;
    struct told_part parts[ITEMS_MAX];
    struct told_item items[ITEMS_MAX];
};

struct want {
    char *text; /* a pattern; owned */
    bool maybe; /* its subscription may have been given up meanwhile */
    enum {
        EFFECT_NONE,
        EFFECT_ACTIVE,
        EFFECT_FREQUENCY,
        EFFECT_REFUSED,
        EFFECT_WAITS,
        EFFECT_FAILED,
        EFFECT_SPLIT,
        EFFECT_SPLIT_STATE,
        EFFECT_MESSAGE,
        EFFECT_BAD
    } effect;
    struct sub *sub;
    const struct note *note;
    struct told_table *told;       /* SPLIT_STATE */
    const struct told_table *lost; /* with the session: tables may be told in any order */
};

enum { WANTS_MAX = 64, ASKS_MAX = 16, VERSIONS = 6 };

struct oracle {
    struct list tables, gone;          /* owned */
    struct served *session, *previous; /* the client's */
    uint64_t got;                      /* notes of it */
    uint64_t last_sub_id, last_request_id;
    enum session_state view;
    bool stopped, refused, waits, had_session, stalled, held_told;
    enum session_continuity owed; /* to be told with the next `connected` */
    /* the connection */
    enum bind_kind bind;
    bool bind_sent, bound, over, polls, settles, caught_up, dead;
    bool clean; /* whatever the server sent has arrived: a plain bind is right */
    uint64_t heard_at, asked_at, keepalive_ms, recover_by;
    uint64_t bind_at;      /* after LOOP: not before */
    bool faulted, lasting; /* what the session was told just now */
    bool asked;            /* credentials failed just now */
    bool odd;              /* something odd was said in this session */
    bool rebind_wanted, constrain_wanted;
    struct lines queue; /* delivered, not looked at yet; they borrow their texts */
    struct want wants[WANTS_MAX];
    size_t n_wants;
    struct {
        uint64_t token, by;
    } asks[ASKS_MAX];
    uint64_t last_token;
    unsigned version;      /* refused versions of the protocol */
    unsigned opens, loops; /* in this virtual second */
    uint64_t second;
};

struct world {
    struct player player;
    struct session_options options;
    FILE *story;
    bool about_tables;    /* so was the last line of the story */
    struct random chance; /* how bytes come in pieces */
    bool auto_transport;
    bool held;
    uint64_t hold_since;
    uint64_t ask_at;
    struct troubles troubles;
    struct stream stream;
    struct control control;
    struct server server;
    struct oracle oracle;
    struct posted *posted; /* messages, by their tokens; owned */
    size_t n_posted;
};

/* ---- world.c ---- */
/* TRANSPORT: as transcripts name it. */
void world_init(struct world *w, uint64_t seed, FILE *story);
void world_done(struct world *w);
/* Time passes, and all that is due in it happens. */
void world_run(struct world *w, uint64_t ms);
/* After something was told to the session: takes what it says and wants, and holds it against the oracle. */
void world_settle(struct world *w);
void world_cut(struct world *w, uint64_t more_bytes);
/* The session did what it must not, or did not what it must: writes the story's end, and exits. EXPECTED: the event, or NULL. */
void world_fail(struct world *w, const char *expected, const char *format, ...) __attribute__((noreturn))
PRINTF_LIKE(3, 4);
void world_write(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
void world_write_table(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);

void lines_push(struct lines *l, const struct line *line);
void lines_drop(struct lines *l);

/* ---- server.c ---- */
void server_init(struct server *s, uint64_t seed);
void server_done(struct server *s);
/* A stream's request arrived: create_session or bind_session, with its parameters. */
void server_stream(struct world *w, const char *name, struct span body);
/* Control requests, a line each, arrived; answers are put behind ANSWERS. */
void server_requests(struct world *w, struct span body, struct lines *answers);
struct request *server_request(struct world *w, uint64_t id);
/* Whatever is due now. */
void server_tick(struct world *w);
uint64_t server_deadline(const struct world *w);
/* The stream is gone, as the server sees it. */
void server_unbound(struct world *w);
/* Sends what waits to the stream that is bound. */
void server_pump(struct world *w);
void server_say(struct world *w, enum line_kind kind, int code, const char *format, ...) PRINTF_LIKE(4, 5);
void server_loop(struct world *w, uint64_t delay_ms);
void server_end(struct world *w, int code);
struct note *server_note(struct sub *sub, enum note_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* Of no table: what became of a message. */
void server_message_note(struct served *session, const char *format, ...) PRINTF_LIKE(2, 3);
void server_unsubscribe(struct sub *sub);
void server_update(struct sub *sub, size_t item, struct random *chance);

/* ---- split.c: a table that is asked for item by item ---- */
/* Whether GROUP is the name of such an item. */
bool split_name(struct world *w, struct span group, struct told_table **ret, size_t *ret_item);
enum session_table_state split_state(const struct told_table *t);
/* EVENT told its state. */
void split_seen_state(struct told_table *t, const char *event);
void split_forget(struct told_table *t);
void split_begin(struct world *w, struct told_table *t);
/* The time of those that failed is over: they are open again. */
void split_retried(struct told_table *t);
void split_started(struct world *w, struct told_table *t);
void split_asked(struct world *w, struct told_table *t, struct sub *sub, bool overdue);
void split_subscribed(struct world *w, struct sub *sub, bool overdue);
void split_refused(struct world *w, struct sub *sub, int code, bool overdue);
void split_unsubscribed(struct world *w, struct sub *sub);
/* Whether something was said of it so late that it may not count. */
bool split_is_unsure(const struct told_table *t);
void split_check_asked(struct world *w, const struct told_table *t);
void split_at_rest(struct world *w, const struct told_table *t);

/* ---- messages.c: messages to the server ---- */
/* SEQUENCE: SEQUENCES for none. world_settle() is the caller's. */
void messages_send(struct world *w, size_t sequence, uint64_t timeout_ms);
/* Its request R goes out. */
void messages_asked(struct world *w, struct request *r, struct span line);
/* It arrived. CODE: it is to be refused, unless 0. Returns the code that it is refused with, or 0. */
int messages_execute(struct world *w, const struct request *r, int code);
/* Returns whether TOKEN is a message's. */
bool messages_event(struct world *w, uint64_t token, const char *event);
bool messages_wait(const struct world *w);
void messages_at_rest(struct world *w);

/* ---- oracle.c: what is asked for ---- */
void oracle_init(struct world *w);
void oracle_done(struct world *w);
void oracle_action(struct world *w, const char *action);
/* All events and actions were taken. */
void oracle_settled(struct world *w);
/* Nothing is due any more. */
void oracle_at_rest(struct world *w);
struct span parameter(struct span line, const char *name);

/* ---- oracle_events.c: what comes out ---- */
/* The whole of a line was delivered: its effects must come. */
void oracle_line(struct world *w, const struct line *line);
void oracle_heard(struct world *w);
void oracle_event(struct world *w, const char *event);
void oracle_nothing_left(struct world *w);
/* All that was still to come, into the story. */
void oracle_write_rest(struct world *w);

/* ---- oracle_tables.c: what comes out of data ---- */
/* An event that must come next, after those that are wanted already. */
struct want *oracle_want(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
void oracle_note(struct world *w, const struct line *line);
/* The protocol is broken: the session is lost. */
void oracle_bad(struct world *w);
void oracle_lose(struct world *w, const char *reason);
void oracle_gaps(struct world *w, struct told_table *t, const char *reason);
void oracle_void_item(struct told_item *item);
/* Nobody wants the table's subscription any more; and no reconf, and no item's. */
void oracle_drop_sub(struct told_table *t);
void oracle_forget_sub(struct told_table *t);
/* Not answered in time, or before a recovery: it may be, or have been, asked for again. */
bool oracle_overdue(struct world *w, const struct sub *sub);
/* Which of the table's items it is about. */
size_t oracle_position(const struct note *note);
const char *oracle_frequency_text(const struct told_table *t, char text[static 48]);
const char *oracle_state_name(enum session_table_state state);
struct told_table *oracle_table(struct world *w, struct span name);
