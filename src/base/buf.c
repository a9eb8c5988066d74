#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_done(struct buf *b)
{
    free(b->at);
    *b = BUF_INIT(b->max);
}

void buf_wipe(struct buf *b)
{
    if (b->at)
        explicit_bzero(b->at, b->cap);
    buf_done(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->error = 0;
}

int buf_reserve(struct buf *b, size_t extra)
{
    if (b->error)
        return b->error;
    if (extra <= b->cap - b->len)
        return 0;
    if (extra > b->max || b->len > b->max - extra)
        return b->error = -ENOBUFS;
    size_t need = b->len + extra;
    size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;
    char *grown = realloc(b->at, cap);
    if (!grown)
        return b->error = -ENOMEM;
    b->at = grown;
    b->cap = cap;
    return 0;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || buf_reserve(b, n) < 0)
        return;
    memcpy(b->at + b->len, bytes, n);
    b->len += n;
}

void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.at, s.len);
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_add(b, digits + at, sizeof digits - at);
}

void buf_add_i64(struct buf *b, int64_t value)
{
    if (value < 0) {
        buf_add_char(b, '-');
        buf_add_u64(b, (uint64_t)0 - (uint64_t)value);
    } else {
        buf_add_u64(b, (uint64_t)value);
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* One byte more than counted: vsnprintf always ends with a NUL. */
    if (n >= 0 && buf_reserve(b, (size_t)n + 1) == 0) {
        vsnprintf(b->at + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_drop_front(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
}

const char *buf_text(struct buf *b)
{
    if (buf_reserve(b, 1) < 0)
        return "";
    b->at[b->len] = '\0';
    return b->at;
}
