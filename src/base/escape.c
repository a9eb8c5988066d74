#include "base/escape.h"

static const char hex_digits[] = "0123456789ABCDEF";

static bool percent_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.' || c == '~' || c == '*' || c == ',';
}

void escape_percent(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (percent_plain(c)) {
            buf_add_char(out, (char)c);
        } else {
            char triple[3] = {'%', hex_digits[c >> 4], hex_digits[c & 15]};
            buf_add(out, triple, sizeof triple);
        }
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

ptrdiff_t escape_unpercent(char *out, struct span s)
{
    if (!s.len)
        return 0;
    char *to = out;
    const char *from = s.at, *end = s.at + s.len;
    while (from < end) {
        const char *percent = memchr(from, '%', (size_t)(end - from));
        size_t plain = (size_t)((percent ? percent : end) - from);
        memcpy(to, from, plain);
        to += plain;
        from += plain;
        if (!percent)
            break;
        int high = end - from > 2 ? hex_value(from[1]) : -1;
        int low = high >= 0 ? hex_value(from[2]) : -1;
        if (low < 0)
            return -1;
        *to++ = (char)(high << 4 | low);
        from += 3;
    }
    return to - out;
}

/* The code unit of the \uXXXX at the front of S, or -1. */
static int32_t unit_at(struct span s)
{
    int32_t unit = 0;
    if (s.len < 6 || s.at[0] != '\\' || s.at[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_value(s.at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

int32_t escape_take_unicode(struct span *s)
{
    int32_t unit = unit_at(*s);
    if (unit < 0)
        return -1;
    *s = span_from(*s, 6);
    int32_t low = unit >= 0xd800 && unit <= 0xdbff ? unit_at(*s) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return unit;
    *s = span_from(*s, 6);
    return 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
}

size_t utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(leads[n] | c);
    return n;
}

/* One sequence at the start of S: its length when well formed, else the negated length of its maximal subpart. */
static int utf8_step(struct span s)
{
    unsigned char lead = (unsigned char)s.at[0];
    if (lead < 0x80)
        return 1;
    int length = lead >= 0xc2 && lead <= 0xdf   ? 2
                 : lead >= 0xe0 && lead <= 0xef ? 3
                 : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                : 0;
    if (!length)
        return -1;
    for (int i = 1; i < length; i++) {
        unsigned char low = 0x80, high = 0xbf;
        if (i == 1) {
            if (lead == 0xe0)
                low = 0xa0;
            else if (lead == 0xed)
                high = 0x9f;
            else if (lead == 0xf0)
                low = 0x90;
            else if (lead == 0xf4)
                high = 0x8f;
        }
        if ((size_t)i >= s.len || (unsigned char)s.at[i] < low || (unsigned char)s.at[i] > high)
            return -i;
    }
    return length;
}

size_t utf8_valid_length(struct span s)
{
    size_t at = 0;
    while (at < s.len) {
        if ((unsigned char)s.at[at] < 0x80) {
            at++;
            continue;
        }
        int step = utf8_step(span_from(s, at));
        if (step < 0)
            break;
        at += (size_t)step;
    }
    return at;
}

size_t utf8_bad_length(struct span s)
{
    int step = utf8_step(s);
    return step < 0 ? (size_t)-step : 1;
}

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void utf8_add_mended(struct buf *out, struct span s)
{
    for (;;) {
        size_t good = utf8_valid_length(s);
        buf_add(out, s.at, good);
        s = span_from(s, good);
        if (s.len == 0)
            return;
        buf_add_text(out, replacement);
        s = span_from(s, utf8_bad_length(s));
    }
}

size_t utf8_mended_length(struct span s)
{
    size_t length = 0;
    for (;;) {
        size_t good = utf8_valid_length(s);
        length += good;
        s = span_from(s, good);
        if (s.len == 0)
            return length;
        length += strlen(replacement);
        s = span_from(s, utf8_bad_length(s));
    }
}

/* 0: goes out as it is; 1: as \u00XX; else the letter of its short escape. */
static const char json_escapes[256] = {
    [0] = 1,   [1] = 1,    [2] = 1,  [3] = 1,    [4] = 1,    [5] = 1,     [6] = 1,       [7] = 1,  [8] = 'b',
    [9] = 't', [10] = 'n', [11] = 1, [12] = 'f', [13] = 'r', [14] = 1,    [15] = 1,      [16] = 1, [17] = 1,
    [18] = 1,  [19] = 1,   [20] = 1, [21] = 1,   [22] = 1,   [23] = 1,    [24] = 1,      [25] = 1, [26] = 1,
    [27] = 1,  [28] = 1,   [29] = 1, [30] = 1,   [31] = 1,   ['"'] = '"', ['\\'] = '\\',
};

static void json_escape_one(struct buf *out, unsigned char c)
{
    if (json_escapes[c] == 1) {
        char text[6] = {'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]};
        buf_add(out, text, sizeof text);
    } else {
        char text[2] = {'\\', json_escapes[c]};
        buf_add(out, text, sizeof text);
    }
}

/* The length of S's start that is ASCII and needs no escape. */
static size_t json_plain_length(struct span s)
{
    size_t at = 0;
    while (at < s.len && (unsigned char)s.at[at] < 0x80 && !json_escapes[(unsigned char)s.at[at]])
        at++;
    return at;
}

/* Nearly every value is plain from end to end: room for all of it at once, and no more questions. */
static void add_quoted(struct buf *out, struct span s)
{
    if (buf_reserve(out, s.len + 2) < 0)
        return;
    char *to = out->at + out->len;
    *to = '"';
    if (s.len)
        memcpy(to + 1, s.at, s.len);
    to[s.len + 1] = '"';
    out->len += s.len + 2;
}

void escape_json(struct buf *out, struct span s)
{
    size_t plain_from = 0, at = json_plain_length(s);
    if (at == s.len) {
        add_quoted(out, s);
        return;
    }
    buf_add_char(out, '"');
    while (at < s.len) {
        unsigned char c = (unsigned char)s.at[at];
        if (c < 0x80 && !json_escapes[c]) {
            at++;
            continue;
        }
        int step = c < 0x80 ? 0 : utf8_step(span_from(s, at));
        if (step > 0) {
            at += (size_t)step;
            continue;
        }
        buf_add(out, s.at + plain_from, at - plain_from);
        if (c < 0x80) {
            json_escape_one(out, c);
            at++;
        } else {
            buf_add_text(out, replacement);
            at += (size_t)-step;
        }
        plain_from = at;
    }
    if (s.len > plain_from)
        buf_add(out, s.at + plain_from, s.len - plain_from);
    buf_add_char(out, '"');
}
