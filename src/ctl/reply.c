#include "ctl/reply.h"

#include <errno.h>

#include "ctl/text.h"

enum { NESTING_MAX = 8, PATH_MAX_BYTES = 4096 };

void reply_free(struct json_object **object)
{
    json_object_put(*object);
}

static void tokener_free(struct json_tokener **tokener)
{
    if (*tokener)
        json_tokener_free(*tokener);
}

int reply_parse(struct span text, struct json_object **ret)
{
    CLEANUP(tokener_free) struct json_tokener *tokener = json_tokener_new();
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    if (text.len > INT32_MAX)
        return 1;
    AUTO_JSON struct json_object *object =
        json_tokener_parse_ex(tokener, text.at ? text.at : "", (int)text.len);
    if (!json_object_is_type(object, json_type_object))
        return 1;
    *ret = TAKE(object);
    return 0;
}

struct json_object *reply_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static struct span string_span(struct json_object *string)
{
    return span_make(json_object_get_string(string), (size_t)json_object_get_string_len(string));
}

struct span reply_text(struct json_object *object, const char *key)
{
    struct json_object *value = reply_get(object, key);
    return json_object_is_type(value, json_type_string) ? string_span(value) : SPAN_EMPTY;
}

int64_t reply_integer(struct json_object *object, const char *key, int64_t otherwise)
{
    struct json_object *value = reply_get(object, key);
    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : otherwise;
}

bool reply_true(struct json_object *object, const char *key)
{
    struct json_object *value = reply_get(object, key);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t reply_length(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

void reply_add_value(struct buf *out, struct json_object *value)
{
    if (json_object_is_type(value, json_type_string))
        text_add_value(out, string_span(value));
    else if (!value)
        buf_add_text(out, "null");
    else
        text_add_plain(out, span_of(json_object_to_json_string_ext(
                                value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
}

static bool is_among(const char *key, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

struct walk {
    void (*take)(void *to, struct span path, struct json_object *value);
    void *to;
    struct buf path;
};

static void walk_members(struct walk *w, struct json_object *object, const char *const *skip, size_t depth)
{
    json_object_object_foreach(object, key, value)
    {
        if (is_among(key, skip))
            continue;
        size_t stem = w->path.len;
        text_add_value(&w->path, span_of(key));
        if (json_object_is_type(value, json_type_object) && depth < NESTING_MAX) {
            buf_add_char(&w->path, '.');
            walk_members(w, value, NULL, depth + 1);
        } else {
            w->take(w->to, buf_span(&w->path), value);
        }
        w->path.len = stem;
    }
}

void reply_each(struct json_object *object, const char *const *skip,
                void (*take)(void *to, struct span path, struct json_object *value), void *to)
{
    struct walk w = {.take = take, .to = to, .path = BUF_INIT(PATH_MAX_BYTES)};
    if (json_object_is_type(object, json_type_object))
        walk_members(&w, object, skip, 1);
    buf_done(&w.path);
}

static void add_member(void *to, struct span path, struct json_object *value)
{
    struct buf *out = to;
    buf_add_char(out, ' ');
    buf_add_span(out, path);
    buf_add_char(out, '=');
    reply_add_value(out, value);
}

static void add_known_member(void *to, struct span path, struct json_object *value)
{
    if (value)
        add_member(to, path, value);
}

void reply_add_members(struct buf *out, struct json_object *object)
{
    reply_each(object, NULL, add_member, out);
}

void reply_add_known(struct buf *out, struct json_object *object, const char *const *skip)
{
    reply_each(object, skip, add_known_member, out);
}
