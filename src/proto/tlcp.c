#include "proto/tlcp.h"

#include "base/escape.h"

struct tag_row {
    struct span name;
    bool counts;
    const char *arguments;
};

static const struct tag_row tag_rows[] = {
#define X(name_, counts_, arguments_) {{#name_, sizeof #name_ - 1}, counts_, arguments_},
    TLCP_TAGS(X)
#undef X
};

static enum tlcp_tag find_tag(struct span name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tag_rows); i++)
        if (span_equal(tag_rows[i].name, name))
            return (enum tlcp_tag)i;
    return span_starts(name, SPAN("MPN")) ? TLCP_MPN : TLCP_UNKNOWN;
}

/* One argument of KIND off the front of *REST into its place. */
static bool take_argument(struct span *rest, char kind, size_t *numbers, size_t *texts,
                          struct tlcp_message *m)
{
    struct span argument;
    if (kind == 'r') {
        if (!rest->at)
            return false;
        m->rest = *rest;
        *rest = SPAN_EMPTY;
        return true;
    }
    if (!span_cut(rest, ',', &argument))
        return false;
    if (kind == 'n')
        return span_to_u64(argument, UINT64_MAX, &m->numbers[(*numbers)++]);
    if (kind == 'i')
        return span_to_int(argument, &m->code);
    m->texts[(*texts)++] = argument;
    return true;
}

static bool take_arguments(struct span rest, const char *format, struct tlcp_message *m)
{
    size_t numbers = 0, texts = 0;
    bool optional = false;
    for (; *format; format++) {
        if (*format == '?') {
            optional = true;
            continue;
        }
        if (optional && !rest.at)
            return true;
        if (!take_argument(&rest, *format, &numbers, &texts, m))
            return false;
    }
    return !rest.at;
}

/* "U,sub,item,values" by hand: nearly every line is one. */
static bool parse_update(struct span line, struct tlcp_message *m)
{
    const char *p = line.at + 2, *end = line.at + line.len;
    uint64_t numbers[2];
    for (int i = 0; i < 2; i++) {
        uint64_t value = 0;
        const char *start = p;
        while (p < end && *p >= '0' && *p <= '9' && p - start < 18)
            value = value * 10 + (uint64_t)(*p++ - '0');
        if (p == start || p == end || *p++ != ',')
            return false;
        numbers[i] = value;
    }
    m->tag = TLCP_U;
    m->item.sub_id = numbers[0];
    m->item.item = numbers[1];
    m->rest = span_make(p, (size_t)(end - p));
    return true;
}

void tlcp_parse(struct span line, struct tlcp_message *ret)
{
    if (line.len > 5 && line.at[0] == 'U' && line.at[1] == ',') {
        if (!parse_update(line, ret))
            ret->tag = TLCP_BAD;
        return;
    }
    *ret = (struct tlcp_message){0};
    struct span name = SPAN_EMPTY, rest = line;
    span_cut(&rest, ',', &name);
    ret->tag = find_tag(name);
    if (ret->tag < TLCP_UNKNOWN && !take_arguments(rest, tag_rows[ret->tag].arguments, ret))
        ret->tag = TLCP_BAD;
}

const char *tlcp_tag_name(enum tlcp_tag tag)
{
    return tag < TLCP_UNKNOWN ? tag_rows[tag].name.at : tag == TLCP_UNKNOWN ? "unknown" : "malformed";
}

bool tlcp_counts(enum tlcp_tag tag)
{
    return tag < TLCP_UNKNOWN && tag_rows[tag].counts;
}

void tlcp_decode(struct buf *out, struct span text)
{
    if (text.len == 0 || buf_reserve(out, text.len) < 0)
        return;
    ptrdiff_t n = escape_unpercent(out->at + out->len, text);
    if (n >= 0)
        out->len += (size_t)n;
    else
        buf_add_span(out, text);
}

void tlcp_line_begin(struct buf *out)
{
    if (out->len && out->at[out->len - 1] != '\n')
        buf_add_text(out, "\r\n");
}

static void param_name(struct buf *out, const char *name)
{
    if (out->len && out->at[out->len - 1] != '\n')
        buf_add_char(out, '&');
    buf_add_text(out, name);
    buf_add_char(out, '=');
}

void tlcp_param(struct buf *out, const char *name, struct span value)
{
    param_name(out, name);
    escape_percent(out, value);
}

void tlcp_param_text(struct buf *out, const char *name, const char *value)
{
    if (value)
        tlcp_param(out, name, span_of(value));
}

void tlcp_param_u64(struct buf *out, const char *name, uint64_t value)
{
    param_name(out, name);
    buf_add_u64(out, value);
}

void tlcp_param_cid(struct buf *out)
{
    param_name(out, "LS_cid");
    buf_add_text(out, "mgQkwtwdysogQz2BJ4Ji%20kOj2Bg");
}
