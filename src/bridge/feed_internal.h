/* What feed.c (publishing), feed_table.c (tables and items) and feed_rows.c (replays, `rows`) share. */
#pragma once

#include "bridge/feed.h"

/* The numbers of one (session, table, item): they outlive tables, for `seq` never goes back in a run. */
struct series {
    uint64_t seq;
    size_t key_len;
    char key[]; /* session NUL table NUL item */
};

struct feed_item {
    struct encode_item *encode;
    unsigned generation; /* of the encode_table it was made for */
    struct series *series;
    struct span name; /* borrowed from the series' key */
};

struct feed_table {
    struct feed *feed;
    struct list link; /* in feed->tables, sorted by session and name */
    char *session, *name;
    struct span *items; /* names, owned */
    size_t n_items;
    struct feed_names names; /* of the fields */
    char *topic;             /* NULL: the feed's */
    enum encode_format format;
    struct table *table;
    struct encode_table *encode;
    unsigned generation;
    size_t encoded_fields, encoded_key, encoded_command; /* what `encode` was made for */
    uint64_t updates, messages, misfits, last_us;
    struct feed_types types;
    bool encoding_again; /* rows that were published before */
    void (*misfit)(void *userdata, const struct feed_misfit *misfit);
    void *userdata;
};

/* A new subscription that is being given the rows there are. */
struct replay {
    struct list link;
    struct feed_table *table; /* next: in this one… */
    size_t pos;               /* … after this item and row */
    uint64_t row_id;
    uint64_t count;
    bool counted; /* the rows were counted, and are not too many */
    size_t prefix_len;
    char prefix[];
};

enum { BUDGET_BUCKETS = 100, BUDGET_BUCKET_US = 100000 };

struct feed {
    struct sink *sink;
    sd_event *event;
    sd_event_source *io, *drop_timer, *tell_timer, *again;
    struct feed_handlers handlers;
    char run[17];
    enum encode_format format;
    bool changed_only, replay, drop, never_hold;
    char *topic_template;
    uint64_t replay_limit, wait_us;
    struct map series;
    struct list tables, replays;
    struct buf topic, payload; /* the message that is being sent */
    bool held;
    uint64_t held_since_us;                     /* monotonic */
    uint64_t budget[BUDGET_BUCKETS], budget_at; /* time held, by tenths of a second */
    struct span *values;                        /* scratch for a row's published spans */
    size_t n_values;
    struct buf json; /* scratch for those that `rows` needs of a MessagePack table */
    struct feed_counters counters;
};

/* ---- feed.c ---- */
/* Sends feed->topic and feed->payload, or begins to hold. Returns 0 or -errno. */
int feed_send(struct feed *f);

/* ---- feed_table.c ---- */
/* The encoders fit the table as it is now. Returns 0 or -errno. */
int feed_table_prepare(struct feed_table *t);
int feed_table_item(struct feed_table *t, struct item *item, struct feed_item **ret);
/* A row as it was last published, for replays and `rows`; values in feed->values. Returns 0 or -errno. */
int feed_table_row(struct feed_table *t, struct item *item, struct row *row, struct feed_item **ret_item,
                   struct encode_row *ret);
/* The row's values become published spans of JSON, for encode_row_json(); borrowed until the next call. */
int feed_table_row_json(struct feed_table *t, const struct row *row);
struct feed_table *feed_next_table(const struct feed *f, const struct feed_table *after);

/* ---- feed_rows.c ---- */
int feed_add_replay(struct feed *f, struct span prefix);
/* Goes on with replays until there are none or a consumer is at its mark. */
int feed_run_replays(struct feed *f);
void feed_forget_replays(struct feed *f);
/* The table goes away: replays that stand in it go on after it. */
void feed_replays_leave(struct feed *f, const struct feed_table *t);
