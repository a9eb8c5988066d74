/* src/base but escape: what each header promises, and random runs beside a model too simple to be wrong. */
#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "../lib/random.h"
#include "base/buf.h"
#include "base/idmap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/span.h"
#include "base/timers.h"
#include "base/util.h"

enum { N_RANDOM_RUNS = 40 };

/* ---- util ---- */

static int n_freed;

static void count_freed(int *number)
{
    n_freed += *number;
}

START_TEST(cleanup)
{
    {
        CLEANUP(count_freed) int number = 3;
        ck_assert_int_eq(n_freed, 0);
        ck_assert_int_eq(number, 3);
    }
    ck_assert_int_eq(n_freed, 3);
    AUTO_FREE char *text = malloc(1);
    char *taken = TAKE(text);
    ck_assert_ptr_null(text);
    free(taken);
}
END_TEST

/* ---- span ---- */

START_TEST(span_basics)
{
    ck_assert(span_equal(SPAN_EMPTY, span_make("x", 0)));
    ck_assert(span_equal(span_of(NULL), SPAN("")));
    ck_assert(!span_equal(SPAN("a"), SPAN("b")));
    ck_assert(!span_equal(SPAN("a"), SPAN("a\0")));
    ck_assert(span_is(SPAN("abc"), "abc"));
    ck_assert(!span_is(SPAN("abc"), "ab"));
    ck_assert(!span_is(SPAN("a\0c"), "a"));
    ck_assert(span_starts(SPAN("abc"), SPAN_EMPTY));
    ck_assert(span_starts(SPAN_EMPTY, SPAN_EMPTY));
    ck_assert(span_starts(SPAN("abc"), SPAN("abc")));
    ck_assert(!span_starts(SPAN("ab"), SPAN("abc")));
    ck_assert(span_is(span_from(SPAN("abc"), 1), "bc"));
    ck_assert_uint_eq(span_from(SPAN("abc"), 3).len, 0);
    ck_assert_uint_eq(span_from(SPAN("abc"), SIZE_MAX).len, 0);
    char text[16];
    snprintf(text, sizeof text, "<%.*s>", SPAN_ARG(SPAN_EMPTY));
    ck_assert_str_eq(text, "<>");
    AUTO_FREE char *copy = span_dup(SPAN("a\0b")), *nothing = span_dup(SPAN_EMPTY);
    ck_assert_int_eq(memcmp(copy, "a\0b", 4), 0);
    ck_assert_str_eq(nothing, "");
}
END_TEST

START_TEST(span_cut_examples)
{
    static const struct {
        struct span text;
        const char *heads[5];
    } examples[] = {
        {{"a,,b", 4}, {"a", "", "b"}}, {{"", 0}, {""}},        {{",", 1}, {"", ""}},
        {{"abc", 3}, {"abc"}},         {{"a,", 2}, {"a", ""}}, {{NULL, 0}, {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        struct span rest = examples[i].text, head = SPAN("untouched");
        for (size_t n = 0; examples[i].heads[n]; n++) {
            ck_assert(span_cut(&rest, ',', &head));
            ck_assert(span_is(head, examples[i].heads[n]));
        }
        struct span last = head;
        ck_assert(!span_cut(&rest, ',', &head));
        ck_assert(span_equal(head, last));
    }
}
END_TEST

/* Heads joined by the separator are the text again. */
START_TEST(span_cut_random)
{
    struct random random = {(uint64_t)_i + 1};
    char text[64], joined[64];
    size_t n = random_below(&random, sizeof text), at = 0;
    for (size_t i = 0; i < n; i++)
        text[i] = "ab|"[random_below(&random, 3)];
    struct span rest = span_make(text, n), head;
    bool first = true;
    while (span_cut(&rest, '|', &head)) {
        ck_assert(head.len == 0 || !memchr(head.at, '|', head.len));
        if (!first)
            joined[at++] = '|';
        first = false;
        memcpy(joined + at, head.at, head.len);
        at += head.len;
    }
    ck_assert_uint_eq(at, n);
    ck_assert_int_eq(memcmp(joined, text, n), 0);
}
END_TEST

START_TEST(span_numbers)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool good;
        uint64_t value;
    } examples[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"007", 9, true, 7},
        {"10", 9, false, 0},
        {"9", 9, true, 9},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1x", 99, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"28446744073709551615", UINT64_MAX, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"4294967295", UINT32_MAX, true, UINT32_MAX},
        {"4294967296", UINT32_MAX, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        uint64_t value = 77;
        ck_assert_msg(span_to_u64(span_of(examples[i].text), examples[i].max, &value) == examples[i].good,
                      "%s", examples[i].text);
        ck_assert_uint_eq(value, examples[i].good ? examples[i].value : 77);
    }
    int value = 77;
    ck_assert(!span_to_int(SPAN("-"), &value));
    ck_assert(!span_to_int(SPAN(""), &value));
    ck_assert(!span_to_int(SPAN("--1"), &value));
    ck_assert(!span_to_int(SPAN("2147483648"), &value));
    ck_assert_int_eq(value, 77);
    ck_assert(span_to_int(SPAN("-2147483647"), &value));
    ck_assert_int_eq(value, -2147483647);
    ck_assert(span_to_int(SPAN("-0"), &value));
    ck_assert_int_eq(value, 0);
}
END_TEST

START_TEST(span_numbers_random)
{
    struct random random = {(uint64_t)_i + 1};
    for (int i = 0; i < 200; i++) {
        uint64_t number = random_next(&random) >> random_below(&random, 64), value = 0;
        char text[32];
        snprintf(text, sizeof text, "%ju", (uintmax_t)number);
        ck_assert(span_to_u64(span_of(text), UINT64_MAX, &value));
        ck_assert_uint_eq(value, number);
        ck_assert(span_to_u64(span_of(text), number, &value));
        ck_assert(number == 0 || !span_to_u64(span_of(text), number - 1, &value));
    }
}
END_TEST

/* ---- buf ---- */

START_TEST(buf_keeps_its_maximum)
{
    for (size_t max = 0; max < 600; max += 7) {
        AUTO_BUF struct buf b = BUF_INIT(max);
        for (size_t i = 0; i < max; i++)
            buf_add_char(&b, 'x');
        ck_assert_int_eq(buf_error(&b), 0);
        ck_assert_uint_eq(b.len, max);
        ck_assert_uint_le(b.cap, max);
        buf_add_char(&b, 'y');
        ck_assert_int_eq(buf_error(&b), -ENOBUFS);
        ck_assert_uint_eq(b.len, max);
    }
}
END_TEST

START_TEST(buf_errors_stick)
{
    AUTO_BUF struct buf b = BUF_INIT(10);
    buf_add_text(&b, "12345");
    buf_add_text(&b, "6789ab");
    ck_assert_int_eq(buf_error(&b), -ENOBUFS);
    buf_add_text(&b, "6");
    buf_printf(&b, "%d", 6);
    ck_assert_int_eq(buf_reserve(&b, 0), -ENOBUFS);
    ck_assert_str_eq(buf_text(&b), "");
    ck_assert(span_is(buf_span(&b), "12345"));
    buf_clear(&b);
    ck_assert_int_eq(buf_error(&b), 0);
    buf_add_text(&b, "6");
    ck_assert_str_eq(buf_text(&b), "6");
    ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
    buf_done(&b);
    buf_done(&b);
    ck_assert_uint_eq(b.max, 10);
    struct buf zeroed = {0};
    buf_done(&zeroed);
}
END_TEST

START_TEST(buf_adds)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 4096);
    ck_assert_uint_eq(buf_span(&b).len, 0);
    buf_add(&b, NULL, 0);
    buf_add_span(&b, SPAN_EMPTY);
    ck_assert_ptr_null(b.at);
    buf_add_u64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MAX);
    buf_printf(&b, " %s%c%05d", "printf", ' ', 42);
    buf_printf(&b, "%s", "");
    ck_assert_str_eq(buf_text(&b),
                     "0 18446744073709551615 -9223372036854775808 9223372036854775807 printf 00042");
    buf_clear(&b);
    buf_printf(&b, "%600s", "far");
    ck_assert_uint_eq(b.len, 600);
    buf_drop_front(&b, 0);
    buf_drop_front(&b, 597);
    ck_assert_str_eq(buf_text(&b), "far");
    buf_drop_front(&b, 3);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

/* The model is an array, its length, and whether something did not fit since the last clear. */
START_TEST(buf_random)
{
    enum { MAX = 700 };
    struct random random = {(uint64_t)_i + 1};
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    char model[MAX], bytes[300];
    size_t len = 0;
    bool full = false;
    for (int i = 0; i < 300; i++) {
        size_t n = random_below(&random, sizeof bytes);
        switch (random_below(&random, 8)) {
        case 0:
            buf_clear(&b);
            len = 0;
            full = false;
            break;
        case 1:
            n = random_below(&random, len + 1);
            buf_drop_front(&b, n);
            memmove(model, model + n, len - n);
            len -= n;
            break;
        default:
            for (size_t j = 0; j < n; j++)
                bytes[j] = (char)random_next(&random);
            buf_add(&b, bytes, n);
            full = full || n > MAX - len;
            if (!full) {
                memcpy(model + len, bytes, n);
                len += n;
            }
        }
        ck_assert_int_eq(buf_error(&b), full ? -ENOBUFS : 0);
        ck_assert(span_equal(buf_span(&b), span_make(model, len)));
    }
}
END_TEST

/* ---- list ---- */

struct listed {
    int number;
    struct list link;
};

static void expect_list(const struct list *head, const int *numbers, size_t n)
{
    /* Counted and asserted once: an assertion that holds is not free. */
    size_t at = 0, wrong = 0;
    LIST_EACH(link, head) {
        wrong += at >= n || CONTAINER_OF(link, struct listed, link)->number != numbers[at];
        wrong += link->next->previous != link;
        at++;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(at, n);
    ck_assert(list_empty(head) == (n == 0));
    ck_assert_ptr_eq(list_first(head), n ? head->next : NULL);
}

START_TEST(list_random)
{
    enum { N = 20 };
    struct random random = {(uint64_t)_i + 1};
    struct list head;
    struct listed items[N];
    int model[N];
    bool in[N] = {false};
    size_t n = 0;
    list_init(&head);
    for (int i = 0; i < N; i++) {
        items[i].number = i;
        list_init(&items[i].link);
    }
    for (int i = 0; i < 500; i++) {
        size_t at = random_below(&random, N);
        if (!in[at]) {
            list_append(&head, &items[at].link);
            model[n++] = (int)at;
        } else {
            list_remove(&items[at].link);
            size_t place = 0;
            while (model[place] != (int)at)
                place++;
            memmove(model + place, model + place + 1, (n - place - 1) * sizeof *model);
            n--;
        }
        in[at] = !in[at];
        expect_list(&head, model, n);
    }
    list_remove(&items[0].link);
    list_remove(&items[0].link);
}
END_TEST

START_TEST(list_safe_walk)
{
    struct list head;
    list_init(&head);
    for (int i = 0; i < 10; i++) {
        struct listed *item = malloc(sizeof *item);
        item->number = i;
        list_append(&head, &item->link);
    }
    LIST_EACH_SAFE(link, &head) {
        struct listed *item = CONTAINER_OF(link, struct listed, link);
        if (item->number % 3 == 0)
            continue;
        list_remove(link);
        free(item);
    }
    expect_list(&head, (const int[]){0, 3, 6, 9}, 4);
    LIST_EACH_SAFE(link, &head)
        free(CONTAINER_OF(link, struct listed, link));
}
END_TEST

/* ---- map ---- */

START_TEST(map_empty)
{
    struct map m = {0};
    ck_assert_ptr_null(map_get(&m, SPAN("a")));
    ck_assert_ptr_null(map_remove(&m, SPAN("a")));
    map_done(&m);
    int value;
    ck_assert_int_eq(map_add(&m, SPAN_EMPTY, &value), 0);
    ck_assert_int_eq(map_add(&m, SPAN("a\0"), &value), 0);
    ck_assert_ptr_eq(map_get(&m, SPAN("")), &value);
    ck_assert_ptr_null(map_get(&m, SPAN("a")));
    ck_assert_ptr_eq(map_remove(&m, SPAN_EMPTY), &value);
    ck_assert_ptr_null(map_get(&m, SPAN("")));
    ck_assert_uint_eq(m.count, 1);
    map_done(&m);
    map_done(&m);
}
END_TEST

/* Few keys, so that adds and removals meet in the same runs of slots; the model is a flag for each. */
START_TEST(map_random)
{
    enum { N = 100 };
    struct random random = {(uint64_t)_i + 1};
    struct map m = {0};
    char keys[N][8];
    bool in[N] = {false};
    size_t count = 0;
    for (size_t i = 0; i < N; i++)
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
    /* Phases that grow and phases that shrink. */
    for (int i = 0; i < 3000; i++) {
        size_t at = random_below(&random, N);
        bool grow = random_below(&random, 4) != 0, growing = i / 500 % 2 == 0;
        if (!in[at] && grow == growing) {
            ck_assert_int_eq(map_add(&m, span_of(keys[at]), keys[at]), 0);
            in[at] = true;
            count++;
        } else if (in[at] && grow != growing) {
            ck_assert_ptr_eq(map_remove(&m, span_of(keys[at])), keys[at]);
            in[at] = false;
            count--;
        }
        ck_assert_uint_eq(m.count, count);
        size_t wrong = 0;
        for (size_t k = 0; k < N; k++)
            wrong += map_get(&m, span_of(keys[k])) != (in[k] ? keys[k] : NULL);
        ck_assert_uint_eq(wrong, 0);
    }
    map_done(&m);
}
END_TEST

START_TEST(map_large)
{
    enum { N = 20000 };
    struct map m = {0};
    AUTO_FREE uint32_t *keys = malloc(N * sizeof *keys);
    size_t wrong = 0;
    for (uint32_t i = 0; i < N; i++) {
        keys[i] = i;
        wrong += map_add(&m, span_make((char *)&keys[i], sizeof *keys), &keys[i]) != 0;
    }
    for (uint32_t i = 0; i < N; i += 2)
        wrong += map_remove(&m, span_make((char *)&i, sizeof i)) != &keys[i];
    for (uint32_t i = 0; i < N; i++)
        wrong += map_get(&m, span_make((char *)&i, sizeof i)) != (i % 2 ? &keys[i] : NULL);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(m.count, N / 2);
    map_done(&m);
}
END_TEST

/* ---- idmap ---- */

enum { N_IDS = 4096 };

/* Ids that are given out in order, some of which stay: beside an array of all. */
START_TEST(idmap_random)
{
    struct random random = {(uint64_t)_i + 1};
    struct idmap m = {0};
    static char values[N_IDS + 1];
    bool there[N_IDS + 1] = {false};
    size_t count = 0;
    ck_assert_ptr_null(idmap_get(&m, 1));
    ck_assert_ptr_null(idmap_remove(&m, 1));
    for (uint64_t id = 1; id <= N_IDS; id++) {
        ck_assert_int_eq(idmap_reserve(&m, m.count + 1), 0);
        idmap_add(&m, id, &values[id]);
        there[id] = true;
        count++;
        for (size_t n = random_below(&random, 3); n > 0; n--) {
            uint64_t gone = 1 + random_below(&random, (size_t)id);
            ck_assert_ptr_eq(idmap_remove(&m, gone), there[gone] ? &values[gone] : NULL);
            count -= there[gone];
            there[gone] = false;
        }
        ck_assert_uint_eq(m.count, count);
    }
    for (uint64_t id = 0; id <= N_IDS; id++)
        ck_assert_ptr_eq(idmap_get(&m, id), there[id] ? &values[id] : NULL);
    ck_assert_uint_le(m.n_slots, N_IDS * 2);
    idmap_done(&m);
}
END_TEST

/* ---- timers ---- */

enum { N_TIMERS = 200 };

static uint64_t earliest(const struct timer *timers, size_t n)
{
    uint64_t at = TIMER_OFF;
    for (size_t i = 0; i < n; i++)
        at = timers[i].at < at ? timers[i].at : at;
    return at;
}

START_TEST(timers_random)
{
    struct random random = {(uint64_t)_i + 1};
    struct timers t = {0};
    struct timer timers[N_TIMERS];
    ck_assert_ptr_null(timers_take(&t, UINT64_MAX));
    ck_assert_int_eq(timers_reserve(&t, N_TIMERS), 0);
    for (size_t i = 0; i < N_TIMERS; i++)
        timers[i] = (struct timer)TIMER_INIT;
    uint64_t now = 0;
    for (int n = 0; n < 5000; n++) {
        struct timer *one = &timers[random_below(&random, N_TIMERS)];
        switch (random_below(&random, 8)) {
        case 0: timers_set(&t, one, TIMER_OFF); break;
        case 1: timers_postpone(&t, random_below(&random, 5)); break;
        case 3:
            now += random_below(&random, 20);
            for (struct timer *due; (due = timers_take(&t, now));)
                ck_assert(due->at == TIMER_OFF);
            ck_assert_uint_gt(timers_next(&t), now);
            break;
        default: timers_set(&t, one, now + random_below(&random, 100)); break;
        }
        ck_assert_uint_eq(timers_next(&t), earliest(timers, N_TIMERS));
    }
    timers_done(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *span = tcase_create("span"), *buf = tcase_create("buf"), *list = tcase_create("list");
    TCase *map = tcase_create("map"), *ids = tcase_create("ids and timers");
    tcase_add_test(span, cleanup);
    tcase_add_test(span, span_basics);
    tcase_add_test(span, span_cut_examples);
    tcase_add_loop_test(span, span_cut_random, 0, N_RANDOM_RUNS);
    tcase_add_test(span, span_numbers);
    tcase_add_loop_test(span, span_numbers_random, 0, N_RANDOM_RUNS);
    suite_add_tcase(suite, span);
    tcase_add_test(buf, buf_keeps_its_maximum);
    tcase_add_test(buf, buf_errors_stick);
    tcase_add_test(buf, buf_adds);
    tcase_add_loop_test(buf, buf_random, 0, N_RANDOM_RUNS);
    suite_add_tcase(suite, buf);
    tcase_add_loop_test(list, list_random, 0, N_RANDOM_RUNS);
    tcase_add_test(list, list_safe_walk);
    suite_add_tcase(suite, list);
    tcase_add_test(map, map_empty);
    tcase_add_loop_test(map, map_random, 0, 5);
    tcase_add_test(map, map_large);
    suite_add_tcase(suite, map);
    tcase_add_loop_test(ids, idmap_random, 0, 5);
    tcase_add_loop_test(ids, timers_random, 0, 5);
    suite_add_tcase(suite, ids);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
