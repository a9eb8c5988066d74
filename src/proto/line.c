#include "proto/line.h"

#include <errno.h>

void line_init(struct line_reader *r, size_t max_bytes)
{
    *r = (struct line_reader){0};
    buf_init(&r->carry, max_bytes);
    buf_init(&r->kept, SIZE_MAX); /* no more than the caller fed at once */
}

void line_done(struct line_reader *r)
{
    buf_done(&r->carry);
    buf_done(&r->kept);
    r->input = SPAN_EMPTY;
}

void line_reset(struct line_reader *r)
{
    buf_clear(&r->carry);
    r->input = SPAN_EMPTY;
    r->carried = r->again = false;
    r->last_len = 0;
}

void line_feed(struct line_reader *r, struct span bytes)
{
    r->input = bytes;
}

int line_keep(struct line_reader *r)
{
    bool is_kept = r->input.len == 0 ||
                   (r->kept.at && r->input.at >= r->kept.at && r->input.at < r->kept.at + r->kept.cap);
    if (is_kept)
        return 0;
    buf_clear(&r->kept);
    buf_add_span(&r->kept, r->input);
    if (buf_error(&r->kept))
        return -ENOMEM;
    r->input = buf_span(&r->kept);
    return 0;
}

static struct span without_cr(struct span line)
{
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

static int line_carry(struct line_reader *r, struct span part)
{
    buf_add_span(&r->carry, part);
    int e = buf_error(&r->carry);
    return e == -ENOBUFS ? LINE_TOO_LONG : e;
}

struct span line_rest(const struct line_reader *r)
{
    return r->carried ? SPAN_EMPTY : without_cr(buf_span(&r->carry));
}

void line_again(struct line_reader *r)
{
    r->again = r->carried;
    r->input = span_make(r->input.at - r->last_len, r->input.len + r->last_len);
    r->last_len = 0;
}

int line_next(struct line_reader *r, struct span *ret)
{
    if (r->again) {
        r->again = false;
        *ret = without_cr(buf_span(&r->carry));
        return 0;
    }
    r->last_len = 0;
    if (r->carried) {
        buf_clear(&r->carry);
        r->carried = false;
    }
    const char *end = r->input.len ? memchr(r->input.at, '\n', r->input.len) : NULL;
    if (!end) {
        int e = line_carry(r, r->input);
        r->input = SPAN_EMPTY;
        return e ? e : LINE_NONE;
    }
    struct span line = span_make(r->input.at, (size_t)(end - r->input.at));
    r->input = span_make(end + 1, r->input.len - line.len - 1);
    if (line.len > r->carry.max)
        return LINE_TOO_LONG;
    if (r->carry.len) {
        int e = line_carry(r, line);
        if (e)
            return e;
        r->carried = true;
        line = buf_span(&r->carry);
    } else {
        r->last_len = line.len + 1;
    }
    *ret = without_cr(line);
    return 0;
}
