#include "bus/topic.h"

#include <errno.h>

#include "base/escape.h"

enum part { PART_END, PART_FAULT, PART_LITERAL, PART_SESSION, PART_TABLE, PART_ITEM, PART_POS, PART_KEY };

static enum part part_named(struct span name)
{
    static const struct {
        const char *name;
        enum part part;
    } parts[] = {
        {"session", PART_SESSION}, {"table", PART_TABLE}, {"item", PART_ITEM},
        {"pos", PART_POS},         {"key", PART_KEY},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (span_is(name, parts[i].name))
            return parts[i].part;
    return PART_FAULT;
}

/* Takes the next part off *REST. Its text (of a literal) or name, braces included, goes to *RET. */
static enum part next_part(struct span *rest, struct span *ret)
{
    if (rest->len == 0)
        return PART_END;
    bool name = rest->at[0] == '{';
    const char *end = memchr(rest->at, name ? '}' : '{', rest->len);
    if (name && !end) {
        *ret = *rest;
        return PART_FAULT;
    }
    size_t length = end ? (size_t)(end - rest->at) + name : rest->len;
    *ret = span_make(rest->at, length);
    *rest = span_from(*rest, length);
    return name ? part_named(span_make(ret->at + 1, length - 2)) : PART_LITERAL;
}

int topic_check(struct span text, struct buf *error)
{
    struct span at;
    enum part part;
    while ((part = next_part(&text, &at)) != PART_END) {
        if (part != PART_FAULT)
            continue;
        if (at.at[at.len - 1] != '}')
            buf_printf(error, "\"%.*s\" is an opening brace without its closing one", SPAN_ARG(at));
        else
            buf_printf(error, "%.*s is none of {session} {table} {item} {pos} {key}", SPAN_ARG(at));
        return 1;
    }
    return 0;
}

static int add_key_mark(struct topic *t)
{
    size_t *grown = reallocarray(t->keys, t->n_keys + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    t->keys = grown;
    t->keys[t->n_keys++] = t->text.len;
    return 0;
}

static int add_part(struct topic *t, enum part part, struct span literal, const struct topic_names *names)
{
    switch (part) {
    case PART_LITERAL: utf8_add_mended(&t->text, literal); break;
    case PART_SESSION: utf8_add_mended(&t->text, names->session); break;
    case PART_TABLE: utf8_add_mended(&t->text, names->table); break;
    case PART_ITEM: utf8_add_mended(&t->text, names->item); break;
    case PART_POS: buf_add_u64(&t->text, names->pos); break;
    case PART_KEY: return add_key_mark(t);
    case PART_FAULT:
    case PART_END: return -EINVAL;
    }
    return 0;
}

int topic_expand(struct span text, const struct topic_names *names, struct topic *ret)
{
    *ret = (struct topic){.text = BUF_INIT(TOPIC_MAX_BYTES)};
    struct span literal;
    enum part part;
    while ((part = next_part(&text, &literal)) != PART_END) {
        int r = add_part(ret, part, literal, names);
        if (r < 0)
            return r;
    }
    return buf_error(&ret->text);
}

void topic_done(struct topic *t)
{
    buf_done(&t->text);
    free(t->keys);
    *t = (struct topic){.text = t->text};
}

void topic_write(const struct topic *t, struct span key, struct buf *out)
{
    size_t from = 0;
    for (size_t i = 0; i < t->n_keys; i++) {
        if (t->keys[i] > from)
            buf_add(out, t->text.at + from, t->keys[i] - from);
        utf8_add_mended(out, key);
        from = t->keys[i];
    }
    if (t->text.len > from)
        buf_add(out, t->text.at + from, t->text.len - from);
}
