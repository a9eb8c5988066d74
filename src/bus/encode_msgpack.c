/* Messages as MessagePack: the same keys in the same order as in JSON, maps and arrays with their sizes in front. */
#include <errno.h>

#include "bus/encode_internal.h"
#include "bus/pack.h"

/* v run session table item pos seq time type; a map with up to fifteen has a head of one byte. */
enum { HEAD_KEYS = 9, NUMBER_BYTES_MAX = 9 };

/* A short text of the program's own as a str. */
#define PACK_WORD(packer, word) msgpack_pack_str_with_body((packer), (word), sizeof(word) - 1)

/* ---- prepared ---- */

static int prepare_names(struct encode_table *t, const struct encode_table_options *o)
{
    t->packed_ends = calloc(o->n_fields ? o->n_fields : 1, sizeof *t->packed_ends);
    if (!t->packed_ends)
        return -ENOMEM;
    for (size_t i = 0; i < o->n_fields; i++) {
        pack_text(&t->packed_names, o->fields[i]);
        t->packed_ends[i] = t->packed_names.len;
    }
    return buf_error(&t->packed_names);
}

int packed_prepare(struct encode_table *t, const struct encode_table_options *options)
{
    buf_init(&t->packed_head, ENCODE_HEAD_MAX_BYTES);
    buf_init(&t->packed_names, ENCODE_HEAD_MAX_BYTES);
    msgpack_packer to = pack_to(&t->packed_head);
    PACK_WORD(&to, "v");
    msgpack_pack_uint8(&to, 1);
    PACK_WORD(&to, "run");
    pack_text(&t->packed_head, span_of(options->run));
    PACK_WORD(&to, "session");
    pack_text(&t->packed_head, options->session);
    PACK_WORD(&to, "table");
    pack_text(&t->packed_head, options->table);
    PACK_WORD(&to, "item");
    int r = prepare_names(t, options);
    return r < 0 ? r : buf_error(&t->packed_head);
}

int packed_prepare_item(const struct encode_table *t, struct encode_item *i, struct span item, size_t pos)
{
    buf_init(&i->packed_head, ENCODE_HEAD_MAX_BYTES);
    msgpack_packer to = pack_to(&i->packed_head);
    buf_add_span(&i->packed_head, buf_span(&t->packed_head));
    pack_text(&i->packed_head, item);
    PACK_WORD(&to, "pos");
    msgpack_pack_uint64(&to, pos);
    PACK_WORD(&to, "seq");
    return buf_error(&i->packed_head);
}

/* ---- messages ---- */

/* Into room that was reserved before. */
static inline int put_bytes(void *data, const char *bytes, size_t n)
{
    char **to = data;
    *to = put(*to, bytes, n);
    return 0;
}

static void add_head(struct buf *out, const struct encode_item *i, size_t keys, uint64_t seq,
                     uint64_t time_us, struct span type)
{
    char *to = room(out, i->packed_head.len + (size_t)2 * NUMBER_BYTES_MAX + TEXT_MAX + type.len);
    if (!to)
        return;
    msgpack_packer packer = {.data = &to, .callback = put_bytes};
    msgpack_pack_map(&packer, keys);
    to = put_span(to, buf_span(&i->packed_head));
    msgpack_pack_uint64(&packer, seq);
    PACK_WORD(&packer, "time");
    msgpack_pack_uint64(&packer, time_us);
    PACK_WORD(&packer, "type");
    msgpack_pack_str_with_body(&packer, type.at, type.len);
    written(out, to);
}

static void add_key(struct buf *out, const struct encode_row *row)
{
    msgpack_packer to = pack_to(out);
    PACK_WORD(&to, "key");
    pack_text(out, row->key);
    PACK_WORD(&to, "command");
    pack_text(out, row->command);
    PACK_WORD(&to, "kseq");
    msgpack_pack_uint64(&to, row->kseq);
}

static inline struct span field_name(const struct encode_table *t, size_t i)
{
    size_t from = i ? t->packed_ends[i - 1] : 0;
    return span_make(t->packed_names.at + from, t->packed_ends[i] - from);
}

static inline struct span value_or_nil(struct span value)
{
    return value.len ? value : SPAN("\xc0");
}

static inline char *put_field(char *to, const struct encode_table *t, const struct encode_row *row, size_t i)
{
    to = put_span(to, field_name(t, i));
    return put_span(to, value_or_nil(row->values[i]));
}

/* Word W of the fields that a message with `fields = "changed"` holds. */
static inline uint64_t told_word(const struct encode_table *t, const struct encode_row *row, size_t w)
{
    return bit_word(t, row->changed, w) | bit_of(t->key_field, w) | bit_of(t->command_field, w);
}

static size_t values_length(const struct encode_table *t, const struct encode_row *row)
{
    size_t sum = 0;
    for (size_t i = 0; i < t->n_fields; i++)
        sum += value_or_nil(row->values[i]).len;
    return sum;
}

static char *put_told_fields(char *to, const struct encode_table *t, const struct encode_row *row)
{
    size_t n = 0;
    for (size_t w = 0; w < bit_words(t->n_fields); w++)
        n += (size_t)__builtin_popcountll(told_word(t, row, w));
    msgpack_packer packer = {.data = &to, .callback = put_bytes};
    msgpack_pack_map(&packer, n);
    for (size_t w = 0; w < bit_words(t->n_fields); w++)
        for (uint64_t bits = told_word(t, row, w); bits; bits &= bits - 1)
            to = put_field(to, t, row, w * 64 + (size_t)__builtin_ctzll(bits));
    return to;
}

static char *put_all_fields(char *to, const struct encode_table *t, const struct encode_row *row)
{
    msgpack_packer packer = {.data = &to, .callback = put_bytes};
    msgpack_pack_map(&packer, t->n_fields);
    for (size_t i = 0; i < t->n_fields; i++)
        to = put_field(to, t, row, i);
    return to;
}

static void add_fields(struct buf *out, const struct encode_table *t, const struct encode_row *row)
{
    char *to = room(out, t->packed_names.len + values_length(t, row) + TEXT_MAX);
    if (!to)
        return;
    msgpack_packer packer = {.data = &to, .callback = put_bytes};
    PACK_WORD(&packer, "fields");
    written(out, t->changed_only && row->changed ? put_told_fields(to, t, row) : put_all_fields(to, t, row));
}

static void add_changed(struct buf *out, const struct encode_table *t, const struct encode_row *row)
{
    char *to = room(out, t->packed_names.len + TEXT_MAX);
    if (!to)
        return;
    size_t n = 0;
    for (size_t w = 0; w < bit_words(t->n_fields); w++)
        n += (size_t)__builtin_popcountll(bit_word(t, row->changed, w));
    msgpack_packer packer = {.data = &to, .callback = put_bytes};
    PACK_WORD(&packer, "changed");
    msgpack_pack_array(&packer, n);
    for (size_t w = 0; w < bit_words(t->n_fields); w++)
        for (uint64_t bits = bit_word(t, row->changed, w); bits; bits &= bits - 1)
            to = put_span(to, field_name(t, w * 64 + (size_t)__builtin_ctzll(bits)));
    written(out, to);
}

int packed_row(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
               struct buf *out)
{
    bool changed = row->changed && !t->changed_only;
    size_t keys = HEAD_KEYS + (row->kseq ? 3u : 0u) + 1 + changed + row->replay;
    add_head(out, i, keys, row->seq, row->time_us,
             row->type == ENCODE_SNAPSHOT ? SPAN("snapshot") : SPAN("update"));
    if (row->kseq)
        add_key(out, row);
    add_fields(out, t, row);
    if (changed)
        add_changed(out, t, row);
    if (row->replay) {
        msgpack_packer to = pack_to(out);
        PACK_WORD(&to, "replay");
        msgpack_pack_true(&to);
    }
    return buf_error(out);
}

static struct span event_name(enum encode_event_type type)
{
    switch (type) {
    case ENCODE_EOS: return SPAN("eos");
    case ENCODE_CLEAR: return SPAN("clear");
    case ENCODE_LOST: return SPAN("lost");
    case ENCODE_GAP: return SPAN("gap");
    }
    return SPAN_EMPTY;
}

int packed_event(const struct encode_item *i, const struct encode_event *event, struct buf *out)
{
    msgpack_packer to = pack_to(out);
    bool more = event->type == ENCODE_LOST || event->type == ENCODE_GAP;
    add_head(out, i, HEAD_KEYS + more, event->seq, event->time_us, event_name(event->type));
    if (event->type == ENCODE_LOST) {
        PACK_WORD(&to, "count");
        msgpack_pack_uint64(&to, event->count);
    } else if (event->type == ENCODE_GAP) {
        PACK_WORD(&to, "reason");
        pack_text(out, event->reason);
    }
    return buf_error(out);
}

int packed_replayed(const char *run, uint64_t count, bool limited, struct buf *out)
{
    msgpack_packer to = pack_to(out);
    msgpack_pack_map(&to, 4);
    PACK_WORD(&to, "v");
    msgpack_pack_uint8(&to, 1);
    PACK_WORD(&to, "run");
    pack_text(out, span_of(run));
    PACK_WORD(&to, "type");
    PACK_WORD(&to, "replayed");
    pack_text(out, limited ? SPAN("skipped") : SPAN("count"));
    msgpack_pack_uint64(&to, count);
    return buf_error(out);
}
