/* Typed values: what a server sent as text, as the JSON that consumers asked for with `types`. */
#include "bus/encode.h"

#include <errno.h>

#include "base/escape.h"

/* Nothing outside +-(2^53 - 1) survives a reader whose numbers are doubles. */
static const uint64_t integer_max = 9007199254740991u;

static size_t digits_length(struct span s, size_t from)
{
    size_t at = from;
    while (at < s.len && s.at[at] >= '0' && s.at[at] <= '9')
        at++;
    return at - from;
}

static bool is_at(struct span s, size_t at, char c)
{
    return at < s.len && s.at[at] == c;
}

/* The length of the number at the start of S, in JSON's grammar (RFC 8259, 6); 0 when there is none.
 * *RET_INTEGER: neither fraction nor exponent. */
static size_t number_length(struct span s, bool *ret_integer)
{
    size_t at = is_at(s, 0, '-');
    size_t whole = is_at(s, at, '0') ? 1 : digits_length(s, at);
    if (!whole)
        return 0;
    at += whole;
    *ret_integer = true;
    if (is_at(s, at, '.')) {
        size_t fraction = digits_length(s, at + 1);
        if (!fraction)
            return 0;
        at += 1 + fraction;
        *ret_integer = false;
    }
    if (is_at(s, at, 'e') || is_at(s, at, 'E')) {
        size_t sign = is_at(s, at + 1, '-') || is_at(s, at + 1, '+');
        size_t exponent = digits_length(s, at + 1 + sign);
        if (!exponent)
            return 0;
        at += 1 + sign + exponent;
        *ret_integer = false;
    }
    return at;
}

static bool is_number(struct span s)
{
    bool integer;
    return s.len && number_length(s, &integer) == s.len;
}

static bool is_integer(struct span s)
{
    bool integer;
    uint64_t magnitude;
    return s.len && number_length(s, &integer) == s.len && integer &&
           span_to_u64(s.at[0] == '-' ? span_from(s, 1) : s, integer_max, &magnitude);
}

/* Reads one JSON text strictly and writes it without the blanks between its tokens. */
struct json_copy {
    struct span in;
    size_t at;
    struct buf *out;
    size_t depth;
    uint64_t objects; /* bit D: what is open at depth D is an object, else an array */
};

static void skip_blanks(struct json_copy *j)
{
    while (j->at < j->in.len && memchr(" \t\r\n", j->in.at[j->at], 4))
        j->at++;
}

static void copy(struct json_copy *j, size_t n)
{
    if (!n)
        return;
    buf_add(j->out, j->in.at + j->at, n);
    j->at += n;
}

/* After blanks: the next character, '\0' at the end (a NUL is no token either). */
static char peek(struct json_copy *j)
{
    skip_blanks(j);
    return j->at < j->in.len ? j->in.at[j->at] : '\0';
}

/* The four digits after "\u" at AT; -1 when they are not there. */
static int hex4(struct span s, size_t at)
{
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = i < s.len ? s.at[i] : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The length of the escape whose backslash is at AT; 0 when it is none. A surrogate without its other half is
 * none: the grammar allows it, many readers don't. */
static size_t escape_length(struct span s, size_t at)
{
    if (at + 1 >= s.len)
        return 0;
    if (s.at[at + 1] != 'u')
        return s.at[at + 1] && strchr("\"\\/bfnrt", s.at[at + 1]) ? 2 : 0;
    int unit = hex4(s, at + 2);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    int low = is_at(s, at + 6, '\\') && is_at(s, at + 7, 'u') ? hex4(s, at + 8) : -1;
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* The length of the string, quotes included, whose first quote is at FROM; 0 when it is none. */
static size_t string_length(struct span s, size_t from)
{
    size_t at = from + 1;
    while (at < s.len) {
        unsigned char c = (unsigned char)s.at[at];
        if (c == '"')
            return at + 1 - from;
        if (c < 0x20)
            return 0;
        size_t step = c == '\\' ? escape_length(s, at) : 1;
        if (!step)
            return 0;
        at += step;
    }
    return 0;
}

static size_t scalar_length(struct json_copy *j)
{
    struct span rest = span_from(j->in, j->at);
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t i = 0; i < ARRAY_LENGTH(literals); i++)
        if (span_starts(rest, span_of(literals[i])))
            return strlen(literals[i]);
    bool integer;
    return is_at(rest, 0, '"') ? string_length(rest, 0) : number_length(rest, &integer);
}

static bool copy_scalar(struct json_copy *j)
{
    size_t n = scalar_length(j);
    copy(j, n);
    return n > 0;
}

static bool in_object(const struct json_copy *j)
{
    return j->objects >> j->depth & 1;
}

/* A member's name and its colon. */
static bool copy_name(struct json_copy *j)
{
    if (peek(j) != '"' || !copy_scalar(j) || peek(j) != ':')
        return false;
    copy(j, 1);
    return true;
}

/* Opens what C says, up to where its first value is expected; *RET_CLOSED: there is none. */
static bool open_container(struct json_copy *j, char c, bool *ret_closed)
{
    if (j->depth == ENCODE_JSON_MAX_DEPTH)
        return false;
    copy(j, 1);
    *ret_closed = peek(j) == (c == '{' ? '}' : ']');
    if (*ret_closed) {
        copy(j, 1);
        return true;
    }
    j->depth++;
    uint64_t bit = (uint64_t)1 << j->depth;
    j->objects = c == '{' ? j->objects | bit : j->objects & ~bit;
    return c == '[' || copy_name(j);
}

/* After a value: closes what ends here, up to where the next value is expected; *RET_DONE: there is none. */
static bool close_containers(struct json_copy *j, bool *ret_done)
{
    while (j->depth > 0) {
        char c = peek(j);
        if (c == ',') {
            copy(j, 1);
            *ret_done = false;
            return !in_object(j) || copy_name(j);
        }
        if (c != (in_object(j) ? '}' : ']'))
            return false;
        copy(j, 1);
        j->depth--;
    }
    skip_blanks(j);
    *ret_done = true;
    return j->at == j->in.len;
}

static bool copy_json(struct json_copy *j)
{
    if (utf8_valid_length(j->in) != j->in.len)
        return false;
    for (bool done = false; !done;) {
        char c = peek(j);
        bool whole = true;
        if (!(c == '{' || c == '[' ? open_container(j, c, &whole) : copy_scalar(j)))
            return false;
        if (whole && !close_containers(j, &done))
            return false;
    }
    return true;
}

/* Writes VALUE as TYPE says; false, with OUT as it was, when it is not of that type. */
static bool add_typed(enum encode_type type, struct span value, struct buf *out)
{
    size_t before = out->len;
    bool fits = false;
    switch (type) {
    case ENCODE_STRING: return false;
    case ENCODE_NUMBER: fits = is_number(value); break;
    case ENCODE_INTEGER: fits = is_integer(value); break;
    case ENCODE_BOOLEAN:
        if (span_is(value, "1") || span_is(value, "0"))
            value = value.at[0] == '1' ? SPAN("true") : SPAN("false");
        fits = span_is(value, "true") || span_is(value, "false");
        break;
    case ENCODE_JSON_VALUE:
        fits = copy_json(&(struct json_copy){.in = value, .out = out});
        if (!fits && !buf_error(out))
            out->len = before;
        return fits;
    }
    if (fits)
        buf_add_span(out, value);
    return fits;
}

int encode_value(enum encode_format format, enum encode_type type, bool is_null, struct span value,
                 struct buf *out)
{
    if (format != ENCODE_JSON)
        return -EOPNOTSUPP;
    int r = 0;
    if (is_null) {
        buf_add_span(out, SPAN("null"));
    } else if (!add_typed(type, value, out)) {
        escape_json(out, value);
        r = type == ENCODE_STRING ? 0 : ENCODE_MISFIT;
    }
    return buf_error(out) ? buf_error(out) : r;
}
