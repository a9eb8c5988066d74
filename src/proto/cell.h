/* A field of a row: its value, and how that looks where it is published. And the value that a delta gives it (PROTOCOL.md, "Values of U"). */
#pragma once

#include "base/buf.h"
#include "proto/delta.h"

/* The decoded value and, behind it in the same memory, the published span. */
struct cell {
    char *at;
    uint32_t len, published_len, cap; /* bytes */
    bool is_set, is_null;             /* not set: no update told it yet */
};

static inline struct span cell_value(const struct cell *c)
{
    return span_make(c->at, c->len);
}

/* Empty: it was never published, which stands for null. */
static inline struct span cell_published(const struct cell *c)
{
    return c->published_len ? span_make(c->at + c->len, c->published_len) : SPAN_EMPTY;
}

static inline bool cell_is(const struct cell *c, bool is_null, struct span value)
{
    return c->is_set && c->is_null == is_null && span_equal(cell_value(c), value);
}

/* Puts both into the cell; neither may point into it. Returns 0 or -ENOMEM. */
int cell_fill(struct cell *c, bool is_null, struct span value, struct span published);

/* cell_resolve(): the line breaks the protocol, and *RET_WHY (a constant sentence) says how. */
enum { CELL_BAD = 1 };

/* The value that DELTA (any but DELTA_UNCHANGED) gives to the cell: borrowed from the delta, or from DECODED and PATCHED, which are overwritten. Returns
 * 0, CELL_BAD, -ENOMEM. */
int cell_resolve(enum delta_syntax syntax, const struct cell *c, const struct delta *delta,
                 struct buf *decoded, struct buf *patched, struct span *ret, const char **ret_why);
