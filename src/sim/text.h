/* Field values and rows. A value is an immutable, counted run of bytes; NULL is the protocol's null. */
#pragma once

#include "base/span.h"
#include "base/util.h"

struct text {
    unsigned refs;
    size_t len;
    char at[]; /* len bytes, and a NUL that is not counted */
};

/* A new value with one reference, *owned* by the caller. */
struct text *text_new(struct span s);
struct text *text_printf(const char *format, ...) PRINTF_LIKE(1, 2);
/* Both take NULL. */
struct text *text_ref(struct text *t);
void text_unref(struct text *t);

static inline struct span text_span(const struct text *t)
{
    return t ? span_make(t->at, t->len) : SPAN_EMPTY;
}

/* Null equals null alone. */
bool text_equal(const struct text *a, const struct text *b);

struct row {
    size_t n;
    struct text **values; /* owned, each a reference */
};

/* A row of N nulls. */
void row_init(struct row *r, size_t n);
/* Fine on a zeroed row and twice. */
void row_done(struct row *r);
/* Makes it N values long, new ones null. */
void row_resize(struct row *r, size_t n);
/* VALUE is taken. */
void row_set(struct row *r, size_t at, struct text *value);
/* Makes *TO, which must hold nothing, a copy. */
void row_copy(struct row *to, const struct row *from);

/* The value at AT, or NULL past its end. */
static inline struct text *row_get(const struct row *r, size_t at)
{
    return at < r->n ? r->values[at] : NULL;
}
