/* Tables from JSON: what they become, every fault at once, and every allocation failing. */
#include "bridge/added.h"

#include <check.h>
#include <errno.h>

#include "base/util.h"
#include "proto/jsontext.h"

/* Allocations of ours (the linker wraps them), so that each can fail once. */
static size_t allocations, failing; /* failing: the number of the one that fails; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_malloc(size_t size)
{
    return ++allocations == failing ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return ++allocations == failing ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return ++allocations == failing ? NULL : __real_realloc(at, size);
}

static struct conf_session session = {.name = (char[]){"s"}, .separator = (char[]){" "}};

static bool taken(const void *userdata, const char *name)
{
    return strcmp(userdata, name) == 0;
}

static int read_table(const char *json, struct added_table **ret, struct buf *error)
{
    CLEANUP(jsondoc_done) struct jsondoc doc = {0};
    const struct jsondoc_node *root = jsontext_read(&doc, span_of(json));
    if (!root)
        return -ENOMEM;
    return added_read(&session, &doc, root, taken, "t", ret, error);
}

/* One that reads. */
static struct added_table *good(const char *json)
{
    AUTO_BUF struct buf error = BUF_INIT(1 << 20);
    struct added_table *table = NULL;
    ck_assert_msg(read_table(json, &table, &error) == 0, "%s", buf_text(&error));
    ck_assert_uint_eq(error.len, 0);
    return table;
}

static const char everything[] =
    "{\"name\":\"w\",\"mode\":\"DISTINCT\",\"data_adapter\":\"\\u00c4 ${X}\",\"items\":[\"a\",\"b\"],"
    "\"fields\":[\"f\",\"g\"],\"snapshot\":10,\"selector\":\"s\",\"buffer_size\":5,\"max_frequency\":25e-1,"
    "\"silent\":true,\"retry_failed_ms\":0,\"stale_ms\":2147483647,\"types\":{\"number\":[\"g\",\"1\"]},"
    "\"topic\":\"$${item}/{key}\",\"encoding\":\"msgpack\"}";

START_TEST(values)
{
    struct added_table *a = good(everything);
    const struct conf_table *t = a->conf;
    ck_assert_str_eq(t->name, "w");
    ck_assert_int_eq(t->mode, CONF_MODE_DISTINCT);
    ck_assert_str_eq(t->data_adapter, "\xc3\x84 ${X}");
    ck_assert_uint_eq(t->items.n, 2);
    ck_assert_str_eq(t->fields.at[1], "g");
    ck_assert(t->snapshot && t->snapshot_length == 10 && t->silent);
    ck_assert_str_eq(t->buffer_size, "5");
    ck_assert_str_eq(t->max_frequency, "2.5");
    ck_assert(t->retry_failed_ms == 0 && t->stale_ms == INT32_MAX);
    ck_assert_uint_eq(t->n_types, 2);
    ck_assert_str_eq(t->topic, "$${item}/{key}");
    ck_assert(t->has_encoding && t->encoding == CONF_ENCODING_MSGPACK);
    ck_assert(!t->file && !t->line);
    added_free(a);
}
END_TEST

START_TEST(defaults)
{
    struct added_table *a = good("{\"name\":\"w\",\"group\":\"g\",\"schema\":\"s\"}");
    ck_assert_int_eq(a->conf->mode, CONF_MODE_MERGE);
    ck_assert(a->conf->snapshot && a->conf->retry_failed_ms == 60000 && !a->conf->topic);
    ck_assert_str_eq(a->conf->max_frequency, "unlimited");
    added_free(a);
    a = good("{\"name\":\"w\",\"mode\":\"RAW\",\"group\":\"g\",\"schema\":\"s\"}");
    ck_assert(!a->conf->snapshot);
    added_free(a);
    added_free(NULL);
}
END_TEST

static const char every_fault[] =
    "{\"name\":\"t\",\"mode\":null,\"items\":[\"a b\",true],\"fields\":[],\"snapshot\":0.5,\"max_frequency\":1e999,"
    "\"buffer_size\":1.5,\"stale_ms\":-12345678901234567890,\"types\":{\"json\":\"x\"},\"top\\u0000ic\":{},"
    "\"topic\":\"\\u0000\",\"selector\":\"\\ud800\",\"silent\":1}";

START_TEST(faults)
{
    static const char expected[] =
        "table.mode: expected \"MERGE\", \"DISTINCT\", \"COMMAND\" or \"RAW\", found null\n"
        "table.items: expected a name without the session's separator \" \", found one that would be sent as two\n"
        "table.items: expected a string, found true\n"
        "table.fields: expected at least one string, found an empty array [ ]\n"
        "table.snapshot: expected true, false or an integer from 1 to 2147483647, found 0.5\n"
        "table.max_frequency: expected \"unlimited\", \"unfiltered\" or a number from 0.000001 to 1000000000, "
        "found 1e999\n"
        "table.buffer_size: expected \"unlimited\" or an integer from 1 to 2147483647, found 1.5\n"
        "table.stale_ms: expected an integer from 0 to 2147483647, found -12345678901234567890, "
        "which 64 bits cannot hold\n"
        "table.types: json: expected an array [ ] of names or positions of fields\n"
        "table.\"top\\u0000ic\": unknown setting; expected one of name, mode, ";
    AUTO_BUF struct buf error = BUF_INIT(1 << 20);
    struct added_table *table = NULL;
    ck_assert_int_eq(read_table(every_fault, &table, &error), ADDED_FAULT);
    ck_assert_ptr_null(table);
    ck_assert_msg(span_starts(buf_span(&error), span_of(expected)), "%s", buf_text(&error));
    ck_assert_ptr_nonnull(strstr(buf_text(&error), "\ntable.topic: U+0000 cannot be had here\n"));
    ck_assert_ptr_nonnull(strstr(buf_text(&error), "\ntable.selector: expected UTF-8"));
    ck_assert_ptr_nonnull(strstr(buf_text(&error), "\ntable.silent: expected true or false, found 1\n"));
    ck_assert_ptr_nonnull(
        strstr(buf_text(&error), "\ntable.name: expected a name of its own, found \"t\", which is taken"));
}
END_TEST

START_TEST(again)
{
    struct conf_session other = {.name = session.name, .separator = (char[]){"b"}};
    struct conf_session text = {
        .name = session.name, .separator = session.separator, .protocol = CONF_PROTOCOL_TEXT};
    AUTO_BUF struct buf error = BUF_INIT(1 << 20);
    struct added_table *a = good(everything), *b = NULL;
    ck_assert_int_eq(added_again(&session, a, &b, &error), 0);
    ck_assert_str_eq(b->conf->data_adapter, a->conf->data_adapter);
    added_free(TAKE(b));
    ck_assert_int_eq(added_again(&other, a, &b, &error), ADDED_FAULT);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(strstr(buf_text(&error), "table.items: expected a name without"));
    added_free(a);
    a = good("{\"name\":\"w\",\"mode\":\"COMMAND\",\"items\":[\"i\"],\"fields\":[\"key\",\"command\"]}");
    ck_assert_ptr_null(a->conf->key_field);
    buf_clear(&error);
    ck_assert_int_eq(added_again(&text, a, &b, &error), 0);
    ck_assert_str_eq(b->conf->key_field, "key");
    added_free(b);
    added_free(a);
}
END_TEST

/* Each of our allocations fails once: -ENOMEM (or the error's buffer says so), nothing else, and nothing leaks. */
static void sweep(const char *json, int result)
{
    size_t n = 0;
    int r;
    do {
        AUTO_BUF struct buf error = BUF_INIT(1 << 20);
        struct added_table *table = NULL;
        allocations = 0;
        failing = ++n;
        r = read_table(json, &table, &error);
        failing = 0;
        if (allocations >= n)
            ck_assert(r == -ENOMEM || (r == ADDED_FAULT && buf_error(&error) == -ENOMEM));
        if (r)
            ck_assert_ptr_null(table);
        added_free(table);
        ck_assert_uint_lt(n, 10000);
    } while (allocations >= n);
    ck_assert_int_eq(r, result);
    ck_assert_uint_gt(n, 20);
}

START_TEST(allocations_fail)
{
    sweep(everything, 0);
    sweep(every_fault, ADDED_FAULT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("added");
    TCase *t = tcase_create("added");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, values);
    tcase_add_test(t, defaults);
    tcase_add_test(t, faults);
    tcase_add_test(t, again);
    tcase_add_test(t, allocations_fail);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
