#include "bus/pack.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"

void pack_text(struct buf *out, struct span s)
{
    msgpack_packer to = pack_to(out);
    if (utf8_valid_length(s) == s.len) {
        msgpack_pack_str(&to, s.len);
        buf_add_span(out, s);
    } else {
        msgpack_pack_str(&to, utf8_mended_length(s));
        utf8_add_mended(out, s);
    }
}

/* ---- numbers ---- */

bool pack_integer(struct buf *out, struct span s)
{
    msgpack_packer to = pack_to(out);
    bool negative = s.len && s.at[0] == '-';
    uint64_t magnitude, most = negative ? (uint64_t)1 << 63 : UINT64_MAX;
    if (!span_to_u64(span_from(s, negative), most, &magnitude))
        return false;
    if (negative)
        msgpack_pack_int64(&to, (int64_t)(0 - magnitude));
    else
        msgpack_pack_uint64(&to, magnitude);
    return true;
}

/* No double has more digits than the first, and none lies outside 10^±EXPONENT_MAX. */
enum { DECIMAL_DIGITS_MAX = 767, DECIMAL_EXPONENT_MAX = 330, DECIMAL_TEXT_MAX = DECIMAL_DIGITS_MAX + 32 };

/* d.dddd × 10^exponent, without zeros in front or behind. */
struct decimal {
    bool negative, too_long;
    size_t n, zeros; /* digits; zeros after them, which count only if another digit follows */
    int64_t exponent;
    char digits[DECIMAL_DIGITS_MAX + 1];
};

static void decimal_add(struct decimal *d, char c, bool fraction)
{
    if (fraction ? d->n == 0 : d->n > 0)
        d->exponent += fraction ? -1 : 1;
    if (c == '0') {
        d->zeros += d->n > 0;
        return;
    }
    if (d->zeros >= DECIMAL_DIGITS_MAX - d->n) {
        d->too_long = true;
        return;
    }
    memset(d->digits + d->n, '0', d->zeros);
    d->n += d->zeros;
    d->zeros = 0;
    d->digits[d->n++] = c;
}

/* What stands after 'e'; far too large is large enough. */
static int64_t exponent_of(struct span s)
{
    bool negative = s.at[0] == '-';
    uint64_t magnitude;
    if (s.at[0] == '-' || s.at[0] == '+')
        s = span_from(s, 1);
    while (s.len > 1 && s.at[0] == '0')
        s = span_from(s, 1);
    if (!span_to_u64(s, INT64_MAX / 2, &magnitude))
        magnitude = INT64_MAX / 2;
    return negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

static void decimal_read(struct decimal *d, struct span s)
{
    bool fraction = false;
    d->negative = s.at[0] == '-';
    for (size_t i = d->negative; i < s.len; i++) {
        if (s.at[i] == 'e' || s.at[i] == 'E') {
            d->exponent += exponent_of(span_from(s, i + 1));
            break;
        }
        if (s.at[i] == '.')
            fraction = true;
        else
            decimal_add(d, s.at[i], fraction);
    }
    d->digits[d->n] = '\0';
}

/* The double of D, into *RET; false when that is another number. The C locale holds: nobody sets one. */
static bool decimal_to_double(const struct decimal *d, double *ret)
{
    if (d->n == 0 && !d->too_long) {
        *ret = d->negative ? -0.0 : 0.0;
        return true;
    }
    if (d->too_long || d->exponent > DECIMAL_EXPONENT_MAX || d->exponent < -DECIMAL_EXPONENT_MAX)
        return false;
    char text[DECIMAL_TEXT_MAX], again[DECIMAL_TEXT_MAX];
    snprintf(text, sizeof text, "%s%c%s%se%c%02d", d->negative ? "-" : "", d->digits[0], d->n > 1 ? "." : "",
             d->digits + 1, d->exponent < 0 ? '-' : '+', abs((int)d->exponent));
    *ret = strtod(text, NULL);
    /* So few digits survive any double of common size. */
    if (d->n <= DBL_DIG && d->exponent < DBL_MAX_10_EXP && d->exponent > DBL_MIN_10_EXP)
        return true;
    snprintf(again, sizeof again, "%.*e", (int)d->n - 1, *ret);
    return strcmp(text, again) == 0;
}

static bool is_whole(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '.' || s.at[i] == 'e' || s.at[i] == 'E')
            return false;
    return !span_is(s, "-0"); /* only a double keeps the sign */
}

bool pack_number(struct buf *out, struct span s)
{
    if (is_whole(s) && pack_integer(out, s))
        return true;
    struct decimal d = {.n = 0};
    double value;
    decimal_read(&d, s);
    if (!decimal_to_double(&d, &value))
        return false;
    msgpack_packer to = pack_to(out);
    msgpack_pack_double(&to, value);
    return true;
}

/* ---- what JSON holds ---- */

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = at[i];
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The character of \u…, and of the surrogate that follows it, as UTF-8. Returns its length; *AT moves past it. */
static size_t unescape_unicode(struct span s, size_t *at, char to[static 4])
{
    uint32_t c = hex4(s.at + *at + 2);
    *at += 6;
    if (c >= 0xd800 && c <= 0xdbff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(s.at + *at + 2) - 0xdc00);
        *at += 6;
    }
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(leads[n] | c);
    return n;
}

/* One character, or one byte of it, from *AT on. Returns how many bytes TO got; *AT moves past it. */
static size_t unescape(struct span s, size_t *at, char to[static 4])
{
    static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
    if (s.at[*at] != '\\') {
        to[0] = s.at[(*at)++];
        return 1;
    }
    char c = s.at[*at + 1];
    if (c == 'u')
        return unescape_unicode(s, at, to);
    const char *found = strchr(from, c);
    to[0] = found ? into[found - from] : c;
    *at += 2;
    return 1;
}

void pack_json_string(struct buf *out, struct span s)
{
    msgpack_packer packer = pack_to(out);
    struct span inner = span_make(s.at + 1, s.len - 2);
    size_t length = 0;
    char to[4];
    for (size_t at = 0; at < inner.len;)
        length += unescape(inner, &at, to);
    msgpack_pack_str(&packer, length);
    if (length == inner.len) {
        buf_add_span(out, inner);
        return;
    }
    for (size_t at = 0; at < inner.len;) {
        size_t n = unescape(inner, &at, to);
        buf_add(out, to, n);
    }
}

/* The longest head; a short body is moved up to a short one. Moving long ones, too, would take a value with many levels
 * a time that grows with its depth. */
enum { LONG_HEAD_BYTES = 5, SHORT_HEAD_MAX = 15, MOVED_BYTES_MAX = 4096 };

size_t pack_open(struct buf *out)
{
    static const char head[LONG_HEAD_BYTES];
    size_t begin = out->len;
    buf_add(out, head, sizeof head);
    return begin;
}

void pack_close(struct buf *out, size_t begin, bool is_map, uint32_t n)
{
    if (buf_error(out))
        return;
    unsigned char *head = (unsigned char *)out->at + begin;
    size_t body = out->len - begin - LONG_HEAD_BYTES;
    if (n <= SHORT_HEAD_MAX && body <= MOVED_BYTES_MAX) {
        head[0] = (unsigned char)((is_map ? 0x80 : 0x90) | n);
        memmove(head + 1, head + LONG_HEAD_BYTES, body);
        out->len -= LONG_HEAD_BYTES - 1;
        return;
    }
    head[0] = is_map ? 0xdf : 0xdd; /* map 32, array 32 */
    for (size_t i = 0; i < 4; i++)
        head[1 + i] = (unsigned char)(n >> (24 - 8 * i));
}
