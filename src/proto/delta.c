#include "proto/delta.h"

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

int delta_next(struct span *rest, size_t fields_left, struct delta *ret)
{
    struct span token;
    if (!span_cut(rest, '|', &token))
        return DELTA_END;
    if (fields_left == 0)
        return DELTA_BAD;
    if (token.len == 0) {
        *ret = (struct delta){DELTA_UNCHANGED, 1, SPAN_EMPTY};
    } else if (token.at[0] == '^') {
        return delta_caret(token, fields_left, ret);
    } else if (token.len == 1 && token.at[0] == '#') {
        *ret = (struct delta){DELTA_NULL, 1, SPAN_EMPTY};
    } else if (token.len == 1 && token.at[0] == '$') {
        *ret = (struct delta){DELTA_VALUE, 1, SPAN_EMPTY};
    } else {
        *ret = (struct delta){DELTA_VALUE, 1, token};
    }
    return 0;
}
