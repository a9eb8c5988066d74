#include "config.h"

#include "conf/build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/map.h"
#include "conf/check.h"
#include "conf/expand.h"

enum {
    BUILD_STRING_MAX_BYTES = 1024 * 1024, /* one string with what its variables hold */
    MICRO = 1000000,                      /* numbers with a fraction are kept to six places */
};

/* One setting while it is looked at. */
struct setting {
    struct conf_build *b;
    const struct conf_scope *scope;
    const struct conf_row *row;
    struct conf_node *node;
    void *base;
};

/* `expected …, found …`; NODE is the setting's or one of its elements. */
static void fault_expected(struct setting *s, struct conf_node *node, const char *remark)
{
    AUTO_BUF struct buf text = BUF_INIT(SAY_MAX_BYTES);
    say_scope(s->scope, &text);
    buf_printf(&text, "%s: expected ", s->row->name);
    bool element = s->row->kind == CONF_STRINGS || s->row->kind == CONF_TYPES;
    if (element && node != s->node)
        buf_add_text(&text, s->row->expected ? s->row->expected : "a string");
    else
        say_expected(s->row, &text);
    buf_add_text(&text, ", found ");
    say_found(s->row, node, &text);
    buf_add_text(&text, remark);
    s->node->faulty = node->faulty = true;
    say_end(s->b, node->place, &text);
}

static void fault_in(struct setting *s, struct conf_node *node, const char *what)
{
    s->node->faulty = node->faulty = true;
    say_fault(s->b, s->scope, node->place, s->row->name, "%s", what);
}

static void out_of_memory(struct setting *s)
{
    s->b->error = -ENOMEM;
}

static bool file_readable(struct setting *s, struct conf_node *node, const char *path)
{
    struct stat info;
    int error = 0;
    if (stat(path, &info) < 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        error = errno;
    else if (S_ISDIR(info.st_mode))
        error = EISDIR;
    if (!error)
        return true;
    AUTO_BUF struct buf text = BUF_INIT(SAY_MAX_BYTES);
    buf_add_text(&text, "cannot read ");
    conf_node_describe(node, &text);
    buf_printf(&text, ": %s", strerror(error));
    fault_in(s, node, buf_text(&text));
    if (buf_error(&text))
        out_of_memory(s);
    return false;
}

/* The string of NODE with its variables filled in, *owned*; NULL after a fault. */
static char *string_expand(struct setting *s, struct conf_node *node)
{
    AUTO_BUF struct buf text = BUF_INIT(BUILD_STRING_MAX_BYTES), error = BUF_INIT(SAY_MAX_BYTES);
    if (node->nul) {
        fault_in(s, node,
                 s->b->literal ? "U+0000 cannot be had here"
                               : "\\x00 in a string: U+0000 cannot be had here");
        return NULL;
    }
    int r = 0;
    if (s->b->literal)
        buf_add_text(&text, node->text);
    else
        r = expand_environment(node->text, &text, &error);
    buf_add_char(&text, '\0');
    char *ret = NULL;
    if (buf_error(&text) == -ENOBUFS)
        fault_in(s, node, "longer than 1 MiB");
    else if (r > 0)
        fault_in(s, node, buf_text(&error));
    else if (text.at && utf8_valid_length(span_of(text.at)) < text.len - 1)
        fault_in(s, node, "expected UTF-8, found bytes that are not");
    else if (!buf_error(&text))
        ret = TAKE(text.at);
    if (buf_error(&text) == -ENOMEM || buf_error(&error))
        out_of_memory(s);
    return ret;
}

/* The checked string of NODE (the setting itself or an element of it), *owned*; NULL after a fault. */
static char *string_take(struct setting *s, struct conf_node *node)
{
    const struct conf_row *row = s->row;
    if (node->kind != CONF_NODE_STRING) {
        fault_expected(s, node, "");
        return NULL;
    }
    AUTO_FREE char *text = string_expand(s, node);
    if (!text)
        return NULL;
    if (row->check && !row->check(text)) {
        fault_expected(s, node, "");
        return NULL;
    }
    if (!text[0] && !row->empty_ok) {
        fault_in(s, node, "expected a string that is not empty");
        return NULL;
    }
    if (row->normalise) {
        char *normal;
        if (!row->normalise(text, &normal)) {
            out_of_memory(s);
            return NULL;
        }
        free(text);
        text = normal;
    }
    return !row->file || file_readable(s, node, text) ? TAKE(text) : NULL;
}

static void set_string(struct setting *s)
{
    char *text = string_take(s, s->node);
    if (!text)
        return;
    if (s->row->kind == CONF_MODE_BITS) {
        *(unsigned *)row_at(s->row, s->base) = (unsigned)strtoul(text, NULL, 8);
        free(text);
        return;
    }
    char **at = row_at(s->row, s->base);
    free(*at);
    *at = text;
}

static void set_bool(struct setting *s)
{
    if (s->node->kind == CONF_NODE_BOOL)
        *(bool *)row_at(s->row, s->base) = s->node->boolean;
    else
        fault_expected(s, s->node, "");
}

/* Whether NODE is an integer in the row's range; else says so. */
static bool integer_take(struct setting *s, const struct conf_node *node)
{
    const char *remark = "";
    if (node->kind == CONF_NODE_INTEGER && node->fit == CONF_TOO_LONG)
        remark = ", which 64 bits cannot hold";
    else if (node->kind == CONF_NODE_INTEGER && node->integer >= s->row->min &&
             node->integer <= s->row->max) {
        if (node->fit == CONF_FITS)
            return true;
        remark = ", which needs an L at its end";
    }
    fault_expected(s, s->node, remark);
    return false;
}

static void set_integer(struct setting *s)
{
    if (!integer_take(s, s->node))
        return;
    if (s->row->kind == CONF_INT)
        *(int *)row_at(s->row, s->base) = (int)s->node->integer;
    else
        *(int64_t *)row_at(s->row, s->base) = s->node->integer;
}

static void set_snapshot(struct setting *s)
{
    bool *snapshot = row_at(s->row, s->base);
    int64_t *length = row_more(s->row, s->base);
    if (s->node->kind == CONF_NODE_BOOL) {
        *snapshot = s->node->boolean;
    } else if (integer_take(s, s->node)) {
        *snapshot = true;
        *length = s->node->integer;
    }
}

/* The index of NODE's word among the row's choices; -1 after a fault, or when it is no string and NUMBER_OK. */
static int choice_take(struct setting *s, bool number_ok)
{
    if (number_ok && s->node->kind != CONF_NODE_STRING)
        return -1;
    AUTO_FREE char *word = string_take(s, s->node);
    if (!word)
        return -1;
    int choice = row_choice(s->row, word);
    if (choice < 0)
        fault_expected(s, s->node, "");
    return choice;
}

static void set_choice(struct setting *s)
{
    int choice = choice_take(s, false);
    if (choice < 0)
        return;
    if (s->row->kind == CONF_CHOICE_BOOL)
        *(bool *)row_at(s->row, s->base) = choice == 1;
    else
        memcpy(row_at(s->row, s->base), &choice, sizeof choice);
}

/* NODE's number in millionths; 0 when it is none that the row takes. */
static int64_t number_micro(const struct conf_row *row, const struct conf_node *node)
{
    int64_t micro = 0;
    if (node->kind == CONF_NODE_INTEGER && node->fit == CONF_FITS && node->integer > 0 &&
        node->integer <= row->max)
        micro = node->integer * MICRO;
    else if (node->kind == CONF_NODE_FLOAT && !row->whole && node->number > 0 &&
             node->number <= (double)row->max)
        micro = (int64_t)(node->number * MICRO + 0.5);
    return micro;
}

/* As the wire wants it: a dot, no exponent, no zero at its end, whatever the locale. */
static char *number_text(int64_t micro)
{
    AUTO_BUF struct buf text = BUF_INIT(64);
    buf_printf(&text, "%" PRId64 ".%06" PRId64, micro / MICRO, micro % MICRO);
    while (text.len && text.at[text.len - 1] == '0')
        text.len--;
    if (text.len && text.at[text.len - 1] == '.')
        text.len--;
    buf_add_char(&text, '\0');
    return buf_error(&text) ? NULL : TAKE(text.at);
}

static void set_number(struct setting *s)
{
    int64_t micro = number_micro(s->row, s->node);
    int choice = choice_take(s, true);
    if (choice < 0 && micro == 0) {
        if (!s->node->faulty)
            fault_expected(s, s->node, "");
        return;
    }
    char **at = row_at(s->row, s->base);
    free(*at);
    *at = choice >= 0 ? span_dup(span_of(s->row->choices[choice])) : number_text(micro);
    if (!*at)
        out_of_memory(s);
}

/* Adds the strings of an array to TO; those that are faulty are left out. Returns false when NODE is no array. */
static bool strings_take(struct setting *s, struct conf_node *node, struct conf_strings *to)
{
    if (node->kind != CONF_NODE_ARRAY)
        return false;
    for (size_t i = 0; i < node->n_children; i++) {
        AUTO_FREE char *text = string_take(s, &node->children[i]);
        if (text && strings_add(to, text) < 0)
            out_of_memory(s);
    }
    return true;
}

/* NODE's elements and STRINGS run in step, but for the elements that were faulty. */
static void strings_unique(struct setting *s, const struct conf_strings *strings)
{
    CLEANUP(map_done) struct map seen = {0};
    size_t at = 0;
    for (size_t i = 0; i < s->node->n_children && at < strings->n; i++) {
        struct conf_node *element = &s->node->children[i];
        if (element->faulty)
            continue;
        struct span text = span_of(strings->at[at++]);
        if (map_get(&seen, text)) {
            say_fault(s->b, s->scope, element->place, s->row->name, "expected each once, found \"%s\" twice",
                      text.at);
        } else if (map_add(&seen, text, element) < 0) {
            out_of_memory(s);
            return;
        }
    }
}

static void set_strings(struct setting *s)
{
    struct conf_strings *strings = row_at(s->row, s->base);
    strings_done(strings);
    if (!strings_take(s, s->node, strings))
        fault_expected(s, s->node, "");
    else if ((int64_t)s->node->n_children < s->row->min)
        fault_in(s, s->node, "expected at least one string, found an empty array [ ]");
    else if (s->row->max && (int64_t)s->node->n_children > s->row->max)
        say_fault(s->b, s->scope, s->node->place, s->row->name,
                  "expected at most %" PRId64 " strings, found %zu", s->row->max, s->node->n_children);
    else if (s->row->unique)
        strings_unique(s, strings);
}

static void types_add(struct setting *s, const struct conf_strings *fields, enum conf_type type)
{
    struct conf_field_type **types = row_at(s->row, s->base);
    size_t *n = row_more(s->row, s->base);
    struct conf_field_type *grown = realloc(*types, (*n + fields->n + 1) * sizeof *grown);
    if (!grown) {
        out_of_memory(s);
        return;
    }
    *types = grown;
    for (size_t i = 0; i < fields->n; i++)
        grown[(*n)++] = (struct conf_field_type){TAKE(fields->at[i]), type};
}

static void set_types(struct setting *s)
{
    if (s->node->kind != CONF_NODE_GROUP) {
        fault_expected(s, s->node, "");
        return;
    }
    for (size_t i = 0; i < s->node->n_children; i++) {
        struct conf_node *child = &s->node->children[i];
        size_t type = 1;
        while (type < ARRAY_LENGTH(conf_type_words) && strcmp(conf_type_words[type], child->name) != 0)
            type++;
        CLEANUP(strings_done) struct conf_strings fields = {0};
        if (type == ARRAY_LENGTH(conf_type_words))
            say_fault(s->b, s->scope, child->place, "types",
                      "unknown type %s: expected number, integer, boolean or json", child->name);
        else if (!strings_take(s, child, &fields))
            say_fault(s->b, s->scope, child->place, "types",
                      "%s: expected an array [ ] of names or positions of fields", child->name);
        else
            types_add(s, &fields, (enum conf_type)type);
    }
}

static void set_group(struct setting *s)
{
    if (s->node->kind != CONF_NODE_GROUP) {
        fault_expected(s, s->node, "");
        return;
    }
    struct conf_scope scope = {.outer = s->scope, .word = s->row->name};
    build_rows(s->b, &scope, s->row->inner, s->node, row_at(s->row, s->base));
}

struct conf_scope build_scope(const struct conf_scope *outer, const struct conf_row *row,
                              const struct conf_node *node, size_t index)
{
    const struct conf_node *name = conf_node_get(node, "name");
    bool good = name && name->kind == CONF_NODE_STRING && check_name(name->text);
    return (struct conf_scope){outer, row->element, good ? name->text : NULL, index + 1};
}

static void set_list(struct setting *s)
{
    const struct conf_rows *inner = s->row->inner;
    size_t n = s->node->n_children;
    if (s->node->kind != CONF_NODE_LIST) {
        fault_expected(s, s->node, "");
        return;
    }
    if ((int64_t)n < s->row->min)
        fault_in(s, s->node, "expected at least one group { }, found an empty list ( )");
    char *list = calloc(n + 1, inner->size);
    if (!list) {
        out_of_memory(s);
        return;
    }
    memcpy(row_at(s->row, s->base), &list, sizeof list);
    memcpy(row_more(s->row, s->base), &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        struct conf_node *node = &s->node->children[i];
        struct conf_scope scope = build_scope(s->scope, s->row, node, i);
        if (node->kind == CONF_NODE_GROUP)
            build_rows(s->b, &scope, inner, node, list + i * inner->size);
        else
            fault_expected(s, node, "");
    }
}

static void set_value(struct setting *s)
{
    switch (s->row->kind) {
    case CONF_BOOL: set_bool(s); break;
    case CONF_INT:
    case CONF_INT64: set_integer(s); break;
    case CONF_STRING:
    case CONF_MODE_BITS: set_string(s); break;
    case CONF_CHOICE:
    case CONF_CHOICE_BOOL: set_choice(s); break;
    case CONF_STRINGS: set_strings(s); break;
    case CONF_NUMBER: set_number(s); break;
    case CONF_SNAPSHOT: set_snapshot(s); break;
    case CONF_TYPES: set_types(s); break;
    case CONF_GROUP: set_group(s); break;
    case CONF_LIST: set_list(s); break;
    }
}

static void set_row(struct setting *s)
{
    set_value(s);
    if (s->row->present)
        *(bool *)((char *)s->base + s->row->present) = true;
    if (s->row->not_yet && !s->node->faulty && !row_is_preset(s->row, s->base))
        fault_in(s, s->node, "not yet supported");
}

/* Insertions, deletions and replacements that make one of the other, up to `NEAR_MAX + 1`. */
static size_t distance(const char *a, const char *b, size_t left)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (!*a && !*b)
        return 0;
    if (left == 0)
        return 1;
    size_t best = *a && *b ? distance(a + 1, b + 1, left - 1) : left;
    if (*a) {
        size_t n = distance(a + 1, b, left - 1);
        best = n < best ? n : best;
    }
    if (*b) {
        size_t n = distance(a, b + 1, left - 1);
        best = n < best ? n : best;
    }
    return best + 1;
}

static void fault_unknown(struct conf_build *b, const struct conf_scope *scope, const struct conf_rows *rows,
                          const struct conf_node *node)
{
    enum { NEAR = 2 };
    AUTO_BUF struct buf text = BUF_INIT(SAY_MAX_BYTES);
    say_scope(scope, &text);
    buf_printf(&text, "%s: unknown setting", node->name);
    for (size_t near = 1; near <= NEAR; near++)
        for (size_t i = 0; i < rows->n; i++)
            if (distance(node->name, rows->at[i].name, near) <= near) {
                buf_printf(&text, "; did you mean %s?", rows->at[i].name);
                say_end(b, node->place, &text);
                return;
            }
    buf_add_text(&text, "; expected one of");
    for (size_t i = 0; i < rows->n; i++)
        buf_printf(&text, "%s %s", i ? "," : "", rows->at[i].name);
    say_end(b, node->place, &text);
}

static void check_required(struct conf_build *b, const struct conf_scope *scope, const struct conf_rows *rows,
                           const struct conf_node *node)
{
    for (size_t i = 0; i < rows->n && !b->incomplete; i++) {
        const struct conf_row *row = &rows->at[i];
        if (!row->required || conf_node_get(node, row->name))
            continue;
        AUTO_BUF struct buf text = BUF_INIT(SAY_MAX_BYTES);
        say_scope(scope, &text);
        buf_printf(&text, "%s is missing: expected ", row->name);
        say_expected(row, &text);
        say_end(b, node->place, &text);
    }
}

static void set_place(const struct conf_rows *rows, struct conf_place place, void *base)
{
    if (rows->file)
        memcpy((char *)base + rows->file, &place.file, sizeof place.file);
    if (rows->line)
        memcpy((char *)base + rows->line, &place.line, sizeof place.line);
}

void build_rows(struct conf_build *b, const struct conf_scope *scope, const struct conf_rows *rows,
                const struct conf_node *node, void *base)
{
    if (rows_preset(rows, base) < 0)
        b->error = -ENOMEM;
    set_place(rows, node->place, base);
    for (size_t i = 0; i < node->n_children; i++) {
        struct conf_node *child = &node->children[i];
        struct setting s = {b, scope, conf_rows_find(rows, child->name), child, base};
        if (s.row)
            set_row(&s);
        else
            fault_unknown(b, scope, rows, child);
    }
    check_required(b, scope, rows, node);
}
