/* proto/line: any chunking gives the same lines. */
#include <check.h>
#include <stdio.h>

#include "../lib/random.h"
#include "proto/line.h"

enum { MAX_BYTES = 64 };

/* Feeds PIECE from a block of its own, which is gone afterwards; adds every line and its fate to OUT. */
static void feed(struct line_reader *r, struct span piece, struct buf *out)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    memcpy(copy, piece.at ? piece.at : "", piece.len);
    line_feed(r, span_make(copy, piece.len));
    struct span line;
    int e;
    while ((e = line_next(r, &line)) == 0) {
        buf_add_char(out, '[');
        buf_add_span(out, line);
        buf_add_char(out, ']');
    }
    if (e == LINE_TOO_LONG)
        buf_add_text(out, "!");
    free(copy);
    ck_assert_int_ge(e, 0);
}

static void expect(struct span text, const char *want, size_t cut)
{
    struct line_reader r;
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    line_init(&r, MAX_BYTES);
    size_t piece = cut == SIZE_MAX ? 1 : cut ? cut : text.len;
    for (struct span rest = text; rest.len && !memchr(buf_text(&out), '!', out.len);) {
        feed(&r, span_make(rest.at, piece < rest.len ? piece : rest.len), &out);
        rest = span_from(rest, piece);
        piece = cut == SIZE_MAX ? 1 : rest.len;
    }
    ck_assert_msg(span_is(buf_span(&out), want), "cut at %zu: %.*s, not %s", cut, SPAN_ARG(buf_span(&out)),
                  want);
    line_done(&r);
}

static void expect_all_ways(struct span text, const char *want)
{
    for (size_t cut = 0; cut < text.len; cut++)
        expect(text, want, cut);
    expect(text, want, SIZE_MAX);
}

START_TEST(lines)
{
    expect_all_ways(SPAN(""), "");
    expect_all_ways(SPAN("\r\n"), "[]");
    expect_all_ways(SPAN("one\r\ntwo\r\n"), "[one][two]");
    expect_all_ways(SPAN("bare\nends\n\n"), "[bare][ends][]");
    expect_all_ways(SPAN("a\rb\r\r\nc\r\n"), "[a\rb\r][c]");
    expect_all_ways(SPAN("no end"), "");
    expect_all_ways(SPAN("whole\r\nhalf"), "[whole]");
}
END_TEST

START_TEST(nul_bytes)
{
    struct line_reader r;
    struct span line;
    line_init(&r, MAX_BYTES);
    line_feed(&r, SPAN("a\0b\r\nc"));
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_equal(line, SPAN("a\0b")));
    ck_assert_int_eq(line_next(&r, &line), LINE_NONE);
    line_feed(&r, SPAN("\0d\n"));
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_equal(line, SPAN("c\0d")));
    line_done(&r);
}
END_TEST

/* The maximum counts the carriage return, not the line feed, however the line comes. */
START_TEST(too_long)
{
    char text[MAX_BYTES + 8], want[MAX_BYTES + 8];
    memset(text, 'x', sizeof text);
    text[MAX_BYTES] = '\n';
    snprintf(want, sizeof want, "[%.*s]", MAX_BYTES, text);
    expect_all_ways(span_make(text, MAX_BYTES + 1), want);
    text[MAX_BYTES] = 'x';
    text[MAX_BYTES + 1] = '\n';
    expect_all_ways(span_make(text, MAX_BYTES + 2), "!");
    expect_all_ways(span_make(text, MAX_BYTES + 1), "!");
    memcpy(text, "ok\r\n", 4);
    text[MAX_BYTES + 1] = 'x';
    expect_all_ways(span_make(text, MAX_BYTES + 4), "[ok]");
    expect_all_ways(span_make(text, MAX_BYTES + 5), "[ok]!");
}
END_TEST

START_TEST(reset)
{
    struct line_reader r;
    struct span line;
    line_init(&r, MAX_BYTES);
    line_feed(&r, SPAN("start of a line"));
    ck_assert_int_eq(line_next(&r, &line), LINE_NONE);
    line_reset(&r);
    line_feed(&r, SPAN("new\r\nrest\r\n"));
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_is(line, "new"));
    line_reset(&r);
    ck_assert_int_eq(line_next(&r, &line), LINE_NONE);
    line_done(&r);
    line_done(&r);
}
END_TEST

/* What is left of the input is kept when its memory goes, more than once, and a line that began before it too. */
START_TEST(keep)
{
    struct line_reader r;
    struct span line;
    line_init(&r, MAX_BYTES);
    line_feed(&r, SPAN("be"));
    ck_assert_int_eq(line_next(&r, &line), LINE_NONE);
    ck_assert_int_eq(line_keep(&r), 0);
    char *bytes = span_dup(SPAN("gun\r\ntwo\r\nthree\r\nfo"));
    line_feed(&r, span_of(bytes));
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_is(line, "begun"));
    ck_assert_int_eq(line_keep(&r), 0);
    memset(bytes, 'X', strlen(bytes));
    free(bytes);
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_is(line, "two"));
    ck_assert_int_eq(line_keep(&r), 0);
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_is(line, "three"));
    ck_assert_int_eq(line_next(&r, &line), LINE_NONE);
    line_feed(&r, SPAN("ur\n"));
    ck_assert_int_eq(line_next(&r, &line), 0);
    ck_assert(span_is(line, "four"));
    line_done(&r);
}
END_TEST

/* Random texts in random pieces, beside the same text at once. */
START_TEST(random_pieces)
{
    struct random random = {.state = 20};
    for (int round = 0; round < 300; round++) {
        char text[200];
        size_t n = random_below(&random, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = "ab\r\n\0x"[random_below(&random, 6)];
        struct line_reader whole, pieces;
        AUTO_BUF struct buf want = BUF_INIT(SIZE_MAX / 2), out = BUF_INIT(SIZE_MAX / 2);
        line_init(&whole, 1000);
        line_init(&pieces, 1000);
        feed(&whole, span_make(text, n), &want);
        for (size_t at = 0; at < n;) {
            size_t piece = 1 + random_below(&random, n - at);
            feed(&pieces, span_make(text + at, piece), &out);
            at += piece;
        }
        ck_assert(span_equal(buf_span(&out), buf_span(&want)));
        line_done(&whole);
        line_done(&pieces);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("line");
    TCase *c = tcase_create("line");
    tcase_add_test(c, lines);
    tcase_add_test(c, nul_bytes);
    tcase_add_test(c, too_long);
    tcase_add_test(c, reset);
    tcase_add_test(c, keep);
    tcase_add_test(c, random_pieces);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
