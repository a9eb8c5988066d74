/* proto/diff. */
#include <check.h>
#include <errno.h>

#include "../lib/random.h"
#include "proto/diff.h"
#include "proto/jsondoc.h"

enum { RESULT_MAX = 1 << 20 };

typedef int apply_function(struct span base, struct span diff, struct buf *ret);

/* Applies DIFF behind text that is there already; WANT NULL: it must be refused and leave that text alone. */
static void expect(apply_function *apply, struct span base, struct span diff, const char *want)
{
    AUTO_BUF struct buf ret = BUF_INIT(RESULT_MAX);
    buf_add_text(&ret, "kept:");
    int r = apply(base, diff, &ret);
    struct span result = span_from(buf_span(&ret), 5);
    ck_assert_msg(r == (want ? 0 : DIFF_BAD), "'%.*s' + '%.*s' returned %d ('%.*s')", SPAN_ARG(base),
                  SPAN_ARG(diff), r, SPAN_ARG(result));
    ck_assert(span_starts(buf_span(&ret), SPAN("kept:")));
    ck_assert_int_eq(buf_error(&ret), 0);
    ck_assert_msg(span_is(result, want ? want : ""), "'%.*s' + '%.*s' gave '%.*s', not '%s'", SPAN_ARG(base),
                  SPAN_ARG(diff), SPAN_ARG(result), want ? want : "");
}

struct example {
    const char *base, *diff, *want; /* want NULL: refused */
};

/* TLCP-diff */

static const struct example tlcp_examples[] = {
    /* The specification's, appendix D. */
    {"foo", "d", "foo"},
    {"foobar", "d", "foo"},
    {"foobar", "bdzap", "fzap"},
    {"foobar", "bdzapcd", "fzapbar"},
    {"foo", "adzapad", "zapfoo"},
    {"foobar", "cacc", "foar"},
    /* Ad is 3, Aa is 0: the specification's table says 29 and 26, its prose and the official decoder do not. */
    {"foobar", "AdacAa", "foo"},
    {"foobar", "AAAAAAAAAAAAAAAAAAAAd", "foo"},
    {"abcdefghijklmnopqrstuvwxyz1", "aaBab", "1"},
    {"abcdefghijklmnopqrstuvwxyz123", "Bb", "abcdefghijklmnopqrstuvwxyz1"},
    /* In a row, as a client saw them. */
    {"fzapbar", "aabg", "zapbar"},
    {"zapbar", "ddxyz", "zapxyz"},
    {"foo", "dg%$=,+|", "foo%$=,+|"},
    {"", "adfoo", "foo"},
    {"foobar", "baeb", "fr"},
    /* Nothing at all, and ends after each kind. */
    {"", "", ""},
    {"foo", "", ""},
    {"foo", "a", ""},
    {"foo", "aa", ""},
    {"foo", "aaa", ""},
    {"foo", "aaad", "foo"},
    {"foo", "daaaaaaaa", "foo"},
    /* Characters, not bytes: two, three and four of them each. */
    {"\u00e9\u20ac\U0001f600z", "c", "\u00e9\u20ac"},
    {"\u00e9\u20ac\U0001f600z", "aacc", "\U0001f600z"},
    {"az", "bc\u20ac\u00e9ab", "a\u20ac\u00e9z"},
    {"\ufeffx", "b", "\ufeff"},
    /* Bytes that are no UTF-8 count one each: a lead alone, an overlong form, a surrogate, a cut character. */
    {"\xc3z", "aabb", "z"},
    {"\xc0\x80z", "aacb", "z"},
    {"\xed\xa0\x80z", "aadb", "z"},
    {"z\xe2\x82", "d", "z\xe2\x82"},
    {"\xff\xfe", "b", "\xff"},
    /* Refused: past the base, past the diff, no number, no end of a number. */
    {"foo", "z", NULL},
    {"foo", "e", NULL},
    {"foo", "cab", "fo"},
    {"foo", "cac", NULL},
    {"foo", "dab", NULL},
    {"foo", "adza", NULL},
    {"foo", "dbx", "foox"},
    {"foo", "db", NULL},
    {"foo", "!", NULL},
    {"foo", "b ", NULL},
    {"foo", "1", NULL},
    {"foo", "A", NULL},
    {"foo", "AB", NULL},
    {"foo", "aA", NULL},
    {"foo", "A1", NULL},
    {"foo", "\xc3\xa9", NULL},
    {"foo", "ZZZZZZZZZZZZZZZZZZZZZZZZZZz", NULL},
    {"foo", "aaZZZZZZZZZZZZZZZZZZZZZZZZZZz", NULL},
};

START_TEST(tlcp_example)
{
    const struct example *e = &tlcp_examples[_i];
    expect(diff_tlcp, span_of(e->base), span_of(e->diff), e->want);
}
END_TEST

START_TEST(tlcp_keeps_zeros)
{
    AUTO_BUF struct buf ret = BUF_INIT(64);
    ck_assert_int_eq(diff_tlcp(SPAN("a\0b"), SPAN("cb\0ab"), &ret), 0);
    ck_assert(span_equal(buf_span(&ret), SPAN("a\0\0b")));
}
END_TEST

static void add_count(struct buf *out, size_t n)
{
    char text[16];
    size_t at = sizeof text;
    text[--at] = (char)('a' + n % 26);
    while (n /= 26)
        text[--at] = (char)('A' + n % 26);
    buf_add(out, text + at, sizeof text - at);
}

/* Copies from and adds between random cuts of a base: what a server would, computed beside the decoder. */
START_TEST(tlcp_random)
{
    struct random random = {(uint64_t)_i + 1};
    AUTO_BUF struct buf base = BUF_INIT(4096), diff = BUF_INIT(1 << 16), want = BUF_INIT(1 << 16),
                        got = BUF_INIT(1 << 16);
    size_t n = random_below(&random, 2000), at = 0;
    for (size_t i = 0; i < n; i++)
        buf_add_char(&base, (char)(' ' + random_below(&random, 95)));
    do {
        size_t copied = random_below(&random, n - at + 1), added = random_below(&random, 60);
        size_t dropped = random_below(&random, n - at - copied + 1);
        add_count(&diff, copied);
        buf_add(&want, base.at + at, copied);
        add_count(&diff, added);
        for (size_t i = 0; i < added; i++) {
            buf_add_text(&diff, "\u00fc");
            buf_add_text(&want, "\u00fc");
        }
        add_count(&diff, dropped);
        at += copied + dropped;
    } while (random_below(&random, 8));
    ck_assert_int_eq(diff_tlcp(buf_span(&base), buf_span(&diff), &got), 0);
    ck_assert(span_equal(buf_span(&got), buf_span(&want)));
}
END_TEST

START_TEST(limit_of_the_result)
{
    AUTO_BUF struct buf ret = BUF_INIT(8);
    ck_assert_int_eq(diff_tlcp(SPAN("12345678"), SPAN("i"), &ret), 0);
    buf_clear(&ret);
    ck_assert_int_eq(diff_tlcp(SPAN("123456789"), SPAN("j"), &ret), DIFF_BAD);
    ck_assert_int_eq(diff_json_patch(SPAN("1234567890"), SPAN("[]"), &ret), DIFF_BAD);
    ck_assert_uint_eq(ret.len, 0);
    ck_assert_int_eq(diff_json_patch(SPAN(" [ 1,2 ] "), SPAN("[]"), &ret), 0);
    ck_assert(span_is(buf_span(&ret), "[1,2]"));
}
END_TEST

/* JSON Patch */

static const struct example patch_examples[] = {
    /* The TLCP specification's. */
    {"{ \"text\": \"aa|bb\", \"attributes\": [ { \"font\": \"courier\" }, \"...\" ] }",
     "[{\"op\":\"replace\",\"path\":\"/text\",\"value\":\"aa|bb|cc\"},"
     "{\"op\":\"add\",\"path\":\"/attributes/1\",\"value\":\"bold\"}]",
     "{\"text\":\"aa|bb|cc\",\"attributes\":[{\"font\":\"courier\"},\"bold\",\"...\"]}"},
    /* RFC 6902, appendix A, in its order. */
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
     "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
    {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
     "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
    {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}"},
    {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
     "{\"foo\":[\"bar\",\"baz\"]}"},
    {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
     "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
    {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
     "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
     "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
    {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
     "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
     "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
    {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
     "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
     "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
    {"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
     "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
     "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"op\":\"remove\"}]", NULL},
    {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}"},
    {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL},
    {"{\"foo\":[\"bar\"]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
     "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
    /* The whole value. */
    {"1", "[]", "1"},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":[2]}]", "[2]"},
    {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":null}]", "null"},
    {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":1.0}}]", "{\"a\":1}"},
    {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"\"}]", "[1]"},
    {"{\"a\":[1]}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"\"}]", "[1]"},
    {"{\"a\":[1]}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a/0\"}]", "{\"a\":[{\"a\":[1]},1]}"},
    {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"\"}]", "{\"a\":1}"},
    {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/a\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"a\"}]", NULL},
    /* add over a member, in its place; members named like indices; the empty name. */
    {"{\"a\":1,\"b\":2}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":3}]", "{\"a\":3,\"b\":2}"},
    {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}]", "{\"a\":2}"},
    {"{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1,\"b\":2}"},
    {"{\"a\":1,\"b\":2}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", "{\"a\":1,\"b\":1}"},
    {"{}", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":1},{\"op\":\"add\",\"path\":\"/-\",\"value\":2}]",
     "{\"0\":1,\"-\":2}"},
    {"{}", "[{\"op\":\"add\",\"path\":\"/\",\"value\":1}]", "{\"\":1}"},
    {"{\"\":{\"\":1}}", "[{\"op\":\"remove\",\"path\":\"//\"}]", "{\"\":{}}"},
    {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab\"}]", "{\"ab\":1}"},
    /* Ends of arrays. */
    {"[]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":1}]", "[1]"},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/1\",\"value\":2}]", "[1,2]"},
    {"[1,2,3,4,5]", "[{\"op\":\"remove\",\"path\":\"/3\"},{\"op\":\"remove\",\"path\":\"/0\"}]", "[2,3,5]"},
    {"[1,2,3]", "[{\"op\":\"move\",\"from\":\"/2\",\"path\":\"/0\"}]", "[3,1,2]"},
    {"[1,2,3]", "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/-\"}]", "[2,3,1]"},
    {"[1,2,3]", "[{\"op\":\"replace\",\"path\":\"/2\",\"value\":9}]", "[1,2,9]"},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"replace\",\"path\":\"/-\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"remove\",\"path\":\"/-\"}]", NULL},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/00\",\"value\":2}]", NULL},
    {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/01\"}]", NULL},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/+0\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/-1\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/0x\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"add\",\"path\":\"/\",\"value\":2}]", NULL},
    {"[1]", "[{\"op\":\"remove\",\"path\":\"/18446744073709551616\"}]", NULL},
    /* Into itself, where taking it out first would make the path mean something else. */
    {"[[1],[2]]", "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/0/0\"}]", NULL},
    {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL},
    /* All or nothing, in order. */
    {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]",
     NULL},
    {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
     "{\"b\":1}"},
    /* Nothing there; no container. */
    {"{}", "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]", NULL},
    {"{}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]", NULL},
    {"{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", NULL},
    {"{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]", NULL},
    {"{}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", NULL},
    {"5", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]", NULL},
    {"\"a\"", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":1}]", NULL},
    {"{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", NULL},
    /* Patches that are none. */
    {"{}", "foo", NULL},
    {"{}", "", NULL},
    {"{}", "{}", NULL},
    {"{}", "{\"op\":\"add\",\"path\":\"/a\",\"value\":1}", NULL},
    {"{}", "[1]", NULL},
    {"{}", "[[]]", NULL},
    {"{}", "[{}]", NULL},
    {"{}", "[{\"op\":\"spam\",\"path\":\"/a\",\"value\":1}]", NULL},
    {"{}", "[{\"op\":1,\"path\":\"/a\",\"value\":1}]", NULL},
    {"{}", "[{\"path\":\"/a\",\"value\":1}]", NULL},
    {"{}", "[{\"op\":\"add\",\"value\":1}]", NULL},
    {"{}", "[{\"op\":\"add\",\"path\":null,\"value\":1}]", NULL},
    {"{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"copy\",\"path\":\"/b\"}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"move\",\"path\":\"/b\",\"from\":1}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a~\",\"value\":1}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]", NULL},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},]", NULL},
    /* Bases that are none. */
    {"foo", "[]", NULL},
    {"", "[]", NULL},
    {"\ufeff{}", "[]", NULL},
    /* Numbers as they were. */
    {"[0.1000,1E5,-0,123456789012345678901234567890,1.0e-999999999]",
     "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/-\"}]",
     "[1E5,-0,123456789012345678901234567890,1.0e-999999999,0.1000]"},
    /* Strings: the same characters, escaped no more than needed. */
    {"[\"\\u0041\\/\\u00e9\\ud83d\\ude00\\u20AC\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"]", "[]",
     "[\"A/\u00e9\U0001f600\u20ac\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"]"},
    {"[\"\\u0000\"]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":\"\\u0000\"}]", "[\"\\u0000\"]"},
    {"[\"\\u0000\"]", "[{\"op\":\"test\",\"path\":\"/0\",\"value\":\"\"}]", NULL},
    {"{\"\\u0061\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]", "{\"a\":2}"},
    {"{\"a/b\":1}", "[{\"op\":\"replace\",\"path\":\"\\/a~1b\",\"value\":2}]", "{\"a/b\":2}"},
    {"{\"\u00e9\":1}", "[{\"op\":\"replace\",\"path\":\"/\\u00e9\",\"value\":2}]", "{\"\u00e9\":2}"},
    /* Lone surrogates stay escapes, wherever they stand. */
    {"[\"\\uD800\",\"\\udfffx\",\"\\ud83d\\ud83d\\ude00\",\"\\ude00\\ud83d\"]", "[]",
     "[\"\\ud800\",\"\\udfffx\",\"\\ud83d\U0001f600\",\"\\ude00\\ud83d\"]"},
    {"{\"\\udbff\":1}", "[{\"op\":\"remove\",\"path\":\"/\\uDBFF\"}]", "{}"},
    /* Names twice: the last one counts. */
    {"{\"a\":1,\"b\":2,\"a\":3}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":3}]", "{\"b\":2,\"a\":3}"},
    {"{\"a\":1,\"a\":2,\"a\":3,\"\\u0061\":4}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{}"},
    {"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"c\":7,\"g\":8,\"c\":9,\"h\":10,\"a\":11,\"ab\":12}",
     "[]", "{\"b\":2,\"d\":4,\"e\":5,\"f\":6,\"g\":8,\"c\":9,\"h\":10,\"a\":11,\"ab\":12}"},
};

START_TEST(patch_example)
{
    const struct example *e = &patch_examples[_i];
    expect(diff_json_patch, span_of(e->base), span_of(e->diff), e->want);
}
END_TEST

/* RFC 6901, section 5: each pointer, as a JSON string, and what it leads to. */
START_TEST(pointer_examples)
{
    static const char document[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
        "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";
    static const char *const pointers[][2] = {
        {"", document},        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""}, {"/", "0"},
        {"/a~1b", "1"},        {"/c%d", "2"},
        {"/e^f", "3"},         {"/g|h", "4"},
        {"/i\\\\j", "5"},      {"/k\\\"l", "6"},
        {"/ ", "7"},           {"/m~0n", "8"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(pointers); i++) {
        AUTO_BUF struct buf patch = BUF_INIT(4096);
        buf_printf(&patch, "[{\"op\":\"copy\",\"from\":\"%s\",\"path\":\"\"}]", pointers[i][0]);
        expect(diff_json_patch, span_of(document), buf_span(&patch), pointers[i][1]);
    }
}
END_TEST

static void add_nested(struct buf *out, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        buf_add_char(out, '[');
    for (size_t i = 0; i < depth; i++)
        buf_add_char(out, ']');
}

START_TEST(nesting)
{
    static const char copy_in[] = "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/0\"}]";
    AUTO_BUF struct buf deep = BUF_INIT(RESULT_MAX);
    add_nested(&deep, JSONDOC_DEPTH_MAX);
    expect(diff_json_patch, buf_span(&deep), SPAN("[]"), buf_text(&deep));
    expect(diff_json_patch, buf_span(&deep), SPAN(copy_in), NULL);
    /* Each part is well below the limit, the whole is one level above. */
    for (size_t below = 99; below <= 100; below++) {
        AUTO_BUF struct buf patch = BUF_INIT(RESULT_MAX), ret = BUF_INIT(RESULT_MAX);
        buf_add_text(&patch, "[{\"op\":\"add\",\"path\":\"");
        for (int i = 0; i < JSONDOC_DEPTH_MAX - 99; i++)
            buf_add_text(&patch, "/0");
        buf_add_text(&patch, "\",\"value\":");
        add_nested(&patch, below);
        buf_add_text(&patch, "}]");
        buf_clear(&deep);
        add_nested(&deep, JSONDOC_DEPTH_MAX - 99);
        ck_assert_int_eq(diff_json_patch(buf_span(&deep), buf_span(&patch), &ret),
                         below == 99 ? 0 : DIFF_BAD);
    }
    buf_clear(&deep);
    add_nested(&deep, JSONDOC_DEPTH_MAX + 1);
    expect(diff_json_patch, buf_span(&deep), SPAN("[]"), NULL);
}
END_TEST

/* Twenty doublings fit into the nodes, a few more do not; the result stays within its own limit all the while. */
START_TEST(doubling)
{
    for (int doublings = 10; doublings <= 40; doublings += 10) {
        AUTO_BUF struct buf patch = BUF_INIT(1 << 16), ret = BUF_INIT(RESULT_MAX);
        for (int i = 0; i < doublings; i++)
            buf_printf(&patch, "%c{\"op\":\"copy\",\"from\":\"\",\"path\":\"/-\"}", i ? ',' : '[');
        buf_add_char(&patch, ']');
        ck_assert_int_eq(diff_json_patch(SPAN("[]"), buf_span(&patch), &ret), doublings == 10 ? 0 : DIFF_BAD);
    }
}
END_TEST

/* A large array, asked for its middle again and again: ends, and soon. */
START_TEST(searching)
{
    enum { ELEMENTS = 100000, OPERATIONS = 10000 };
    AUTO_BUF struct buf base = BUF_INIT(RESULT_MAX), patch = BUF_INIT(RESULT_MAX), ret = BUF_INIT(RESULT_MAX);
    for (int i = 0; i < ELEMENTS; i++)
        buf_add_text(&base, i ? ",1" : "[1");
    for (int i = 0; i < OPERATIONS; i++)
        buf_printf(&patch, "%c{\"op\":\"test\",\"path\":\"/%d\",\"value\":1}", i ? ',' : '[', ELEMENTS / 2);
    buf_add_char(&base, ']');
    buf_add_char(&patch, ']');
    ck_assert_int_eq(diff_json_patch(buf_span(&base), buf_span(&patch), &ret), DIFF_BAD);
    ck_assert_uint_eq(ret.len, 0);
}
END_TEST

/* The linker puts these in the place of the C library's. */
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);

static size_t fail_at; /* the allocation, counted from 1, that fails; 0: none */

static bool fails(void)
{
    return fail_at && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* Every allocation fails once: that is told, and nothing else is changed. */
START_TEST(out_of_memory)
{
    AUTO_BUF struct buf base = BUF_INIT(RESULT_MAX);
    buf_add_char(&base, '{');
    for (int i = 0; i < 500; i++)
        buf_printf(&base, "\"\\u0061%d\":[%d],", i, i);
    buf_add_text(&base, "\"a1\":2}");
    int r = -ENOMEM;
    for (size_t at = 1; r == -ENOMEM; at++) {
        AUTO_BUF struct buf ret = BUF_INIT(RESULT_MAX);
        fail_at = at;
        r = diff_json_patch(buf_span(&base), SPAN("[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/~0\"}]"),
                            &ret);
        fail_at = 0;
        ck_assert_int_eq(buf_error(&ret), 0);
        ck_assert(r == -ENOMEM ? ret.len == 0 : r == 0 && at > 5);
    }
    AUTO_BUF struct buf ret = BUF_INIT(RESULT_MAX);
    fail_at = 1;
    ck_assert_int_eq(diff_tlcp(SPAN("foo"), SPAN("d"), &ret), -ENOMEM);
    ck_assert_int_eq(diff_tlcp(SPAN("foo"), SPAN("d"), &ret), 0);
}
END_TEST

/* Every start and every one-byte change of a document and a patch: an answer, never a fault. */
START_TEST(damaged)
{
    static const char base[] = "{\"a\":[1,2.5e3,\"\\ud83d\\ude00\u20ac\"],\"b\":{\"c\":null}}";
    static const char patch[] = "[{\"op\":\"move\",\"from\":\"/a/1\",\"path\":\"/b/d~1\"},"
                                "{\"op\":\"test\",\"path\":\"/b\",\"value\":{\"c\":null,\"d/\":25e2}}]";
    struct random random = {7};
    AUTO_BUF struct buf ret = BUF_INIT(4096);
    for (size_t at = 0; at < sizeof patch - 1; at++) {
        AUTO_FREE char *changed_base = span_dup(SPAN(base)), *changed_patch = span_dup(SPAN(patch));
        ck_assert_int_eq(diff_json_patch(SPAN(base), span_make(patch, at), &ret), DIFF_BAD);
        if (at < sizeof base - 1) {
            ck_assert_int_eq(diff_json_patch(span_make(base, at), SPAN(patch), &ret), DIFF_BAD);
            changed_base[at] = (char)random_below(&random, 256);
        }
        changed_patch[at] = (char)random_below(&random, 256);
        ck_assert_int_ge(diff_json_patch(span_of(changed_base), SPAN(patch), &ret), 0);
        ck_assert_int_ge(diff_json_patch(SPAN(base), span_of(changed_patch), &ret), 0);
        buf_clear(&ret);
    }
    ck_assert_int_eq(diff_json_patch(SPAN(base), SPAN(patch), &ret), 0);
    ck_assert(span_is(buf_span(&ret), "{\"a\":[1,\"\U0001f600\u20ac\"],\"b\":{\"c\":null,\"d/\":2.5e3}}"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diff");
    TCase *tlcp = tcase_create("tlcp"), *patch = tcase_create("patch");
    tcase_add_loop_test(tlcp, tlcp_example, 0, (int)ARRAY_LENGTH(tlcp_examples));
    tcase_add_test(tlcp, tlcp_keeps_zeros);
    tcase_add_loop_test(tlcp, tlcp_random, 0, 50);
    tcase_add_test(tlcp, limit_of_the_result);
    suite_add_tcase(suite, tlcp);
    tcase_add_loop_test(patch, patch_example, 0, (int)ARRAY_LENGTH(patch_examples));
    tcase_add_test(patch, pointer_examples);
    tcase_add_test(patch, doubling);
    tcase_add_test(patch, searching);
    tcase_add_test(patch, damaged);
    tcase_add_test(patch, nesting);
    tcase_add_test(patch, out_of_memory);
    suite_add_tcase(suite, patch);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
