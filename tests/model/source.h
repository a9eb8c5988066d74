/* Where a subscription's data comes from: values that change at random, and the many ways in which the wire can say so (PROTOCOL.md, "Values of U").
 * What is true is known before it is encoded, so nothing here decodes. */
#pragma once

#include "../lib/random.h"
#include "base/buf.h"
#include "proto/table.h"

enum { ITEMS_MAX = 3, FIELDS_MAX = 5 };

/* What a table is, on both sides. */
struct shape {
    char name[16]; /* its group, too */
    enum table_mode mode;
    size_t items, fields, key, command; /* key and command are 1-based */
    bool snapshot;
    uint64_t length; /* of the snapshot, DISTINCT; 0: as `snapshot` says */
    bool counted;    /* items and fields are configured */
    bool splits;     /* a group that is refused is tried item by item */
};

struct values {
    char *at[FIELDS_MAX]; /* owned; NULL: null */
};

void values_copy(struct values *to, const struct values *from);
void values_done(struct values *v);
bool value_equal(const char *a, const char *b);

struct source_item {
    bool told;          /* an update was sent: `last` is what deltas refer to */
    bool snapshot_over; /* EOS was sent */
    struct values last;
};

/* Makes up the item's next update: item->last is what it says, OUT gets how the wire has it. DIFFS: ^P and ^T may be used. */
void source_update(const struct shape *shape, struct source_item *item, struct random *chance, bool diffs,
                   struct buf *out);
