/* The data behind the adapters: items with their present state, who listens to them, and what updates them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "base/map.h"
#include "sim/text.h"

struct adapter;
struct sim;

/* Rows of an item that a snapshot in DISTINCT mode has at most. */
#define FEED_RECENT 10
/* Keys that an item holds at most; an ADD beyond them is taken for an UPDATE of nobody. */
#define FEED_MAX_KEYS 100000

struct feed {
    struct map items; /* of struct item, owned */
    struct list live; /* items that somebody listens to, by their live links */
    size_t n_live;
    sd_event_source *timer;
    uint64_t owed_us; /* --rate: time not yet turned into updates, times the rate */
    uint64_t last_us;
};

struct key_row {
    struct list link;
    struct text *key;
    struct row row;
};

struct item {
    struct sim *sim;
    const struct adapter *adapter;
    char *id;             /* owned: the adapter's place in its table, '/', the name */
    struct span name;     /* part of id */
    struct text **fields; /* owned: their names */
    size_t n_fields;
    struct row merged; /* the last value of every field */
    bool known;        /* there was an update since the start or the last clear */
    struct list keys;  /* of struct key_row: the rows of COMMAND, oldest first */
    size_t n_keys;
    struct row recent[FEED_RECENT]; /* a ring of the last updates */
    size_t n_recent, next_recent;
    struct list listeners; /* of struct sub_item */
    struct list live_link;
    uint64_t due_us;  /* when its adapter updates it next */
    uint64_t serial;  /* updates so far */
    int64_t state[4]; /* its adapter's own */
};

/* One update of an item that is being made: fields that are not set are null in it, and stay as they are in MERGE. */
struct update {
    struct item *item;
    struct row row;
    bool *set; /* owned: n_fields of them */
};

void feed_start(struct sim *sim);
void feed_stop(struct sim *sim);

/* The item NAME of ADAPTER, made if need be. */
struct item *feed_item(struct sim *sim, const struct adapter *adapter, struct span name);

/* The index of the field NAME, added where the adapter takes any; -1 where it does not. */
ptrdiff_t item_field(struct item *item, struct span name);

/* Somebody listens, or nobody does any more: look at its listeners. */
void item_listened(struct item *item);

void update_begin(struct update *u, struct item *item);
/* VALUE is taken. Returns false for a field that the item does not have. */
bool update_set(struct update *u, struct span field, struct text *value);
void update_set_text(struct update *u, const char *field, const char *value);
/* Makes it the item's state and sends it to its listeners; frees it. */
void update_publish(struct update *u);

/* Forgets the item's state and tells its listeners: CS, or an update of nulls in MERGE. */
void item_clear(struct item *item);
/* Sends EOS to those who wait for it. */
void item_eos(struct item *item);
/* Sends OV to all. */
void item_lost(struct item *item, uint64_t count);

/* One update of the adapter's own making. */
void item_step(struct item *item);
