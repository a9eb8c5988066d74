/* What consumers get is valid JSON, whatever the server sent: a value under each type, and a row and an event with it.
 * The first line is the topic's template, the rest the value. */
#include <errno.h>

#include "bus/encode.h"
#include "fuzz.h"
#include "proto/jsontext.h"

static void check_json(struct span text)
{
    struct jsondoc document = {0};
    MUST(jsontext_read(&document, text));
    jsondoc_done(&document);
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
    }
}

static void check_message(const struct buf *topic, const struct buf *payload)
{
    MUST(buf_error(topic) == 0 && buf_error(payload) == 0);
    check_json(buf_span(payload));
}

static void fuzz_messages(const struct encode_table *table, const struct encode_item *item, struct span value,
                          size_t room)
{
    AUTO_BUF struct buf topic = BUF_INIT(room), payload = BUF_INIT(room), published = BUF_INIT(room);
    MUST(encode_value(ENCODE_JSON, ENCODE_STRING, false, value, &published) == 0);
    struct span values[] = {buf_span(&published), SPAN("null"), SPAN_EMPTY};
    uint64_t changed = 5;
    struct encode_row row = {.type = ENCODE_UPDATE,
                             .seq = 1,
                             .kseq = 2,
                             .values = values,
                             .changed = &changed,
                             .key = value,
                             .command = SPAN("UPDATE")};
    MUST(encode_row(table, item, &row, &topic, &payload) == 0);
    check_message(&topic, &payload);
    row.replay = true;
    row.changed = NULL;
    MUST(encode_row(table, item, &row, &topic, &payload) == 0);
    check_message(&topic, &payload);
    buf_clear(&payload);
    MUST(encode_row_json(table, item, &row, &payload) == 0);
    check_message(&topic, &payload);
    struct encode_event event = {.type = ENCODE_GAP, .seq = 3, .reason = value};
    MUST(encode_event(table, item, &event, &topic, &payload) == 0);
    check_message(&topic, &payload);
}

static void fuzz_row(const char *template, struct span value)
{
    struct encode_table *table = NULL;
    struct encode_item *item = NULL;
    const struct span fields[] = {SPAN("key"), value, SPAN("command")};
    struct encode_table_options options = {.run = "0123456789abcdef",
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
        fuzz_messages(table, item, value, (value.len + strlen(template)) * 64 + 4096);
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
    fuzz_row(good ? template : "{item}", value);
    return 0;
}
