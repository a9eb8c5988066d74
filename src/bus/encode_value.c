/* Typed values: what a server sent as text, as the JSON or MessagePack that consumers asked for with `types`. */
#include "base/escape.h"
#include "bus/encode.h"
#include "bus/pack.h"

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
    return s.len && number_length(s, &integer) == s.len && integer;
}

static bool is_exact(struct span integer)
{
    uint64_t magnitude;
    return span_to_u64(integer.at[0] == '-' ? span_from(integer, 1) : integer, integer_max, &magnitude);
}

/* Reads one JSON text strictly and writes it without the blanks between its tokens, or as MessagePack. */
struct json_copy {
    enum encode_format format;
    struct span in;
    size_t at;
    struct buf *out;
    size_t depth, max_depth;
    uint64_t objects; /* bit D: what is open at depth D is an object, else an array */
    struct {
        size_t begin;                  /* in OUT */
        uint32_t n;                    /* elements or members so far */
    } open[ENCODE_JSON_MAX_DEPTH + 1]; /* MessagePack: by depth */
};

static void skip_blanks(struct json_copy *j)
{
    while (j->at < j->in.len && memchr(" \t\r\n", j->in.at[j->at], 4))
        j->at++;
}

/* Takes a bracket, comma or colon. */
static void copy_mark(struct json_copy *j)
{
    if (j->format == ENCODE_JSON)
        buf_add_char(j->out, j->in.at[j->at]);
    j->at++;
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

static bool pack_scalar(struct buf *out, struct span token)
{
    msgpack_packer to = pack_to(out);
    switch (token.at[0]) {
    case '"': pack_json_string(out, token); return true;
    case 't': msgpack_pack_true(&to); return true;
    case 'f': msgpack_pack_false(&to); return true;
    case 'n': msgpack_pack_nil(&to); return true;
    default: return pack_number(out, token);
    }
}

static bool copy_scalar(struct json_copy *j)
{
    size_t n = scalar_length(j);
    if (!n)
        return false;
    struct span token = span_make(j->in.at + j->at, n);
    j->at += n;
    if (j->format == ENCODE_MSGPACK)
        return pack_scalar(j->out, token);
    buf_add_span(j->out, token);
    return true;
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
    copy_mark(j);
    return true;
}

static void begin_container(struct json_copy *j, bool object)
{
    j->depth++;
    uint64_t bit = (uint64_t)1 << j->depth;
    j->objects = object ? j->objects | bit : j->objects & ~bit;
    j->open[j->depth].n = 0;
    if (j->format == ENCODE_MSGPACK)
        j->open[j->depth].begin = pack_open(j->out);
}

static void end_container(struct json_copy *j)
{
    copy_mark(j);
    if (j->format == ENCODE_MSGPACK)
        pack_close(j->out, j->open[j->depth].begin, in_object(j), j->open[j->depth].n);
    j->depth--;
}

/* Opens what C says, up to where its first value is expected; *RET_CLOSED: there is none. */
static bool open_container(struct json_copy *j, char c, bool *ret_closed)
{
    if (j->depth == j->max_depth)
        return false;
    copy_mark(j);
    begin_container(j, c == '{');
    *ret_closed = peek(j) == (c == '{' ? '}' : ']');
    if (*ret_closed) {
        end_container(j);
        return true;
    }
    return c == '[' || copy_name(j);
}

/* After a value: closes what ends here, up to where the next value is expected; *RET_DONE: there is none. */
static bool close_containers(struct json_copy *j, bool *ret_done)
{
    while (j->depth > 0) {
        char c = peek(j);
        if (c == ',') {
            copy_mark(j);
            *ret_done = false;
            return !in_object(j) || copy_name(j);
        }
        if (c != (in_object(j) ? '}' : ']'))
            return false;
        end_container(j);
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
        j->open[j->depth].n++; /* (at depth 0, nobody's) */
        if (!(c == '{' || c == '[' ? open_container(j, c, &whole) : copy_scalar(j)))
            return false;
        if (whole && !close_containers(j, &done))
            return false;
    }
    return true;
}

static bool add_json(enum encode_format format, struct span value, struct buf *out)
{
    struct json_copy j = {.format = format,
                          .in = value,
                          .out = out,
                          .max_depth =
                              format == ENCODE_MSGPACK ? ENCODE_MSGPACK_MAX_DEPTH : ENCODE_JSON_MAX_DEPTH};
    size_t before = out->len;
    bool fits = copy_json(&j);
    if (!fits && !buf_error(out))
        out->len = before;
    return fits;
}

static bool add_boolean(enum encode_format format, struct span value, struct buf *out)
{
    bool yes = span_is(value, "true") || span_is(value, "1");
    if (!yes && !span_is(value, "false") && !span_is(value, "0"))
        return false;
    msgpack_packer to = pack_to(out);
    if (format == ENCODE_JSON)
        buf_add_span(out, yes ? SPAN("true") : SPAN("false"));
    else if (yes)
        msgpack_pack_true(&to);
    else
        msgpack_pack_false(&to);
    return true;
}

/* Writes VALUE as TYPE says; false, with OUT as it was, when it is not of that type. */
static bool add_typed(enum encode_format format, enum encode_type type, struct span value, struct buf *out)
{
    bool packed = format == ENCODE_MSGPACK;
    switch (type) {
    case ENCODE_STRING: return false;
    case ENCODE_BOOLEAN: return add_boolean(format, value, out);
    case ENCODE_JSON_VALUE: return add_json(format, value, out);
    case ENCODE_NUMBER:
        if (!is_number(value))
            return false;
        if (packed)
            return pack_number(out, value);
        break;
    case ENCODE_INTEGER:
        if (!is_integer(value))
            return false;
        if (packed)
            return pack_integer(out, value);
        if (!is_exact(value))
            return false;
        break;
    }
    buf_add_span(out, value);
    return true;
}

static void add_null(enum encode_format format, struct buf *out)
{
    msgpack_packer to = pack_to(out);
    if (format == ENCODE_MSGPACK)
        msgpack_pack_nil(&to);
    else
        buf_add_span(out, SPAN("null"));
}

static void add_string(enum encode_format format, struct span value, struct buf *out)
{
    if (format == ENCODE_MSGPACK)
        pack_text(out, value);
    else
        escape_json(out, value);
}

int encode_value(enum encode_format format, enum encode_type type, bool is_null, struct span value,
                 struct buf *out)
{
    int r = 0;
    if (is_null) {
        add_null(format, out);
    } else if (!add_typed(format, type, value, out)) {
        add_string(format, value, out);
        r = type == ENCODE_STRING ? 0 : ENCODE_MISFIT;
    }
    return buf_error(out) ? buf_error(out) : r;
}
