/* lsbridgectl's pure parts. The rest is tested against a fake daemon: tests/e2e/test_ctl.py. */
#include <stdio.h>

#include <check.h>

#include "ctl/endpoint.h"
#include "ctl/options.h"
#include "ctl/text.h"

static int parse(struct options *o, const char *words)
{
    static char copy[256];
    static char *argv[16];
    int argc = 0;
    snprintf(copy, sizeof copy, "lsbridgectl %s", words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    AUTO_BUF struct buf error = BUF_INIT(1024);
    int r = options_parse(argc, argv, o, &error);
    ck_assert_int_eq(error.len > 0, r == OPTIONS_WRONG);
    return r;
}

START_TEST(options_may_stand_anywhere)
{
    struct options o;
    ck_assert_int_eq(parse(&o, "tail a --json -e tcp://h:1 b --count 18446744073709551615 -- --c"), 0);
    ck_assert_str_eq(o.verb, "tail");
    ck_assert_uint_eq(o.n_arguments, 3);
    ck_assert_str_eq(o.arguments[0], "a");
    ck_assert_str_eq(o.arguments[2], "--c");
    ck_assert_str_eq(o.endpoint, "tcp://h:1");
    ck_assert(o.json && !o.prefix);
    ck_assert_uint_eq(o.count, UINT64_MAX);
    ck_assert_uint_eq(o.given, OPTIONS_COUNT);
    ck_assert_str_eq(options_name(o.given), "--count");
}
END_TEST

START_TEST(defaults)
{
    struct options o;
    ck_assert_int_eq(parse(&o, "ping"), 0);
    ck_assert_str_eq(o.endpoint, "ipc:///run/lsbridge/control.sock");
    ck_assert_uint_eq(o.timeout_ms, 5000);
    ck_assert(!o.data && !o.status && !o.json && !o.prefix && !o.count && !o.seconds && !o.given);
}
END_TEST

START_TEST(wrong_options)
{
    static const char *const wrong[] = {
        "",
        "--json",
        "ping --count 0",
        "ping --count -1",
        "ping --count x",
        "ping --count",
        "ping -e",
        "ping --json=yes",
        "ping --nonsense",
        "ping -x",
        "ping --timeout",
        "--timeout 1.5 ping",
        "--timeout 86400001 ping",
        "ping --server-key k",
        "ping --secret-key k",
    };
    struct options o;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(parse(&o, wrong[i]) == OPTIONS_WRONG, "%s", wrong[i]);
    ck_assert_int_eq(parse(&o, "--help"), OPTIONS_HELP);
    ck_assert_int_eq(parse(&o, "ping -V"), OPTIONS_VERSION);
}
END_TEST

static const char *pick(struct buf *out, const char *control, const char *first, const char *second)
{
    struct span offered[] = {span_of(first), span_of(second)};
    buf_clear(out);
    return endpoint_pick(span_of(control), offered, second ? 2 : 1, out) == 0 ? buf_text(out) : NULL;
}

START_TEST(endpoints)
{
    AUTO_BUF struct buf b = BUF_INIT(1024);
    const char *ipc = "ipc:///run/c", *far = "tcp://far.example:5558", *six = "tcp://[2001:db8::1]:5558";
    ck_assert_str_eq(pick(&b, ipc, "tcp://127.0.0.1:5556", NULL), "tcp://127.0.0.1:5556");
    ck_assert_str_eq(pick(&b, ipc, "ipc:///run/d", "tcp://*:1"), "ipc:///run/d");
    ck_assert_str_eq(pick(&b, ipc, "tcp://0.0.0.0:5556", NULL), "tcp://127.0.0.1:5556");
    ck_assert_str_eq(pick(&b, ipc, "tcp://[::]:5556", NULL), "tcp://[::1]:5556");
    ck_assert_str_eq(pick(&b, far, "tcp://0.0.0.0:5556", NULL), "tcp://far.example:5556");
    ck_assert_str_eq(pick(&b, far, "tcp://*:5556", NULL), "tcp://far.example:5556");
    ck_assert_str_eq(pick(&b, far, "tcp://10.0.0.1:5556", NULL), "tcp://10.0.0.1:5556");
    ck_assert_str_eq(pick(&b, six, "tcp://[::]:5556", NULL), "tcp://[2001:db8::1]:5556");
    ck_assert_str_eq(pick(&b, far, "ipc:///run/d", "tcp://*:1"), "tcp://far.example:1");
    ck_assert_ptr_null(pick(&b, far, "ipc:///run/d", NULL));
    ck_assert_ptr_null(pick(&b, far, "tcp://", NULL));
    ck_assert_ptr_null(pick(&b, far, "", NULL));
    ck_assert_int_eq(endpoint_pick(span_of(ipc), NULL, 0, &b), 1);
}
END_TEST

START_TEST(values_that_could_be_misread_are_quoted)
{
    const struct {
        struct span value;
        const char *text;
    } rows[] = {
        {SPAN("3.04"), "3.04"},
        {SPAN(""), "\"\""},
        {SPAN("null"), "\"null\""},
        {SPAN("a b"), "\"a b\""},
        {SPAN("a=b"), "\"a=b\""},
        {SPAN("a\"\\"), "\"a\\\"\\\\\""},
        {SPAN("a\0b"), "\"a\\u0000b\""},
        {SPAN("\xc2\x9b\x7f"), "\"\\u009b\\u007f\""},
        {SPAN("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {SPAN("\xff\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {SPAN("\xc2"), "\"\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO_BUF struct buf b = BUF_INIT(1024);
        text_add_value(&b, rows[i].value);
        ck_assert_str_eq(buf_text(&b), rows[i].text);
    }
}
END_TEST

START_TEST(durations_and_sizes)
{
    static const struct {
        int64_t ms;
        const char *text;
    } durations[] = {
        {-5, "0 s"},         {999, "0 s"},           {59999, "59 s"},           {60000, "1 min"},
        {3599999, "59 min"}, {3600000, "1 h 0 min"}, {86399999, "23 h 59 min"}, {90000000, "1 d 1 h"}};
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},           {999, "999 B"},      {1000, "1.0 kB"},
                 {999999, "999.9 kB"}, {1000000, "1.0 MB"}, {UINT64_MAX, "18.4 EB"}};
    AUTO_BUF struct buf b = BUF_INIT(1024);
    for (size_t i = 0; i < ARRAY_LENGTH(durations); i++, buf_clear(&b)) {
        text_add_duration(&b, durations[i].ms);
        ck_assert_str_eq(buf_text(&b), durations[i].text);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++, buf_clear(&b)) {
        text_add_bytes(&b, sizes[i].bytes);
        ck_assert_str_eq(buf_text(&b), sizes[i].text);
    }
}
END_TEST

START_TEST(columns)
{
    AUTO_GRID struct grid g = GRID_INIT(3, 2);
    AUTO_BUF struct buf b = BUF_INIT(1024);
    grid_print(&g, &b);
    ck_assert_uint_eq(b.len, 0);
    static const char *const cells[] = {"A", "N", "Z", "\xc3\xa4\xc3\xb6", "10", "", "", "1", "\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(cells); i++)
        grid_add(&g, span_of(cells[i]));
    grid_print(&g, &b);
    ck_assert_str_eq(buf_text(&b), "A    N  Z\n\xc3\xa4\xc3\xb6  10  \n     1  \\u000a\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl");
    TCase *tcase = tcase_create("ctl");
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, options_may_stand_anywhere);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, wrong_options);
    tcase_add_test(tcase, endpoints);
    tcase_add_test(tcase, values_that_could_be_misread_are_quoted);
    tcase_add_test(tcase, durations_and_sizes);
    tcase_add_test(tcase, columns);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
