#include "proto/delta.h"

#include "base/escape.h"
#include "proto/text.h"

static int delta_caret(struct span token, size_t fields_left, struct delta *ret)
{
    struct span argument = span_from(token, 1);
    char letter = argument.len ? argument.at[0] : '\0';
    if (letter == 'P' || letter == 'T') {
        *ret = (struct delta){letter == 'P' ? DELTA_JSON_PATCH : DELTA_TLCP_DIFF, 1, span_from(argument, 1)};
        return 0;
    }
    uint64_t run;
    if (!span_to_u64(argument, fields_left, &run) || run == 0)
        return DELTA_BAD;
    *ret = (struct delta){DELTA_UNCHANGED, (size_t)run, SPAN_EMPTY};
    return 0;
}

/* A longer value that begins like null or the empty one has that character doubled. */
static void delta_text(struct span token, struct delta *ret)
{
    bool marked = token.at[0] == '#' || token.at[0] == '$';
    *ret = (struct delta){DELTA_VALUE, 1, marked ? span_from(token, 1) : token};
}

int delta_next(enum delta_syntax syntax, struct span *rest, size_t fields_left, struct delta *ret)
{
    struct span token;
    if (!span_cut(rest, '|', &token))
        return DELTA_END;
    if (fields_left == 0)
        return DELTA_BAD;
    if (token.len == 0)
        *ret = (struct delta){DELTA_UNCHANGED, 1, SPAN_EMPTY};
    else if (token.len == 1 && token.at[0] == '#')
        *ret = (struct delta){DELTA_NULL, 1, SPAN_EMPTY};
    else if (token.len == 1 && token.at[0] == '$')
        *ret = (struct delta){DELTA_VALUE, 1, SPAN_EMPTY};
    else if (syntax == DELTA_TEXT)
        delta_text(token, ret);
    else if (token.at[0] == '^')
        return delta_caret(token, fields_left, ret);
    else
        *ret = (struct delta){DELTA_VALUE, 1, token};
    return 0;
}

size_t delta_text_count(struct span values)
{
    struct span value;
    size_t n = 0;
    while (span_cut(&values, '|', &value))
        n++;
    return n;
}

bool delta_is_plain(enum delta_syntax syntax, struct span text)
{
    return !text.len || !memchr(text.at, syntax == DELTA_TEXT ? '\\' : '%', text.len);
}

ptrdiff_t delta_decode(enum delta_syntax syntax, char *out, struct span text)
{
    return syntax == DELTA_TEXT ? (ptrdiff_t)text_unescape(out, text) : escape_unpercent(out, text);
}
