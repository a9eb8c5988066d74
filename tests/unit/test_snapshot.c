/* What `top` makes of replies: rates, and the picture. */
#include "ctl/snapshot.h"

#include <check.h>

/* The picture's clock is the local one. */
static const int64_t now_us = 1732310400000000;

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;
    ck_assert_int_eq(reply_parse(span_of(text), &object), 0);
    return object;
}

/* At 1 s and at 3 s; t2 is new, and t3's counters began again. */
static const char before[] =
    "{\"run\":\"r\",\"stats\":{\"messages\":10},"
    "\"sessions\":[{\"session\":\"s\",\"counters\":{\"updates\":5,\"messages\":5,\"bytes_received\":1000}}],"
    "\"tables\":[{\"session\":\"s\",\"table\":\"t\",\"counters\":{\"updates\":5,\"messages\":6}},"
    "{\"session\":\"s\",\"table\":\"t3\",\"counters\":{\"updates\":5,\"messages\":6}}]}";
static const char after[] =
    "{\"run\":\"r\",\"version\":\"0.1.0\",\"stats\":{\"messages\":13,\"uptime_ms\":3000,\"held_ms\":7,"
    "\"holds\":1,\"dropped\":2,\"replayed\":4},"
    "\"sessions\":[{\"session\":\"s\",\"state\":\"connecting\",\"detail\":\"waiting\",\"tables\":3,"
    "\"reason\":\"it broke\",\"code\":7,\"retry_in_ms\":5500,\"since\":1732310398000000,"
    "\"details\":{\"max_bandwidth_kbps\":50.5},"
    "\"counters\":{\"updates\":8,\"messages\":8,\"bytes_received\":27000,\"last_received\":1732310340000000}}],"
    "\"tables\":[{\"session\":\"s\",\"table\":\"t\",\"mode\":\"MERGE\",\"state\":\"active\",\"items\":1,\"fields\":2,"
    "\"max_frequency\":\"3.0\",\"counters\":{\"updates\":6,\"messages\":6,\"last_update\":1732310399000000}},"
    "{\"session\":\"s\",\"table\":\"t2\",\"mode\":\"RAW\",\"state\":\"failed\",\"items\":0,\"fields\":0,"
    "\"code\":21,\"reason\":\"no group\\u001b\",\"counters\":{\"updates\":1,\"messages\":1,\"last_update\":0}},"
    "{\"session\":\"s\",\"table\":\"t3\",\"mode\":\"MERGE\",\"state\":\"stale\",\"items\":1,\"fields\":2,"
    "\"counters\":{\"updates\":1,\"messages\":9}}]}";

static struct json_object *compared(const char *one, const char *other)
{
    struct snapshot s = {0};
    struct json_object *reply = parse(one);
    ck_assert_int_eq(snapshot_take(&s, reply, 1000), 0);
    json_object_put(reply);
    reply = parse(other);
    ck_assert_int_eq(snapshot_add_rates(reply, &s, 3000), 0);
    snapshot_done(&s);
    return reply;
}

static const char *rates(struct json_object *reply, const char *list, size_t at)
{
    struct json_object *object = list ? json_object_array_get_idx(reply_get(reply, list), at) : reply;
    return json_object_to_json_string_ext(reply_get(object, "rates"), JSON_C_TO_STRING_PLAIN);
}

START_TEST(per_second)
{
    struct json_object *reply = compared(before, after);
    ck_assert_str_eq(rates(reply, NULL, 0), "{\"messages\":1.5}");
    ck_assert_str_eq(rates(reply, "sessions", 0),
                     "{\"updates\":1.5,\"messages\":1.5,\"bytes_received\":13000.0}");
    ck_assert_str_eq(rates(reply, "tables", 0), "{\"updates\":0.5,\"messages\":0.0}");
    ck_assert_str_eq(rates(reply, "tables", 1), "{}");
    ck_assert_str_eq(rates(reply, "tables", 2), "{\"messages\":1.5}");
    ck_assert_int_eq(reply_integer(reply, "interval_ms", 0), 2000);
    json_object_put(reply);
}
END_TEST

/* Another run of the daemon counts from 0; no look before; no time in between; replies that lack everything. */
START_TEST(nothing_to_compare)
{
    struct snapshot none = {0};
    struct json_object *reply = compared("{\"run\":\"other\",\"stats\":{\"messages\":1}}", after);
    ck_assert_str_eq(rates(reply, NULL, 0), "{}");
    json_object_put(reply);
    reply = parse(after);
    ck_assert_int_eq(snapshot_add_rates(reply, &none, 3000), 0);
    ck_assert_str_eq(rates(reply, NULL, 0), "{}");
    ck_assert_str_eq(rates(reply, "sessions", 0), "{}");
    ck_assert_ptr_null(reply_get(reply, "interval_ms"));
    ck_assert_int_eq(snapshot_take(&none, reply, 3000), 0);
    ck_assert_int_eq(snapshot_add_rates(reply, &none, 3000), 0);
    ck_assert_str_eq(rates(reply, NULL, 0), "{}");
    snapshot_done(&none);
    json_object_put(reply);
    reply = compared("{}", "{\"sessions\":7,\"tables\":[null,[],{}]}");
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    snapshot_view(&out, reply, now_us);
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "\n#SESSION  STATE"));
    json_object_put(reply);
}
END_TEST

START_TEST(picture)
{
    static const char expected[] =
        " messages/s 1.5, held 7 ms in 1 holds, dropped 2, replayed 4\n"
        " \n"
        "#SESSION  STATE       DETAIL   TABLES  UPDATES/S  RECEIVED/S   LAST  RETRY IN  KBPS\n"
        "!s        connecting  waiting       3        1.5   13.0 kB/s  1 min     3.5 s  50.5\n"
        "!  s: it broke (code 7)\n"
        " \n"
        "#SESSION  TABLE  MODE   STATE   ITEMS  FIELDS  UPDATES/S  MESSAGES/S  MAX-FREQUENCY  LAST\n"
        " s        t      MERGE  active      1       2        0.5         0.0            3.0   1 s\n"
        "!s        t2     RAW    failed      0       0          -           -              -     -\n"
        "!s        t3     MERGE  stale       1       2          -         1.5              -     -\n"
        "!  t2: no group\\u001b (code 21)\n";
    struct json_object *reply = compared(before, after);
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    snapshot_view(&out, reply, now_us);
    struct span rest = buf_span(&out), first;
    ck_assert(span_cut(&rest, '\n', &first));
    ck_assert(span_starts(first, SPAN(" lsbridged 0.1.0, run r, up 3 s, ")));
    ck_assert_msg(span_is(rest, expected), "%s", buf_text(&out));
    json_object_put(reply);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *t = tcase_create("snapshot");
    tcase_add_test(t, per_second);
    tcase_add_test(t, nothing_to_compare);
    tcase_add_test(t, picture);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
