#include "conf/rows.h"

#include <errno.h>

#include "base/util.h"

/* Enums are read and written by rows that do not know which one it is. */
_Static_assert(sizeof(enum conf_mode) == sizeof(int) && sizeof(enum conf_encoding) == sizeof(int),
               "an enum is an int");

int strings_add(struct conf_strings *strings, const char *text)
{
    bool full = (strings->n & (strings->n - 1)) == 0; /* room for a power of two: lists may be long */
    char **grown =
        full ? realloc(strings->at, (strings->n ? strings->n * 2 : 1) * sizeof *grown) : strings->at;
    if (!grown)
        return -ENOMEM;
    strings->at = grown;
    char *copy = span_dup(span_of(text));
    if (!copy)
        return -ENOMEM;
    strings->at[strings->n++] = copy;
    return 0;
}

void strings_done(struct conf_strings *strings)
{
    for (size_t i = 0; i < strings->n; i++)
        free(strings->at[i]);
    free(strings->at);
    *strings = (struct conf_strings){0};
}

static bool strings_equal(const struct conf_strings *a, const struct conf_strings *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return true;
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The pointers' own types differ from row to row, their representation does not. */
static void *pointer_at(const void *at)
{
    void *pointer;
    memcpy(&pointer, at, sizeof pointer);
    return pointer;
}

static size_t size_at(const void *at)
{
    size_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

void *row_list(const struct conf_row *row, const void *base, size_t *ret_n)
{
    *ret_n = size_at(row_more_in(row, base));
    return pointer_at(row_in(row, base));
}

int row_choice(const struct conf_row *row, const char *word)
{
    for (int i = 0; row->choices && row->choices[i]; i++)
        if (strcmp(row->choices[i], word) == 0)
            return i;
    return -1;
}

static int set_words(struct conf_strings *strings, const char *text)
{
    struct span rest = span_of(text), word;
    int r = 0;
    strings_done(strings);
    while (r == 0 && span_cut(&rest, ' ', &word)) {
        AUTO_FREE char *copy = span_dup(word);
        r = copy ? strings_add(strings, copy) : -ENOMEM;
    }
    return r;
}

static int set_copy(char **at, const char *text)
{
    free(*at);
    *at = span_dup(span_of(text));
    return *at ? 0 : -ENOMEM;
}

int row_set_text(const struct conf_row *row, const char *text, void *base)
{
    void *at = row_at(row, base);
    int choice = 0;
    switch (row->kind) {
    case CONF_BOOL:
    case CONF_SNAPSHOT: *(bool *)at = strcmp(text, "true") == 0; return 0;
    case CONF_INT: *(int *)at = (int)strtol(text, NULL, 10); return 0;
    case CONF_INT64: *(int64_t *)at = strtoll(text, NULL, 10); return 0;
    case CONF_MODE_BITS: *(unsigned *)at = (unsigned)strtoul(text, NULL, 8); return 0;
    case CONF_CHOICE:
        choice = row_choice(row, text);
        memcpy(at, &choice, sizeof choice);
        return 0;
    case CONF_CHOICE_BOOL: *(bool *)at = row_choice(row, text) == 1; return 0;
    case CONF_STRING:
    case CONF_NUMBER: return set_copy(at, text);
    case CONF_STRINGS: return set_words(at, text);
    case CONF_TYPES:
    case CONF_GROUP:
    case CONF_LIST: break;
    }
    return 0;
}

int rows_preset(const struct conf_rows *rows, void *base)
{
    int r = 0;
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n && r == 0; row++) {
        if (row->preset)
            r = row_set_text(row, row->preset, base);
        else if (row->kind == CONF_GROUP)
            r = rows_preset(row->inner, row_at(row, base));
    }
    return r;
}

static void types_done(const struct conf_row *row, void *base)
{
    struct conf_field_type **types = row_at(row, base);
    for (size_t i = 0; i < size_at(row_more(row, base)); i++)
        free((*types)[i].field);
    free(*types);
}

static void list_done(const struct conf_row *row, void *base)
{
    size_t n;
    char *list = row_list(row, base, &n);
    for (size_t i = 0; i < n; i++)
        rows_done(row->inner, list + i * row->inner->size);
    free(list);
}

void rows_done(const struct conf_rows *rows, void *base)
{
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n; row++) {
        switch (row->kind) {
        case CONF_STRING:
        case CONF_NUMBER: free(pointer_at(row_in(row, base))); break;
        case CONF_STRINGS: strings_done(row_at(row, base)); break;
        case CONF_TYPES: types_done(row, base); break;
        case CONF_GROUP: rows_done(row->inner, row_at(row, base)); break;
        case CONF_LIST: list_done(row, base); break;
        case CONF_BOOL:
        case CONF_INT:
        case CONF_INT64:
        case CONF_MODE_BITS:
        case CONF_CHOICE:
        case CONF_CHOICE_BOOL:
        case CONF_SNAPSHOT: break;
        }
    }
}

static bool types_equal(const struct conf_row *row, const void *one, const void *other)
{
    const struct conf_field_type *a = pointer_at(row_in(row, one)), *b = pointer_at(row_in(row, other));
    size_t n = size_at(row_more_in(row, one));
    if (n != size_at(row_more_in(row, other)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (a[i].type != b[i].type || strcmp(a[i].field, b[i].field) != 0)
            return false;
    return true;
}

static bool rows_equal(const struct conf_rows *rows, const void *one, const void *other)
{
    for (const struct conf_row *row = rows->at; row < rows->at + rows->n; row++)
        if (!row_equal(row, one, other))
            return false;
    return true;
}

static bool list_equal(const struct conf_row *row, const void *one, const void *other)
{
    size_t n, other_n;
    const char *a = row_list(row, one, &n), *b = row_list(row, other, &other_n);
    if (n != other_n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!rows_equal(row->inner, a + i * row->inner->size, b + i * row->inner->size))
            return false;
    return true;
}

static bool value_equal(const struct conf_row *row, const void *one, const void *other)
{
    const void *a = row_in(row, one), *b = row_in(row, other);
    switch (row->kind) {
    case CONF_BOOL:
    case CONF_CHOICE_BOOL: return *(const bool *)a == *(const bool *)b;
    case CONF_INT:
    case CONF_MODE_BITS:
    case CONF_CHOICE: return memcmp(a, b, sizeof(int)) == 0;
    case CONF_INT64: return *(const int64_t *)a == *(const int64_t *)b;
    case CONF_SNAPSHOT:
        return *(const bool *)a == *(const bool *)b &&
               memcmp(row_more_in(row, one), row_more_in(row, other), sizeof(int64_t)) == 0;
    case CONF_STRING:
    case CONF_NUMBER: return text_equal(pointer_at(a), pointer_at(b));
    case CONF_STRINGS: return strings_equal(a, b);
    case CONF_TYPES: return types_equal(row, one, other);
    case CONF_GROUP: return rows_equal(row->inner, a, b);
    case CONF_LIST: return list_equal(row, one, other);
    }
    return true;
}

bool row_equal(const struct conf_row *row, const void *one, const void *other)
{
    if (row->present && *(const bool *)((const char *)one + row->present) !=
                            *(const bool *)((const char *)other + row->present))
        return false;
    return value_equal(row, one, other);
}

bool row_is_preset(const struct conf_row *row, const void *base)
{
    const void *at = row_in(row, base);
    switch (row->kind) {
    case CONF_BOOL: return *(const bool *)at == (row->preset && strcmp(row->preset, "true") == 0);
    case CONF_INT64: return row->preset && *(const int64_t *)at == strtoll(row->preset, NULL, 10);
    case CONF_STRING: return text_equal(pointer_at(at), row->preset);
    case CONF_TYPES: return size_at(row_more_in(row, base)) == 0;
    case CONF_INT:
    case CONF_MODE_BITS:
    case CONF_CHOICE:
    case CONF_CHOICE_BOOL:
    case CONF_STRINGS:
    case CONF_NUMBER:
    case CONF_SNAPSHOT:
    case CONF_GROUP:
    case CONF_LIST: break;
    }
    return false;
}
