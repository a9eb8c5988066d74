/* A borrowed run of bytes: never owned, never NUL-terminated, may hold any byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *at; /* may be NULL when len is 0 */
    size_t len;     /* bytes */
};

/* For a printf format: printf("%.*s", SPAN_ARG(s)). Cut at INT_MAX. */
#define SPAN_ARG(s) (int)((s).len > INT32_MAX ? INT32_MAX : (s).len), (s).at ? (s).at : ""
#define SPAN(text)  ((struct span){(text), sizeof(text) - 1}) /* of a string literal */
#define SPAN_EMPTY  ((struct span){NULL, 0})

/* The whole of a NUL-terminated string; NULL gives the empty span. */
static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline struct span span_make(const char *at, size_t len)
{
    return (struct span){at, len};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span s, const char *text)
{
    return span_equal(s, span_of(text));
}

static inline bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

/* The bytes from OFFSET on; empty when the span is not that long. */
static inline struct span span_from(struct span s, size_t offset)
{
    return offset < s.len ? (struct span){s.at + offset, s.len - offset} : SPAN_EMPTY;
}

/* Takes what stands before the first SEPARATOR off the front of *REST (the separator too) into *RET_HEAD.
 * Without a separator the head is all of it and *REST becomes empty with a NULL `at`. Returns false, with
 * *RET_HEAD untouched, once *REST has a NULL `at`: so "a,,b" gives three heads, and "" from a literal one. */
bool span_cut(struct span *rest, char separator, struct span *ret_head);

/* Reads an unsigned decimal number: digits alone (no sign, no blank), at most MAX.
 * Returns false, with *RET untouched, for anything else, the empty span included. */
bool span_to_u64(struct span s, uint64_t max, uint64_t *ret);

/* The same with an optional leading '-', for the servers' codes. */
bool span_to_int(struct span s, int *ret);

/* A NUL-terminated copy, *owned* by the caller (free); NULL without memory. A NUL inside stays inside. */
char *span_dup(struct span s);
