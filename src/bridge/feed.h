/* The data socket: rows and item events of all tables as messages, their numbers, replays for new subscriptions, and what
 * happens when a consumer is at its mark (INTERFACE.md, "Data socket", slow_consumer). */
#pragma once

#include <systemd/sd-event.h>

#include "base/list.h"
#include "bridge/feed_types.h"
#include "bus/sink.h"
#include "proto/session.h"

struct feed;

struct feed_handlers {
    /* A consumer is at its mark: publish nothing more until released(). */
    void (*held)(void *userdata);
    /* The hold lasts: worth telling. */
    void (*held_long)(void *userdata);
    /* Called from within feed_poll(): publish again from the loop's next turn on. */
    void (*released)(void *userdata);
    /* Our own trouble with the bus; ERROR is -errno. */
    void (*failed)(void *userdata, int error);
    void *userdata;
};

struct feed_options {
    struct sink *sink;         /* taken */
    const char *run;           /* 16 hex digits; copied */
    enum encode_format format; /* of tables without their own, and of `replayed` */
    bool changed_only;
    const char *topic; /* template; borrowed for the feed's life, as are tables' */
    bool replay;
    uint64_t replay_limit; /* rows */
    bool drop;             /* slow_consumer = "drop" */
    uint64_t wait_us;      /* … and how long it holds in any 10 s */
};

/* Returns 0 or -errno; the sink is closed then too. */
int feed_new(sd_event *event, const struct feed_options *options, const struct feed_handlers *handlers,
             struct feed **ret);
/* Closes the sink. All its tables must be gone. Takes NULL. */
void feed_free(struct feed *f);

/* Between held() and released(). */
bool feed_is_held(const struct feed *f);
/* From now on nobody is waited for (at the end: linger_ms is spent). */
void feed_stop_holding(struct feed *f);
/* To be called after every batch of publishing. */
void feed_poll(struct feed *f);
const char *feed_endpoint(const struct feed *f, size_t index);

struct feed_counters {
    uint64_t messages, replayed, held_us, holds, dropped, misfits;
};
struct feed_counters feed_counters(const struct feed *f);

/* ---- tables ---- */

/* A value that is not what its field's type says, and was published as the string it is. */
struct feed_misfit {
    const char *table;
    struct span field; /* its name, or its position as text */
    enum encode_type type;
    struct span value;
    bool first; /* of this field, since it has this type */
};

struct feed_table_options {
    const char *session, *name;
    struct span *items; /* names, or none */
    size_t n_items;
    struct span *fields; /* names, or none */
    size_t n_fields;
    struct span *second_fields; /* of the second level, or none */
    size_t n_second;
    const char *topic;                /* NULL: the feed's */
    const enum encode_format *format; /* the same; borrowed for the call */
    const struct feed_type *types;    /* the rest are strings */
    size_t n_types;
    void (*misfit)(void *userdata, const struct feed_misfit *misfit); /* may be NULL */
    void *userdata;
};

/* One table's side of the feed; kept sorted by session and name. */
struct feed_table;

/* Copies OPTIONS. Returns 0 or -ENOMEM. */
int feed_table_new(struct feed *f, const struct feed_table_options *options, struct feed_table **ret);
/* For one that was never attached: else its table frees it. Takes NULL. */
void feed_table_free(struct feed_table *t);
/* What proto asks of a published table; with these it owns the feed_table. */
struct table_hooks feed_table_hooks(struct feed_table *t);
/* Whose rows it publishes; before the first event. */
void feed_table_attach(struct feed_table *t, struct table *table);
/* Another topic from now on (NULL: the feed's). Returns 0 or -ENOMEM. */
int feed_table_set_topic(struct feed_table *t, const char *topic);
/* Another format (NULL: the feed's) and other types from now on; the rows there are show in them at once. Returns 0 or
 * -ENOMEM: some rows may be as they were then. */
int feed_table_set_encoding(struct feed_table *t, const enum encode_format *format,
                            const struct feed_type *types, size_t n_types);

uint64_t feed_table_updates(const struct feed_table *t);
uint64_t feed_table_messages(const struct feed_table *t);
uint64_t feed_table_misfits(const struct feed_table *t);
uint64_t feed_table_last_us(const struct feed_table *t); /* since 1970; 0: never */

/* Publishes EVENT (UPDATE EOS CLEAR LOST GAP) of the table, read at TIME_US. Not while held. Returns 0 or -errno. */
int feed_event(struct feed_table *t, const struct session_event *event, uint64_t time_us);

/* ---- rows for the control socket ---- */

struct feed_query {
    const char *session, *table; /* NULL: all */
    struct span item, key;       /* `at` NULL: all */
    size_t limit;
    size_t max_bytes;
    const char *after; /* the cursor of the page before; NULL: from the start */
};
/* Conditions of feed_rows(). */
enum { FEED_BAD_CURSOR = 1 };

/* Adds the members "rows", "items" and, unless it is the last page, "next" to the JSON object in OUT. Returns 0, FEED_BAD_CURSOR, -ENOMEM. */
int feed_rows(struct feed *f, const struct feed_query *query, struct buf *out);
