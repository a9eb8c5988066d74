/* The simulator's parts that need no socket. */
#include <check.h>

#include "base/buf.h"
#include "sim/adapter.h"
#include "sim/dialect.h"
#include "sim/diff.h"
#include "sim/encode.h"
#include "sim/fault.h"
#include "sim/history.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/options.h"
#include "sim/param.h"
#include "sim/sha1.h"
#include "sim/text.h"
#include "sim/word.h"

/* A row out of texts; "-" stands for null. */
static void make_row(struct row *row, const char *const *values, size_t n)
{
    row_init(row, n);
    for (size_t i = 0; i < n; i++)
        row_set(row, i, strcmp(values[i], "-") == 0 ? NULL : text_new(span_of(values[i])));
}

static void check_encoded(const char *const *before, const char *const *after, size_t n, const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    struct row previous, now;

    make_row(&previous, before ? before : after, n);
    make_row(&now, after, n);
    encode_values(&out, before ? &previous : NULL, &now, 0);
    ck_assert_str_eq(buf_text(&out), expected);
    row_done(&previous);
    row_done(&now);
}

/* The stock quotes of the specification's chapter on updates. */
START_TEST(values_as_the_specification_has_them)
{
    static const char *const rows[][10] = {
        {"20:00:33", "3.04", "0.0", "2.41", "3.67", "3.03", "3.04", "-", "-", ""},
        {"20:00:54", "3.07", "0.98", "2.41", "3.67", "3.06", "3.07", "-", "-", "Suspended"},
        {"20:04:16", "3.02", "-0.65", "2.41", "3.67", "3.01", "3.02", "-", "-", ""},
        {"20:04:40", "3.02", "-0.65", "2.41", "3.67", "3.02", "3.03", "-", "-", ""},
        {"20:06:10", "3.05", "0.32", "2.41", "3.67", "3.02", "3.03", "-", "-", ""},
    };

    check_encoded(NULL, rows[0], 10, "20:00:33|3.04|0.0|2.41|3.67|3.03|3.04|#|#|$");
    check_encoded(rows[0], rows[1], 10, "20:00:54|3.07|0.98|||3.06|3.07|||Suspended");
    check_encoded(rows[1], rows[2], 10, "20:04:16|3.02|-0.65|||3.01|3.02|||$");
    check_encoded(rows[2], rows[3], 10, "20:04:40|^4|3.02|3.03|^3");
    check_encoded(rows[3], rows[4], 10, "20:06:10|3.05|0.32|^7");
}
END_TEST

START_TEST(values_that_look_like_something_else)
{
    static const char *const rows[][6] = {
        {"#", "$", "^3", "a#$^", "a|b%c", "x\r\ny"},
        {"##", "$1", "^P", "a", "|", ""},
        {"##", "$1", "^P", "a", "|", ""},
    };

    check_encoded(NULL, rows[0], 6, "%23|%24|%5E3|a#$^|a%7Cb%25c|x%0D%0Ay");
    check_encoded(rows[0], rows[1], 6, "%23#|%241|%5EP|a|%7C|$");
    check_encoded(rows[1], rows[2], 6, "^6");
}
END_TEST

START_TEST(one_unchanged_field)
{
    static const char *const rows[][1] = {{"a"}};

    check_encoded(rows[0], rows[0], 1, "");
}
END_TEST

static void check_tlcp_diff(const char *old, const char *now, const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);

    ck_assert(diff_tlcp(&out, span_of(old), span_of(now)));
    ck_assert_str_eq(buf_text(&out), expected);
}

START_TEST(tlcp_diffs)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);

    check_tlcp_diff("foobar", "fzapbar", "bdzapcd");
    check_tlcp_diff("foo", "zapfoo", "adzapad");
    check_tlcp_diff("foobar", "foo", "dad");
    check_tlcp_diff("foo", "foo", "d");
    check_tlcp_diff("", "ab", "acaba");
    check_tlcp_diff("abcdefghijklmnopqrstuvwxyz0123", "abcdefghijklmnopqrstuvwxyz012!", "Bdb!b");
    check_tlcp_diff("The quick brown fox", "The slow brown dog", "eeslowfhddogd");
    check_tlcp_diff("caf\xc3\xa9", "caf\xe2\x82\xac",
                    "db\xe2\x82\xac"
                    "b");
    ck_assert(!diff_tlcp(&out, SPAN("a"), SPAN("\xf0\x9f\x99\x82")));
    ck_assert(!diff_tlcp(&out, SPAN("\xc3"), SPAN("a")));
}
END_TEST

START_TEST(json_patches)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);

    ck_assert(diff_json_patch(&out, SPAN("{\"a\":1,\"b\":[1,{\"c\":2}]}"),
                              SPAN("{\"a\":2,\"b\":[1,{\"c\":2}],\"/~\":3}")));
    ck_assert_str_eq(buf_text(&out), "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2},"
                                     "{\"op\":\"add\",\"path\":\"/~1~0\",\"value\":3}]");
    ck_assert(diff_json_patch(&out, SPAN("{\"a\":1,\"b\":2}"), SPAN("{\"b\":2}")));
    ck_assert_str_eq(buf_text(&out), "[{\"op\":\"remove\",\"path\":\"/a\"}]");
    ck_assert(!diff_json_patch(&out, SPAN("{\"a\":1}"), SPAN("{\"a\": 1}")));
    ck_assert(!diff_json_patch(&out, SPAN("{\"a\":1,\"b\":2}"), SPAN("{\"b\":2,\"a\":1}")));
    ck_assert(!diff_json_patch(&out, SPAN("{\"a\":1}"), SPAN("{\"a\":1")));
    ck_assert(!diff_json_patch(&out, SPAN("7"), SPAN("{\"a\":]}")));
    ck_assert(!diff_is_document(SPAN("{}")));
}
END_TEST

START_TEST(arguments_and_parameters)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    CLEANUP(params_done) struct params p = {0};

    encode_argument(&out, SPAN("a,b%\r\n c"));
    ck_assert_str_eq(buf_text(&out), "a%2Cb%25%0D%0A c");
    params_parse(&p, SPAN("LS_a=1%202&LS_b=&LS_c&&LS_d=%E2%82%AC+%zz=x"));
    ck_assert_uint_eq(p.n, 4);
    ck_assert(params_is(&p, "LS_a", "1 2"));
    ck_assert(params_get(&p, "LS_b") && params_text(&p, "LS_b").len == 0);
    ck_assert(!params_get(&p, "LS_c")->raw.at);
    ck_assert(params_is(&p, "LS_d", "\xe2\x82\xac+%zz=x"));
    ck_assert_uint_eq(params_number(&p, "LS_a", 7), 7);
}
END_TEST

START_TEST(history_keeps_and_forgets)
{
    struct history h;

    history_init(&h);
    ck_assert(!history_get(&h, 1));
    for (uint64_t i = 1; i <= 1000; i++)
        ck_assert_uint_eq(history_add(&h, SPAN("U,1,1,x\r\n"), NULL), i);
    history_forget(&h, 900);
    ck_assert(!history_get(&h, 899));
    ck_assert_uint_eq(history_get(&h, 900)->len, 9);
    history_forget(&h, 5000);
    ck_assert(!history_get(&h, 1000));
    ck_assert_uint_eq(history_add(&h, SPAN("x"), memory_dup(SPAN("{}"))), 1001);
    ck_assert_str_eq(history_get(&h, 1001)->event, "{}");
    history_done(&h);
}
END_TEST

START_TEST(words_of_a_script)
{
    CLEANUP(words_done) struct words w;

    ck_assert_ptr_null(words_parse(
        &w, SPAN("  update TEST \"my item\" a=\"x = \\\"y\\\"\" b=null c=\"null\" d= e # and so on")));
    ck_assert_uint_eq(w.n, 8);
    ck_assert(span_is(w.list[2].text, "my item"));
    ck_assert(span_is(w.list[3].name, "a") && span_is(w.list[3].value, "x = \"y\""));
    ck_assert(span_is(w.list[4].value, "null") && !w.list[4].quoted && w.list[5].quoted);
    ck_assert(w.list[6].value.at && w.list[6].value.len == 0);
    ck_assert_ptr_null(w.list[7].value.at);
}
END_TEST

START_TEST(words_that_are_sent_as_they_are)
{
    CLEANUP(words_done) struct words w;

    ck_assert_ptr_null(words_parse(&w, SPAN("raw U,1,1,\"a b|#\\0\\x41")));
    ck_assert_uint_eq(w.n, 2);
    ck_assert(span_equal(w.list[1].text, span_make("U,1,1,\"a b|#\0A", 14)));
}
END_TEST

START_TEST(words_with_faults)
{
    static const char *const lines[] = {"a \"b", "a \\", "a \\q", "a \"\\q\""};

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        CLEANUP(words_done) struct words w;

        ck_assert_ptr_nonnull(words_parse(&w, span_of(lines[i])));
    }
}
END_TEST

START_TEST(handshake_of_the_websocket_standard)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);
    uint8_t digest[20];

    sha1(SPAN("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), digest);
    base64_add(&out, digest, sizeof(digest));
    ck_assert_str_eq(buf_text(&out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    buf_clear(&out);
    base64_add(&out, (const uint8_t *)"ab", 2);
    ck_assert_str_eq(buf_text(&out), "YWI=");
}
END_TEST

START_TEST(json_strings)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);

    json_string(&out, span_make("a\"\\\n\0\xc3\xa9\xff\xed\xa0\x80", 11));
    ck_assert_str_eq(buf_text(&out),
                     "\"a\\\"\\\\\\u000a\\u0000\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(adapters_and_their_items)
{
    int code = 0;

    ck_assert(adapter_set_known(SPAN("DEMO")) && !adapter_set_known(SPAN("demo")));
    ck_assert_ptr_nonnull(adapter_find(SPAN("DEMO"), SPAN("QUOTE_ADAPTER"), SPAN("item30"), &code));
    ck_assert_ptr_null(adapter_find(SPAN("DEMO"), SPAN("QUOTE_ADAPTER"), SPAN("item31"), &code));
    ck_assert_int_eq(code, 21);
    ck_assert_ptr_null(adapter_find(SPAN("DEMO"), SPAN_EMPTY, SPAN("item1"), &code));
    ck_assert_int_eq(code, 17);
    ck_assert_ptr_nonnull(adapter_find(SPAN("ISSLIVE"), SPAN_EMPTY, SPAN("NODE3000005"), &code));
    ck_assert_ptr_nonnull(adapter_find(SPAN("TEST"), SPAN("anything"), SPAN("any thing"), &code));
    ck_assert_ptr_null(adapter_find(SPAN("TEST"), SPAN_EMPTY, SPAN("no-such-item"), &code));
    ck_assert_int_eq(code, 21);
}
END_TEST

START_TEST(refusals_are_counted)
{
    struct sim_options o = {0};
    struct faults f;

    faults_init(&f, &o);
    f.refuse[REQUEST_CONTROL] = (struct refusal){.times = 1, .code = 3};
    f.refuse_operation[RULES_ADD] = (struct refusal){.times = 2, .code = 21};
    ck_assert_int_eq(faults_refuse_operation(&f, RULES_ADD)->code, 21);
    ck_assert_int_eq(faults_refuse_operation(&f, RULES_ADD)->code, 21);
    ck_assert_int_eq(faults_refuse_operation(&f, RULES_ADD)->code, 3);
    ck_assert_ptr_null(faults_refuse_operation(&f, RULES_ADD));
    ck_assert_ptr_null(faults_refuse_operation(&f, RULES_MSG));
    faults_done(&f);
}
END_TEST

START_TEST(items_that_are_refused_by_name)
{
    struct refusal once = {.times = 1, .code = 1}, always = {.times = UINT64_MAX, .code = 2}, never = {0};
    struct sim_options o = {0};
    struct faults f;

    faults_init(&f, &o);
    faults_set_item(&f, SPAN("a[1]"), &once);
    faults_set_item(&f, SPAN("b*"), &always);
    ck_assert_ptr_null(faults_refuse_item(&f, SPAN("a")));
    ck_assert_int_eq(faults_refuse_item(&f, SPAN("a[1]"))->code, 1);
    ck_assert_ptr_null(faults_refuse_item(&f, SPAN("a1")));
    ck_assert_int_eq(faults_refuse_item(&f, SPAN("b"))->code, 2);
    ck_assert_int_eq(faults_refuse_item(&f, SPAN("b c"))->code, 2);
    faults_set_item(&f, SPAN("b*"), &never);
    ck_assert_ptr_null(faults_refuse_item(&f, SPAN("b")));
    faults_done(&f);
}
END_TEST

static void set_message(struct faults *f, const char *pattern, enum message_fate fate, uint64_t late_ms)
{
    struct message_rule *rule = memory_get(sizeof(*rule));

    rule->pattern = memory_dup(span_of(pattern));
    rule->fate = fate;
    rule->late_ms = late_ms;
    faults_set_message(f, rule);
}

START_TEST(messages_and_the_newest_rule_for_them)
{
    struct sim_options o = {0};
    struct faults f;

    faults_init(&f, &o);
    ck_assert_ptr_null(faults_message(&f, SPAN("hello")));
    set_message(&f, "hello", MESSAGE_FAIL, 0);
    ck_assert_int_eq(faults_message(&f, SPAN("hello"))->fate, MESSAGE_FAIL);
    set_message(&f, "*", MESSAGE_SKIP, 0);
    ck_assert_int_eq(faults_message(&f, SPAN("hello"))->fate, MESSAGE_SKIP);
    ck_assert_int_eq(faults_message(&f, SPAN(""))->fate, MESSAGE_SKIP);
    set_message(&f, "hello", MESSAGE_USUAL, 5);
    ck_assert_uint_eq(faults_message(&f, SPAN("hello"))->late_ms, 5);
    set_message(&f, "*", MESSAGE_USUAL, 0);
    set_message(&f, "hello", MESSAGE_USUAL, 0);
    ck_assert_ptr_null(faults_message(&f, SPAN("hello")));
    faults_done(&f);
}
END_TEST

START_TEST(outcomes_of_messages)
{
    AUTO_BUF struct buf out = BUF_INIT(4096);

    dialect_tlcp.outcome(&out, SPAN("q"), 3, 0, SPAN("fine, thanks"));
    dialect_tlcp.outcome(&out, SPAN("*"), 4, -5, SPAN("no"));
    dialect_tlcp.outcome(&out, SPAN("q"), 5, 0, span_make("", 0));
    dialect_tlcp.outcome(&out, SPAN("q"), 6, 0, SPAN_EMPTY);
    ck_assert_str_eq(buf_text(&out),
                     "MSGDONE,q,3,fine%2C thanks\r\nMSGFAIL,*,4,-5,no\r\nMSGDONE,q,5,\r\nMSGDONE,q,6\r\n");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sim");
    Suite *suite = suite_create("sim");
    SRunner *runner;
    int failed;

    tcase_add_test(cases, values_as_the_specification_has_them);
    tcase_add_test(cases, values_that_look_like_something_else);
    tcase_add_test(cases, one_unchanged_field);
    tcase_add_test(cases, tlcp_diffs);
    tcase_add_test(cases, json_patches);
    tcase_add_test(cases, arguments_and_parameters);
    tcase_add_test(cases, history_keeps_and_forgets);
    tcase_add_test(cases, words_of_a_script);
    tcase_add_test(cases, words_that_are_sent_as_they_are);
    tcase_add_test(cases, words_with_faults);
    tcase_add_test(cases, handshake_of_the_websocket_standard);
    tcase_add_test(cases, json_strings);
    tcase_add_test(cases, adapters_and_their_items);
    tcase_add_test(cases, refusals_are_counted);
    tcase_add_test(cases, items_that_are_refused_by_name);
    tcase_add_test(cases, messages_and_the_newest_rule_for_them);
    tcase_add_test(cases, outcomes_of_messages);
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
