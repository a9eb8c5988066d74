#include "bridge/feed_types.h"

#include <errno.h>
#include <stdio.h>

#include "base/map.h"

const char *feed_type_name(enum encode_type type)
{
    static const char *const names[] = {[ENCODE_STRING] = "string",
                                        [ENCODE_NUMBER] = "number",
                                        [ENCODE_INTEGER] = "integer",
                                        [ENCODE_BOOLEAN] = "boolean",
                                        [ENCODE_JSON_VALUE] = "json"};
    return names[type];
}

static void free_given(struct feed_type *given, size_t n)
{
    for (size_t i = 0; given && i < n; i++)
        free((void *)(uintptr_t)given[i].field.at);
    free(given);
}

static struct feed_type *copy_given(const struct feed_type *types, size_t n)
{
    struct feed_type *copies = calloc(n + 1, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = (struct feed_type){{span_dup(types[i].field), types[i].field.len}, types[i].type};
        if (!copies[i].field.at) {
            free_given(copies, i);
            return NULL;
        }
    }
    return copies;
}

/* NAMES, to where each stands: there may be many. */
static int map_names(const struct span *names, size_t n, struct map *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (!map_get(ret, names[i]))
            r = map_add(ret, names[i], (void *)(uintptr_t)&names[i]);
    return r;
}

/* The 0-based index of a field, of N; SIZE_MAX: there is none. A name wins over a position, as it does when the configuration is checked. */
static size_t index_of(struct span field, const struct feed_names *names, size_t n, const struct map *first,
                       const struct map *second)
{
    uint64_t position;
    size_t n_first = n - names->n_second;
    const struct span *named = map_get(first, field);
    if (named)
        return (size_t)(named - names->first);
    named = map_get(second, field);
    if (named)
        return n_first + (size_t)(named - names->second);
    return span_to_u64(field, n_first, &position) && position ? (size_t)position - 1 : SIZE_MAX;
}

struct span feed_name(const struct feed_names *names, size_t n, size_t index, char position[static 24])
{
    size_t first = n - names->n_second;
    if (index >= first)
        return names->second[index - first];
    if (first == names->n_first)
        return names->first[index];
    return span_make(position, (size_t)snprintf(position, 24, "%zu", index + 1));
}

static int apply(const struct feed_types *t, struct feed_field *fields, size_t n,
                 const struct feed_names *names)
{
    CLEANUP(map_done) struct map first = {0};
    CLEANUP(map_done) struct map second = {0};
    if (!t->n_given || n < names->n_second)
        return 0;
    int r = map_names(names->first, names->n_first, &first);
    if (r == 0)
        r = map_names(names->second, names->n_second, &second);
    for (size_t i = 0; r == 0 && i < t->n_given; i++) {
        size_t at = index_of(t->given[i].field, names, n, &first, &second);
        if (at < n)
            fields[at].type = t->given[i].type;
    }
    return r;
}

int feed_types_fit(struct feed_types *t, size_t n_fields, const struct feed_names *names)
{
    if (t->fields && n_fields == t->n_fields)
        return 0;
    struct feed_field *fields = calloc(n_fields + 1, sizeof *fields);
    if (!fields)
        return -ENOMEM;
    if (apply(t, fields, n_fields, names) < 0) {
        free(fields);
        return -ENOMEM;
    }
    free(t->fields);
    t->fields = fields;
    t->n_fields = n_fields;
    return 0;
}

int feed_types_set(struct feed_types *t, const struct feed_type *types, size_t n,
                   const struct feed_names *names)
{
    struct feed_types made = {.given = copy_given(types, n), .n_given = n};
    int r = made.given ? feed_types_fit(&made, t->n_fields, names) : -ENOMEM;
    if (r < 0) {
        feed_types_done(&made);
        return r;
    }
    for (size_t i = 0; t->fields && i < t->n_fields; i++) {
        made.fields[i].type_kept = made.fields[i].type == t->fields[i].type;
        made.fields[i].told = made.fields[i].type_kept && t->fields[i].told;
    }
    feed_types_done(t);
    *t = made;
    return 0;
}

void feed_types_done(struct feed_types *t)
{
    free_given(t->given, t->n_given);
    free(t->fields);
    *t = (struct feed_types){0};
}
