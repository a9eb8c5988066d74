#include <errno.h>

#include "base/escape.h"
#include "bus/encode_internal.h"

enum { DIGITS_MAX = 20 };

static const char two_digits[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static char *put_u64(char *to, uint64_t value)
{
    char digits[DIGITS_MAX];
    char *at = digits + DIGITS_MAX;
    while (value >= 100) {
        at -= 2;
        memcpy(at, two_digits + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, two_digits + value * 2, 2);
    } else {
        *--at = (char)('0' + value);
    }
    return put(to, at, (size_t)(digits + DIGITS_MAX - at));
}

static int prepare_names(struct encode_table *t, const struct encode_table_options *o)
{
    t->name_ends = calloc(o->n_fields ? o->n_fields : 1, sizeof *t->name_ends);
    if (!t->name_ends)
        return -ENOMEM;
    for (size_t i = 0; i < o->n_fields; i++) {
        buf_add_char(&t->names, ',');
        escape_json(&t->names, o->fields[i]);
        buf_add_char(&t->names, ':');
        t->name_ends[i] = t->names.len;
    }
    return buf_error(&t->names);
}

static int prepare_head(struct encode_table *t, const struct encode_table_options *o)
{
    buf_add_text(&t->head, "{\"v\":1,\"run\":");
    escape_json(&t->head, span_of(o->run));
    buf_add_text(&t->head, ",\"session\":");
    escape_json(&t->head, o->session);
    buf_add_text(&t->head, ",\"table\":");
    escape_json(&t->head, o->table);
    buf_add_text(&t->head, ",\"item\":");
    return buf_error(&t->head);
}

static int prepare_topic(struct encode_table *t, const struct encode_table_options *o)
{
    struct span topic = span_of(o->topic);
    AUTO_BUF struct buf error = BUF_INIT(ENCODE_HEAD_MAX_BYTES);
    if (topic_check(topic, &error))
        return -EINVAL;
    t->topic = span_dup(topic);
    t->session = span_dup(o->session);
    t->table = span_dup(o->table);
    t->topic_len = topic.len;
    t->session_len = o->session.len;
    t->table_len = o->table.len;
    return t->topic && t->session && t->table ? 0 : -ENOMEM;
}

static void table_free_pointer(struct encode_table **t)
{
    encode_table_free(*t);
}

int encode_table_new(const struct encode_table_options *options, struct encode_table **ret)
{
    CLEANUP(table_free_pointer) struct encode_table *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    buf_init(&t->head, ENCODE_HEAD_MAX_BYTES);
    buf_init(&t->names, ENCODE_HEAD_MAX_BYTES);
    t->format = options->format;
    t->n_fields = options->n_fields;
    t->key_field = options->key_field;
    t->command_field = options->command_field;
    t->changed_only = options->changed_only && !options->always_whole;
    int r = prepare_head(t, options);
    r = r < 0 ? r : prepare_names(t, options);
    r = r < 0 ? r : prepare_topic(t, options);
    if (r == 0 && t->format == ENCODE_MSGPACK)
        r = packed_prepare(t, options);
    if (r < 0)
        return r;
    *ret = TAKE(t);
    return 0;
}

void encode_table_free(struct encode_table *t)
{
    if (!t)
        return;
    buf_done(&t->head);
    buf_done(&t->names);
    buf_done(&t->packed_head);
    buf_done(&t->packed_names);
    free(t->name_ends);
    free(t->packed_ends);
    free(t->topic);
    free(t->session);
    free(t->table);
    free(t);
}

static void item_free_pointer(struct encode_item **i)
{
    encode_item_free(*i);
}

int encode_item_new(const struct encode_table *t, struct span item, size_t pos, struct encode_item **ret)
{
    CLEANUP(item_free_pointer) struct encode_item *i = calloc(1, sizeof *i);
    if (!i)
        return -ENOMEM;
    buf_init(&i->head, ENCODE_HEAD_MAX_BYTES);
    buf_add_span(&i->head, buf_span(&t->head));
    escape_json(&i->head, item);
    buf_add_text(&i->head, ",\"pos\":");
    buf_add_u64(&i->head, pos);
    buf_add_text(&i->head, ",\"seq\":");
    struct topic_names names = {span_make(t->session, t->session_len), span_make(t->table, t->table_len),
                                item, pos};
    int r = topic_expand(span_make(t->topic, t->topic_len), &names, &i->topic);
    if (r < 0)
        return r;
    r = buf_error(&i->head);
    if (r == 0 && t->format == ENCODE_MSGPACK)
        r = packed_prepare_item(t, i, item, pos);
    if (r < 0)
        return r;
    *ret = TAKE(i);
    return 0;
}

void encode_item_free(struct encode_item *i)
{
    if (!i)
        return;
    buf_done(&i->head);
    buf_done(&i->packed_head);
    topic_done(&i->topic);
    free(i);
}

/* …"seq":42,"time":1732310400123456,"type": and TYPE, which comes with its quotes. */
static void add_head(struct buf *out, const struct encode_item *i, uint64_t seq, uint64_t time_us,
                     struct span type)
{
    char *to = room(out, i->head.len + (size_t)2 * DIGITS_MAX + TEXT_MAX + type.len);
    if (!to)
        return;
    to = put_span(to, buf_span(&i->head));
    to = put_u64(to, seq);
    to = put_span(to, SPAN(",\"time\":"));
    to = put_u64(to, time_us);
    to = put_span(to, SPAN(",\"type\":"));
    written(out, put_span(to, type));
}

static void add_key(struct buf *out, const struct encode_row *row)
{
    buf_add_span(out, SPAN(",\"key\":"));
    escape_json(out, row->key);
    buf_add_span(out, SPAN(",\"command\":"));
    escape_json(out, row->command);
    buf_add_span(out, SPAN(",\"kseq\":"));
    buf_add_u64(out, row->kseq);
}

/* ,"name": of the Ith field. */
static inline struct span field_name(const struct encode_table *t, size_t i)
{
    size_t from = i ? t->name_ends[i - 1] : 0;
    return span_make(t->names.at + from, t->name_ends[i] - from);
}

static inline struct span value_or_null(struct span value)
{
    return value.len ? value : SPAN("null");
}

static inline char *put_field(char *to, const struct encode_table *t, const struct encode_row *row, size_t i)
{
    to = put_span(to, field_name(t, i));
    return put_span(to, value_or_null(row->values[i]));
}

static char *put_changed_fields(char *to, const struct encode_table *t, const struct encode_row *row)
{
    for (size_t w = 0; w < bit_words(t->n_fields); w++) {
        uint64_t bits = bit_word(t, row->changed, w) | bit_of(t->key_field, w) | bit_of(t->command_field, w);
        for (; bits; bits &= bits - 1)
            to = put_field(to, t, row, w * 64 + (size_t)__builtin_ctzll(bits));
    }
    return to;
}

/* Ends a list whose elements were written from START on, each with a comma before it: the first comma makes
 * way for OPEN. */
static inline char *put_brackets(char *start, char *to, char open, char close)
{
    if (to == start)
        to++;
    *start = open;
    *to++ = close;
    return to;
}

static size_t values_length(const struct encode_table *t, const struct encode_row *row)
{
    size_t sum = 0;
    for (size_t i = 0; i < t->n_fields; i++)
        sum += value_or_null(row->values[i]).len;
    return sum;
}

static void add_fields(struct buf *out, const struct encode_table *t, const struct encode_row *row)
{
    char *to = room(out, t->names.len + values_length(t, row) + TEXT_MAX);
    if (!to)
        return;
    to = put_span(to, SPAN(",\"fields\":"));
    char *start = to;
    if (t->changed_only && row->changed)
        to = put_changed_fields(to, t, row);
    else
        for (size_t i = 0; i < t->n_fields; i++)
            to = put_field(to, t, row, i);
    written(out, put_brackets(start, to, '{', '}'));
}

static void add_changed(struct buf *out, const struct encode_table *t, const struct encode_row *row)
{
    char *to = room(out, t->names.len + TEXT_MAX);
    if (!to)
        return;
    to = put_span(to, SPAN(",\"changed\":"));
    char *start = to;
    for (size_t w = 0; w < bit_words(t->n_fields); w++) {
        for (uint64_t bits = bit_word(t, row->changed, w); bits; bits &= bits - 1) {
            struct span name = field_name(t, w * 64 + (size_t)__builtin_ctzll(bits));
            to = put(to, name.at, name.len - 1); /* without its colon */
        }
    }
    written(out, put_brackets(start, to, '[', ']'));
}

int encode_row_json(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
                    struct buf *out)
{
    struct span type = row->type == ENCODE_SNAPSHOT ? SPAN("\"snapshot\"") : SPAN("\"update\"");
    add_head(out, i, row->seq, row->time_us, type);
    if (row->kseq)
        add_key(out, row);
    add_fields(out, t, row);
    if (row->changed && !t->changed_only)
        add_changed(out, t, row);
    if (row->replay)
        buf_add_span(out, SPAN(",\"replay\":true"));
    buf_add_char(out, '}');
    return buf_error(out);
}

int encode_topic(const struct encode_item *i, struct span key, struct buf *topic)
{
    buf_clear(topic);
    topic_write(&i->topic, key, topic);
    return buf_error(topic);
}

int encode_row(const struct encode_table *t, const struct encode_item *i, const struct encode_row *row,
               struct buf *topic, struct buf *payload)
{
    buf_clear(topic);
    buf_clear(payload);
    topic_write(&i->topic, row->key, topic);
    int r =
        t->format == ENCODE_MSGPACK ? packed_row(t, i, row, payload) : encode_row_json(t, i, row, payload);
    return r ? r : buf_error(topic);
}

static struct span event_name(enum encode_event_type type)
{
    switch (type) {
    case ENCODE_EOS: return SPAN("\"eos\"");
    case ENCODE_CLEAR: return SPAN("\"clear\"");
    case ENCODE_LOST: return SPAN("\"lost\"");
    case ENCODE_GAP: return SPAN("\"gap\"");
    }
    return SPAN_EMPTY;
}

static int event_json(const struct encode_item *i, const struct encode_event *event, struct buf *out)
{
    add_head(out, i, event->seq, event->time_us, event_name(event->type));
    if (event->type == ENCODE_LOST) {
        buf_add_span(out, SPAN(",\"count\":"));
        buf_add_u64(out, event->count);
    } else if (event->type == ENCODE_GAP) {
        buf_add_span(out, SPAN(",\"reason\":"));
        escape_json(out, event->reason);
    }
    buf_add_char(out, '}');
    return buf_error(out);
}

int encode_event(const struct encode_table *t, const struct encode_item *i, const struct encode_event *event,
                 struct buf *topic, struct buf *payload)
{
    buf_clear(topic);
    buf_clear(payload);
    topic_write(&i->topic, SPAN_EMPTY, topic);
    int r = t->format == ENCODE_MSGPACK ? packed_event(i, event, payload) : event_json(i, event, payload);
    return r ? r : buf_error(topic);
}

int encode_replayed(enum encode_format format, const char *run, uint64_t count, bool limited,
                    struct buf *payload)
{
    buf_clear(payload);
    if (format == ENCODE_MSGPACK)
        return packed_replayed(run, count, limited, payload);
    buf_add_span(payload, SPAN("{\"v\":1,\"run\":"));
    escape_json(payload, span_of(run));
    buf_add_text(payload,
                 limited ? ",\"type\":\"replayed\",\"skipped\":" : ",\"type\":\"replayed\",\"count\":");
    buf_add_u64(payload, count);
    buf_add_char(payload, '}');
    return buf_error(payload);
}

int encode_check_topic(struct span text, struct buf *error)
{
    return topic_check(text, error);
}
