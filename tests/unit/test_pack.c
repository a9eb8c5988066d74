/* Values of MessagePack tables, byte by byte; what libmsgpack reads of them is in test_encode.c. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/encode.h"
#include "ctl/unpack.h"

enum { MAX = 1 << 20 };

static struct buf packed(enum encode_type type, struct span value, int expected)
{
    struct buf out = BUF_INIT(MAX);
    int r = encode_value(ENCODE_MSGPACK, type, false, value, &out);
    ck_assert_msg(r == expected, "type %d: %.*s: %d", (int)type, SPAN_ARG(value), r);
    return out;
}

static void expect(enum encode_type type, struct span value, struct span bytes)
{
    AUTO_BUF struct buf out = packed(type, value, 0);
    ck_assert_msg(span_equal(buf_span(&out), bytes), "type %d: %.*s: %zu bytes", (int)type, SPAN_ARG(value),
                  out.len);
}

/* It stays the string that it is. */
static void expect_misfit(enum encode_type type, struct span value)
{
    AUTO_BUF struct buf out = packed(type, value, ENCODE_MISFIT);
    AUTO_BUF struct buf string = packed(ENCODE_STRING, value, 0);
    ck_assert(span_equal(buf_span(&out), buf_span(&string)));
}

START_TEST(strings)
{
    expect(ENCODE_STRING, SPAN_EMPTY, SPAN("\xa0"));
    expect(ENCODE_STRING, SPAN("3.04"),
           SPAN("\xa4"
                "3.04"));
    expect(ENCODE_STRING, SPAN("a\0\"\\"),
           SPAN("\xa4"
                "a\0\"\\"));
    expect(ENCODE_STRING, SPAN("\xc3\xa9"), SPAN("\xa2\xc3\xa9"));
    /* One U+FFFD for each ill-formed part, and the length is that of what is written. */
    expect(ENCODE_STRING, SPAN("x\xff"), SPAN("\xa4x\xef\xbf\xbd"));
    expect(ENCODE_STRING, SPAN("\xf0\x9f\x98z\xe2\x82"), SPAN("\xa7\xef\xbf\xbdz\xef\xbf\xbd"));
    char text[70000];
    memset(text, 'a', sizeof text);
    static const struct {
        size_t n, head;
        const char bytes[5];
    } cases[] = {{31, 1, "\xbf"},          {32, 2, "\xd9\x20"},        {255, 2, "\xd9\xff"},
                 {256, 3, "\xda\x01\x00"}, {65535, 3, "\xda\xff\xff"}, {65536, 5, "\xdb\x00\x01\x00\x00"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO_BUF struct buf out = packed(ENCODE_STRING, span_make(text, cases[i].n), 0);
        ck_assert_uint_eq(out.len, cases[i].head + cases[i].n);
        ck_assert_mem_eq(out.at, cases[i].bytes, cases[i].head);
        ck_assert_mem_eq(out.at + cases[i].head, text, cases[i].n);
    }
}
END_TEST

START_TEST(null_of_any_type)
{
    AUTO_BUF struct buf out = BUF_INIT(MAX);
    for (enum encode_type type = ENCODE_STRING; type <= ENCODE_JSON_VALUE; type++)
        ck_assert_int_eq(encode_value(ENCODE_MSGPACK, type, true, SPAN_EMPTY, &out), 0);
    ck_assert_str_eq(buf_text(&out), "\xc0\xc0\xc0\xc0\xc0");
}
END_TEST

START_TEST(booleans)
{
    expect(ENCODE_BOOLEAN, SPAN("true"), SPAN("\xc3"));
    expect(ENCODE_BOOLEAN, SPAN("1"), SPAN("\xc3"));
    expect(ENCODE_BOOLEAN, SPAN("false"), SPAN("\xc2"));
    expect(ENCODE_BOOLEAN, SPAN("0"), SPAN("\xc2"));
    expect_misfit(ENCODE_BOOLEAN, SPAN("yes"));
    expect_misfit(ENCODE_BOOLEAN, SPAN_EMPTY);
}
END_TEST

START_TEST(integers)
{
    expect(ENCODE_INTEGER, SPAN("0"), SPAN("\x00"));
    expect(ENCODE_INTEGER, SPAN("-0"), SPAN("\x00"));
    expect(ENCODE_INTEGER, SPAN("127"), SPAN("\x7f"));
    expect(ENCODE_INTEGER, SPAN("128"), SPAN("\xcc\x80"));
    expect(ENCODE_INTEGER, SPAN("-32"), SPAN("\xe0"));
    expect(ENCODE_INTEGER, SPAN("-33"), SPAN("\xd0\xdf"));
    expect(ENCODE_INTEGER, SPAN("65536"), SPAN("\xce\x00\x01\x00\x00"));
    expect(ENCODE_INTEGER, SPAN("9007199254740993"), SPAN("\xcf\x00\x20\x00\x00\x00\x00\x00\x01"));
    expect(ENCODE_INTEGER, SPAN("18446744073709551615"), SPAN("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    expect(ENCODE_INTEGER, SPAN("-9223372036854775808"), SPAN("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"));
    static const char *const bad[] = {
        "", "-", "1.0", "1e3", "007", "+7", "18446744073709551616", "-9223372036854775809", "1 "};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_misfit(ENCODE_INTEGER, span_of(bad[i]));
}
END_TEST

/* Text is a double, and this one. */
static void expect_double(const char *text)
{
    AUTO_BUF struct buf out = packed(ENCODE_NUMBER, span_of(text), 0);
    double wanted = strtod(text, NULL);
    uint64_t bits = 0, wanted_bits;
    ck_assert_uint_eq(out.len, 9);
    ck_assert_uint_eq((unsigned char)out.at[0], 0xcb);
    for (size_t i = 1; i < 9; i++)
        bits = bits << 8 | (unsigned char)out.at[i];
    memcpy(&wanted_bits, &wanted, sizeof bits);
    ck_assert_msg(bits == wanted_bits, "%s", text);
}

START_TEST(numbers)
{
    expect(ENCODE_NUMBER, SPAN("42"), SPAN("\x2a"));
    expect(ENCODE_NUMBER, SPAN("18446744073709551615"), SPAN("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    static const char *const good[] = {"-0",
                                       "0.0",
                                       "-0.0e7",
                                       "0e99999999999999999999",
                                       "3.04",
                                       "-1.50e+3",
                                       "1.0",
                                       "0.1",
                                       "1e5",
                                       "1E-05",
                                       "100.00000000000000000000000000000000000000000000000000000000",
                                       "0.00000000000000000000000000000000000000000000000012",
                                       "123456.78901234567",
                                       "0.30000000000000004",
                                       "1e308",
                                       "1.7976931348623157e308",
                                       "2.2250738585072014e-308",
                                       "5e-324",
                                       "1e0000000000000000000000000000007",
                                       "100000000000000000000"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        expect_double(good[i]);
    static const char *const bad[] = {"", "-", "+1", "01", ".5", "1.", "1e", "NaN", "null", "1 "};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_misfit(ENCODE_NUMBER, span_of(bad[i]));
}
END_TEST

START_TEST(numbers_that_a_double_would_change)
{
    static const char *const lost[] = {"18446744073709551617",
                                       "123456789012345678901234567890.5",
                                       "0.1234567890123456789",
                                       "1e309",
                                       "-1e400",
                                       "1e-400",
                                       "4e-324",
                                       "0.500000000000000000000000000001",
                                       "1e99999999999999999999",
                                       "9.9e-99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LENGTH(lost); i++)
        expect_misfit(ENCODE_NUMBER, span_of(lost[i]));
    char exact[800], longer[2000];
    /* 2^-1074, the smallest: every one of its digits is kept. */
    snprintf(exact, sizeof exact, "%.*e", 750, 0x1p-1074);
    expect_double(exact);
    memset(longer, '7', sizeof longer - 1);
    longer[1] = '.';
    longer[sizeof longer - 1] = '\0';
    expect_misfit(ENCODE_NUMBER, span_of(longer));
    /* Zeros behind are no digits. */
    memset(longer + 3, '0', sizeof longer - 4);
    expect_double(longer);
}
END_TEST

START_TEST(doubles_come_back)
{
    uint64_t state = 42;
    for (int i = 0; i < 20000; i++) {
        double value;
        char text[40];
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state ^ state >> 29;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.17g", value);
        if (strpbrk(text, ".e"))
            expect_double(text);
    }
}
END_TEST

START_TEST(json_values)
{
    expect(ENCODE_JSON_VALUE, SPAN(" {\"a\" : [1.5, null, true], \"b\":{}, \"c\":[] } "),
           SPAN("\x83\xa1"
                "a\x93\xcb\x3f\xf8\0\0\0\0\0\0\xc0\xc3\xa1"
                "b\x80\xa1"
                "c\x90"));
    expect(ENCODE_JSON_VALUE, SPAN("\"x\""), SPAN("\xa1x"));
    expect(ENCODE_JSON_VALUE, SPAN("-1"), SPAN("\xff"));
    expect(ENCODE_JSON_VALUE, SPAN("false"), SPAN("\xc2"));
    expect(ENCODE_JSON_VALUE, SPAN("\"\\b\\f\\n\\r\\t\\/\\\\\\\"\""), SPAN("\xa8\b\f\n\r\t/\\\""));
    expect(ENCODE_JSON_VALUE, SPAN("\"\\u0000\\u0041\\u00E9\\u20ac\\ud83d\\uDE00\""),
           SPAN("\xab\0A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    static const char *const bad[] = {
        "{\"a\":1e999}", "[1,0.1234567890123456789]", "[1", "{\"a\":1,}", "\"\\ud800\"", "\xff", "", "[1]]"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_misfit(ENCODE_JSON_VALUE, span_of(bad[i]));
}
END_TEST

/* {"k":VALUE} as libmsgpack reads it. */
static void expect_read(struct span value, const char *json)
{
    AUTO_BUF struct buf out = BUF_INIT(MAX), text = BUF_INIT(MAX);
    buf_add_text(&out, "\x81\xa1k");
    ck_assert_int_eq(encode_value(ENCODE_MSGPACK, ENCODE_JSON_VALUE, false, value, &out), 0);
    ck_assert_int_eq(unpack_message(buf_span(&out), &text), 0);
    buf_drop_front(&text, strlen("{\"k\":"));
    text.len--;
    ck_assert_str_eq(buf_text(&text), json);
}

START_TEST(json_of_many_elements)
{
    for (size_t n = 1; n < 70000; n = n < 20 ? n + 1 : n * 4) {
        AUTO_BUF struct buf in = BUF_INIT(MAX);
        buf_add_text(&in, "[[");
        for (size_t i = 0; i < n; i++)
            buf_add_text(&in, i ? ",7" : "7");
        buf_add_text(&in, "],{\"a\":\"");
        for (size_t i = 0; i < n; i++)
            buf_add_char(&in, 'x');
        buf_add_text(&in, "\"}]");
        expect_read(buf_span(&in), buf_text(&in));
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

START_TEST(json_has_a_depth_that_libmsgpack_reads)
{
    AUTO_BUF struct buf in = BUF_INIT(MAX), message = BUF_INIT(MAX), text = BUF_INIT(MAX);
    add_nested(&in, ENCODE_MSGPACK_MAX_DEPTH);
    buf_add_text(&message, "\x81\xa6"
                           "fields\x81\xa1k");
    ck_assert_int_eq(encode_value(ENCODE_MSGPACK, ENCODE_JSON_VALUE, false, buf_span(&in), &message), 0);
    ck_assert_int_eq(unpack_message(buf_span(&message), &text), 0);
    buf_clear(&in);
    add_nested(&in, ENCODE_MSGPACK_MAX_DEPTH + 1);
    expect_misfit(ENCODE_JSON_VALUE, buf_span(&in));
}
END_TEST

START_TEST(a_full_buffer_says_so)
{
    struct span values[] = {SPAN("\"abc\""), SPAN("[1,2,[3]]"), SPAN("{\"a\":{\"b\":1.5}}")};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        for (size_t max = 0; max < 4; max++) {
            AUTO_BUF struct buf small = BUF_INIT(max);
            ck_assert_int_eq(encode_value(ENCODE_MSGPACK, ENCODE_JSON_VALUE, false, values[i], &small),
                             -ENOBUFS);
        }
}
END_TEST

START_TEST(what_is_no_message_is_not_read)
{
    struct span bad[] = {SPAN_EMPTY,
                         SPAN("\x81"),
                         SPAN("\x81\x01\x02"),
                         SPAN("\xc0"),
                         SPAN("\x80\x80"),
                         SPAN("\x81\xa1x\xc1"),
                         SPAN("\x81\xa1x\xc4\x00"),
                         SPAN("{}"),
                         SPAN("\x81\xa1x\xcb\x7f\xf0\0\0\0\0\0\0")};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO_BUF struct buf out = BUF_INIT(MAX);
        ck_assert_msg(unpack_message(bad[i], &out) == 1, "case %zu", i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pack");
    TCase *values = tcase_create("values");
    tcase_add_test(values, strings);
    tcase_add_test(values, null_of_any_type);
    tcase_add_test(values, booleans);
    tcase_add_test(values, integers);
    tcase_add_test(values, numbers);
    tcase_add_test(values, numbers_that_a_double_would_change);
    tcase_add_test(values, doubles_come_back);
    tcase_add_test(values, json_values);
    tcase_add_test(values, json_of_many_elements);
    tcase_add_test(values, json_has_a_depth_that_libmsgpack_reads);
    tcase_add_test(values, a_full_buffer_says_so);
    tcase_add_test(values, what_is_no_message_is_not_read);
    suite_add_tcase(suite, values);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
