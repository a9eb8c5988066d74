#include <errno.h>
#include <inttypes.h>

#include "base/escape.h"
#include "conf/check.h"
#include "conf/expand.h"
#include "conf/rows.h"

/* Two ways to write the same: libconfig's text and JSON. */
struct print {
    struct buf *out;
    bool json;
    int depth;
    bool first; /* nothing was written in this group or list yet */
};

enum { PRINT_STRING_MAX_BYTES = 2 * 1024 * 1024 };

static void print_rows(struct print *p, const struct conf_rows *rows, const void *base);

static void print_line(struct print *p)
{
    if (p->json)
        return;
    buf_add_char(p->out, '\n');
    for (int i = 0; i < p->depth; i++)
        buf_add_text(p->out, "  ");
}

static void print_open(struct print *p, char brace)
{
    buf_add_char(p->out, brace);
    p->depth++;
    p->first = true;
}

static void print_close(struct print *p, char brace)
{
    p->depth--;
    if (!p->first)
        print_line(p);
    buf_add_char(p->out, brace);
    p->first = false;
}

static void print_key(struct print *p, const char *name)
{
    if (p->json)
        buf_printf(p->out, "%s\"%s\":", p->first ? "" : ",", name);
    else {
        if (p->depth > 0 || !p->first)
            print_line(p);
        buf_printf(p->out, "%s = ", name);
    }
    p->first = false;
}

static void print_end(struct print *p)
{
    if (!p->json)
        buf_add_char(p->out, ';');
}

static void print_escaped(struct buf *out, struct span s)
{
    static const char from[] = "\"\\\n\r\t\f", to[] = "\"\\nrtf";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        const char *found = memchr(from, c, sizeof from - 1);
        if (found)
            buf_printf(out, "\\%c", to[found - from]);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02X", (unsigned)c);
        else
            buf_add_char(out, (char)c);
    }
}

static void print_string(struct print *p, const char *text)
{
    if (p->json) {
        escape_json(p->out, span_of(text));
        return;
    }
    AUTO_BUF struct buf protected = BUF_INIT(PRINT_STRING_MAX_BYTES);
    expand_protect(span_of(text), &protected);
    buf_add_char(p->out, '"');
    print_escaped(p->out, buf_span(&protected));
    buf_add_char(p->out, '"');
    if (buf_error(&protected))
        p->out->error = buf_error(&protected);
}

static void print_secret(struct print *p, const struct conf_row *row, const char *text)
{
    AUTO_BUF struct buf masked = BUF_INIT(PRINT_STRING_MAX_BYTES);
    if (row->secrecy == CONF_OPEN)
        print_string(p, text);
    else if (row->secrecy == CONF_SECRET)
        print_string(p, "***");
    else {
        mask_address(span_of(text), &masked);
        print_string(p, buf_text(&masked));
    }
    if (buf_error(&masked))
        p->out->error = buf_error(&masked);
}

static void print_integer(struct print *p, int64_t value)
{
    buf_add_i64(p->out, value);
    if (!p->json && (value > INT32_MAX || value < INT32_MIN))
        buf_add_char(p->out, 'L');
}

static void print_bool(struct print *p, bool value)
{
    buf_add_text(p->out, value ? "true" : "false");
}

static void print_separator(struct print *p)
{
    buf_add_text(p->out, p->json ? "," : ", ");
}

static void print_strings(struct print *p, char *const *at, size_t n)
{
    buf_add_text(p->out, n && !p->json ? "[ " : "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            print_separator(p);
        print_string(p, at[i]);
    }
    buf_add_text(p->out, n && !p->json ? " ]" : "]");
}

/* By type, as they are read. */
static void print_types(struct print *p, const struct conf_field_type *types, size_t n)
{
    print_open(p, '{');
    for (size_t type = 1; type < ARRAY_LENGTH(conf_type_words); type++) {
        bool found = false;
        for (size_t i = 0; i < n; i++) {
            if (types[i].type != (enum conf_type)type)
                continue;
            if (found) {
                print_separator(p);
            } else {
                print_key(p, conf_type_words[type]);
                buf_add_text(p->out, p->json ? "[" : "[ ");
            }
            print_string(p, types[i].field);
            found = true;
        }
        if (found) {
            buf_add_text(p->out, p->json ? "]" : " ]");
            print_end(p);
        }
    }
    print_close(p, '}');
}

static void print_group(struct print *p, const struct conf_rows *rows, const void *base)
{
    print_open(p, '{');
    print_rows(p, rows, base);
    print_close(p, '}');
}

static void print_list(struct print *p, const struct conf_row *row, const void *base)
{
    size_t n;
    const char *list = row_list(row, base, &n);
    print_open(p, p->json ? '[' : '(');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(p->out, ',');
        print_line(p);
        print_group(p, row->inner, list + i * row->inner->size);
    }
    print_close(p, p->json ? ']' : ')');
}

static const char *text_in(const struct conf_row *row, const void *base)
{
    return *(char *const *)row_in(row, base);
}

static void print_number(struct print *p, const struct conf_row *row, const char *text)
{
    if (row_choice(row, text) >= 0)
        print_string(p, text);
    else
        buf_add_text(p->out, text);
}

static void print_snapshot(struct print *p, const struct conf_row *row, const void *base)
{
    int64_t length = *(const int64_t *)row_more_in(row, base);
    if (length)
        print_integer(p, length);
    else
        print_bool(p, *(const bool *)row_in(row, base));
}

static unsigned choice_in(const struct conf_row *row, const void *base)
{
    unsigned choice;
    memcpy(&choice, row_in(row, base), sizeof choice);
    return choice;
}

static void print_value(struct print *p, const struct conf_row *row, const void *base)
{
    const void *at = row_in(row, base);
    const struct conf_strings *strings = at;
    switch (row->kind) {
    case CONF_BOOL: print_bool(p, *(const bool *)at); break;
    case CONF_INT: print_integer(p, *(const int *)at); break;
    case CONF_INT64: print_integer(p, *(const int64_t *)at); break;
    case CONF_MODE_BITS: buf_printf(p->out, "\"%04o\"", *(const unsigned *)at); break;
    case CONF_STRING: print_secret(p, row, text_in(row, base)); break;
    case CONF_CHOICE: print_string(p, row->choices[choice_in(row, base)]); break;
    case CONF_CHOICE_BOOL: print_string(p, row->choices[*(const bool *)at ? 1 : 0]); break;
    case CONF_STRINGS: print_strings(p, strings->at, strings->n); break;
    case CONF_NUMBER: print_number(p, row, text_in(row, base)); break;
    case CONF_SNAPSHOT: print_snapshot(p, row, base); break;
    case CONF_TYPES:
        print_types(p, *(struct conf_field_type *const *)at, *(const size_t *)row_more_in(row, base));
        break;
    case CONF_GROUP: print_group(p, row->inner, at); break;
    case CONF_LIST: print_list(p, row, base); break;
    }
}

/* Whether the row says anything: what was left out and has no default is left out here. */
static bool is_said(const struct conf_row *row, const void *base)
{
    if (row->present)
        return *(const bool *)((const char *)base + row->present);
    switch (row->kind) {
    case CONF_STRING:
    case CONF_NUMBER: return text_in(row, base) != NULL;
    case CONF_STRINGS: return row->preset || ((const struct conf_strings *)row_in(row, base))->n > 0;
    case CONF_TYPES: return *(const size_t *)row_more_in(row, base) > 0;
    case CONF_LIST: return *(const size_t *)row_more_in(row, base) > 0;
    case CONF_GROUP:
        for (size_t i = 0; i < row->inner->n; i++)
            if (is_said(&row->inner->at[i], row_in(row, base)))
                return true;
        return false;
    case CONF_BOOL:
    case CONF_INT:
    case CONF_INT64:
    case CONF_MODE_BITS:
    case CONF_CHOICE:
    case CONF_CHOICE_BOOL:
    case CONF_SNAPSHOT: break;
    }
    return true;
}

static void print_rows(struct print *p, const struct conf_rows *rows, const void *base)
{
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n; row++) {
        if (!is_said(row, base))
            continue;
        print_key(p, row->name);
        print_value(p, row, base);
        print_end(p);
    }
}

void conf_print(const struct conf *c, struct buf *out)
{
    struct print p = {.out = out, .first = true};
    print_rows(&p, &conf_root_rows, c);
    buf_add_char(out, '\n');
}

void conf_print_json(const struct conf *c, struct buf *out)
{
    struct print p = {.out = out, .json = true};
    print_group(&p, &conf_root_rows, c);
}
