/* What consumers get is valid JSON, and MessagePack that says the same, whatever the server sent: a value under each type, and
 * a row and an event with it.
 * The first line is the topic's template, the rest the value. */
#include <errno.h>

#include "bus/encode.h"
#include "ctl/unpack.h"
#include "fuzz.h"
#include "proto/jsontext.h"

static void check_json(struct span text)
{
    struct jsondoc document = {0};
    MUST(jsontext_read(&document, text));
    jsondoc_done(&document);
}

/* One value of a MessagePack table: what libmsgpack reads of it is valid JSON again; a string's is that of a JSON table. */
static void fuzz_packed(enum encode_type type, struct span value)
{
    AUTO_BUF struct buf out = BUF_INIT(value.len * 6 + 64), text = BUF_INIT(SIZE_MAX),
                        json = BUF_INIT(SIZE_MAX);
    buf_add_text(&out, "\x81\xa1k");
    int r = encode_value(ENCODE_MSGPACK, type, false, value, &out);
    MUST(r == 0 || r == ENCODE_MISFIT);
    MUST(unpack_message(buf_span(&out), &text) == 0);
    check_json(buf_span(&text));
    if (r == 0 && type != ENCODE_STRING)
        return;
    buf_add_text(&json, "{\"k\":");
    MUST(encode_value(ENCODE_JSON, ENCODE_STRING, false, value, &json) == 0);
    buf_add_char(&json, '}');
    MUST(span_equal(buf_span(&json), buf_span(&text)));
}

static void fuzz_types(struct span value)
{
    static const enum encode_type types[] = {ENCODE_STRING, ENCODE_NUMBER, ENCODE_INTEGER, ENCODE_BOOLEAN,
                                             ENCODE_JSON_VALUE};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        AUTO_BUF struct buf out = BUF_INIT(value.len * 6 + 16);
        int r = encode_value(ENCODE_JSON, types[i], false, value, &out);
        MUST(r == 0 || r == ENCODE_MISFIT);
        MUST(buf_error(&out) == 0);
        check_json(buf_span(&out));
        fuzz_packed(types[i], value);
    }
}

/* Adds what the message says, as JSON, to SAID. */
static void hear(enum encode_format format, const struct buf *topic, const struct buf *payload,
                 struct buf *said)
{
    AUTO_BUF struct buf text = BUF_INIT(SIZE_MAX);
    MUST(buf_error(topic) == 0 && buf_error(payload) == 0);
    if (format == ENCODE_MSGPACK)
        MUST(unpack_message(buf_span(payload), &text) == 0);
    else
        buf_add_span(&text, buf_span(payload));
    check_json(buf_span(&text));
    buf_add_span(said, buf_span(topic));
    buf_add_span(said, buf_span(&text));
}

static void fuzz_messages(enum encode_format format, const struct encode_table *table,
                          const struct encode_item *item, struct span value, size_t room, struct buf *said)
{
    AUTO_BUF struct buf topic = BUF_INIT(room), payload = BUF_INIT(room), published = BUF_INIT(room),
                        json = BUF_INIT(room), null = BUF_INIT(8);
    MUST(encode_value(format, ENCODE_STRING, false, value, &published) == 0);
    MUST(encode_value(ENCODE_JSON, ENCODE_STRING, false, value, &json) == 0);
    MUST(encode_value(format, ENCODE_STRING, true, SPAN_EMPTY, &null) == 0);
    struct span values[] = {buf_span(&published), buf_span(&null), SPAN_EMPTY};
    struct span json_values[] = {buf_span(&json), SPAN("null"), SPAN_EMPTY};
    uint64_t changed = 5;
    struct encode_row row = {.type = ENCODE_UPDATE,
                             .seq = 1,
                             .kseq = 2,
                             .values = values,
                             .changed = &changed,
                             .key = value,
                             .command = SPAN("UPDATE")};
    MUST(encode_row(table, item, &row, &topic, &payload) == 0);
    hear(format, &topic, &payload, said);
    row.replay = true;
    row.changed = NULL;
    MUST(encode_row(table, item, &row, &topic, &payload) == 0);
    hear(format, &topic, &payload, said);
    buf_clear(&payload);
    row.values = json_values;
    MUST(encode_row_json(table, item, &row, &payload) == 0);
    hear(ENCODE_JSON, &topic, &payload, said);
    struct encode_event event = {.type = ENCODE_GAP, .seq = 3, .reason = value};
    MUST(encode_event(table, item, &event, &topic, &payload) == 0);
    hear(format, &topic, &payload, said);
}

static void fuzz_row(enum encode_format format, const char *template, struct span value, struct buf *said)
{
    struct encode_table *table = NULL;
    struct encode_item *item = NULL;
    const struct span fields[] = {SPAN("key"), value, SPAN("command")};
    struct encode_table_options options = {.format = format,
                                           .run = "0123456789abcdef",
                                           .session = SPAN("s"),
                                           .table = value,
                                           .fields = fields,
                                           .n_fields = ARRAY_LENGTH(fields),
                                           .key_field = 1,
                                           .command_field = 3,
                                           .topic = template};
    int r = encode_table_new(&options, &table);
    MUST(r == 0 || r == -EINVAL || r == -ENOBUFS);
    if (r == 0)
        r = encode_item_new(table, value, 1, &item);
    MUST(r <= 0 && r != -ENOMEM);
    if (r == 0)
        fuzz_messages(format, table, item, value, (value.len + strlen(template)) * 64 + 4096, said);
    encode_item_free(item);
    encode_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span value = fuzz_input(data, size), first = SPAN_EMPTY;
    span_cut(&value, '\n', &first);
    AUTO_FREE char *template = span_dup(first);
    AUTO_BUF struct buf why = BUF_INIT(1 << 16);
    MUST(template);
    bool good = encode_check_topic(span_of(template), &why) == 0;
    MUST(good == (why.len == 0));
    fuzz_types(value);
    AUTO_BUF struct buf json = BUF_INIT(SIZE_MAX), packed = BUF_INIT(SIZE_MAX);
    fuzz_row(ENCODE_JSON, good ? template : "{item}", value, &json);
    fuzz_row(ENCODE_MSGPACK, good ? template : "{item}", value, &packed);
    MUST(span_equal(buf_span(&json), buf_span(&packed)));
    return 0;
}
