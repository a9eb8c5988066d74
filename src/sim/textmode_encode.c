#include "sim/textmode_encode.h"

#define REPLACEMENT 0xfffd

/* The character at the start of S, which is not empty; *RET_BYTES of it. */
static uint32_t character(struct span s, size_t *ret_bytes)
{
    static const struct {
        unsigned char first, last; /* of the leading bytes */
        unsigned char low, high;   /* what the second byte may be */
        size_t bytes;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *at = (const unsigned char *)s.at;

    *ret_bytes = 1;
    if (at[0] < 0x80)
        return at[0];
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        size_t n = forms[i].bytes;
        uint32_t c = at[0] & (0x7fU >> n);

        if (at[0] < forms[i].first || at[0] > forms[i].last || s.len < n || at[1] < forms[i].low ||
            at[1] > forms[i].high)
            continue;
        for (size_t j = 1; j < n; j++) {
            if ((at[j] & 0xc0) != 0x80)
                return REPLACEMENT;
            c = c << 6 | (at[j] & 0x3f);
        }
        *ret_bytes = n;
        return c;
    }
    return REPLACEMENT;
}

static void add_escaped(struct buf *out, uint32_t c)
{
    if (c > 0xffff) {
        c -= 0x10000;
        buf_printf(out, "\\u%04X\\u%04X", 0xd800 + (unsigned)(c >> 10), 0xdc00 + (unsigned)(c & 0x3ff));
    } else {
        buf_printf(out, "\\u%04X", (unsigned)c);
    }
}

static void add_value(struct buf *out, const struct text *value)
{
    struct span rest = text_span(value);
    size_t bytes;

    if (!value || rest.len == 0) {
        buf_add_char(out, value ? '$' : '#');
        return;
    }
    if (rest.at[0] == '#' || rest.at[0] == '$')
        buf_add_char(out, rest.at[0]);
    for (; rest.len > 0; rest = span_make(rest.at + bytes, rest.len - bytes)) {
        uint32_t c = character(rest, &bytes);

        if (c < ' ' || c > '~' || c == '|' || c == '\\')
            add_escaped(out, c);
        else
            buf_add_char(out, (char)c);
    }
}

void textmode_values(struct buf *out, const struct row *previous, const struct row *now)
{
    for (size_t i = 0; i < now->n; i++) {
        buf_add_char(out, '|');
        if (!previous || !text_equal(row_get(previous, i), now->values[i]))
            add_value(out, now->values[i]);
    }
}

void textmode_words(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_add_char(out, (unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f ? ' ' : s.at[i]);
}
