/* The types of a table's fields: found by name and position, and what a reload keeps. */
#include "bridge/feed_types.h"

#include <check.h>

static struct span names[] = {{"a", 1}, {"2", 1}, {"c", 1}}, second_names[] = {{"x", 1}, {"y", 1}};
static const struct feed_names all = {.first = names, .n_first = 3}, none = {0};

static struct feed_type type(const char *field, enum encode_type t)
{
    return (struct feed_type){span_of(field), t};
}

START_TEST(by_name_and_position)
{
    struct feed_types t = {0};
    /* The field named "2" is the second; of two that say the same the name counts. */
    struct feed_type given[] = {type("a", ENCODE_NUMBER), type("3", ENCODE_JSON_VALUE),
                                type("2", ENCODE_BOOLEAN)};
    ck_assert_int_eq(feed_types_set(&t, given, 3, &all), 0);
    ck_assert_int_eq(feed_types_fit(&t, 3, &all), 0);
    ck_assert_int_eq(t.fields[0].type, ENCODE_NUMBER);
    ck_assert_int_eq(t.fields[1].type, ENCODE_BOOLEAN);
    ck_assert_int_eq(t.fields[2].type, ENCODE_JSON_VALUE);
    feed_types_done(&t);
}
END_TEST

START_TEST(positions_alone)
{
    struct feed_types t = {0};
    struct feed_type given[] = {type("9", ENCODE_NUMBER),
                                type("1", ENCODE_INTEGER),
                                type("18446744073709551615", ENCODE_INTEGER),
                                type("18446744073709551616", ENCODE_INTEGER),
                                type("0", ENCODE_INTEGER),
                                type("x", ENCODE_INTEGER)};
    ck_assert_int_eq(feed_types_set(&t, given, 6, &none), 0);
    ck_assert_int_eq(feed_types_fit(&t, 2, &none), 0);
    ck_assert_int_eq(t.fields[0].type, ENCODE_INTEGER);
    ck_assert_int_eq(t.fields[1].type, ENCODE_STRING);
    /* Another session, another count. */
    ck_assert_int_eq(feed_types_fit(&t, 9, &none), 0);
    ck_assert_int_eq(t.fields[8].type, ENCODE_NUMBER);
    feed_types_done(&t);
}
END_TEST

START_TEST(a_reload_keeps_what_is_known)
{
    struct feed_types t = {0};
    struct feed_type before[] = {type("a", ENCODE_NUMBER), type("c", ENCODE_NUMBER)};
    struct feed_type after[] = {type("1", ENCODE_NUMBER), type("c", ENCODE_INTEGER)};
    ck_assert_int_eq(feed_types_set(&t, before, 2, &all), 0);
    ck_assert_int_eq(feed_types_fit(&t, 3, &all), 0);
    t.fields[0].told = t.fields[2].told = true;
    ck_assert_int_eq(feed_types_set(&t, after, 2, &all), 0);
    ck_assert(t.fields[0].told && t.fields[0].type_kept);
    ck_assert(t.fields[1].type_kept);
    ck_assert(!t.fields[2].told && !t.fields[2].type_kept);
    ck_assert_int_eq(t.fields[2].type, ENCODE_INTEGER);
    feed_types_done(&t);
}
END_TEST

/* The second level's fields stand behind the first's, however many those are, and have names alone. */
START_TEST(two_levels)
{
    const struct feed_names both = {names, second_names, 3, 2}, second = {NULL, second_names, 0, 2};
    struct feed_type given[] = {type("y", ENCODE_NUMBER), type("4", ENCODE_INTEGER),
                                type("3", ENCODE_BOOLEAN)};
    struct feed_types t = {0};
    char text[24];
    ck_assert_int_eq(feed_types_set(&t, given, 3, &both), 0);
    ck_assert_int_eq(feed_types_fit(&t, 5, &both), 0);
    ck_assert_int_eq(t.fields[4].type, ENCODE_NUMBER);
    ck_assert_int_eq(t.fields[3].type, ENCODE_STRING);
    ck_assert_int_eq(t.fields[2].type, ENCODE_BOOLEAN);
    ck_assert(span_is(feed_name(&both, 5, 1, text), "2") && span_is(feed_name(&both, 5, 3, text), "x"));
    ck_assert_int_eq(feed_types_set(&t, given, 3, &second), 0);
    ck_assert_int_eq(feed_types_fit(&t, 6, &second), 0);
    ck_assert_int_eq(t.fields[5].type, ENCODE_NUMBER);
    ck_assert_int_eq(t.fields[3].type, ENCODE_INTEGER);
    ck_assert(span_is(feed_name(&second, 6, 3, text), "4") && span_is(feed_name(&second, 6, 4, text), "x"));
    feed_types_done(&t);
}
END_TEST

START_TEST(type_names)
{
    ck_assert_str_eq(feed_type_name(ENCODE_NUMBER), "number");
    ck_assert_str_eq(feed_type_name(ENCODE_JSON_VALUE), "json");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("feed_types");
    TCase *t = tcase_create("feed_types");
    tcase_add_test(t, by_name_and_position);
    tcase_add_test(t, positions_alone);
    tcase_add_test(t, a_reload_keeps_what_is_known);
    tcase_add_test(t, two_levels);
    tcase_add_test(t, type_names);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
