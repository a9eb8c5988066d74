/* What the session's sources share: session.c (its life), session_clock.c, session_actions.c, session_lines.c (what the server says), session_data.c (of
 * subscriptions), session_requests.c (what is asked while bound), session_messages.c, session_tables.c, session_parts.c (what has subscriptions),
 * session_split.c, session_second.c, session_report.c. Nobody else includes it. */
#pragma once

#include "base/idmap.h"
#include "proto/errcode.h"
#include "proto/line.h"
#include "proto/session.h"
#include "proto/session_matrix.h"
#include "proto/text.h"

enum { SESSION_REPORTS = 8 };

/* An LS_subId of this session that the server may have. */
struct subscription {
    uint64_t id;
    struct session_part *part; /* NULL: nobody wants it any more */
    struct list link;          /* in session.subs */
    struct list drop_link;     /* in session.dropping or dropping_many: SUB_DROP */
    enum {
        SUB_ASKED,    /* add sent */
        SUB_ACCEPTED, /* REQOK came */
        SUB_ACTIVE,   /* SUBOK came */
        SUB_DROP,     /* delete is to be sent */
        SUB_DROPPED,  /* delete sent; the id is free at UNSUB */
    } stage;
    uint64_t request_id;      /* of the last add, delete or, while it is active, reconf; 0: answered */
    struct timer answer;      /* when the server is late with that, or with SUBOK */
    bool one_of_many, second; /* it was asked for an item or a second level; for a second level */
};

/* An outcome that somebody waits for. */
struct session_ask {
    const struct session_table *table; /* whose frequency; NULL: the session's bandwidth */
    uint64_t by;
    bool sent, accepted, told;    /* the request; its REQOK; CONF or CONS since it was sent */
    bool done;                    /* the answer is to be told */
    struct session_answer answer; /* token 0: nobody waits here */
};

enum session_send { SEND_NONE, SEND_WSOK, SEND_CREATE, SEND_BIND };

struct session {
    struct session_options options; /* texts owned */
    const struct dialect *dialect;
    uint64_t random;
    enum session_phase phase;

    /* the session on the server */
    struct buf id, control_link; /* empty: none */
    uint64_t request_limit_bytes, keepalive_ms;
    uint64_t count;   /* data notifications since it began */
    uint64_t skip;    /* surplus to skip after a PROG below what was asked for */
    bool recovering;  /* from the fault until it is bound to its own transport again */
    bool had_session; /* one was bound since session_start() */
    bool asked_again; /* for credentials, after the server refused what had worked before */

    /* how it is reached */
    size_t rung;       /* of options.transports: what gets through; 0 again with every new session */
    bool slowed;       /* falls behind: polls instead of streaming */
    bool polling;      /* the connection there is, or the one to come, is a poll */
    bool settling;     /* created by a short poll; its first bind to a stream is still to come */
    bool poll_brought; /* this poll brought data */
    bool
        over; /* LOOP ended this poll: what still comes is void, but its end leaves the connection to be used again */
    uint64_t due_at;                    /* when the next poll may begin */
    int version;                        /* TLCP_2_5… what the server takes; kept from session to session */
    bool fresh;                         /* this is the stream that the session was created with */
    enum session_continuity continuity; /* told once it has settled */
    uint64_t bound_at, said_at;         /* ms: the last CONOK; the last thing sent while bound */
    uint64_t unbound_at;                /* ms: the LOOP of a stream; NEVER: bound since, or recovered */
    char fell_back[LIMIT_REASON_BYTES]; /* from which transports, and why; "" while the first one is used */
    int64_t late_ms;                    /* how far SYNC says that we are behind, smoothed */
    bool rebind_wanted, heartbeat;      /* to be asked, to be sent */

    /* the stream */
    bool stream_open, stream_websocket;
    bool ask, open, close, abandon_control; /* actions to be taken */
    enum session_send send;
    bool farewell, farewell_on_stream;
    struct buf farewell_body, farewell_link;
    bool control_busy;
    struct line_reader lines, control_lines;
    struct text_reader stream_text, control_text; /* text mode: what those lines are part of */
    uint64_t answer_id;                           /* text mode: the request whose answer is the next */
    struct buf user, password;
    bool has_user, has_password;
    struct buf out;    /* the body of the current action */
    size_t out_prefix; /* bytes of it before the first request of a batch */

    /* time, ms */
    uint64_t wake_at, answer_by, recover_by, heard_at, stable_at, held_since; /* UINT64_MAX: not set */
    uint64_t stale_at; /* no table is stale before: a look at them all then says when the next is */
    bool stalled, held, held_told;
    unsigned attempts; /* back-off: in a row without a stable time */
    unsigned astray;   /* wrong node, in a row without a stable time */

    /* tables and requests */
    struct list tables, pending;
    struct list subs;             /* all that the server may have */
    struct idmap by_id, requests; /* LS_subId, LS_reqId that waits for its answer -> subscription */
    uint64_t last_sub_id, last_request_id;
    struct timers answers, retries; /* of subscriptions; of parts */
    size_t n_parts, n_second;       /* parts; subscriptions of second levels */
    struct list dropping,
        dropping_many; /* subscriptions whose delete is to be asked; those of items and second levels by themselves */
    bool many_wait;     /* until enough of what was asked is answered: LIMIT_MANY_ASKED */
    bool requests_wait; /* something is to be asked; false only when nothing is */
    uint64_t strays[8]; /* LS_subIds that the server has and we do not: to be deleted */
    size_t n_strays;
    char *bandwidth_wanted; /* owned: what constrain asks for, until it is taken; NULL: nothing */
    bool constrain_wanted;  /* it is to be asked */
    uint64_t constrain_id;  /* of the constrain that waits for its answer; 0: none */
    uint64_t constrain_by;  /* when it is late */
    char bandwidth[32];     /* as the server granted it (CONS), or "" */
    char server_name[128], client_ip[64]; /* SERVNAME, CLIENTIP, or "" */
    struct session_ask asks[SESSION_ASKS_MAX];
    struct session_answer answer; /* of the current event */

    /* messages to the server */
    struct list messages, sequences, outcomes; /* not answered; …; answered, not told */
    struct message *told;                      /* borrowed by the current event */
    size_t n_messages, message_bytes, n_sequences;
    uint64_t last_unordered;      /* number of a message without a sequence */
    uint64_t messages_at;         /* not sent again before; UINT64_MAX: no pause */
    unsigned message_tries;       /* in a row: back-off of requests that nobody answered */
    bool messages_wait;           /* some are to be sent; false only when none is */
    bool control_messages;        /* the control request under way carries messages */
    struct session_table *corpse; /* its last event was taken; freed by the next call */

    /* what comes out */
    struct session_report last, reports[SESSION_REPORTS], current;
    size_t n_reports, first_report;
    char text[LIMIT_REASON_BYTES]; /* of the current oddity */
    bool oddity_waits;
    bool odd_tags[TLCP_N_TAGS], odd_subscription;
    struct session_counters counters;
};

#define NEVER TIMER_OFF

/* ---- session_report.c ---- */
/* The public state, if it is another than was last told, or REASON is given (NULL: none; CODE likewise). */
void session_report_state(struct session *s, uint64_t now, const char *reason, const int *code);
void session_report_connected(struct session *s, uint64_t now, enum session_continuity continuity);

/* ---- session_clock.c ---- */
/* Between half of MS and MS. */
uint64_t session_jitter(struct session *s, uint64_t ms);
/* MS, and up to a quarter more: for what is due "after" a time. */
uint64_t session_spread(struct session *s, uint64_t ms);
/* The wait before the try after ATTEMPT (from 0) that failed. */
uint64_t session_backoff(struct session *s, unsigned attempt);

/* ---- session_actions.c ---- */
/* A parameter that is a number, "unlimited", or NULL: none. */
void session_param_limit(const struct session *s, struct buf *out, const char *name, const char *value);

/* ---- session.c ---- */
/* A new session: asks for credentials, then opens its stream. */
void session_begin(struct session *s, uint64_t now);
/* The stream, to create or, with an id, to bind. */
void session_open_stream(struct session *s, uint64_t now);
/* The session is lost, or was never made: tables are void, a new one is tried when VERDICT says, or none. DESTROY: the server may still
 * have it; tell it. */
void session_lose(struct session *s, uint64_t now, enum errcode_verdict verdict, const char *reason,
                  const int *code, bool destroy);
/* The protocol is broken: log-worthy, lost, made anew. */
void session_break(struct session *s, uint64_t now, const char *reason);
/* The stream is of no more use, the session may be: recover it. */
void session_recover(struct session *s, uint64_t now, const char *reason, const int *code);
void session_set_phase(struct session *s, uint64_t now, enum session_phase phase);
void session_close_stream(struct session *s);
/* What the server may take longer than connect_ms, in ms: the length of a poll, if it keeps even the head back. */
uint64_t session_patience(const struct session *s);
/* What it is, or is to be, bound with now. */
enum session_transport session_transport(const struct session *s);
const char *session_transport_name(enum session_transport transport);
bool session_transport_polls(enum session_transport transport);
bool session_transport_is_ws(enum session_transport transport);
/* Bound, or between two polls: what a consumer would call connected. */
bool session_is_connected(const struct session *s);
/* Whether the connection that is wanted next is a poll. */
void session_choose_polling(struct session *s);
/* Whether what failed is the way to the server, not the server. SILENT: nothing came in time. */
bool session_blames_transport(const struct session *s, bool silent);
/* The current transport does not get through: the next of the list, if there is one. Returns whether it is being tried. */
bool session_fall_back(struct session *s, uint64_t now, const char *why, const int *code);
/* The server refused the version of the protocol: the next older one, if there is one. Likewise. */
bool session_step_down(struct session *s, uint64_t now);
/* SYNC: so many seconds since the bind, says the server. */
void session_synced(struct session *s, uint64_t now, uint64_t seconds);
void session_bound(struct session *s, uint64_t now);
/* A recovery's poll was granted a keep-alive, where we asked for no idle time: the server streams on it, and if no LOOP comes within connect_ms,
 * we stay on it. */
bool session_streams_on(const struct session *s);
/* Created by a short poll that was granted a keep-alive, and whose LOOP does not come: the server streams on it, and we stay. */
void session_settle_here(struct session *s, uint64_t now);
/* All that was missed has come. */
void session_caught_up(struct session *s, uint64_t now);
void session_looped(struct session *s, uint64_t now, uint64_t delay_ms);
bool session_has_id(const struct session *s);

/* ---- session_lines.c ---- */
/* Takes lines until one makes an event. */
bool session_next_line_event(struct session *s, uint64_t now, struct session_event *ret);
/* The stream ended by itself: what its last line, or the want of another, says. Returns whether that ended the session. */
bool session_last_words(struct session *s, uint64_t now, bool complete);
/* Text mode, which has no SUBOK: the server has the subscription, or sends its data. */
void session_sub_confirm(struct session *s, uint64_t now, struct subscription *sub);
/* The server grants this; said in CONF and CONS, or in text mode by taking what was asked for. */
void session_granted_frequency(struct session *s, struct session_table *t, const char *max_frequency);
void session_granted_bandwidth(struct session *s, const char *max_bandwidth_kbps);
/* No line came that the last one needs: it counts as it is. */
void session_stop_awaiting(struct session *s, uint64_t now);
/* RAW as a log can take it: one line of well-formed UTF-8, cut to SIZE, without secrets. */
void session_show(const struct session *s, struct span raw, char *text, size_t size);
void session_oddity(struct session *s, bool *told, const char *what, struct span line);

/* ---- session_data.c ---- */
/* A data notification of one subscription. Returns whether *RET is an event. */
bool session_on_data(struct session *s, uint64_t now, const struct tlcp_message *m, struct span line,
                     struct session_event *ret);

/* ---- session_requests.c ---- */
bool session_build_requests(struct session *s, uint64_t now);
/* Whether a batch of requests can go out now. */
bool session_may_ask(const struct session *s);
/* A request's first parameters. */
void session_begin_request(struct session *s, struct buf *out, uint64_t id);
enum { SESSION_BATCH_FULL = 1 };
/* Puts LINE behind the batch in s->out. Returns 0, SESSION_BATCH_FULL or -ENOMEM. A line too long for any batch is put nowhere: *RET_TOO_LONG. */
int session_append_request(struct session *s, struct buf *line, bool *ret_too_long);
void session_request_done(struct session *s, uint64_t now, uint64_t id);
void session_request_refused(struct session *s, uint64_t now, uint64_t id, int code, const char *text);
void session_requests_unreadable(struct session *s, uint64_t now, int code, const char *text);
/* After a recovery: what was asked and not answered is asked again. */
void session_ask_again(struct session *s);
/* The server has a subscription that was never asked for: it is deleted. Of many at a time some may be forgotten. */
void session_delete_stray(struct session *s, uint64_t sub_id);
/* Connected again: the time without a stream is not counted against what was asked before it. */
void session_requests_bound(struct session *s, uint64_t now);
/* Nothing was read for so long: no answer is late because of it. */
void session_requests_postpone(struct session *s, uint64_t ms);
void session_requests_tick(struct session *s, uint64_t now);
uint64_t session_requests_deadline(const struct session *s);
void session_build_destroy(struct session *s, struct buf *out, bool with_session);

/* ---- session_asks.c: T is a table, or NULL for the bandwidth ---- */
/* The request of it goes out, again perhaps. */
void session_asks_sent(struct session *s, const struct session_table *t);
/* REQOK came. */
void session_asks_accepted(struct session *s, uint64_t now, const struct session_table *t);
/* CONF or CONS came. */
void session_asks_told(struct session *s, const struct session_table *t);
/* REQERR came, or with CODE NULL: it will never be known. */
void session_asks_refused(struct session *s, const struct session_table *t, const char *text,
                          const int *code);
/* The session is gone. */
void session_asks_lost(struct session *s, const char *text);
void session_asks_tick(struct session *s, uint64_t now);
uint64_t session_asks_deadline(const struct session *s);
bool session_answers_wait(const struct session *s);

/* ---- session_parts.c ---- */
/* P, zeroed memory, becomes a part of T, of KIND (PART_…). Timers for it must be reserved. */
void session_part_init(struct session *s, struct session_part *p, struct session_table *t,
                       enum session_part_kind kind, size_t item);
/* Its subscription is released, nothing of it is asked any more. P may be freed then. */
void session_part_done(struct session *s, struct session_part *p);
/* An add or a reconf of it is to be sent. */
void session_part_ask(struct session *s, struct session_part *p);
/* An add, at once: it does not wait for another try any more. */
void session_part_now(struct session *s, struct session_part *p);
/* Its table's max_frequency is another. */
void session_part_reconf(struct session *s, struct session_part *p);
/* What was added silently is to send its data; it does. */
void session_part_start(struct session *s, struct session_part *p);
void session_part_started(struct session *s, uint64_t now, struct session_part *p);
/* No reconf of it is to be asked, and none is waited for. */
void session_part_forget_reconf(struct session_part *p);
/* It begins anew: nothing of it is asked or waited for, and its subscription is dropped. */
void session_part_reset(struct session *s, struct session_part *p);

/* A subscription that the server may have; NULL: there is none of that id. */
static inline struct subscription *session_subscription(const struct session *s, uint64_t sub_id)
{
    return idmap_get(&s->by_id, sub_id);
}
/* With PART (or NULL: nobody wants it) and ID, a new one or one that was given up. Its stage is the caller's to set. Returns 0 or -ENOMEM. */
int session_sub_new(struct session *s, uint64_t id, struct session_part *part, struct subscription **ret);
/* The server does not have it, or nobody cares any more; its part has none then. */
void session_sub_free(struct session *s, struct subscription *sub);
/* A delete of it is to be sent; nobody wants it any more. */
void session_sub_drop(struct session *s, struct subscription *sub);
/* A request for it goes out, as last_request_id; its answer is late at BY. */
void session_sub_asked(struct session *s, struct subscription *sub, uint64_t by);
/* Its request was answered, or is not waited for any more. */
void session_sub_answered(struct session *s, struct subscription *sub);
/* The session is gone, and they with it. */
void session_forget_subs(struct session *s);

/* ---- session_messages.c ---- */
void session_messages_init(struct session *s);
void session_messages_free(struct session *s);
bool session_build_messages(struct session *s, uint64_t now);
/* REQOK, REQERR: whether the request was one of a message. */
bool session_message_accepted(struct session *s, uint64_t id);
bool session_message_refused(struct session *s, uint64_t now, uint64_t id, int code, const char *text);
/* ERROR, about all that are not answered. */
void session_messages_unreadable(struct session *s, uint64_t now, int code, const char *text);
/* MSGDONE, MSGFAIL; SEQUENCE and RESPONSE as on the wire. */
void session_message_done(struct session *s, struct span sequence, uint64_t prog, struct span response);
void session_message_failed(struct session *s, struct span sequence, uint64_t prog, int code,
                            const char *text);
/* The HTTP request that carried them ended. */
void session_messages_unanswered(struct session *s, uint64_t now);
/* After a recovery. */
void session_messages_again(struct session *s);
/* The session is gone: the fate of what was sent will never be known. */
void session_messages_lost(struct session *s, const char *reason);
/* And no other will follow. */
void session_messages_over(struct session *s, const char *reason, const int *code);
void session_messages_tick(struct session *s, uint64_t now);
uint64_t session_messages_deadline(const struct session *s);
bool session_next_outcome(struct session *s, struct session_event *ret);

/* ---- session_split.c: T is split, P one of its items ---- */
/* The whole of T was refused: its items are asked for one by one. Returns 0 or -ENOMEM: nothing changed. */
int session_split(struct session *s, uint64_t now, struct session_table *t, const char *reason,
                  const int *code);
/* Back to the whole; also of a table that is not split. */
void session_unsplit(struct session *s, struct session_table *t);
/* What session_part_active(), _fail() and _again() do for an item. */
void session_split_active(struct session *s, struct session_part *p);
void session_split_failed(struct session *s, uint64_t now, struct session_part *p, const char *gap_reason,
                          const char *reason, const int *code);
void session_split_waits(struct session *s, struct session_part *p, const char *reason, const int *code);
/* It is asked for again; its answer is late. */
void session_split_open(struct session *s, struct session_part *p);
void session_split_late(struct session *s, struct session_part *p);
/* What failed is asked for again; ALL: what waits for another try, too. */
void session_split_again(struct session *s, struct session_table *t, bool all);

/* ---- session_second.c: P is the second level of a key ---- */
/* ROW was added to ITEM: its second level is asked for. Returns 0 or -ENOMEM. */
int session_second_begin(struct session *s, struct session_table *t, struct item *item, struct row *row);
/* Rows of T may have gone away: so do the second levels of those that did. */
void session_second_sweep(struct session *s, struct session_table *t);
/* Its key. */
struct span session_second_name(struct session_part *p);
/* What session_reconf() does for all of T. */
void session_second_reconf(struct session *s, struct session_table *t);
/* That it is refused, in words. */
void session_second_tell(struct session *s, struct session_part *p, const char *reason, const int *code);
/* What session_part_fail() and _active() do for one. */
void session_second_failed(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                           const int *code);
void session_second_active(struct session_part *p);
/* What is wrong with its SUBOK; NULL: nothing. */
const char *session_second_check(const struct session_part *p, const struct tlcp_message *m);
/* UNSUB: what it told is void, which makes an event where there was anything. Returns whether. */
bool session_second_unsub(struct session *s, uint64_t now, struct session_part *p, struct session_event *ret);
/* U EOS CS OV. Returns whether *RET is an event. */
bool session_second_data(struct session *s, uint64_t now, struct session_part *p,
                         const struct tlcp_message *m, struct session_event *ret);

/* ---- session_tables.c ---- */
void session_table_set(struct session *s, struct session_table *t, enum session_table_state state,
                       const char *reason, const int *code);
/* The server sends its data; stale or not. */
bool session_table_is_active(const struct session_table *t);
/* SUBOK came, and fits. */
void session_part_active(struct session *s, uint64_t now, struct session_part *p);
/* It has no subscription, or one to be dropped, for a reason that will last: it is asked for again after retry_failed_ms. GAP_REASON: a constant. */
void session_part_fail(struct session *s, uint64_t now, struct session_part *p, const char *gap_reason,
                       const char *reason, const int *code);
/* The server's trouble: it is asked for again, with back-off. */
void session_part_again(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                        const int *code);
/* Its retry is due. */
void session_part_retry(struct session *s, struct session_part *p);
/* The whole group was refused, too: it may be split. */
void session_part_refused(struct session *s, uint64_t now, struct session_part *p, const char *reason,
                          const int *code);
/* Of one item alone. */
void session_item_gap(struct session *s, struct session_table *t, size_t pos, const char *reason);
void session_table_gap(struct session *s, struct session_table *t, const char *reason);
/* The session is gone: every table is void and pending, every LS_subId forgotten. */
void session_void_tables(struct session *s, const char *reason);
/* Something came for the table, its SUBOK included. */
void session_table_heard(struct session *s, uint64_t now, struct session_table *t);
/* Tells which tables are stale by now, and sets stale_at anew. */
void session_tables_tick(struct session *s, uint64_t now);
/* Nothing was read for so long: no table is stale because of it. */
void session_tables_postpone(struct session *s, uint64_t ms);
bool session_next_table_event(struct session *s, struct session_event *ret);
void session_bury(struct session *s);
