/* Messages as INTERFACE.md, "Data socket", has them, byte by byte. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "bus/encode.h"
#include "ctl/unpack.h"

#define RUN "0123456789abcdef"

enum { MAX = 1 << 20, MAX_FIELDS = 200 };

static const struct span two_names[] = {{"last_price", 10}, {"time", 4}};
static const struct span command_names[] = {{"key", 3}, {"command", 7}, {"qty", 3}};

static struct encode_table_options options(const struct span *fields, size_t n_fields)
{
    return (struct encode_table_options){
        .format = ENCODE_JSON,
        .run = RUN,
        .session = SPAN("demo"),
        .table = SPAN("quotes"),
        .fields = fields,
        .n_fields = n_fields,
        .topic = "{item}",
    };
}

/* Says what PACKED holds as JSON, by libmsgpack's reader: the same text as JSON's encoding of it, then. */
static void expect_packed(const struct buf *packed, const char *json)
{
    AUTO_BUF struct buf text = BUF_INIT(MAX);
    ck_assert_int_eq(unpack_message(buf_span(packed), &text), 0);
    ck_assert_str_eq(buf_text(&text), json);
}

/* Row's values, which stand there as JSON, for a table of MessagePack. */
static void pack_values(const struct encode_row *row, size_t n, struct buf *bytes, struct span *ret)
{
    for (size_t i = 0; i < n; i++) {
        size_t before = bytes->len;
        if (row->values[i].len)
            ck_assert_int_eq(encode_value(ENCODE_MSGPACK, ENCODE_JSON_VALUE, false, row->values[i], bytes),
                             0);
        ret[i].len = bytes->len - before;
    }
    size_t at = 0;
    for (size_t i = 0; i < n; at += ret[i++].len)
        ret[i].at = bytes->at + at;
}

/* The same row as MessagePack; and as JSON, from the same table. */
static void expect_packed_row(const struct encode_table_options *o, struct span item,
                              const struct encode_row *row, const char *topic, const char *payload)
{
    struct encode_table_options packed_options = *o;
    packed_options.format = ENCODE_MSGPACK;
    struct encode_table *t;
    struct encode_item *i;
    AUTO_BUF struct buf out_topic = BUF_INIT(MAX), out = BUF_INIT(MAX), bytes = BUF_INIT(MAX),
                        json = BUF_INIT(MAX);
    struct span values[MAX_FIELDS];
    struct encode_row packed = *row;
    pack_values(row, o->n_fields, &bytes, values);
    packed.values = values;
    ck_assert_int_eq(encode_table_new(&packed_options, &t), 0);
    ck_assert_int_eq(encode_item_new(t, item, 2, &i), 0);
    buf_add_text(&out, "left over");
    ck_assert_int_eq(encode_row(t, i, &packed, &out_topic, &out), 0);
    expect_packed(&out, payload);
    ck_assert_str_eq(buf_text(&out_topic), topic);
    ck_assert_int_eq(encode_row_json(t, i, row, &json), 0);
    ck_assert_str_eq(buf_text(&json), payload);
    encode_item_free(i);
    encode_table_free(t);
}

/* Encodes ROW for item2 at position 2 and compares both frames. */
static void expect_row(const struct encode_table_options *o, struct span item, const struct encode_row *row,
                       const char *topic, const char *payload)
{
    struct encode_table *t;
    struct encode_item *i;
    AUTO_BUF struct buf out_topic = BUF_INIT(MAX), out = BUF_INIT(MAX);
    ck_assert_int_eq(encode_table_new(o, &t), 0);
    ck_assert_int_eq(encode_item_new(t, item, 2, &i), 0);
    buf_add_text(&out, "left over");
    ck_assert_int_eq(encode_row(t, i, row, &out_topic, &out), 0);
    ck_assert_str_eq(buf_text(&out), payload);
    ck_assert_str_eq(buf_text(&out_topic), topic);
    encode_item_free(i);
    encode_table_free(t);
    expect_packed_row(o, item, row, topic, payload);
}

static struct encode_row example_row(const struct span *values, const uint64_t *changed)
{
    return (struct encode_row){
        .type = ENCODE_UPDATE, .seq = 42, .time_us = 1732310400123456, .values = values, .changed = changed};
}

START_TEST(the_contracts_example)
{
    struct encode_table_options o = options(two_names, 2);
    const struct span values[] = {SPAN("\"3.04\""), SPAN("null")};
    uint64_t changed = 1;
    struct encode_row row = example_row(values, &changed);
    expect_row(&o, SPAN("item2"), &row, "item2",
               "{\"v\":1,\"run\":\"" RUN
               "\",\"session\":\"demo\",\"table\":\"quotes\",\"item\":\"item2\",\"pos\":2,"
               "\"seq\":42,\"time\":1732310400123456,\"type\":\"update\","
               "\"fields\":{\"last_price\":\"3.04\",\"time\":null},\"changed\":[\"last_price\"]}");
}
END_TEST

#define HEAD                                                                                                 \
    "{\"v\":1,\"run\":\"" RUN "\",\"session\":\"demo\",\"table\":\"quotes\",\"item\":\"item2\",\"pos\":2,"   \
    "\"seq\":42,\"time\":1732310400123456,\"type\":"

START_TEST(nothing_changed_and_a_snapshot)
{
    struct encode_table_options o = options(two_names, 2);
    const struct span values[] = {SPAN("\"\""), SPAN_EMPTY};
    uint64_t changed = 0;
    struct encode_row row = example_row(values, &changed);
    row.type = ENCODE_SNAPSHOT;
    expect_row(&o, SPAN("item2"), &row, "item2",
               HEAD "\"snapshot\",\"fields\":{\"last_price\":\"\",\"time\":null},\"changed\":[]}");
}
END_TEST

START_TEST(bits_past_the_last_field_are_ignored)
{
    struct encode_table_options o = options(two_names, 2);
    const struct span values[] = {SPAN("1"), SPAN("2")};
    uint64_t changed = UINT64_MAX;
    struct encode_row row = example_row(values, &changed);
    expect_row(&o, SPAN("item2"), &row, "item2",
               HEAD
               "\"update\",\"fields\":{\"last_price\":1,\"time\":2},\"changed\":[\"last_price\",\"time\"]}");
}
END_TEST

START_TEST(a_table_without_fields)
{
    struct encode_table_options o = options(NULL, 0);
    struct encode_row row = example_row(NULL, NULL);
    expect_row(&o, SPAN("item2"), &row, "item2", HEAD "\"update\",\"fields\":{}}");
}
END_TEST

START_TEST(a_replayed_row_is_whole_and_has_no_changed)
{
    struct encode_table_options o = options(two_names, 2);
    const struct span values[] = {SPAN("1"), SPAN("2")};
    struct encode_row row = example_row(values, NULL);
    row.replay = true;
    const char *expected = HEAD "\"update\",\"fields\":{\"last_price\":1,\"time\":2},\"replay\":true}";
    expect_row(&o, SPAN("item2"), &row, "item2", expected);
    o.changed_only = true;
    expect_row(&o, SPAN("item2"), &row, "item2", expected);
}
END_TEST

START_TEST(changed_only_has_just_the_changed)
{
    struct encode_table_options o = options(two_names, 2);
    o.changed_only = true;
    const struct span values[] = {SPAN("1"), SPAN("2")};
    uint64_t changed = 2;
    struct encode_row row = example_row(values, &changed);
    expect_row(&o, SPAN("item2"), &row, "item2", HEAD "\"update\",\"fields\":{\"time\":2}}");
    changed = 0;
    expect_row(&o, SPAN("item2"), &row, "item2", HEAD "\"update\",\"fields\":{}}");
    o.always_whole = true;
    expect_row(&o, SPAN("item2"), &row, "item2",
               HEAD "\"update\",\"fields\":{\"last_price\":1,\"time\":2},\"changed\":[]}");
}
END_TEST

static struct encode_row command_row(const struct span *values, const uint64_t *changed)
{
    struct encode_row row = example_row(values, changed);
    row.key = SPAN("k \"1\"");
    row.command = SPAN("UPDATE");
    row.kseq = 7;
    return row;
}

START_TEST(command_rows)
{
    struct encode_table_options o = options(command_names, 3);
    o.key_field = 1;
    o.command_field = 2;
    o.topic = "{table}/{item}/{key}/{key}";
    const struct span values[] = {SPAN("\"k \\\"1\\\"\""), SPAN("\"UPDATE\""), SPAN("\"5\"")};
    uint64_t changed = 4;
    struct encode_row row = command_row(values, &changed);
    expect_row(
        &o, SPAN("item2"), &row, "quotes/item2/k \"1\"/k \"1\"",
        HEAD
        "\"update\",\"key\":\"k \\\"1\\\"\",\"command\":\"UPDATE\",\"kseq\":7,"
        "\"fields\":{\"key\":\"k \\\"1\\\"\",\"command\":\"UPDATE\",\"qty\":\"5\"},\"changed\":[\"qty\"]}");
    o.changed_only = true;
    changed = 0;
    expect_row(&o, SPAN("item2"), &row, "quotes/item2/k \"1\"/k \"1\"",
               HEAD "\"update\",\"key\":\"k \\\"1\\\"\",\"command\":\"UPDATE\",\"kseq\":7,"
                    "\"fields\":{\"key\":\"k \\\"1\\\"\",\"command\":\"UPDATE\"}}");
}
END_TEST

/* Changed bits in every word of the map, and key and command in different ones. */
START_TEST(many_fields)
{
    static char texts[MAX_FIELDS][8];
    struct span names[MAX_FIELDS], values[MAX_FIELDS];
    uint64_t changed[(MAX_FIELDS + 63) / 64] = {0};
    AUTO_BUF struct buf expected = BUF_INIT(MAX), only = BUF_INIT(MAX);
    buf_add_text(&expected,
                 HEAD "\"update\",\"key\":\"k \\\"1\\\"\",\"command\":\"UPDATE\",\"kseq\":7,\"fields\":{");
    buf_add_span(&only, buf_span(&expected));
    bool first = true;
    for (size_t i = 0; i < MAX_FIELDS; i++) {
        int n = snprintf(texts[i], sizeof texts[i], "f%zu", i);
        names[i] = span_make(texts[i], (size_t)n);
        values[i] = span_make(texts[i] + 1, (size_t)n - 1);
        buf_printf(&expected, "%s\"f%zu\":%zu", i ? "," : "", i, i);
        if (i % 3 == 0)
            changed[i / 64] |= (uint64_t)1 << i % 64;
        if (i % 3 == 0 || i == 64 || i == 130) {
            buf_printf(&only, "%s\"f%zu\":%zu", first ? "" : ",", i, i);
            first = false;
        }
    }
    buf_add_text(&expected, "},\"changed\":[");
    for (size_t i = 0; i < MAX_FIELDS; i += 3)
        buf_printf(&expected, "%s\"f%zu\"", i ? "," : "", i);
    buf_add_text(&expected, "]}");
    buf_add_text(&only, "}}");
    struct encode_table_options o = options(names, MAX_FIELDS);
    o.key_field = 65;
    o.command_field = 131;
    struct encode_row row = command_row(values, changed);
    expect_row(&o, SPAN("item2"), &row, "item2", buf_text(&expected));
    o.changed_only = true;
    expect_row(&o, SPAN("item2"), &row, "item2", buf_text(&only));
}
END_TEST

START_TEST(names_are_escaped)
{
    const struct span names[] = {SPAN("a\"b"), SPAN("c\xff")};
    struct encode_table_options o = options(names, 2);
    o.session = SPAN("d");
    o.table = SPAN("t");
    const struct span values[] = {SPAN("1"), SPAN("2")};
    uint64_t changed = 2;
    struct encode_row row = example_row(values, &changed);
    expect_row(&o, SPAN("i\x01\xe2\x82"), &row, "i\x01\xef\xbf\xbd",
               "{\"v\":1,\"run\":\"" RUN
               "\",\"session\":\"d\",\"table\":\"t\",\"item\":\"i\\u0001\xef\xbf\xbd\",\"pos\":2,"
               "\"seq\":42,\"time\":1732310400123456,\"type\":\"update\","
               "\"fields\":{\"a\\\"b\":1,\"c\xef\xbf\xbd\":2},\"changed\":[\"c\xef\xbf\xbd\"]}");
}
END_TEST

START_TEST(numbers_of_every_length)
{
    uint64_t value = 0;
    for (int digits = 0; digits <= 20; digits++, value = value * 10 + (uint64_t)digits % 10) {
        struct encode_table_options o = options(NULL, 0);
        struct encode_row row = example_row(NULL, NULL);
        row.seq = digits == 20 ? UINT64_MAX : value;
        row.time_us = row.seq;
        char expected[300];
        snprintf(expected, sizeof expected,
                 "{\"v\":1,\"run\":\"" RUN
                 "\",\"session\":\"demo\",\"table\":\"quotes\",\"item\":\"i\",\"pos\":2,"
                 "\"seq\":%llu,\"time\":%llu,\"type\":\"update\",\"fields\":{}}",
                 (unsigned long long)row.seq, (unsigned long long)row.seq);
        expect_row(&o, SPAN("i"), &row, "i", expected);
    }
}
END_TEST

static void expect_event_in(enum encode_format format, const char *topic_template,
                            const struct encode_event *event, const char *topic, const char *payload)
{
    struct encode_table_options o = options(two_names, 2);
    o.format = format;
    struct encode_table *t;
    struct encode_item *i;
    AUTO_BUF struct buf out_topic = BUF_INIT(MAX), out = BUF_INIT(MAX);
    o.topic = topic_template;
    ck_assert_int_eq(encode_table_new(&o, &t), 0);
    ck_assert_int_eq(encode_item_new(t, SPAN("item2"), 2, &i), 0);
    ck_assert_int_eq(encode_event(t, i, event, &out_topic, &out), 0);
    if (format == ENCODE_MSGPACK)
        expect_packed(&out, payload);
    else
        ck_assert_str_eq(buf_text(&out), payload);
    ck_assert_str_eq(buf_text(&out_topic), topic);
    encode_item_free(i);
    encode_table_free(t);
}

static void expect_event(const char *topic_template, const struct encode_event *event, const char *topic,
                         const char *payload)
{
    expect_event_in(ENCODE_JSON, topic_template, event, topic, payload);
    expect_event_in(ENCODE_MSGPACK, topic_template, event, topic, payload);
}

START_TEST(item_events)
{
    struct encode_event event = {.type = ENCODE_EOS, .seq = 42, .time_us = 1732310400123456};
    expect_event("{session}:{table}:{item}:{pos}:{key}:", &event, "demo:quotes:item2:2::", HEAD "\"eos\"}");
    event.type = ENCODE_CLEAR;
    expect_event("{key}", &event, "", HEAD "\"clear\"}");
    event.type = ENCODE_LOST;
    event.count = 3;
    expect_event("x", &event, "x", HEAD "\"lost\",\"count\":3}");
    event.type = ENCODE_GAP;
    event.reason = SPAN("session lost");
    expect_event("", &event, "", HEAD "\"gap\",\"reason\":\"session lost\"}");
}
END_TEST

START_TEST(the_end_of_a_replay)
{
    AUTO_BUF struct buf out = BUF_INIT(MAX);
    ck_assert_int_eq(encode_replayed(ENCODE_JSON, RUN, 3, false, &out), 0);
    ck_assert_str_eq(buf_text(&out), "{\"v\":1,\"run\":\"" RUN "\",\"type\":\"replayed\",\"count\":3}");
    ck_assert_int_eq(encode_replayed(ENCODE_JSON, RUN, 20000, true, &out), 0);
    ck_assert_str_eq(buf_text(&out), "{\"v\":1,\"run\":\"" RUN "\",\"type\":\"replayed\",\"skipped\":20000}");
    ck_assert_int_eq(encode_replayed(ENCODE_MSGPACK, RUN, 3, false, &out), 0);
    expect_packed(&out, "{\"v\":1,\"run\":\"" RUN "\",\"type\":\"replayed\",\"count\":3}");
    ck_assert_int_eq(encode_replayed(ENCODE_MSGPACK, RUN, 20000, true, &out), 0);
    expect_packed(&out, "{\"v\":1,\"run\":\"" RUN "\",\"type\":\"replayed\",\"skipped\":20000}");
}
END_TEST

START_TEST(rows_of_a_control_reply_are_added)
{
    struct encode_table_options o = options(two_names, 2);
    struct encode_table *t;
    struct encode_item *i;
    AUTO_BUF struct buf out = BUF_INIT(MAX);
    const struct span values[] = {SPAN("1"), SPAN("2")};
    struct encode_row row = example_row(values, NULL);
    ck_assert_int_eq(encode_table_new(&o, &t), 0);
    ck_assert_int_eq(encode_item_new(t, SPAN("item2"), 2, &i), 0);
    buf_add_char(&out, '[');
    ck_assert_int_eq(encode_row_json(t, i, &row, &out), 0);
    ck_assert_str_eq(buf_text(&out), "[" HEAD "\"update\",\"fields\":{\"last_price\":1,\"time\":2}}");
    encode_item_free(i);
    encode_table_free(t);
}
END_TEST

START_TEST(keys_in_topics_are_utf8)
{
    struct encode_table_options o = options(command_names, 3);
    o.key_field = 1;
    o.command_field = 2;
    o.topic = "<{key}>";
    const struct span values[] = {SPAN("1"), SPAN("2"), SPAN("3")};
    struct encode_row row = command_row(values, NULL);
    row.key = SPAN("\xc3\xa9\xff\xe2\x82z");
    expect_row(&o, SPAN("item2"), &row, "<\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz>",
               HEAD
               "\"update\",\"key\":\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\",\"command\":\"UPDATE\",\"kseq\":7,"
               "\"fields\":{\"key\":1,\"command\":2,\"qty\":3}}");
}
END_TEST

START_TEST(a_full_buffer_says_so)
{
    struct encode_table_options o = options(two_names, 2);
    struct encode_table *t;
    struct encode_item *i;
    const struct span values[] = {SPAN("1"), SPAN("2")};
    uint64_t changed = 3;
    struct encode_row row = example_row(values, &changed);
    ck_assert_int_eq(encode_table_new(&o, &t), 0);
    ck_assert_int_eq(encode_item_new(t, SPAN("item2"), 2, &i), 0);
    for (size_t max = 0; max < 180; max += 7) {
        AUTO_BUF struct buf topic = BUF_INIT(MAX), payload = BUF_INIT(max);
        ck_assert_int_eq(encode_row(t, i, &row, &topic, &payload), -ENOBUFS);
    }
    AUTO_BUF struct buf topic = BUF_INIT(4), payload = BUF_INIT(MAX);
    ck_assert_int_eq(encode_row(t, i, &row, &topic, &payload), -ENOBUFS);
    encode_item_free(i);
    encode_table_free(t);
}
END_TEST

START_TEST(topic_templates)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", NULL},
        {"{item}", NULL},
        {"a}b{session}{table}{item}{pos}{key}c", NULL},
        {"{nope}", "{nope} is none of {session} {table} {item} {pos} {key}"},
        {"a{}", "{} is none of {session} {table} {item} {pos} {key}"},
        {"a{item", "\"{item\" is an opening brace without its closing one"},
        {"{", "\"{\" is an opening brace without its closing one"},
        {"{{item}}", "{{item} is none of {session} {table} {item} {pos} {key}"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO_BUF struct buf error = BUF_INIT(MAX);
        struct encode_table *t = NULL;
        struct encode_table_options o = options(two_names, 2);
        o.topic = cases[i].text;
        ck_assert_int_eq(encode_check_topic(span_of(cases[i].text), &error), cases[i].error != NULL);
        ck_assert_str_eq(buf_text(&error), cases[i].error ? cases[i].error : "");
        ck_assert_int_eq(encode_table_new(&o, &t), cases[i].error ? -EINVAL : 0);
        encode_table_free(t);
    }
}
END_TEST

/* EXPECTED NULL: a misfit, so the value stays the string that it is (and needs no escapes). */
static void expect_value(enum encode_type type, const char *value, const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(MAX), text = BUF_INIT(MAX);
    buf_add_char(&out, '<');
    int r = encode_value(ENCODE_JSON, type, false, span_of(value), &out);
    buf_printf(&text, expected ? "<%s" : "<\"%s\"", expected ? expected : value);
    ck_assert_msg(r == (expected ? 0 : ENCODE_MISFIT), "type %d: %s", (int)type, value);
    ck_assert_str_eq(buf_text(&out), buf_text(&text));
}

START_TEST(numbers)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "10",
                                       "1.5",
                                       "0.50",
                                       "-0.0",
                                       "1e5",
                                       "1E+05",
                                       "2.5e-3",
                                       "1e999",
                                       "123456789012345678901234567890.5"};
    static const char *const bad[] = {"",    "-",  "+1", "01",  "-01", ".5",       "1.",   "1e",    "1e+",
                                      "0x1", " 1", "1 ", "1,5", "NaN", "Infinity", "null", "1.5.5", "1-"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        expect_value(ENCODE_NUMBER, good[i], good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_value(ENCODE_NUMBER, bad[i], NULL);
}
END_TEST

START_TEST(integers)
{
    static const char *const good[] = {"0", "-0", "7", "-12", "9007199254740991", "-9007199254740991"};
    static const char *const bad[] = {"",
                                      "-",
                                      "1.0",
                                      "1e3",
                                      "007",
                                      "+7",
                                      "9007199254740992",
                                      "-9007199254740992",
                                      "99999999999999999999999",
                                      "--1",
                                      "1-"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        expect_value(ENCODE_INTEGER, good[i], good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_value(ENCODE_INTEGER, bad[i], NULL);
}
END_TEST

START_TEST(booleans)
{
    expect_value(ENCODE_BOOLEAN, "true", "true");
    expect_value(ENCODE_BOOLEAN, "false", "false");
    expect_value(ENCODE_BOOLEAN, "1", "true");
    expect_value(ENCODE_BOOLEAN, "0", "false");
    static const char *const bad[] = {"", "TRUE", "yes", "2", "true ", "10"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_value(ENCODE_BOOLEAN, bad[i], NULL);
}
END_TEST

START_TEST(json_values)
{
    static const struct {
        const char *in, *out;
    } good[] = {
        {"{}", "{}"},
        {" [ ] ", "[]"},
        {"\n{ \"a\" : [ 1 , 2.50,{} ,[ ]], \"a\":null }\r\n", "{\"a\":[1,2.50,{},[]],\"a\":null}"},
        {"true", "true"},
        {"\"\"", "\"\""},
        {" -1.0e+7\t", "-1.0e+7"},
        {"\"a  b\\n\\u00e9\\ud83d\\ude00\\/\xc3\xa9\"", "\"a  b\\n\\u00e9\\ud83d\\ude00\\/\xc3\xa9\""},
        {"[[1],{\"b\":[{}]},\"]\"]", "[[1],{\"b\":[{}]},\"]\"]"},
        {"{\"a\":{\"b\":{}},\"c\":[]}", "{\"a\":{\"b\":{}},\"c\":[]}"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        expect_value(ENCODE_JSON_VALUE, good[i].in, good[i].out);
    static const char *const bad[] = {
        "",      " ",   "{",   "[",         "]",   "}",   "{]",    "[}",   "[1,]",  "[,1]", "{,}",
        "[1 2]", "1 2", "tru", "truefalse", "nul", "'a'", "{a:1}", "01",   "[1],",  "[1]]", "{1:2}",
        "+1",    ".5",  "//",  "[1]x",      "NaN", "[-]", "[1.]",  "{}{}", "[\f1]",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        if (!strpbrk(bad[i], "\f"))
            expect_value(ENCODE_JSON_VALUE, bad[i], NULL);
}
END_TEST

/* What must be escaped once it stays a string. */
START_TEST(json_misfits_with_escapes)
{
    const struct {
        struct span in;
        const char *out;
    } cases[] = {
        {SPAN("\"\\ud800\""), "\"\\\"\\\\ud800\\\"\""},
        {SPAN("\"\\udc00\\ud800\""), "\"\\\"\\\\udc00\\\\ud800\\\"\""},
        {SPAN("\"\\x\""), "\"\\\"\\\\x\\\"\""},
        {SPAN("\"\\u12g4\""), "\"\\\"\\\\u12g4\\\"\""},
        {SPAN("\"\\"), "\"\\\"\\\\\""},
        {SPAN("\"a"), "\"\\\"a\""},
        {SPAN("\"a\nb\""), "\"\\\"a\\nb\\\"\""},
        {SPAN("\"\xff\""), "\"\\\"\xef\xbf\xbd\\\"\""},
        {SPAN("{\"a\"}"), "\"{\\\"a\\\"}\""},
        {SPAN("{\"a\":}"), "\"{\\\"a\\\":}\""},
        {SPAN("{\"a\":1,}"), "\"{\\\"a\\\":1,}\""},
        {SPAN("{\"a\" 1}"), "\"{\\\"a\\\" 1}\""},
        {SPAN("[1,\"b\" \"c\"]"), "\"[1,\\\"b\\\" \\\"c\\\"]\""},
        {SPAN("[1\0]"), "\"[1\\u0000]\""},
        {SPAN("1\0"), "\"1\\u0000\""},
        {SPAN("\"\\\0\""), "\"\\\"\\\\\\u0000\\\"\""},
        {SPAN("[\f1]"), "\"[\\f1]\""},
        {SPAN("\xef\xbb\xbf{}"), "\"\xef\xbb\xbf{}\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(MAX);
        ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_JSON_VALUE, false, cases[i].in, &out),
                         ENCODE_MISFIT);
        ck_assert_str_eq(buf_text(&out), cases[i].out);
    }
}
END_TEST

static void add_nested(struct buf *out, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        buf_add_text(out, i % 2 ? "[" : "{\"a\":");
    buf_add_char(out, '1');
    for (size_t i = depth; i-- > 0;)
        buf_add_char(out, i % 2 ? ']' : '}');
}

START_TEST(json_has_a_depth)
{
    AUTO_BUF struct buf in = BUF_INIT(MAX), out = BUF_INIT(MAX);
    add_nested(&in, ENCODE_JSON_MAX_DEPTH);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_JSON_VALUE, false, buf_span(&in), &out), 0);
    ck_assert(span_equal(buf_span(&in), buf_span(&out)));
    buf_clear(&in);
    add_nested(&in, ENCODE_JSON_MAX_DEPTH + 1);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_JSON_VALUE, false, buf_span(&in), &out), ENCODE_MISFIT);
    buf_clear(&in);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&in, '[');
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_JSON_VALUE, false, buf_span(&in), &out), ENCODE_MISFIT);
}
END_TEST

START_TEST(strings_and_null)
{
    AUTO_BUF struct buf out = BUF_INIT(MAX);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_STRING, false, SPAN("a\"\0b"), &out), 0);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_STRING, false, SPAN_EMPTY, &out), 0);
    for (enum encode_type type = ENCODE_STRING; type <= ENCODE_JSON_VALUE; type++)
        ck_assert_int_eq(encode_value(ENCODE_JSON, type, true, SPAN_EMPTY, &out), 0);
    ck_assert_str_eq(buf_text(&out), "\"a\\\"\\u0000b\"\"\"nullnullnullnullnull");
    AUTO_BUF struct buf small = BUF_INIT(3);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_STRING, false, SPAN("abc"), &small), -ENOBUFS);
    buf_clear(&small);
    ck_assert_int_eq(encode_value(ENCODE_JSON, ENCODE_JSON_VALUE, false, SPAN("[1,2]"), &small), -ENOBUFS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encode");
    TCase *messages = tcase_create("messages"), *values = tcase_create("values");
    tcase_add_test(messages, the_contracts_example);
    tcase_add_test(messages, nothing_changed_and_a_snapshot);
    tcase_add_test(messages, bits_past_the_last_field_are_ignored);
    tcase_add_test(messages, a_table_without_fields);
    tcase_add_test(messages, a_replayed_row_is_whole_and_has_no_changed);
    tcase_add_test(messages, changed_only_has_just_the_changed);
    tcase_add_test(messages, command_rows);
    tcase_add_test(messages, many_fields);
    tcase_add_test(messages, names_are_escaped);
    tcase_add_test(messages, numbers_of_every_length);
    tcase_add_test(messages, item_events);
    tcase_add_test(messages, the_end_of_a_replay);
    tcase_add_test(messages, rows_of_a_control_reply_are_added);
    tcase_add_test(messages, keys_in_topics_are_utf8);
    tcase_add_test(messages, a_full_buffer_says_so);
    tcase_add_test(messages, topic_templates);
    tcase_add_test(values, strings_and_null);
    tcase_add_test(values, numbers);
    tcase_add_test(values, integers);
    tcase_add_test(values, booleans);
    tcase_add_test(values, json_values);
    tcase_add_test(values, json_misfits_with_escapes);
    tcase_add_test(values, json_has_a_depth);
    suite_add_tcase(suite, messages);
    suite_add_tcase(suite, values);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
