#include "bridge/json.h"

#include "base/escape.h"
#include "proto/decimal.h"

static void separate(struct buf *b)
{
    char last = b->len ? b->at[b->len - 1] : '{';
    if (last != '{' && last != '[' && last != ':')
        buf_add_char(b, ',');
}

void json_open(struct buf *b, char bracket)
{
    separate(b);
    buf_add_char(b, bracket);
}

void json_close(struct buf *b, char bracket)
{
    buf_add_char(b, bracket);
}

void json_name(struct buf *b, const char *name)
{
    separate(b);
    escape_json(b, span_of(name));
    buf_add_char(b, ':');
}

void json_value_text(struct buf *b, struct span text)
{
    separate(b);
    escape_json(b, text);
}

void json_value_u64(struct buf *b, uint64_t value)
{
    separate(b);
    buf_add_u64(b, value);
}

void json_text(struct buf *b, const char *name, const char *text)
{
    if (text)
        json_span(b, name, span_of(text));
}

void json_span(struct buf *b, const char *name, struct span text)
{
    json_name(b, name);
    escape_json(b, text);
}

void json_u64(struct buf *b, const char *name, uint64_t value)
{
    json_name(b, name);
    buf_add_u64(b, value);
}

void json_i64(struct buf *b, const char *name, int64_t value)
{
    json_name(b, name);
    buf_add_i64(b, value);
}

void json_bool(struct buf *b, const char *name, bool value)
{
    json_name(b, name);
    buf_add_text(b, value ? "true" : "false");
}

void json_amount(struct buf *b, const char *name, const char *text)
{
    struct span rest = span_of(text), number;
    if (text && decimal_cut(&rest, &number) && rest.len == 0)
        json_raw(b, name, number);
    else
        json_text(b, name, text);
}

void json_raw(struct buf *b, const char *name, struct span json)
{
    json_name(b, name);
    buf_add_span(b, json);
}
