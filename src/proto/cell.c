#include "proto/cell.h"

#include <errno.h>

#include "proto/diff.h"

int cell_fill(struct cell *c, bool is_null, struct span value, struct span published)
{
    size_t need = value.len + published.len;
    if (need > c->cap) {
        size_t cap = need < 16 ? 16 : need + need / 2;
        char *grown = realloc(c->at, cap);
        if (!grown)
            return -ENOMEM;
        c->at = grown;
        c->cap = (uint32_t)cap;
    }
    if (value.len)
        memcpy(c->at, value.at, value.len);
    if (published.len)
        memcpy(c->at + value.len, published.at, published.len);
    c->len = (uint32_t)value.len;
    c->published_len = (uint32_t)published.len;
    c->is_set = true;
    c->is_null = is_null;
    return 0;
}

/* A diff against the cell's value. */
static int apply_diff(enum delta_kind kind, const struct cell *c, struct span diff, struct buf *patched,
                      struct span *ret, const char **ret_why)
{
    if (!c->is_set || c->is_null) {
        *ret_why = "a diff of a value that is not there";
        return CELL_BAD;
    }
    buf_clear(patched);
    int r = kind == DELTA_JSON_PATCH ? diff_json_patch(cell_value(c), diff, patched)
                                     : diff_tlcp(cell_value(c), diff, patched);
    if (r > 0) {
        *ret_why =
            kind == DELTA_JSON_PATCH ? "a JSON Patch that does not apply" : "a TLCP-diff that does not apply";
        return CELL_BAD;
    }
    *ret = buf_span(patched);
    return r;
}

int cell_resolve(enum delta_syntax syntax, const struct cell *c, const struct delta *delta,
                 struct buf *decoded, struct buf *patched, struct span *ret, const char **ret_why)
{
    if (delta->kind == DELTA_NULL) {
        *ret = SPAN_EMPTY;
        return 0;
    }
    if (delta->kind == DELTA_VALUE && delta_is_plain(syntax, delta->text)) {
        *ret = delta->text;
        return 0;
    }
    buf_clear(decoded);
    if (buf_reserve(decoded, delta->text.len) < 0)
        return -ENOMEM;
    ptrdiff_t n = delta_decode(syntax, decoded->at, delta->text);
    if (n < 0) {
        *ret_why = "a '%' without two hex digits";
        return CELL_BAD;
    }
    *ret = span_make(decoded->at, (size_t)n);
    return delta->kind == DELTA_VALUE ? 0 : apply_diff(delta->kind, c, *ret, patched, ret, ret_why);
}
