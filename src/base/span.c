#include "base/span.h"

#include <limits.h>
#include <stdlib.h>

bool span_cut(struct span *rest, char separator, struct span *ret_head)
{
    if (!rest->at)
        return false;
    const char *found = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
    if (!found) {
        *ret_head = *rest;
        *rest = SPAN_EMPTY;
        return true;
    }
    size_t head = (size_t)(found - rest->at);
    *ret_head = span_make(rest->at, head);
    *rest = span_make(found + 1, rest->len - head - 1);
    return true;
}

bool span_to_u64(struct span s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        unsigned digit = (unsigned)(s.at[i] - '0');
        if (value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool span_to_int(struct span s, int *ret)
{
    bool negative = s.len > 0 && s.at[0] == '-';
    uint64_t magnitude;
    if (!span_to_u64(negative ? span_from(s, 1) : s, INT_MAX, &magnitude))
        return false;
    *ret = negative ? -(int)magnitude : (int)magnitude;
    return true;
}

char *span_dup(struct span s)
{
    char *copy = malloc(s.len + 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}
