#include "sim/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "sim/memory.h"

struct text *text_new(struct span s)
{
    struct text *t = memory_get(sizeof(*t) + s.len + 1);

    t->refs = 1;
    t->len = s.len;
    if (s.len > 0)
        memcpy(t->at, s.at, s.len);
    return t;
}

struct text *text_printf(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return text_new(span_of(text));
}

struct text *text_ref(struct text *t)
{
    if (t)
        t->refs++;
    return t;
}

void text_unref(struct text *t)
{
    if (t && --t->refs == 0)
        free(t);
}

bool text_equal(const struct text *a, const struct text *b)
{
    if (a == b)
        return true;
    return a && b && span_equal(text_span(a), text_span(b));
}

void row_init(struct row *r, size_t n)
{
    *r = (struct row){.n = n, .values = memory_get(n * sizeof(struct text *))};
}

void row_done(struct row *r)
{
    for (size_t i = 0; i < r->n; i++)
        text_unref(r->values[i]);
    free(r->values);
    *r = (struct row){0};
}

void row_resize(struct row *r, size_t n)
{
    for (size_t i = n; i < r->n; i++)
        text_unref(r->values[i]);
    r->values = memory_resize(r->values, n * sizeof(struct text *));
    for (size_t i = r->n; i < n; i++)
        r->values[i] = NULL;
    r->n = n;
}

void row_set(struct row *r, size_t at, struct text *value)
{
    text_unref(r->values[at]);
    r->values[at] = value;
}

void row_copy(struct row *to, const struct row *from)
{
    row_init(to, from->n);
    for (size_t i = 0; i < from->n; i++)
        to->values[i] = text_ref(from->values[i]);
}
