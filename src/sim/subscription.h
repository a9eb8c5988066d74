/* A session's subscriptions: which items with which fields, and how updates become notifications, frequency limits
 * and dropped ones included. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "sim/adapter.h"
#include "sim/text.h"

struct item;
struct session;

/* Items and fields of one subscription. */
#define SUBSCRIPTION_MAX_NAMES 10000
/* Updates held back for one row; older ones are dropped. */
#define SUBSCRIPTION_MAX_HELD 10000

struct subscription_request {
    uint64_t id;
    enum mode mode;
    struct span adapter, group, schema; /* borrowed */
    bool silent;                        /* nothing is sent before subscription_start() */
    bool snapshot;
    uint64_t snapshot_length; /* at most so many updates in DISTINCT */
    struct span frequency;    /* "unlimited", "unfiltered" or a number */
    uint64_t buffer_size;     /* at least 1; UINT64_MAX: unlimited */
};

struct sub_item {
    struct list link; /* in the item's listeners */
    struct subscription *sub;
    struct item *item;
    size_t pos;      /* from 1 */
    size_t *fields;  /* owned: per field of the schema its index in the item */
    struct row last; /* what was sent last */
    bool any;        /* something was */
    bool snapshot_over;
    uint64_t updates, lost;
    struct list slots; /* of struct slot: rows held back */
};

struct subscription {
    struct list link; /* in the session's */
    struct session *session;
    uint64_t id;
    enum mode mode;
    bool silent, snapshot, unfiltered;
    uint64_t snapshot_length;
    uint64_t interval_us; /* between two updates of a row; 0: no limit */
    uint64_t buffer_size;
    size_t n_items, n_fields, key_field, command_field; /* the last two in COMMAND alone */
    struct sub_item *items;                             /* owned */
    struct text **names;                                /* owned: of the fields */
    sd_event_source *timer;
};

/* Subscribes, and appends SUBOK or SUBCMD, CONF and the snapshot. Returns 0, or an error code of the specification's
 * appendix B with its *RET_TEXT. */
int subscription_add(struct session *s, const struct subscription_request *r, const char **ret_text);

/* Begins to send, with the snapshot as it is now; nothing where it is not silent. */
void subscription_start(struct subscription *sub);

struct subscription *subscription_find(const struct session *s, uint64_t id);

/* Ends it, and appends UNSUB. */
void subscription_delete(struct subscription *sub);

/* Changes its frequency, and appends CONF. Returns 0, or 13 for an unfiltered one. */
int subscription_reconf(struct subscription *sub, struct span frequency);

/* Frees all of a session's, without a word. */
void subscription_free_all(struct session *s);

/* There is room again: sends what was held back. */
void subscription_resume_all(struct session *s);

/* The item was updated: MERGED is its state, EVENT the update alone, KEYED the row of the update's key. */
void subscription_update(struct sub_item *si, const struct row *merged, const struct row *event,
                         const struct row *keyed);
/* NULLS is the item's state after it was cleared. */
void subscription_clear(struct sub_item *si, const struct row *nulls);
void subscription_eos(struct sub_item *si);
void subscription_lost(struct sub_item *si, uint64_t count);
