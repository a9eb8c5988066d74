/* What the simulator writes in the older text mode. */
#include <check.h>

#include "base/buf.h"
#include "sim/dialect.h"
#include "sim/memory.h"
#include "sim/param.h"
#include "sim/text.h"
#include "sim/textmode_encode.h"
#include "sim/textmode_rule.h"

/* A row of texts; "-" stands for null. */
static void make_row(struct row *row, const char *const *values, size_t n)
{
    row_init(row, n);
    for (size_t i = 0; i < n; i++)
        row_set(row, i, strcmp(values[i], "-") == 0 ? NULL : text_new(span_of(values[i])));
}

static void check_update(const char *const *before, const char *const *after, size_t n, const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    struct row previous, now;

    make_row(&previous, before ? before : after, n);
    make_row(&now, after, n);
    dialect_text.update(&out, 12, 3, before ? &previous : NULL, &now, 0);
    ck_assert_str_eq(buf_text(&out), expected);
    row_done(&previous);
    row_done(&now);
}

START_TEST(rows)
{
    static const char *const values[][4] = {
        {"a", "", "-", "b"},
        {"a", "", "-", "b"},
        {"c", "-", "", "-"},
    };

    check_update(NULL, values[0], 4, "12,3|a|$|#|b\r\n");
    check_update(values[0], values[1], 4, "12,3||||\r\n");
    check_update(values[1], values[2], 4, "12,3|c|#|$|#\r\n");
    check_update(NULL, NULL, 0, "12,3\r\n");
}
END_TEST

static void check_value(const char *value, const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    struct row row;

    make_row(&row, &value, 1);
    textmode_values(&out, NULL, &row);
    ck_assert_str_eq(buf_text(&out), expected);
    row_done(&row);
}

START_TEST(values_that_look_like_something_else)
{
    check_value("#", "|##");
    check_value("$", "|$$");
    check_value("#$#", "|##$#");
    check_value("a#$", "|a#$");
    check_value("|", "|\\u007C");
    check_value("\\u0041", "|\\u005Cu0041");
    check_value("\r\n\x7f", "|\\u000D\\u000A\\u007F");
    check_value(" ~,", "| ~,");
}
END_TEST

START_TEST(characters)
{
    check_value("\xc2\x80\xdf\xbf", "|\\u0080\\u07FF");
    check_value("\xe0\xa0\x80\xed\x9f\xbf", "|\\u0800\\uD7FF");
    check_value("\xee\x80\x80\xef\xbf\xbf", "|\\uE000\\uFFFF");
    check_value("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "|\\uD800\\uDC00\\uDBFF\\uDFFF");
    check_value("\xf0\x9d\x84\x9e", "|\\uD834\\uDD1E");
}
END_TEST

START_TEST(bytes_that_are_no_character)
{
    check_value("a\x80", "|a\\uFFFD");
    check_value("\xc0\x80", "|\\uFFFD\\uFFFD");
    check_value("\xe0\x9f\xbf", "|\\uFFFD\\uFFFD\\uFFFD");
    check_value("\xed\xa0\x80", "|\\uFFFD\\uFFFD\\uFFFD");
    check_value("\xf0\x8f\xbf\xbf", "|\\uFFFD\\uFFFD\\uFFFD\\uFFFD");
    check_value("\xf4\x90\x80\x80", "|\\uFFFD\\uFFFD\\uFFFD\\uFFFD");
    check_value("\xf5", "|\\uFFFD");
    check_value("\xe2\x82", "|\\uFFFD\\uFFFD");
    check_value("\xe2\x82z", "|\\uFFFD\\uFFFDz");
    check_value("\xf0\x9d\x84", "|\\uFFFD\\uFFFD\\uFFFD");
}
END_TEST

START_TEST(other_lines)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    uint64_t lost = 40;

    dialect_text.mark(&out, 1, 2, "EOS", NULL);
    dialect_text.mark(&out, 1, 2, "CS", NULL);
    dialect_text.mark(&out, 1, 2, "OV", &lost);
    ck_assert_str_eq(buf_text(&out), "1,2,EOS\r\n1,2,CS\r\n1,2,OV40\r\n");
    buf_clear(&out);
    dialect_text.loop(&out, 0, false);
    dialect_text.loop(&out, 5, false);
    dialect_text.loop(&out, 0, true);
    ck_assert_str_eq(buf_text(&out), "LOOP\r\nLOOP 5\r\nLOOP 0\r\n");
    buf_clear(&out);
    dialect_text.end(&out, 31, SPAN("why"));
    dialect_text.end(&out, -4, SPAN(""));
    ck_assert_str_eq(buf_text(&out), "END 31\r\nEND -4\r\n");
    buf_clear(&out);
    dialect_text.refusal(&out, 2, SPAN("a\r\nb, c"));
    dialect_text.refusal(&out, 20, SPAN("Specified session not found"));
    ck_assert_str_eq(buf_text(&out), "ERROR\r\n2\r\na  b, c\r\nSYNC ERROR\r\n");
    buf_clear(&out);
    dialect_text.outcome(&out, SPAN("s"), 7, 0, SPAN("answer"));
    dialect_text.outcome(&out, SPAN("s"), 8, -1, SPAN("no,\n\tno"));
    ck_assert_str_eq(buf_text(&out), "MSG,s,7,DONE\r\nMSG,s,8,ERR,-1,no,  no\r\n");
}
END_TEST

START_TEST(parameters)
{
    CLEANUP(params_done) struct params p = {0};

    params_parse_form(&p, SPAN("LS_a=x+y%2Bz%20&LS_b=%E2%82%AC%&LS_c=+%2"));
    ck_assert(params_is(&p, "LS_a", "x y+z "));
    ck_assert(params_is(&p, "LS_b", "\xe2\x82\xac%"));
    ck_assert(params_is(&p, "LS_c", " %2"));
    ck_assert(span_is(params_get(&p, "LS_a")->raw, "x+y%2Bz%20"));
}
END_TEST

static void check_bandwidth(const char *line, const char *expected)
{
    CLEANUP(params_done) struct params p = {0};

    params_parse_form(&p, span_of(line));
    ck_assert(span_is(textmode_bandwidth(&p), expected));
}

START_TEST(operations_and_bandwidth)
{
    ck_assert_int_eq(textmode_rules_of(SPAN("add")), RULES_ADD);
    ck_assert_int_eq(textmode_rules_of(SPAN("add_silent")), RULES_ADD);
    ck_assert_int_eq(textmode_rules_of(SPAN("start")), RULES_START);
    ck_assert_int_eq(textmode_rules_of(SPAN("force_rebind")), RULES_FORCE_REBIND);
    ck_assert_int_eq(textmode_rules_of(SPAN("msg")), RULES_NONE);
    check_bandwidth("LS_requested_max_bandwidth=0", "unlimited");
    check_bandwidth("LS_requested_max_bandwidth=0.0", "unlimited");
    check_bandwidth("LS_requested_max_bandwidth=0.5", "0.5");
    check_bandwidth("LS_requested_max_bandwidth=", "");
    check_bandwidth("LS_x=1", "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim text mode");
    TCase *tests = tcase_create("lines");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tests, rows);
    tcase_add_test(tests, values_that_look_like_something_else);
    tcase_add_test(tests, characters);
    tcase_add_test(tests, bytes_that_are_no_character);
    tcase_add_test(tests, other_lines);
    tcase_add_test(tests, parameters);
    tcase_add_test(tests, operations_and_bandwidth);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
