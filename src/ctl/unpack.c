#include "ctl/unpack.h"

#include <errno.h>
#include <msgpack/unpack.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"

/* The fewest digits that give the same double again; as a double even where it is whole. */
static bool add_double(struct buf *out, double value)
{
    char text[40];
    if (!isfinite(value))
        return false;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_text(out, text);
    if (!strpbrk(text, ".e"))
        buf_add_text(out, ".0");
    return true;
}

static bool add_object(struct buf *out, const msgpack_object *object);

static bool add_array(struct buf *out, const msgpack_object_array *array)
{
    bool good = true;
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < array->size && good; i++) {
        if (i)
            buf_add_char(out, ',');
        good = add_object(out, &array->ptr[i]);
    }
    buf_add_char(out, ']');
    return good;
}

static bool add_map(struct buf *out, const msgpack_object_map *map)
{
    bool good = true;
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < map->size && good; i++) {
        if (i)
            buf_add_char(out, ',');
        good = map->ptr[i].key.type == MSGPACK_OBJECT_STR && add_object(out, &map->ptr[i].key);
        buf_add_char(out, ':');
        good = good && add_object(out, &map->ptr[i].val);
    }
    buf_add_char(out, '}');
    return good;
}

/* Calls itself no deeper than libmsgpack reads. */
static bool add_object(struct buf *out, const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL: buf_add_text(out, "null"); return true;
    case MSGPACK_OBJECT_BOOLEAN: buf_add_text(out, o->via.boolean ? "true" : "false"); return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: buf_add_u64(out, o->via.u64); return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: buf_add_i64(out, o->via.i64); return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return add_double(out, o->via.f64);
    case MSGPACK_OBJECT_STR: escape_json(out, span_make(o->via.str.ptr, o->via.str.size)); return true;
    case MSGPACK_OBJECT_ARRAY: return add_array(out, &o->via.array);
    case MSGPACK_OBJECT_MAP: return add_map(out, &o->via.map);
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT: break;
    }
    return false;
}

int unpack_message(struct span payload, struct buf *out)
{
    msgpack_unpacked message;
    size_t at = 0;
    msgpack_unpacked_init(&message);
    msgpack_unpack_return r = payload.len ? msgpack_unpack_next(&message, payload.at, payload.len, &at)
                                          : MSGPACK_UNPACK_PARSE_ERROR;
    bool good = r == MSGPACK_UNPACK_SUCCESS && at == payload.len && message.data.type == MSGPACK_OBJECT_MAP &&
                add_object(out, &message.data);
    msgpack_unpacked_destroy(&message);
    if (r == MSGPACK_UNPACK_NOMEM_ERROR || buf_error(out))
        return -ENOMEM;
    return good ? 0 : 1;
}
