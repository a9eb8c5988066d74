#include "sim/json.h"

/* The bytes of the well-formed UTF-8 character of several bytes at the start of S; 0 when it is none. */
static size_t character(struct span s)
{
    const unsigned char *at = (const unsigned char *)s.at;
    size_t n = at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;

    if (n == 0 || at[0] > 0xf4 || s.len < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
        return 0;
    return (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f) ? 0 : n;
}

void json_string(struct buf *b, struct span value)
{
    buf_add_char(b, '"');
    for (size_t i = 0; i < value.len;) {
        unsigned char c = (unsigned char)value.at[i];
        size_t n = 1;

        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < ' ')
            buf_printf(b, "\\u%04x", c);
        else if (c < 0x80)
            buf_add_char(b, (char)c);
        else if ((n = character(span_from(value, i))) > 0)
            buf_add(b, value.at + i, n);
        else
            buf_add_text(b, "\xef\xbf\xbd");
        i += n > 0 ? n : 1;
    }
    buf_add_char(b, '"');
}

void json_key(struct buf *b, const char *key)
{
    if (b->len > 0 && b->at[b->len - 1] != '{')
        buf_add_char(b, ',');
    json_string(b, span_of(key));
    buf_add_char(b, ':');
}

void json_begin(struct buf *b, const char *event)
{
    buf_add_char(b, '{');
    json_text(b, "event", span_of(event));
}

void json_end(struct buf *b)
{
    buf_add_char(b, '}');
}

void json_text(struct buf *b, const char *key, struct span value)
{
    json_key(b, key);
    json_string(b, value);
}

void json_number(struct buf *b, const char *key, int64_t value)
{
    json_key(b, key);
    buf_add_i64(b, value);
}

void json_count(struct buf *b, const char *key, uint64_t value)
{
    json_key(b, key);
    buf_add_u64(b, value);
}

void json_bool(struct buf *b, const char *key, bool value)
{
    json_key(b, key);
    buf_add_text(b, value ? "true" : "false");
}
