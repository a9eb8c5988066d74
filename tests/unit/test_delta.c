/* proto/delta: the tokens of one list of values. */
#include <check.h>

#include "base/buf.h"
#include "proto/delta.h"

/* Takes VALUES apart for FIELDS fields and writes down what they say: U3 three unchanged, N null, V(text), P(text), T(text); then E at the end or
 * ! where it is bad. */
static void expect_in(enum delta_syntax syntax, const char *values, size_t fields, const char *want)
{
    AUTO_BUF struct buf out = BUF_INIT(1000);
    struct span rest = span_of(values);
    struct delta d;
    size_t field = 0;
    int r;
    while ((r = delta_next(syntax, &rest, fields - field, &d)) == 0) {
        ck_assert_uint_ge(d.fields, 1);
        field += d.fields;
        ck_assert_uint_le(field, fields);
        if (d.kind == DELTA_UNCHANGED)
            buf_printf(&out, "U%zu", d.fields);
        else if (d.kind == DELTA_NULL)
            buf_add_text(&out, "N");
        else
            buf_printf(&out, "%c(%.*s)",
                       d.kind == DELTA_VALUE        ? 'V'
                       : d.kind == DELTA_JSON_PATCH ? 'P'
                                                    : 'T',
                       SPAN_ARG(d.text));
    }
    buf_add_text(&out, r == DELTA_END ? "E" : "!");
    ck_assert_msg(span_is(buf_span(&out), want), "'%s' for %zu: %s, not %s", values, fields, buf_text(&out),
                  want);
}

static void expect(const char *values, size_t fields, const char *want)
{
    expect_in(DELTA_TLCP, values, fields, want);
}

START_TEST(tokens)
{
    expect("", 1, "U1E");
    expect("a", 1, "V(a)E");
    expect("#", 1, "NE");
    expect("$", 1, "V()E");
    expect("a||#|$", 4, "V(a)U1NV()E");
    expect("##|$$|a#|a^", 4, "V(##)V($$)V(a#)V(a^)E");
    expect("%23|%24|%5E2|%7C", 4, "V(%23)V(%24)V(%5E2)V(%7C)E");
    expect("|||", 4, "U1U1U1U1E");
}
END_TEST

START_TEST(runs)
{
    expect("^3", 3, "U3E");
    expect("a|^4|b|c|||", 10, "V(a)U4V(b)V(c)U1U1U1E");
    expect("^1|^2", 3, "U1U2E");
    expect("^003", 3, "U3E");
    expect("^0", 3, "!");
    expect("^4", 3, "!");
    expect("^2|^2", 3, "U2!");
    expect("^18446744073709551617", 3, "!");
    expect("^", 3, "!");
    expect("^-1", 3, "!");
    expect("^1x", 3, "!");
    expect("^ 1", 3, "!");
}
END_TEST

START_TEST(differences)
{
    expect("^P[]|^Td", 2, "P([])T(d)E");
    expect("^P|^T", 2, "P()T()E");
    expect("^Tb^|x", 2, "T(b^)V(x)E");
    expect("^p[]", 1, "!");
    expect("^X", 1, "!");
    expect("^^1", 1, "!");
    expect("^#", 1, "!");
}
END_TEST

/* Too few are the table's to see; too many are bad here. */
START_TEST(counts)
{
    expect("a", 3, "V(a)E");
    expect("a|b|c", 2, "V(a)V(b)!");
    expect("a|", 1, "V(a)!");
    expect("^3|", 3, "U3!");
    expect("a", 0, "!");
}
END_TEST

START_TEST(text_mode)
{
    expect_in(DELTA_TEXT, "a||#|$", 4, "V(a)U1NV()E");
    expect_in(DELTA_TEXT, "##|$$|#$|$#|##a|$a", 6, "V(#)V($)V($)V(#)V(#a)V(a)E");
    expect_in(DELTA_TEXT, "^3|^Pa|%41|\\u007c", 4, "V(^3)V(^Pa)V(%41)V(\\u007c)E");
    expect_in(DELTA_TEXT, "", 1, "U1E");
    expect_in(DELTA_TEXT, "a|b", 1, "V(a)!");
}
END_TEST

START_TEST(decoding)
{
    char out[20];
    ck_assert(delta_is_plain(DELTA_TLCP, SPAN("a\\u0041")) && !delta_is_plain(DELTA_TLCP, SPAN("100%25")));
    ck_assert(delta_is_plain(DELTA_TEXT, SPAN("100%25")) && !delta_is_plain(DELTA_TEXT, SPAN("\\")));
    ck_assert(delta_is_plain(DELTA_TLCP, SPAN_EMPTY) && delta_is_plain(DELTA_TEXT, SPAN_EMPTY));
    ck_assert_int_eq(delta_decode(DELTA_TLCP, out, SPAN("100%25")), 4);
    ck_assert_int_eq(delta_decode(DELTA_TLCP, out, SPAN("100%")), -1);
    ck_assert_int_eq(delta_decode(DELTA_TEXT, out, SPAN("\\u0041\\")), 2);
    ck_assert_mem_eq(out, "A\\", 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("delta");
    TCase *c = tcase_create("delta");
    tcase_add_test(c, tokens);
    tcase_add_test(c, runs);
    tcase_add_test(c, differences);
    tcase_add_test(c, counts);
    tcase_add_test(c, text_mode);
    tcase_add_test(c, decoding);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
