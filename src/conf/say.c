#include "config.h"

#include "conf/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "conf/check.h"

void say_scope(const struct conf_scope *scope, struct buf *out)
{
    if (!scope || !scope->word)
        return;
    say_scope(scope->outer, out);
    if (!scope->index)
        buf_printf(out, "%s.", scope->word);
    else if (scope->name)
        buf_printf(out, "%s %s: ", scope->word, scope->name);
    else
        buf_printf(out, "%s %zu: ", scope->word, scope->index);
}

void say_end(struct conf_build *b, struct conf_place place, struct buf *text)
{
    fault_add(b->faults, place, text);
    if (b->faults->error)
        b->error = b->faults->error;
}

void say_fault(struct conf_build *b, const struct conf_scope *scope, struct conf_place place,
               const char *setting, const char *format, ...)
{
    AUTO_BUF struct buf text = BUF_INIT(SAY_MAX_BYTES);
    say_scope(scope, &text);
    if (setting)
        buf_printf(&text, "%s: ", setting);
    AUTO_FREE char *sentence = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    if (n < 0) {
        sentence = NULL;
        b->error = -ENOMEM;
        return;
    }
    buf_add_text(&text, sentence);
    say_end(b, place, &text);
}

static void add_words(const char *const *choices, const char *last, struct buf *out)
{
    for (const char *const *c = choices; *c; c++) {
        if (c != choices)
            buf_add_text(out, c[1] || last ? ", " : " or ");
        buf_printf(out, "\"%s\"", *c);
    }
    if (last)
        buf_printf(out, " or %s", last);
}

static void add_range(const struct conf_row *row, struct buf *out)
{
    if (row->max == INT64_MAX)
        buf_printf(out, "an integer from %" PRId64, row->min);
    else
        buf_printf(out, "an integer from %" PRId64 " to %" PRId64, row->min, row->max);
}

static void add_number(const struct conf_row *row, struct buf *out)
{
    AUTO_FREE char *number = NULL;
    if (asprintf(&number, "%s from %s to %" PRId64, row->whole ? "an integer" : "a number",
                 row->whole ? "1" : "0.000001", row->max) < 0) {
        number = NULL;
        out->error = -ENOMEM;
    } else {
        add_words(row->choices, number, out);
    }
}

void say_expected(const struct conf_row *row, struct buf *out)
{
    switch (row->kind) {
    case CONF_BOOL: buf_add_text(out, "true or false"); break;
    case CONF_INT:
    case CONF_INT64: add_range(row, out); break;
    case CONF_STRING:
    case CONF_MODE_BITS: buf_add_text(out, row->expected ? row->expected : "a string"); break;
    case CONF_CHOICE:
    case CONF_CHOICE_BOOL: add_words(row->choices, NULL, out); break;
    case CONF_STRINGS:
        buf_add_text(out, "an array [ ] of strings");
        if (row->expected)
            buf_printf(out, ", each %s", row->expected);
        break;
    case CONF_NUMBER: add_number(row, out); break;
    case CONF_SNAPSHOT:
        buf_add_text(out, "true, false or ");
        add_range(row, out);
        break;
    case CONF_TYPES:
    case CONF_GROUP: buf_add_text(out, "a group { }"); break;
    case CONF_LIST: buf_add_text(out, "a list ( ) of groups { }"); break;
    }
}

void say_found(const struct conf_row *row, const struct conf_node *node, struct buf *out)
{
    AUTO_BUF struct buf masked = BUF_INIT(SAY_MAX_BYTES);
    if (row->secrecy == CONF_OPEN || (node->kind != CONF_NODE_STRING && row->secrecy != CONF_SECRET)) {
        conf_node_describe(node, out);
    } else if (row->secrecy == CONF_SECRET) {
        buf_add_text(out, node->kind == CONF_NODE_STRING ? "another string" : "something else");
    } else {
        mask_address(span_of(node->text), &masked);
        struct conf_node shown = {.kind = CONF_NODE_STRING, .text = buf_text(&masked)};
        conf_node_describe(&shown, out);
    }
    if (buf_error(&masked))
        out->error = -ENOMEM;
}
