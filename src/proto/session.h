/* The session machine (PROTOCOL.md, "The session's life"): it is told what happened (bytes came, the stream opened or closed, the time is now T) and
 * is then asked, until it has none, for actions (what to open, send, close) and for events (what to publish). It calls nobody
 * back but the tables' hooks, and knows no clock, no socket and no log.
 *
 * Every `now` is a monotonic time in ms and never goes back. After every call that is given a `now`: take all events, take all actions, and call
 * session_tick() at session_deadline(). */
#pragma once

#include "base/timers.h"
#include "proto/dialect.h"
#include "proto/limits.h"
#include "proto/table.h"
#include "proto/tlcp.h"

enum session_transport {
    SESSION_WS_STREAMING,
    SESSION_HTTP_STREAMING,
    SESSION_WS_POLLING,
    SESSION_HTTP_POLLING
};
enum { SESSION_TRANSPORTS_MAX = 3 };

/* What PROTOCOL.md and INTERFACE.md ("session setting") call by the same names. Texts are copied; NULL is not sent. */
struct session_options {
    const struct dialect *dialect; /* NULL: &dialect_tlcp */
    /* Best first. With more than one, the next is tried where one does not get through; every new session begins with the first. */
    enum session_transport transports[SESSION_TRANSPORTS_MAX];
    size_t n_transports;
    const char *adapter_set;
    const char *adapter_parameter; /* text mode: how a table's data adapter is called; "LS_data_adapter" */
    const char *max_bandwidth_kbps;
    const char *supported_diffs; /* "P,T", or "" to ask for none; always sent */
    uint64_t keepalive_ms;       /* 0: the server's choice */
    uint64_t stalled_ms, reconnect_ms, recovery_ms, connect_ms;
    uint64_t retry_ms, retry_max_ms;
    uint64_t retry_refused_ms; /* 0: never */
    uint64_t content_length_bytes;
    uint64_t idle_ms, polling_ms;  /* polling: the longest poll, the pause between polls */
    uint64_t reverse_heartbeat_ms; /* streaming: the server hears from us so often; 0: not promised */
    bool slowing;                  /* falling behind (SYNC): polls until it has caught up */
    bool ignore_control_link;
    bool replaces; /* its first session takes the place of one that was: continuity "replaced" */
};

struct session;

/* SEED makes jitter repeatable. Returns 0 or -ENOMEM. The session is stopped until session_start(). */
int session_new(const struct session_options *options, uint64_t seed, struct session **ret);
/* Frees its tables too (their hooks' drop_user is called). Says nothing to the server: session_stop() does. Takes NULL. */
void session_free(struct session *s);

/* ---- what happens to it ---- */

/* Connects: from stopped or refused, and at once where it waits for the next try; otherwise nothing. */
void session_start(struct session *s, uint64_t now);
/* Ends it, on the server too, until session_start(). REASON is reported; GAP_REASON, a constant, goes to the gaps. */
void session_stop(struct session *s, uint64_t now, const char *reason, const char *gap_reason);

/* The answers to SESSION_ASK_CREDENTIALS; NULL: none. */
void session_credentials(struct session *s, uint64_t now, const char *user, const char *password);
void session_credentials_failed(struct session *s, uint64_t now, const char *why);

/* The stream is open: the response's head (200) or the WebSocket handshake. */
void session_opened(struct session *s, uint64_t now);

enum session_fault {
    SESSION_FAULT_PASSING, /* network, time-out, 5xx…: try again */
    SESSION_FAULT_LASTING, /* certificate, 3xx, 4xx: nothing will change by itself */
    SESSION_FAULT_SILENT,  /* passing, too: connected, but nothing came in time */
    SESSION_FAULT_ENDED,   /* passing, too: the response is complete, all that was sent in it arrived */
};
/* The stream ended by itself (not by SESSION_CLOSE). CODE: an HTTP status, or 0. */
void session_closed(struct session *s, uint64_t now, enum session_fault fault, int code, const char *why);

/* Bytes of the stream; *borrowed until* session_next_event() returned 0. Feed no more before that. */
void session_feed(struct session *s, uint64_t now, struct span bytes);
/* Events wait, and the bytes cannot be borrowed any longer: copies what is left of them. */
void session_keep(struct session *s, uint64_t now);

/* The response to SESSION_CONTROL: its bytes (likewise), and its end, good or bad: what it did not answer is asked again in time. */
void session_control_feed(struct session *s, uint64_t now, struct span bytes);
void session_control_closed(struct session *s, uint64_t now);

void session_tick(struct session *s, uint64_t now);
/* When session_tick() has something to do; UINT64_MAX: never. */
uint64_t session_deadline(const struct session *s);

/* Nothing is read from the stream while HELD: a consumer is at its mark. The clocks that wait for bytes stand still. ANNOUNCE: say so as a
 * transition. */
void session_hold(struct session *s, uint64_t now, bool held, bool announce);

/* ---- what it wants ---- */

enum session_action_kind {
    SESSION_ASK_CREDENTIALS, /* a new session is about to be made */
    SESSION_OPEN,            /* a stream: WebSocket, or a POST of `name` with `body` */
    SESSION_SEND,            /* `body` as one message on the WebSocket */
    SESSION_CLOSE,           /* the stream; nothing of it may be told any more */
    SESSION_CONTROL,         /* a POST of `name` with `body` beside the stream; one at a time */
    SESSION_CONTROL_ABANDON, /* that POST, should it be under way: nothing of it may be told any more */
    SESSION_FAREWELL,        /* a POST of `name` with `body` whose answer nobody waits for */
    SESSION_HEARTBEAT,       /* likewise, and not worth waiting for at the end */
};

struct session_action {
    enum session_action_kind kind;
    bool websocket;           /* OPEN */
    const char *control_link; /* OPEN, CONTROL, FAREWELL: instead of the configured host; NULL: none */
    const char *name;         /* "create_session", "bind_session", "control", "msg", "heartbeat" */
    const char *
        version; /* of the protocol: "TLCP-2.5.0", or older where the server asked for that; NULL in text mode */
    uint64_t
        patience_ms; /* OPEN: what the server may take longer than connect_ms before it says anything (a poll) */
    struct span body; /* all borrowed until the next call on the session */
};

/* Returns whether there was one. */
bool session_next_action(struct session *s, uint64_t now, struct session_action *ret);

/* ---- what comes out ---- */

enum session_state { SESSION_CONNECTING, SESSION_CONNECTED, SESSION_RECONNECTING, SESSION_DISCONNECTED };
enum session_continuity {
    SESSION_CONTINUITY_NONE,
    SESSION_NEW,
    SESSION_PRESERVED,
    SESSION_RECOVERED,
    SESSION_REPLACED
};

/* A transition, as the status socket tells it. */
struct session_report {
    enum session_state state, previous;
    const char *detail;                 /* a constant */
    enum session_continuity continuity; /* on SESSION_CONNECTED */
    char id_end[8];                     /* the last six characters of the session id, or "" */
    char reason[LIMIT_REASON_BYTES];    /* or "" */
    bool has_code;
    int code; /* the server's, or an HTTP status */
    bool has_retry;
    uint64_t retry_in_ms;
};

enum session_table_state {
    SESSION_TABLE_PENDING,
    SESSION_TABLE_ACTIVE,
    SESSION_TABLE_STALE, /* active, but nothing came for stale_ms */
    SESSION_TABLE_FAILED,
    SESSION_TABLE_SILENT,
    SESSION_TABLE_DELETED
};

/* Of an item of a table that is asked for item by item. */
enum session_part_state {
    PART_OPEN, /* asked for, or to be */
    PART_ACTIVE,
    PART_FAILED,
    PART_WAITS, /* for another try: the server has trouble */
};

/* What has a subscription of its own: a table as a whole, one of its items, or one key's second level. proto/session's own. */
struct session_part {
    struct session_table *table;
    enum session_part_kind { PART_WHOLE, PART_ITEM, PART_KEY } kind;
    size_t item; /* ITEM, KEY: the table's, 1-based, that item 1 of the subscription is or belongs to */
    enum session_part_state state; /* ITEM */
    bool failed;                   /* ITEM: it is to be named as such. KEY: it is counted as such */
    struct subscription *sub;      /* NULL: not asked for in this session */
    struct list ask_link;          /* in its table's asking or asking_many */
    struct timer retry;            /* when it is asked for again */
    unsigned retries;              /* in a row: back-off of what the server's trouble makes us ask again */
    bool confirmed;                /* the CONF of this subscription came */
    enum { PART_RECONF_NONE, PART_RECONF_WANTED, PART_RECONF_ASKED } reconf;
    enum {
        PART_START_NONE,
        PART_START_WANTED,
        PART_START_ASKED
    } start; /* text mode, of what was added silently */
};

/* The items of a table whose group was refused. proto/session's own. */
struct session_split {
    size_t n_open, n_active, n_waiting; /* parts in these states */
    size_t n_failed;
    bool untold; /* who failed, or why */
    bool has_code;
    int code; /* of the last refusal, while there is one */
    char reason[LIMIT_REASON_BYTES];
    size_t n;
    struct session_part parts[]; /* one for each item */
};

/* One table in a session; fields are read-only outside proto/. */
struct session_table {
    struct table *table;
    enum session_table_state state;
    char max_frequency[32]; /* as the server granted it (CONF), or "" */
    bool has_code;
    int code; /* why it failed */
    char reason[LIMIT_REASON_BYTES];
    bool started; /* it was silent */
    void *user;   /* the caller's */

    /* proto/session's own */
    struct list link, pending_link;
    struct session_part whole;
    char **item_names;               /* owned: what to ask for if the group is refused; NULL: nothing */
    struct session_split *split;     /* owned; NULL: the table is asked for as a whole */
    struct list asking, asking_many; /* parts that something is to be asked of: the whole; all others */
    size_t n_keys, n_keys_failed;    /* second levels, and of them those that were refused; for everyone */
    bool second_told;                /* that one was refused */
    uint64_t retry_failed_ms;
    uint64_t stale_ms, heard_at;  /* 0: never stale; when something came for it last */
    size_t reconfs;               /* parts whose reconf is wanted or asked */
    const char *frequency_before; /* owned, or NULL: the option that a refused reconf gives back */
    size_t gap_at;                /* next item to be told a gap; SIZE_MAX: no gap pending */
    const char *gap_reason;       /* a constant, or the session's text */
    bool announce;                /* its state is to be told */
    bool replaced;                /* going away silently: another takes its name */
};

enum session_event_kind {
    SESSION_EVENT_STATE, /* report */
    SESSION_EVENT_TABLE, /* table; its state, in the struct. SESSION_TABLE_DELETED is its last event: the table is freed by the next call; `replaced` ones are not to be told */
    SESSION_EVENT_UPDATE, /* table, update */
    SESSION_EVENT_EOS,    /* table, item */
    SESSION_EVENT_CLEAR,  /* table, item */
    SESSION_EVENT_LOST,   /* table, item, count */
    SESSION_EVENT_GAP,    /* table, item, text: the reason */
    SESSION_EVENT_ANSWER, /* answer: to session_await() or session_send_message() */
    SESSION_EVENT_ODDITY, /* text: something the server should not have said, once per kind and session */
};

/* What became of a request that somebody waits for. */
struct session_answer {
    uint64_t token;
    bool granted;
    char text[LIMIT_REASON_BYTES]; /* granted: what, as the server wrote it; else why not */
    bool has_code;
    int code; /* the server's, where it refused */
    struct span
        response; /* granted, to a message: what MSGDONE carried, decoded; otherwise NULL. Borrowed with the event */
};

struct session_event {
    enum session_event_kind kind;
    const struct session_report *report;
    const struct session_answer *answer;
    struct session_table *table;
    struct item *item;
    struct table_update update;
    uint64_t count;
    const char *text;
};

/* Takes the next event; everything in it is borrowed until the next call on the session. Returns whether there was one. */
bool session_next_event(struct session *s, uint64_t now, struct session_event *ret);

/* The same, but only SESSION_EVENT_STATE, past whatever else waits: while a slow consumer holds the rest back. */
bool session_next_report(struct session *s, struct session_event *ret);
/* Likewise SESSION_EVENT_ANSWER. */
bool session_next_answer(struct session *s, struct session_event *ret);

/* ---- tables ---- */

/* Adds a table at the end (its syntax is the session's); it is subscribed as soon as there is a session. RETRY_FAILED_MS 0: never again. *RET is borrowed until its SESSION_TABLE_DELETED.
 * Returns 0 or -ENOMEM. */
int session_add_table(struct session *s, uint64_t now, const struct table_options *options,
                      const struct table_hooks *hooks, uint64_t retry_failed_ms, void *user,
                      struct session_table **ret);

/* If the server refuses its group, its items are asked for one by one: by NAMES, as many as the options' n_items; copied. Returns 0 or -ENOMEM. */
int session_split_on_error(struct session_table *t, const char *const *names);
/* Whether the item at POS (1-based) was then refused by itself. */
bool session_item_is_failed(const struct session_table *t, size_t pos);

/* Right after it was added: it is not subscribed, in no session, before session_start_table(). */
void session_silence_table(struct session *s, struct session_table *t);

/* A silent table is subscribed from now on; a failed one, one that waits for another try, and items that failed, are asked for at once. Others: nothing. */
void session_start_table(struct session *s, struct session_table *t);

/* Deletes it: from the server, with a gap, and then SESSION_TABLE_DELETED. REPLACED: it makes room for another of its name. */
void session_remove_table(struct session *s, uint64_t now, struct session_table *t, bool replaced);

/* Asks the server for another frequency; the table's own options follow, until the server refuses it. Returns 0 or -ENOMEM. */
int session_reconf(struct session *s, uint64_t now, struct session_table *t, const char *max_frequency);

/* The table is told as stale when nothing came for it for MS (0: never), from its SUBOK on; what was heard before counts. */
void session_set_stale(struct session *s, uint64_t now, struct session_table *t, uint64_t ms);

/* Asks the server for another bandwidth ("unlimited", or a number), only while the session exists (while its connection is
 * renewed or recovered, it is asked after that); once it took it, later sessions begin with it. Returns 0 or -ENOMEM. */
int session_constrain(struct session *s, const char *max_bandwidth_kbps);

/* At most so many outcomes are waited for at a time: people ask, and an answer takes less than connect_ms. */
enum { SESSION_ASKS_MAX = 16 };

/* The outcome of the session_reconf() of T, or with NULL of the session_constrain(), that comes next is to be told as
 * SESSION_EVENT_ANSWER with TOKEN (not 0): once, within connect_ms, whatever happens to table and session. Returns false when
 * SESSION_ASKS_MAX wait already. */
bool session_await(struct session *s, uint64_t now, uint64_t token, const struct session_table *t);

/* ---- messages to the server (session_messages.c) ---- */

/* Programs send messages, and their bytes wait here: encoded (three bytes for one at worst) they must fit into what a WebSocket may queue. */
enum { SESSION_MESSAGES_MAX = 1000, SESSION_MESSAGES_BYTES_MAX = 1 << 20 };

/* The server keeps a count for every name, and so do we: one that makes up a name for each message is stopped. */
enum { SESSION_SEQUENCES_MAX = 1000, SESSION_SEQUENCE_BYTES_MAX = 256 };

#define SESSION_MAX_WAIT_UNSET UINT64_MAX

struct session_message {
    uint64_t token;       /* not 0 */
    struct span text;     /* any bytes; copied */
    struct span sequence; /* a session_is_sequence(), copied; NULL: none */
    uint64_t
        max_wait_ms; /* LS_max_wait; SESSION_MAX_WAIT_UNSET: the server's choice. Without a sequence it means nothing */
    uint64_t timeout_ms;
};

/* Whether NAME can be an LS_sequence. */
bool session_is_sequence(struct span name);

/* Conditions of session_send_message(). */
enum {
    SESSION_MESSAGES_FULL = 1, /* SESSION_MESSAGES_MAX, or …_BYTES_MAX, are not answered yet */
    SESSION_SEQUENCES_FULL,    /* SESSION_SEQUENCES_MAX names are in use in this session */
};

/* Sends a message as soon as the session is connected; those of a sequence in their order, each under the next number. What became of it is told as
 * SESSION_EVENT_ANSWER with its token: once, within timeout_ms, whatever happens; at once where the session ends for good, or is lost after it was
 * sent. One that was not sent yet waits for the next session. After a recovery one that the server did not answer is sent again only if it is in a
 * sequence, where the server tells a double by its number. Returns 0, a condition (nothing will be told), or -ENOMEM. */
int session_send_message(struct session *s, uint64_t now, const struct session_message *message);

/* Asks the server to end the stream, so that it is bound anew; nothing is lost. Only while connected. */
void session_rebind(struct session *s);

/* The tables in their order: NULL gives the first, the last gives NULL. */
struct session_table *session_next_table(const struct session *s, const struct session_table *after);

/* ---- for status ---- */

/* What holds between the server and us; texts are borrowed until the next call on the session. Without a session on the server only the two times,
 * as they will be asked for. */
struct session_terms {
    const char *protocol, *transport; /* "TLCP-2.5.0" or "text", "ws-streaming"; NULL: no session */
    const char *control_link, *server_name, *client_ip; /* NULL: the server named none */
    const char *max_bandwidth_kbps;                     /* as the server wrote it; NULL: it did not yet */
    uint64_t request_limit_bytes;                       /* 0: no session */
    uint64_t keepalive_ms; /* the longest silence while streaming; 0: as the server will choose */
    uint64_t idle_ms;      /* the longest poll */
    int64_t late_ms;       /* how far behind we are, where slowing makes the server say */
};
void session_terms(const struct session *s, struct session_terms *ret);

/* The last report; also before any event of it was taken. */
const struct session_report *session_last_report(const struct session *s);
bool session_is_stopped(const struct session *s);

struct session_counters {
    uint64_t lines, updates, bytes, sessions, recoveries, rebinds, polls, oddities, faults;
    /* messages to the server: sent (not: again), done, answered otherwise; outcomes that nobody waited for any more */
    uint64_t upstream_sent, upstream_done, upstream_failed, upstream_late;
};
const struct session_counters *session_counters(const struct session *s);

const char *session_state_name(enum session_state state);
const char *session_continuity_name(enum session_continuity continuity); /* NULL for NONE */
const char *session_table_state_name(enum session_table_state state);
