/* Rows and item events as the messages of INTERFACE.md, "Data socket". Pure: bytes in, bytes out; sees base's
 * spans alone. */
#pragma once

#include "base/buf.h"

enum encode_format { ENCODE_JSON, ENCODE_MSGPACK };
enum encode_type { ENCODE_STRING, ENCODE_NUMBER, ENCODE_INTEGER, ENCODE_BOOLEAN, ENCODE_JSON_VALUE };

/* encode_value(): the value is not what its type says, and was encoded as the string it is. */
enum { ENCODE_MISFIT = 1 };

/* ENCODE_JSON_VALUE: arrays and objects within each other. Many readers stop at 64; a message and a control
 * reply put four around it. */
enum { ENCODE_JSON_MAX_DEPTH = 60 };
/* The same in MessagePack: libmsgpack reads 32, of which a message takes two. */
enum { ENCODE_MSGPACK_MAX_DEPTH = 30 };

/* Writes one value as it will stand in messages ("published span": quotes and escapes included) to OUT.
 * IS_NULL: null. Added to what OUT holds. ENCODE_JSON_VALUE: strict RFC 8259 (no lone surrogates; duplicate
 * names are fine), written without blanks. In MessagePack integers are those that 64 bits hold, all other
 * numbers doubles, and a number that a double can't keep (see pack_number()) makes its value a misfit.
 * Returns 0, ENCODE_MISFIT, -ENOMEM, -ENOBUFS. Called once per changed value; messages then only copy the
 * result. */
int encode_value(enum encode_format format, enum encode_type type, bool is_null, struct span value,
                 struct buf *out);

/* What one table's messages have in common, built once. */
struct encode_table_options {
    enum encode_format format;
    bool changed_only; /* publisher.fields = "changed" */
    const char *run;   /* 16 hex digits */
    struct span session, table;
    const struct span *fields; /* names, or positions as text */
    size_t n_fields;
    size_t key_field, command_field; /* 1-based; 0 outside COMMAND */
    bool always_whole;               /* DISTINCT and RAW: whole rows even under changed_only */
    const char *topic;               /* template with {session} {table} {item} {pos} {key} */
};
struct encode_table; /* the prepared heads, field names and topic */

/* *RET is *owned*. Returns 0, -ENOMEM, -ENOBUFS (absurdly long names), or -EINVAL (a topic that
 * encode_check_topic() refuses). Options are borrowed for the call. */
int encode_table_new(const struct encode_table_options *options, struct encode_table **ret);
void encode_table_free(struct encode_table *t);

/* What one item's messages have in common, built once: names escaped, the topic where it does not depend on
 * the key. POS counts from 1. T is borrowed for the call. Returns 0, -ENOMEM, or -ENOBUFS (a topic past
 * TOPIC_MAX_BYTES). */
struct encode_item;
int encode_item_new(const struct encode_table *t, struct span item, size_t pos, struct encode_item **ret);
void encode_item_free(struct encode_item *i);

enum encode_row_type { ENCODE_SNAPSHOT, ENCODE_UPDATE };
enum encode_event_type { ENCODE_EOS, ENCODE_CLEAR, ENCODE_LOST, ENCODE_GAP };

struct encode_row {
    enum encode_row_type type;
    uint64_t seq, kseq; /* kseq 0: none (not COMMAND) */
    uint64_t time_us;   /* since 1970 */
    /* n_fields published spans, in the table's order; an empty one stands for null. */
    const struct span *values;
    /* Bit i % 64 of word i / 64 is the field i, from 0. NULL in a replay and a control reply: then no
     * `changed`, and whole. */
    const uint64_t *changed;
    struct span key, command; /* decoded text; COMMAND only (command: ADD UPDATE DELETE as published) */
    bool replay;
};

/* Writes topic and payload (both cleared first; neither allocates once it is as large as the largest
 * message). Returns 0, or the error that sticks in either buffer: -ENOMEM, -ENOBUFS (give both room for the
 * longest that the server's limits allow). In COMMAND the key's and command's own fields are written from
 * values[] like any other; the caller has put the published command there. */
int encode_row(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
               struct buf *topic, struct buf *payload);

/* The topic alone, as encode_row() would write it for a row with KEY (cleared first): what a replay compares. Returns
 * buf_error(TOPIC). */
int encode_topic(const struct encode_item *i, struct span key, struct buf *topic);

struct encode_event {
    enum encode_event_type type;
    uint64_t seq, time_us;
    uint64_t count;     /* LOST */
    struct span reason; /* GAP */
};
int encode_event(const struct encode_table *t, const struct encode_item *i, const struct encode_event *event,
                 struct buf *topic, struct buf *payload);

/* The end of a replay: topic is the subscription's prefix. `skipped` when LIMITED, else `count`. PAYLOAD is
 * cleared first. */
int encode_replayed(enum encode_format format, const char *run, uint64_t count, bool limited,
                    struct buf *payload);

/* A row as an object of the control socket's `rows` reply: the same keys as on the data socket, always JSON;
 * added to what OUT holds. VALUES are then JSON published spans. Returns buf_error(OUT). */
int encode_row_json(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
                    struct buf *out);

/* Checks a topic template. Returns 0, or 1 with a sentence in ERROR (an unknown {name}, an unclosed brace). */
int encode_check_topic(struct span text, struct buf *error);
