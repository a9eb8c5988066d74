/* proto/jsontext, jsondoc and decimal: what is JSON, how it is written again, and what equals what. */
#include <check.h>

#include "../lib/random.h"
#include "proto/decimal.h"
#include "proto/jsontext.h"

enum { TEXT_MAX = 1 << 20 };

/* Each is read and written again; want NULL: refused. */
static const struct {
    const char *text, *want;
} texts[] = {
    {"null", "null"},
    {" \t\r\ntrue\n", "true"},
    {"false", "false"},
    {"\"\"", "\"\""},
    {"[ ]", "[]"},
    {"{ }", "{}"},
    {"[ 1 , [ ] , { \"a\" : { } } ]", "[1,[],{\"a\":{}}]"},
    {"-0.0E+00", "-0.0E+00"},
    {"nul", NULL},
    {"nulll", NULL},
    {"True", NULL},
    {"NaN", NULL},
    {"Infinity", NULL},
    {"01", NULL},
    {"-", NULL},
    {"+1", NULL},
    {".5", NULL},
    {"1.", NULL},
    {"1.e5", NULL},
    {"1e", NULL},
    {"1e+", NULL},
    {"0x10", NULL},
    {"1 2", NULL},
    {"[1,]", NULL},
    {"[,1]", NULL},
    {"[1", NULL},
    {"[1}", NULL},
    {"]", NULL},
    {"{\"a\"}", NULL},
    {"{\"a\":}", NULL},
    {"{\"a\":1,}", NULL},
    {"{a:1}", NULL},
    {"{'a':1}", NULL},
    {"{1:1}", NULL},
    {"\"", NULL},
    {"\"\\", NULL},
    {"\"\\\"", NULL},
    {"\"\\x\"", NULL},
    {"\"\\u12\"", NULL},
    {"\"\\u123g\"", NULL},
    {"\"\\u\"", NULL},
    {"\"\n\"", NULL},
    {"\"\xff\"", NULL},
    {"\"\xed\xa0\x80\"", NULL},
    {"\"\xc3\"", NULL},
    {"1/**/", NULL},
    {"\v1", NULL},
    {"\u00a0"
     "1",
     NULL},
};

/* Reads TEXT and writes it again. Returns false when it is refused. */
static bool rewrite(struct span text, struct buf *out)
{
    struct jsondoc d = {0};
    const struct jsondoc_node *root = jsontext_read(&d, text);
    ck_assert_int_eq(jsondoc_error(&d), root ? 0 : JSONDOC_BAD);
    if (root)
        ck_assert_int_eq(jsontext_write(root, out), 0);
    ck_assert_int_eq(buf_error(out), 0);
    jsondoc_done(&d);
    return root;
}

START_TEST(text)
{
    AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);
    ck_assert_msg(rewrite(span_of(texts[_i].text), &out) == (texts[_i].want != NULL), "%s", texts[_i].text);
    ck_assert(span_is(buf_span(&out), texts[_i].want ? texts[_i].want : ""));
}
END_TEST

START_TEST(text_with_zeros)
{
    AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);
    ck_assert(!rewrite(SPAN_EMPTY, &out));
    ck_assert(!rewrite(SPAN("1\0"), &out));
    ck_assert(!rewrite(SPAN("\"\0\""), &out));
    ck_assert(rewrite(SPAN("\"\\u0000\""), &out));
    ck_assert(span_is(buf_span(&out), "\"\\u0000\""));
}
END_TEST

START_TEST(more_nodes_than_there_may_be)
{
    AUTO_BUF struct buf many = BUF_INIT(JSONDOC_NODES_MAX * 2 + 2), out = BUF_INIT(TEXT_MAX * 4);
    buf_add_char(&many, '[');
    for (int i = 0; i < JSONDOC_NODES_MAX - 1; i++)
        buf_add_text(&many, i ? ",1" : "1");
    buf_add_char(&many, ']');
    ck_assert(rewrite(buf_span(&many), &out));
    ck_assert(span_equal(buf_span(&many), buf_span(&out)));
    many.len--;
    buf_add_text(&many, ",1]");
    ck_assert(!rewrite(buf_span(&many), &out));
}
END_TEST

static void add_random_value(struct random *random, struct buf *out, int depth)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-1.50e+3",
                                          "\"\"",
                                          "\"\\ud834\\udd1e\"",
                                          "\"a\\u0000\\/\"",
                                          "\"\\udead\"",
                                          "12345678901234567890",
                                          "\"\u20ac\""};
    size_t kind = random_below(random, depth ? 4 : 2);
    if (kind < 2) {
        buf_add_text(out, scalars[random_below(random, ARRAY_LENGTH(scalars))]);
        return;
    }
    size_t n = random_below(random, 12);
    buf_add_text(out, kind == 2 ? "[ " : "{ ");
    for (size_t i = 0; i < n; i++) {
        buf_add_text(out, i ? " ,\n" : "");
        if (kind == 3)
            buf_printf(out, "\"k%zu\" : ", i);
        add_random_value(random, out, depth - 1);
    }
    buf_add_text(out, kind == 2 ? "]" : "}");
}

/* Whatever is read is written so that it reads as the same value, and then comes out the same to the byte. */
START_TEST(random_values)
{
    struct random random = {(uint64_t)_i + 1};
    struct jsondoc d = {0};
    AUTO_BUF struct buf base = BUF_INIT(TEXT_MAX), once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX);
    add_random_value(&random, &base, 4);
    ck_assert(rewrite(buf_span(&base), &once));
    ck_assert(rewrite(buf_span(&once), &twice));
    ck_assert(span_equal(buf_span(&once), buf_span(&twice)));
    const struct jsondoc_node *first = jsontext_read(&d, buf_span(&base));
    ck_assert(jsondoc_equal(&d, first, jsontext_read(&d, buf_span(&once))));
    jsondoc_done(&d);
}
END_TEST

static const struct {
    const char *a, *b;
    bool equal;
} pairs[] = {
    {"1", "1.0", true},
    {"1", "1.000", true},
    {"1", "10e-1", true},
    {"1", "0.1E1", true},
    {"1", "0.1e+01", true},
    {"1", "-1", false},
    {"1", "10", false},
    {"1", "11", false},
    {"0", "-0", true},
    {"0", "0.000e99999999999999999999999", true},
    {"0", "0.01", false},
    {"100", "1e2", true},
    {"100", "1e3", false},
    {"1200.50", "1.2005e3", true},
    {"1200.50", "1.2005e2", false},
    {"0.00012", "12e-5", true},
    {"0.00012", "12e-6", false},
    {"1e0", "1e-0", true},
    {"123456789012345678901234567890", "123456789012345678901234567890.0", true},
    {"123456789012345678901234567890", "123456789012345678901234567891", false},
    {"9007199254740993", "9007199254740992", false},
    {"0.1", "0.1000000000000000055511151231257827", false},
    {"1e999999999999999999", "10e999999999999999998", true},
    {"1e999999999999999999", "1e-999999999999999999", false},
    {"1e9999999999999999999", "1.0e9999999999999999999", true},
    {"1e9999999999999999999", "1e+09999999999999999999", true},
    {"1e9999999999999999999", "1e-9999999999999999999", false},
    {"1e9999999999999999999", "2e9999999999999999999", false},
    {"\"1\"", "1", false},
    {"null", "false", false},
    {"null", "0", false},
    {"\"a\"", "\"\\u0061\"", true},
    {"\"\u00e9\"", "\"e\u0301\"", false},
    {"\"\U0001f600\"", "\"\\ud83d\\ude00\"", true},
    {"[1,2]", "[1.0,2.0]", true},
    {"[1,2]", "[2,1]", false},
    {"[1,2]", "[1,2,3]", false},
    {"[]", "{}", false},
    {"{\"a\":1,\"b\":[2]}", "{\"b\":[2e0],\"a\":1}", true},
    {"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
    {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
    {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", false},
};

START_TEST(equality)
{
    struct jsondoc d = {0};
    struct jsondoc_node *a = jsontext_read(&d, span_of(pairs[_i].a)),
                        *b = jsontext_read(&d, span_of(pairs[_i].b));
    ck_assert_int_eq(jsondoc_error(&d), 0);
    ck_assert_msg(jsondoc_equal(&d, a, b) == pairs[_i].equal, "%s and %s", pairs[_i].a, pairs[_i].b);
    ck_assert(jsondoc_equal(&d, b, a) == pairs[_i].equal);
    ck_assert(jsondoc_equal(&d, a, a) && jsondoc_equal(&d, b, b));
    jsondoc_done(&d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jsontext");
    TCase *cases = tcase_create("jsontext");
    tcase_add_loop_test(cases, text, 0, (int)ARRAY_LENGTH(texts));
    tcase_add_test(cases, text_with_zeros);
    tcase_add_test(cases, more_nodes_than_there_may_be);
    tcase_add_loop_test(cases, random_values, 0, 50);
    tcase_add_loop_test(cases, equality, 0, (int)ARRAY_LENGTH(pairs));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
