/* base/escape: percent-encoding, UTF-8 and JSON strings, against examples and against a slower reading of the rules. */
#include <check.h>
#include <stdio.h>

#include "../lib/random.h"
#include "base/escape.h"

enum { N_RANDOM_RUNS = 40 };

START_TEST(percent)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);
    escape_percent(&b, SPAN("aZ09-._~*, \r\n&=%+/\0\x7f\u00e9"));
    ck_assert_str_eq(buf_text(&b), "aZ09-._~*,%20%0D%0A%26%3D%25%2B%2F%00%7F%C3%A9");
    static const struct {
        struct span text;
        const char *want; /* NULL: not well encoded */
    } examples[] = {
        {{NULL, 0}, ""},       {{"a+b", 3}, "a+b"}, {{"%41%6a%6A", 9}, "Ajj"}, {{"%", 1}, NULL},
        {{"a%4", 3}, NULL},    {{"%4g", 3}, NULL},  {{"%g4", 3}, NULL},        {{"%%41", 4}, NULL},
        {{"%25%34", 6}, "%4"}, {{"%-1", 3}, NULL},  {{"% 1", 3}, NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        char out[16];
        ptrdiff_t n = escape_unpercent(out, examples[i].text);
        ck_assert_int_eq(n, examples[i].want ? (ptrdiff_t)strlen(examples[i].want) : -1);
        ck_assert(n < 0 || span_is(span_make(out, (size_t)n), examples[i].want));
    }
}
END_TEST

static size_t add_random_bytes(struct random *random, char *bytes, size_t max)
{
    static const char likely[] = "\xc3\xa9\xe2\x82\xac\xed\xa0\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\"\\%41";
    size_t n = random_below(random, max);
    for (size_t i = 0; i < n; i++)
        bytes[i] = random_below(random, 4) ? likely[random_below(random, sizeof likely - 1)]
                                           : (char)random_next(random);
    return n;
}

START_TEST(percent_random)
{
    struct random random = {(uint64_t)_i + 1};
    for (int i = 0; i < 100; i++) {
        char bytes[64], out[3 * sizeof bytes];
        AUTO_BUF struct buf b = BUF_INIT(sizeof out);
        struct span s = span_make(bytes, add_random_bytes(&random, bytes, sizeof bytes));
        escape_percent(&b, s);
        for (size_t at = 0; at < b.len; at++)
            ck_assert(b.at[at] > ' ' && b.at[at] < 0x7f && !strchr("&=+", b.at[at]));
        ptrdiff_t n = escape_unpercent(out, buf_span(&b));
        ck_assert(n >= 0 && span_equal(span_make(out, (size_t)n), s));
        ck_assert_int_le(escape_unpercent(out, s), (ptrdiff_t)s.len);
    }
}
END_TEST

/* The model reads the bits first and asks afterwards whether that code point may be written so. */
static size_t model_character_length(struct span s)
{
    unsigned char lead = (unsigned char)s.at[0];
    size_t n = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (n == 1)
        return 1;
    if (lead < 0xc0 || lead >= 0xf8 || s.len < n)
        return 0;
    uint32_t c = lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s.at[i] & 0x3fu);
    }
    static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static size_t model_valid_length(struct span s)
{
    size_t at = 0, n;
    while (at < s.len && (n = model_character_length(span_from(s, at))))
        at += n;
    return at;
}

START_TEST(utf8_every_start)
{
    /* All pairs of first bytes, with tails that could complete them. */
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned second = 0; second < 256; second++) {
            char bytes[4] = {(char)lead, (char)second, (char)0x80, (char)0xbf};
            for (size_t n = 1; n <= 4; n++) {
                struct span s = span_make(bytes, n);
                ck_assert_uint_eq(utf8_valid_length(s), model_valid_length(s));
            }
        }
    }
    ck_assert_uint_eq(utf8_valid_length(SPAN_EMPTY), 0);
}
END_TEST

START_TEST(utf8_random)
{
    struct random random = {(uint64_t)_i + 1};
    for (int i = 0; i < 200; i++) {
        char bytes[64];
        struct span s = span_make(bytes, add_random_bytes(&random, bytes, sizeof bytes));
        ck_assert_uint_eq(utf8_valid_length(s), model_valid_length(s));
    }
}
END_TEST

/* How many U+FFFD stand for what: the tables of Unicode's section 3.9. */
START_TEST(utf8_bad_parts)
{
    static const struct {
        const char *bytes, *want;
    } examples[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
         "A",
         "\"????????A\""},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
         "A",
         "\"????????A\""},
        {"\xf4\x91\x92\x93\xff"
         "A\x80\xbf"
         "B",
         "\"?????A??B\""},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
         "A",
         "\"????A\""},
        {"\xe2\x82", "\"?\""},
        {"\xf0\x9f\x98", "\"?\""},
        {"\xf0\x9f\x98\x80\xf0\x9f", "\"\U0001f600?\""},
        {"\xc3\"", "\"?\\\"\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        AUTO_BUF struct buf got = BUF_INIT(256), want = BUF_INIT(256);
        escape_json(&got, span_of(examples[i].bytes));
        for (const char *at = examples[i].want; *at; at++)
            buf_add(&want, *at == '?' ? "\xef\xbf\xbd" : at, *at == '?' ? 3 : 1);
        ck_assert_str_eq(buf_text(&got), buf_text(&want));
    }
    ck_assert_uint_eq(utf8_bad_length(SPAN("\x80\x80")), 1);
    ck_assert_uint_eq(utf8_bad_length(SPAN("\xf0\x9f\x98z")), 3);
}
END_TEST

START_TEST(json)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);
    escape_json(&b, SPAN("\0\x01\b\t\n\v\f\r\x1f \"\\/\x7f\u00e9\ufeff\U0001f600"));
    ck_assert_str_eq(buf_text(&b),
                     "\"\\u0000\\u0001\\b\\t\\n\\u000B\\f\\r\\u001F \\\"\\\\/\x7f\u00e9\ufeff\U0001f600\"");
    buf_clear(&b);
    escape_json(&b, SPAN_EMPTY);
    ck_assert_str_eq(buf_text(&b), "\"\"");
}
END_TEST

/* Takes one character of a JSON string off *S, decoded to bytes at TO; returns how many, or 0 when it is no JSON. */
static size_t take_json_character(struct span *s, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    size_t n = model_character_length(*s);
    if (n == 0 || (unsigned char)s->at[0] < ' ' || s->at[0] == '"')
        return 0;
    memcpy(to, s->at, n);
    if (s->at[0] == '\\') {
        const char *letter = s->len > 1 && s->at[1] ? strchr(letters, s->at[1]) : NULL;
        unsigned unit;
        n = letter ? 2 : 6;
        if (s->len < n || (!letter && sscanf(s->at, "\\u00%2X", &unit) != 1))
            return 0;
        to[0] = letter ? meant[letter - letters] : (char)unit;
        *s = span_from(*s, n);
        return 1;
    }
    *s = span_from(*s, n);
    return n;
}

/* Whatever goes in, valid JSON comes out, and what was well formed comes back from it. */
START_TEST(json_random)
{
    struct random random = {(uint64_t)_i + 1};
    for (int i = 0; i < 100; i++) {
        char bytes[64], back[3 * sizeof bytes];
        size_t n = 0;
        AUTO_BUF struct buf b = BUF_INIT(1024);
        struct span s = span_make(bytes, add_random_bytes(&random, bytes, sizeof bytes));
        escape_json(&b, s);
        ck_assert(b.len >= 2 && b.at[0] == '"' && b.at[b.len - 1] == '"');
        buf_text(&b);
        struct span inside = span_make(b.at + 1, b.len - 2);
        while (inside.len) {
            size_t length = take_json_character(&inside, back + n);
            ck_assert_uint_gt(length, 0);
            n += length;
        }
        size_t valid = utf8_valid_length(s);
        ck_assert(span_starts(span_make(back, n), span_make(bytes, valid)));
        ck_assert(valid < s.len ? span_starts(span_make(back + valid, n - valid), SPAN("\xef\xbf\xbd"))
                                : n == valid);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("escape");
    TCase *cases = tcase_create("escape");
    tcase_add_test(cases, percent);
    tcase_add_loop_test(cases, percent_random, 0, N_RANDOM_RUNS);
    tcase_add_test(cases, utf8_every_start);
    tcase_add_loop_test(cases, utf8_random, 0, N_RANDOM_RUNS);
    tcase_add_test(cases, utf8_bad_parts);
    tcase_add_test(cases, json);
    tcase_add_loop_test(cases, json_random, 0, N_RANDOM_RUNS);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
