/* A growable buffer of bytes whose maximum is set at birth. Errors stick: a run of buf_add…() calls is checked
 * once, at its end, by buf_error(). After an error nothing more is added until buf_clear(). */
#pragma once

#include "base/span.h"
#include "base/util.h"

struct buf {
    char *at;   /* owned; NULL while nothing was ever added */
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes it may ever hold */
    int error;  /* 0, -ENOMEM, or -ENOBUFS: max would have been passed */
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})
#define AUTO_BUF            CLEANUP(buf_done)

void buf_init(struct buf *b, size_t max);
/* Frees what it holds; fine on a zeroed buffer and twice. */
void buf_done(struct buf *b);
/* The same, and what it held is overwritten first: for secrets. (What it outgrew before is not.) */
void buf_wipe(struct buf *b);
/* Empties it and forgets the error; keeps the memory. */
void buf_clear(struct buf *b);

static inline int buf_error(const struct buf *b)
{
    return b->error;
}

/* What it holds; borrowed until the next change. */
static inline struct span buf_span(const struct buf *b)
{
    return span_make(b->at, b->len);
}

/* Makes room for EXTRA more bytes. Returns 0, or the sticking error (-ENOMEM, -ENOBUFS). */
int buf_reserve(struct buf *b, size_t extra);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_span(struct buf *b, struct span s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);
void buf_add_i64(struct buf *b, int64_t value);
/* Needs room for one byte more than the text. */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Forgets the first N bytes (N <= len), moving the rest to the front. */
void buf_drop_front(struct buf *b, size_t n);

/* Adds a NUL that is not counted in len, and returns the text; borrowed until the next change. "" after
 * an error; there must be room for that byte, too. */
const char *buf_text(struct buf *b);
