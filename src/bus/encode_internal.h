/* What encode.c (JSON, topics, and the choice between formats) and encode_msgpack.c share. */
#pragma once

#include "bus/encode.h"
#include "bus/topic.h"

/* Names and heads come from the configuration, which is bounded; this keeps sums far from overflow. */
enum { ENCODE_HEAD_MAX_BYTES = 16 * 1024 * 1024, TEXT_MAX = 64 };

/* Heads, and names with what stands around them, in one format; MessagePack's are empty in a JSON table. */
struct encode_table {
    enum encode_format format;
    struct buf head;   /* {"v":1,"run":"…","session":"…","table":"…","item": */
    struct buf names;  /* ,"name": of each field, one after the other */
    size_t *name_ends; /* n_fields offsets into them */
    struct buf packed_head, packed_names;
    size_t *packed_ends;
    size_t n_fields, key_field, command_field;
    bool changed_only;
    char *topic, *session, *table; /* decoded, for the topics of new items */
    size_t topic_len, session_len, table_len;
};

struct encode_item {
    struct buf head;        /* the table's, and "item2","pos":2,"seq": */
    struct buf packed_head; /* the same from "v" on: how many keys a message has differs */
    struct topic topic;
};

/* Writing into room that was reserved before: the hot path's only operation. Most names and values have 4 to
 * 16 bytes; two copies of a fixed size, which may overlap, spare these a call (a third of encode_row()). */
static inline char *put(char *to, const char *from, size_t n)
{
    if (n >= 8 && n <= 16) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4 && n < 8) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        memcpy(to, from, n);
    }
    return to + n;
}

static inline char *put_span(char *to, struct span s)
{
    return put(to, s.at, s.len);
}

/* Where to write the next EXTRA bytes, NULL when they have no room (the error sticks in B). */
static inline char *room(struct buf *b, size_t extra)
{
    return buf_reserve(b, extra) == 0 ? b->at + b->len : NULL;
}

static inline void written(struct buf *b, const char *end)
{
    b->len = (size_t)(end - b->at);
}

static inline size_t bit_words(size_t n_fields)
{
    return (n_fields + 63) / 64;
}

/* Word W of a bit map of fields, without bits past the last field. */
static inline uint64_t bit_word(const struct encode_table *t, const uint64_t *map, size_t w)
{
    size_t left = t->n_fields - w * 64;
    return left < 64 ? map[w] & (((uint64_t)1 << left) - 1) : map[w];
}

static inline uint64_t bit_of(size_t field, size_t w)
{
    return field && (field - 1) / 64 == w ? (uint64_t)1 << (field - 1) % 64 : 0;
}

/* ---- encode_msgpack.c: what the functions without "packed" do, for tables of ENCODE_MSGPACK ---- */
int packed_prepare(struct encode_table *t, const struct encode_table_options *options);
int packed_prepare_item(const struct encode_table *t, struct encode_item *i, struct span item, size_t pos);
int packed_row(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
               struct buf *out);
int packed_event(const struct encode_item *i, const struct encode_event *event, struct buf *out);
int packed_replayed(const char *run, uint64_t count, bool limited, struct buf *out);
