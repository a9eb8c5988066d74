#include "config.h"

#include "conf/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { FAULT_SHOWN_BYTES = 1000 }; /* a line that can still be read: names in it may be of any length */

struct fault_entry {
    struct conf_fault fault;
    size_t order, serial;
};

static void fault_done(struct conf_fault *fault)
{
    free(fault->file);
    free(fault->text);
}

void fault_list_done(struct fault_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        fault_done(&list->at[i].fault);
    free(list->at);
    *list = (struct fault_list){0};
}

void conf_faults_done(struct conf_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++)
        fault_done(&faults->at[i]);
    free(faults->at);
    *faults = (struct conf_faults){0};
}

static int fault_list_reserve(struct fault_list *list)
{
    if (list->n < list->cap)
        return 0;
    size_t cap = list->cap ? list->cap * 2 : 16;
    struct fault_entry *grown = realloc(list->at, cap * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    list->at = grown;
    list->cap = cap;
    return 0;
}

/* One line of at most FAULT_SHOWN_BYTES, cut between characters; *owned*, NULL without memory. */
static char *one_line(struct span text)
{
    AUTO_BUF struct buf line = BUF_INIT(FAULT_SHOWN_BYTES + sizeof "…");
    struct span shown = text;
    if (shown.len > FAULT_SHOWN_BYTES) {
        shown.len = FAULT_SHOWN_BYTES;
        while (shown.len && ((unsigned char)text.at[shown.len] & 0xc0) == 0x80)
            shown.len--;
    }
    for (size_t i = 0; i < shown.len; i++) {
        unsigned char c = (unsigned char)shown.at[i];
        buf_add_char(&line, c < ' ' || c == 0x7f ? '?' : shown.at[i]);
    }
    if (shown.len < text.len)
        buf_add_text(&line, "…");
    return buf_error(&line) ? NULL : span_dup(buf_span(&line));
}

void fault_add(struct fault_list *list, struct conf_place place, struct buf *text)
{
    AUTO_FREE char *copy = buf_error(text) ? NULL : one_line(buf_span(text));
    AUTO_FREE char *file = span_dup(span_of(place.file));
    if (!copy || !file || fault_list_reserve(list) < 0) {
        list->error = -ENOMEM;
        return;
    }
    list->at[list->n] = (struct fault_entry){
        .fault = {.file = TAKE(file), .line = place.line, .text = TAKE(copy)},
        .order = place.order,
        .serial = list->n,
    };
    list->n++;
}

void fault_addf(struct fault_list *list, struct conf_place place, const char *format, ...)
{
    AUTO_FREE char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0) {
        text = NULL;
        list->error = -ENOMEM;
        return;
    }
    AUTO_BUF struct buf sentence = BUF_INIT(strlen(text));
    buf_add_text(&sentence, text);
    fault_add(list, place, &sentence);
}

static int fault_compare(const void *left, const void *right)
{
    const struct fault_entry *a = left, *b = right;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return (a->serial > b->serial) - (a->serial < b->serial);
}

int fault_deliver(struct fault_list *list, struct conf_faults *out)
{
    if (list->error)
        return list->error;
    if (list->n == 0)
        return 0;
    qsort(list->at, list->n, sizeof *list->at, fault_compare);
    out->at = calloc(list->n, sizeof *out->at);
    if (!out->at)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++)
        out->at[i] = list->at[i].fault;
    out->n = list->n;
    list->n = 0;
    return 0;
}
