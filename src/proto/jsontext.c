#include "proto/jsontext.h"

#include "base/escape.h"
#include "proto/decimal.h"

struct reader {
    struct jsondoc *doc;
    struct span rest;
    unsigned depth;
};

static void skip_blanks(struct reader *r)
{
    size_t n = 0;
    while (n < r->rest.len &&
           (r->rest.at[n] == ' ' || r->rest.at[n] == '\t' || r->rest.at[n] == '\n' || r->rest.at[n] == '\r'))
        n++;
    r->rest = span_from(r->rest, n);
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (!r->rest.len || r->rest.at[0] != c)
        return false;
    r->rest = span_from(r->rest, 1);
    return true;
}

/* Decodes the escape at the front of S into TO. Returns its length in S, or 0 when it is none. */
static size_t take_escape(struct span s, char **to)
{
    static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    char c = s.len > 1 ? plain[(unsigned char)s.at[1]] : '\0';
    if (c) {
        *(*to)++ = c;
        return 2;
    }
    struct span rest = s;
    int32_t code_point = escape_take_unicode(&rest);
    if (code_point < 0)
        return 0;
    *to += utf8_put(*to, (uint32_t)code_point);
    return s.len - rest.len;
}

/* What stands between the quotes, decoded; never longer than it was. */
static bool decode_string(struct jsondoc *d, struct span raw, struct span *ret)
{
    char *decoded = jsondoc_alloc(d, raw.len);
    if (!decoded)
        return false;
    char *to = decoded;
    while (raw.len) {
        const char *backslash = memchr(raw.at, '\\', raw.len);
        size_t plain = backslash ? (size_t)(backslash - raw.at) : raw.len;
        memcpy(to, raw.at, plain);
        to += plain;
        raw = span_from(raw, plain);
        if (!raw.len)
            break;
        size_t length = take_escape(raw, &to);
        if (!length)
            return false;
        raw = span_from(raw, length);
    }
    *ret = span_make(decoded, (size_t)(to - decoded));
    return true;
}

static bool read_string(struct reader *r, struct span *ret)
{
    if (!take(r, '"'))
        return false;
    bool escaped = false;
    size_t n = 0;
    while (n < r->rest.len && r->rest.at[n] != '"') {
        if ((unsigned char)r->rest.at[n] < 0x20)
            return false;
        if (r->rest.at[n] == '\\') {
            escaped = true;
            n++;
        }
        n++;
    }
    if (n >= r->rest.len)
        return false;
    struct span raw = span_make(r->rest.at, n);
    r->rest = span_from(r->rest, n + 1);
    if (escaped)
        return decode_string(r->doc, raw, ret);
    *ret = raw;
    return true;
}

static struct jsondoc_node *read_value(struct reader *r);

static struct jsondoc_node *read_member(struct reader *r)
{
    struct span name;
    if (!read_string(r, &name) || !take(r, ':'))
        return NULL;
    struct jsondoc_node *member = read_value(r);
    if (member)
        member->name = name;
    return member;
}

/* After the opening bracket. */
static struct jsondoc_node *read_container(struct reader *r, enum jsondoc_type type)
{
    char close = type == JSONDOC_ARRAY ? ']' : '}';
    struct jsondoc_node *node = jsondoc_new(r->doc, type);
    if (!node || ++r->depth > JSONDOC_DEPTH_MAX)
        return NULL;
    if (!take(r, close)) {
        do {
            struct jsondoc_node *child = type == JSONDOC_ARRAY ? read_value(r) : read_member(r);
            if (!child)
                return NULL;
            jsondoc_insert(node, NULL, child);
        } while (take(r, ','));
        if (!take(r, close))
            return NULL;
    }
    r->depth--;
    if (type == JSONDOC_OBJECT)
        jsondoc_drop_doubles(r->doc, node);
    return node;
}

static struct jsondoc_node *text_node(struct reader *r, enum jsondoc_type type, struct span text)
{
    struct jsondoc_node *node = jsondoc_new(r->doc, type);
    if (node)
        node->text = text;
    return node;
}

static struct jsondoc_node *read_scalar(struct reader *r)
{
    static const struct span literals[] = {{"null", 4}, {"true", 4}, {"false", 5}};
    struct span text;
    for (size_t i = 0; i < ARRAY_LENGTH(literals); i++) {
        if (span_starts(r->rest, literals[i])) {
            r->rest = span_from(r->rest, literals[i].len);
            return text_node(r, JSONDOC_LITERAL, literals[i]);
        }
    }
    if (r->rest.len && r->rest.at[0] == '"')
        return read_string(r, &text) ? text_node(r, JSONDOC_STRING, text) : NULL;
    return decimal_cut(&r->rest, &text) ? text_node(r, JSONDOC_NUMBER, text) : NULL;
}

/* NULL leaves it to jsontext_read() to make the error stick. */
static struct jsondoc_node *read_value(struct reader *r)
{
    if (take(r, '{'))
        return read_container(r, JSONDOC_OBJECT);
    if (take(r, '['))
        return read_container(r, JSONDOC_ARRAY);
    return read_scalar(r);
}

struct jsondoc_node *jsontext_read(struct jsondoc *d, struct span text)
{
    struct reader r = {.doc = d, .rest = text};
    struct jsondoc_node *root = utf8_valid_length(text) == text.len ? read_value(&r) : NULL;
    skip_blanks(&r);
    if (!root || r.rest.len)
        jsondoc_fail(d);
    return jsondoc_error(d) ? NULL : root;
}

static const char hex_digits[] = "0123456789abcdef";

/* The length of the character at the front of S that cannot go out as it is, or 0. */
static size_t special_length(struct span s)
{
    unsigned char c = (unsigned char)s.at[0];
    if (c < 0x20 || c == '"' || c == '\\')
        return 1;
    /* No well-formed UTF-8 has these: a lone surrogate. */
    return c == 0xed && (unsigned char)s.at[1] >= 0xa0 ? 3 : 0;
}

static void write_special(struct buf *out, const char *at, size_t length)
{
    static const char letters[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    unsigned c = (unsigned char)at[0];
    if (length == 1 && letters[c]) {
        buf_add(out, (char[]){'\\', letters[c]}, 2);
        return;
    }
    if (length == 3)
        c = 0xd000u | ((unsigned char)at[1] & 0x3fu) << 6 | ((unsigned char)at[2] & 0x3fu);
    char text[6] = {'\\', 'u'};
    for (int i = 0; i < 4; i++)
        text[2 + i] = hex_digits[c >> (12 - 4 * i) & 15];
    buf_add(out, text, sizeof text);
}

static void write_string(struct buf *out, struct span s)
{
    buf_add_char(out, '"');
    size_t plain_from = 0, at = 0;
    while (at < s.len) {
        size_t length = special_length(span_from(s, at));
        if (!length) {
            at++;
            continue;
        }
        buf_add(out, s.at + plain_from, at - plain_from);
        write_special(out, s.at + at, length);
        plain_from = at += length;
    }
    buf_add_span(out, span_from(s, plain_from));
    buf_add_char(out, '"');
}

static int write_below(struct buf *out, const struct jsondoc_node *node, unsigned depth);

static int write_children(struct buf *out, const struct jsondoc_node *node, unsigned depth)
{
    bool object = node->type == JSONDOC_OBJECT;
    char separator = object ? '{' : '[';
    LIST_EACH(link, &node->children) {
        buf_add_char(out, separator);
        separator = ',';
        if (object) {
            write_string(out, jsondoc_at(link)->name);
            buf_add_char(out, ':');
        }
        int r = write_below(out, jsondoc_at(link), depth + 1);
        if (r)
            return r;
    }
    if (list_empty(&node->children))
        buf_add_char(out, separator);
    buf_add_char(out, object ? '}' : ']');
    return 0;
}

static int write_below(struct buf *out, const struct jsondoc_node *node, unsigned depth)
{
    switch (node->type) {
    case JSONDOC_LITERAL:
    case JSONDOC_NUMBER: buf_add_span(out, node->text); return 0;
    case JSONDOC_STRING: write_string(out, node->text); return 0;
    case JSONDOC_ARRAY:
    case JSONDOC_OBJECT: return depth > JSONDOC_DEPTH_MAX ? JSONDOC_BAD : write_children(out, node, depth);
    }
    return JSONDOC_BAD;
}

int jsontext_write(const struct jsondoc_node *node, struct buf *out)
{
    return write_below(out, node, 1);
}
