/* A table: one subscription's items and rows in the four modes (PROTOCOL.md, "Values of U" and the table of modes). Fed with the
 * parts of U, EOS, CS and OV lines; says what changed. Knows nothing of sessions' lives: proto/session does. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "proto/cell.h"

enum table_mode { TABLE_MERGE, TABLE_DISTINCT, TABLE_COMMAND, TABLE_RAW };

enum table_command { TABLE_ADD, TABLE_UPDATE, TABLE_DELETE };

struct table_hooks {
    /* How a field's value looks where it is published: appends that to OUT, at least one byte. Called only when the value changed;
     * messages copy the result until it changes again. FIELD is 0-based. Returns 0 or -ENOMEM. */
    int (*encode)(void *userdata, size_t field, bool is_null, struct span value, struct buf *out);
    /* The item goes away: what the caller keeps in its `user` (not NULL) is to be freed. */
    void (*drop_user)(void *userdata, void *user);
    /* The table goes away, after its items; may be NULL. */
    void (*drop_table)(void *userdata);
    void *userdata;
};

/* What the publisher notes on a row, for replays; set by the caller after publishing. */
struct row_stamp {
    uint64_t seq, time_us;
    bool snapshot;
};

struct row;

/* What somebody keeps beside a COMMAND row, until the row goes away. */
struct row_ref {
    struct list link; /* in the table's `orphans` once the row is gone, for its owner to take it from there */
    struct row *row;  /* NULL: gone */
};

struct row {
    struct list link; /* COMMAND: among its item's rows, in the order of their ADDs */
    uint64_t id;      /* counts the rows of the table; never used twice */
    uint64_t kseq;    /* COMMAND: messages of this row since its ADD */
    struct row_stamp stamp;
    char *key; /* COMMAND: owned, key_len bytes */
    size_t key_len;
    enum table_command command; /* COMMAND: as last published */
    struct row_ref *ref;        /* NULL: nobody keeps anything */
    bool second_told;    /* an update of the second level came: "unchanged" has something to refer to */
    struct cell cells[]; /* the table's n_fields */
};

struct item {
    size_t pos;        /* 1-based */
    bool has_base;     /* an update came: "unchanged" has something to refer to */
    bool shown;        /* MERGE: the base was published and not voided since */
    bool in_snapshot;  /* what comes now is snapshot */
    bool has_messages; /* something was published since the last gap: the next gap has a meaning */
    bool gap_due;      /* proto/session's: it is to be told, if it has a meaning */
    struct row *base;  /* the item's previous update; in MERGE also the current row. NULL before the first */
    struct map keys;   /* COMMAND: key -> row */
    struct list rows;  /* COMMAND */
    void *user;        /* the caller's, NULL at first; see table_hooks.drop_user */
};

struct table_options {
    const char *name;
    enum table_mode mode;
    enum delta_syntax syntax;                /* of its values */
    const char *group, *schema;              /* as sent */
    size_t n_items, n_fields;                /* 0: unknown until SUBOK, in text mode until the data */
    size_t key_field, command_field;         /* text mode's COMMAND: 1-based */
    const char *data_adapter, *selector;     /* NULL: not sent */
    const char *buffer_size, *max_frequency; /* as sent, or NULL */
    /* COMMAND in two levels: every key is an item as well, whose fields stand behind the first level's. None: 0, NULL. */
    size_t n_second;
    const char *second_schema, *second_adapter;
    bool snapshot;
    uint64_t snapshot_length; /* 0: as `snapshot` says */
};

struct table {
    struct table_options options; /* its texts owned */
    struct table_hooks hooks;
    size_t n_items, n_first;         /* items, and fields of the first level, as the server said; 0 before */
    size_t n_fields;                 /* of a row: of both levels */
    size_t key_field, command_field; /* 1-based; COMMAND */
    struct item **items;             /* n_items, each in its own memory: where it is, it stays */
    size_t cap_items;
    bool told_fields; /* how many they are was told since the table began */
    uint64_t next_row_id;
    struct list orphans;                          /* row_refs whose rows are gone */
    uint64_t *changed;                            /* bit map over fields, of the last update */
    struct span *published;                       /* n_fields published spans, of the last update */
    struct cell null_cell, key_cell, delete_cell; /* what a DELETE publishes */
    struct buf decoded, patched, encoded;         /* bytes on their way into a cell */
};

/* Copies OPTIONS. Returns 0 or -ENOMEM. */
int table_new(const struct table_options *options, const struct table_hooks *hooks, struct table **ret);
/* Takes NULL. */
void table_free(struct table *t);

/* Conditions of the functions below: the line breaks the protocol, and *RET_WHY (a constant sentence) says how. What the table
 * holds is then void: the caller ends the session. */
enum { TABLE_BAD = 1 };

/* What SUBOK says, or SUBCMD with its positions (0 for SUBOK). */
struct table_counts {
    uint64_t items, fields, key_field, command_field;
};

/* The table is subscribed: COUNTS are checked against the options; on TABLE_BAD nothing changed. Starts from nothing, but
 * items keep `user` and has_messages, unless the server tells other counts than last time (it may where no names are configured). Returns 0, TABLE_BAD,
 * -ENOMEM. */
int table_begin(struct table *t, const struct table_counts *counts, const char **ret_why);

/* The same for its item POS alone (1-based; the options say how many there are), which has a subscription of its own. OTHERS: others have one as well, and
 * what was said of them holds. */
int table_begin_item(struct table *t, size_t pos, bool others, const struct table_counts *counts,
                     const char **ret_why);

/* Text mode, where the server does not say what the table has: begins it with what is configured; from nothing, as table_begin() does. Returns
 * 0, TABLE_BAD, -ENOMEM. */
int table_begin_untold(struct table *t, const char **ret_why);

/* The same for item POS alone, as table_begin_item() does. */
int table_begin_untold_item(struct table *t, size_t pos, bool others, const char **ret_why);

/* Text mode: a line speaks of ITEM, and has FIELDS values (0: it is no update). What is not configured grows to that: items at any time, fields with the
 * first update. Returns 0, TABLE_BAD, -ENOMEM. */
int table_meet(struct table *t, uint64_t item, size_t fields, const char **ret_why);

/* One update, ready to be published; all pointers borrowed until the next call on the table. */
struct table_update {
    struct item *item;
    struct row *row; /* where the stamp goes; NULL when there is none to keep (DELETE) */
    bool snapshot;
    const struct span *values;  /* published spans, n_fields */
    const uint64_t *changed;    /* bit map */
    struct span key;            /* COMMAND: decoded */
    enum table_command command; /* COMMAND */
    uint64_t kseq;              /* COMMAND; 0 otherwise */
};

/* ITEM is 1-based, as on the wire. Returns 0, TABLE_BAD, or -ENOMEM (the rows are void then, too). */
int table_apply(struct table *t, uint64_t item, struct span values, struct table_update *ret,
                const char **ret_why);

/* The same of the second level of ITEM's row ROW: VALUES are those of its fields alone. What was not told yet is null, and published as an empty
 * span. */
int table_apply_second(struct table *t, struct item *item, struct row *row, struct span values,
                       struct table_update *ret, const char **ret_why);
/* No more comes of the second level, and what came is void: null again. Returns 1 when that is an update, 0 when nothing was there,
 * or -ENOMEM. */
int table_void_second(struct table *t, struct item *item, struct row *row, struct table_update *ret);

/* The item, or NULL when there is no such one. */
struct item *table_item(const struct table *t, uint64_t item);

/* EOS: what follows is no snapshot. */
void table_end_snapshot(struct item *item);
/* CS: the item's rows are forgotten; the base of deltas stays. */
void table_clear(struct table *t, struct item *item);
/* Forgets everything that updates brought, in one item. */
void table_void_item(struct table *t, struct item *item);
/* Forgets everything that updates brought, in all items; keeps counts, users and has_messages. */
void table_void(struct table *t);

/* A row that replays and `rows` can show: *ITEM and *ROW are both NULL to start with, and again at the end (returns false). MERGE and COMMAND
 * tables alone have such rows. Rows come by item, then in the order of their ids. */
bool table_next_row(const struct table *t, struct item **item, struct row **row);

/* Fills VALUES (n_fields) with the row's published spans; borrowed until the row's next update. */
void table_published(const struct table *t, const struct row *row, struct span *values);

/* The row's decoded key (COMMAND). */
struct span table_key(const struct table *t, const struct row *row);

/* The published spans of every row are made anew (types or encoding changed). Returns 0 or -ENOMEM (some are old then; call again). */
int table_encode_again(struct table *t);

const char *table_mode_name(enum table_mode mode);
const char *table_command_name(enum table_command command);
