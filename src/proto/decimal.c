#include "proto/decimal.h"

enum { EXPONENT_DIGITS_MAX = 18 }; /* so that a text's length can be added in 64 bits */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

bool decimal_cut(struct span *rest, struct span *ret)
{
    if (!rest->len)
        return false;
    const char *at = rest->at, *end = rest->at + rest->len;
    if (*at == '-')
        at++;
    const char *whole = at;
    at = skip_digits(at, end);
    if (at == whole || (*whole == '0' && at - whole > 1))
        return false;
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction, end);
        if (at == fraction)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + 1;
        if (exponent < end && (*exponent == '+' || *exponent == '-'))
            exponent++;
        at = skip_digits(exponent, end);
        if (at == exponent)
            return false;
    }
    size_t length = (size_t)(at - rest->at);
    *ret = span_make(rest->at, length);
    *rest = span_from(*rest, length);
    return true;
}

/* A number is ± 0.DIGITS × 10^(point + exponent). */
struct decimal {
    bool negative;
    struct span
        digits;    /* from the first to the last that is not 0, with the '.' where it stands; empty: zero */
    int64_t point; /* digits before the point, counted from the first of `digits`; may be negative */
    struct span exponent; /* its digits, from the first that is not 0 */
    bool exponent_negative;
};

/* Everything before an exponent: at most one '.', and digits. */
static void take_digits(struct decimal *d, struct span mantissa)
{
    const char *end = mantissa.at + mantissa.len, *point = memchr(mantissa.at, '.', mantissa.len);
    const char *first = mantissa.at, *last = end;
    if (!point)
        point = end;
    while (first < end && (*first == '0' || *first == '.'))
        first++;
    while (last > first && (last[-1] == '0' || last[-1] == '.'))
        last--;
    d->digits = span_make(first, (size_t)(last - first));
    d->point = first < point ? point - first : point + 1 - first;
}

static void take_exponent(struct decimal *d, struct span exponent)
{
    if (exponent.len && (exponent.at[0] == '-' || exponent.at[0] == '+')) {
        d->exponent_negative = exponent.at[0] == '-';
        exponent = span_from(exponent, 1);
    }
    while (exponent.len && exponent.at[0] == '0')
        exponent = span_from(exponent, 1);
    d->exponent = exponent;
}

static struct decimal decimal_of(struct span text)
{
    struct decimal d = {.negative = text.at[0] == '-'};
    if (d.negative)
        text = span_from(text, 1);
    size_t mantissa = 0;
    while (mantissa < text.len && text.at[mantissa] != 'e' && text.at[mantissa] != 'E')
        mantissa++;
    take_digits(&d, span_make(text.at, mantissa));
    take_exponent(&d, span_from(text, mantissa + 1));
    return d;
}

static bool exponents_equal(const struct decimal *a, const struct decimal *b)
{
    uint64_t x = 0, y = 0;
    if (a->exponent.len > EXPONENT_DIGITS_MAX || b->exponent.len > EXPONENT_DIGITS_MAX)
        return a->exponent_negative == b->exponent_negative && span_equal(a->exponent, b->exponent) &&
               a->point == b->point;
    span_to_u64(a->exponent, INT64_MAX, &x);
    span_to_u64(b->exponent, INT64_MAX, &y);
    int64_t left = a->exponent_negative ? -(int64_t)x : (int64_t)x;
    int64_t right = b->exponent_negative ? -(int64_t)y : (int64_t)y;
    return left + a->point == right + b->point;
}

static bool digits_equal(struct span a, struct span b)
{
    size_t i = 0, j = 0;
    for (;;) {
        if (i < a.len && a.at[i] == '.')
            i++;
        if (j < b.len && b.at[j] == '.')
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (a.at[i++] != b.at[j++])
            return false;
    }
}

bool decimal_equal(struct span a, struct span b)
{
    struct decimal x = decimal_of(a), y = decimal_of(b);
    if (!x.digits.len || !y.digits.len)
        return !x.digits.len && !y.digits.len;
    return x.negative == y.negative && exponents_equal(&x, &y) && digits_equal(x.digits, y.digits);
}
