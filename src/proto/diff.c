#include "proto/diff.h"

#include <errno.h>

#include "base/escape.h"
#include "proto/jsontext.h"

/* Ends a function whose result stands in RET behind its first BEFORE bytes: on failure they alone stay. */
static int settle(struct buf *ret, size_t before, int r)
{
    if (!r && buf_error(ret))
        r = buf_error(ret) == -ENOMEM ? -ENOMEM : DIFF_BAD;
    if (r) {
        ret->len = before;
        ret->error = 0;
    }
    return r;
}

/* TLCP-diff */

static bool take_count(struct span *rest, size_t *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->at[i];
        bool last = c >= 'a' && c <= 'z';
        if (!last && !(c >= 'A' && c <= 'Z'))
            return false;
        count = count * 26 + (size_t)(c - (last ? 'a' : 'A'));
        if (count > UINT32_MAX)
            return false;
        if (last) {
            *rest = span_from(*rest, i + 1);
            *ret = count;
            return true;
        }
    }
    return false;
}

static size_t character_length(struct span s)
{
    unsigned char lead = (unsigned char)s.at[0];
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > 1 && (length > s.len || utf8_valid_length(span_make(s.at, length)) != length))
        return 1;
    return length;
}

static bool take_characters(struct span *rest, size_t count, struct span *ret)
{
    size_t length = 0;
    for (; count > 0; count--) {
        if (length == rest->len)
            return false;
        length += character_length(span_from(*rest, length));
    }
    *ret = span_make(rest->at, length);
    *rest = span_from(*rest, length);
    return true;
}

int diff_tlcp(struct span base, struct span diff, struct buf *ret)
{
    enum { COPY, ADD, DEL, N_SECTIONS } section = COPY;
    size_t before = ret->len;
    while (diff.len) {
        size_t count;
        struct span part;
        if (!take_count(&diff, &count) || !take_characters(section == ADD ? &diff : &base, count, &part))
            return settle(ret, before, DIFF_BAD);
        if (section != DEL)
            buf_add_span(ret, part);
        section = (section + 1) % N_SECTIONS;
    }
    return settle(ret, before, 0);
}

/* JSON Patch */

struct patch {
    struct jsondoc doc;
    struct jsondoc_node *root; /* of the value being patched */
};

static void patch_done(struct patch *p)
{
    jsondoc_done(&p->doc);
}

/* Where a JSON pointer (RFC 6901) leads. */
struct place {
    struct jsondoc_node *parent; /* NULL: the root */
    struct jsondoc_node *node;   /* NULL: nothing is there (yet) */
    struct span token;           /* the last one */
};

/* Takes the front token off a pointer's rest, from its '/' to the next, and decodes ~1 and ~0. */
static bool take_token(struct patch *p, struct span *rest, struct span *ret)
{
    if (rest->at[0] != '/')
        return false;
    struct span s = span_from(*rest, 1), token = {rest->at + 1, 0};
    while (token.len < s.len && s.at[token.len] != '/')
        token.len++;
    *rest = span_from(s, token.len);
    *ret = token;
    if (!token.len || !memchr(token.at, '~', token.len))
        return true;
    char *decoded = jsondoc_alloc(&p->doc, token.len), *to = decoded;
    if (!decoded)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] != '~') {
            *to++ = token.at[i];
            continue;
        }
        i++;
        if (i == token.len || (token.at[i] != '0' && token.at[i] != '1'))
            return false;
        *to++ = token.at[i] == '0' ? '~' : '/';
    }
    *ret = span_make(decoded, (size_t)(to - decoded));
    return true;
}

/* An array index is 0 or begins with another digit: no sign, no zeros in front. */
static bool index_of(struct span token, size_t *ret)
{
    uint64_t value;
    if ((token.len > 1 && token.at[0] == '0') || !span_to_u64(token, UINT32_MAX, &value))
        return false;
    *ret = (size_t)value;
    return true;
}

static struct jsondoc_node *child_of(struct patch *p, const struct jsondoc_node *parent, struct span token)
{
    size_t at;
    if (parent->type == JSONDOC_OBJECT)
        return jsondoc_member(&p->doc, parent, token);
    if (parent->type == JSONDOC_ARRAY && index_of(token, &at))
        return jsondoc_element(&p->doc, parent, at);
    return NULL;
}

/* Follows POINTER: all but its last token must lead somewhere. */
static bool find(struct patch *p, struct span pointer, struct place *ret)
{
    struct place at = {.node = p->root};
    while (pointer.len) {
        if (!at.node || !take_token(p, &pointer, &at.token))
            return false;
        at.parent = at.node;
        at.node = child_of(p, at.parent, at.token);
    }
    *ret = at;
    return true;
}

/* VALUE must be in no parent. */
static bool put(struct patch *p, struct span pointer, struct jsondoc_node *value)
{
    struct place at;
    size_t index;
    if (!find(p, pointer, &at))
        return false;
    if (!at.parent) {
        p->root = value;
    } else if (at.parent->type == JSONDOC_OBJECT) {
        value->name = at.token;
        if (at.node)
            jsondoc_replace(at.node, value);
        else
            jsondoc_insert(at.parent, NULL, value);
    } else if (at.parent->type == JSONDOC_ARRAY) {
        if (!span_is(at.token, "-") && (!index_of(at.token, &index) || index > at.parent->n_children))
            return false;
        jsondoc_insert(at.parent, at.node, value);
    } else {
        return false;
    }
    return true;
}

/* One operation; what it lacks is NULL (value) or has a NULL `at` (from). */
struct operation {
    struct span path, from;
    struct jsondoc_node *value; /* in no parent */
};

static bool do_add(struct patch *p, const struct operation *o)
{
    return o->value && put(p, o->path, o->value);
}

static bool do_remove(struct patch *p, const struct operation *o)
{
    struct place at;
    if (!find(p, o->path, &at) || !at.parent || !at.node)
        return false;
    jsondoc_remove(at.parent, at.node);
    return true;
}

static bool do_replace(struct patch *p, const struct operation *o)
{
    struct place at;
    if (!o->value || !find(p, o->path, &at) || !at.node)
        return false;
    if (at.parent)
        jsondoc_replace(at.node, o->value);
    else
        p->root = o->value;
    return true;
}

static bool do_move(struct patch *p, const struct operation *o)
{
    struct place from;
    if (!o->from.at || !find(p, o->from, &from) || !from.node)
        return false;
    if (span_equal(o->from, o->path))
        return true;
    /* Not into itself, as the root would be anywhere. Pointers to the same place have the same text. */
    if (!from.parent || (span_starts(o->path, o->from) && o->path.at[o->from.len] == '/'))
        return false;
    jsondoc_remove(from.parent, from.node);
    return put(p, o->path, from.node);
}

static bool do_copy(struct patch *p, const struct operation *o)
{
    struct place from;
    if (!o->from.at || !find(p, o->from, &from) || !from.node)
        return false;
    struct jsondoc_node *copy = jsondoc_copy(&p->doc, from.node);
    return copy && put(p, o->path, copy);
}

static bool do_test(struct patch *p, const struct operation *o)
{
    struct place at;
    return o->value && find(p, o->path, &at) && at.node && jsondoc_equal(&p->doc, at.node, o->value);
}

static const struct {
    const char *name;
    bool (*run)(struct patch *p, const struct operation *o);
} operations[] = {
    {"add", do_add},   {"remove", do_remove}, {"replace", do_replace},
    {"move", do_move}, {"copy", do_copy},     {"test", do_test},
};

static struct span string_member(struct patch *p, const struct jsondoc_node *object, const char *name)
{
    const struct jsondoc_node *member = jsondoc_member(&p->doc, object, span_of(name));
    return member && member->type == JSONDOC_STRING ? member->text : SPAN_EMPTY;
}

static bool run_operation(struct patch *p, struct jsondoc_node *object)
{
    if (object->type != JSONDOC_OBJECT)
        return false;
    struct operation o = {.path = string_member(p, object, "path"), .from = string_member(p, object, "from")};
    struct span name = string_member(p, object, "op");
    o.value = jsondoc_member(&p->doc, object, SPAN("value"));
    if (o.value)
        jsondoc_remove(object, o.value);
    for (size_t i = 0; o.path.at && i < ARRAY_LENGTH(operations); i++)
        if (span_is(name, operations[i].name))
            return operations[i].run(p, &o);
    return false;
}

/* On false the document's own error says whether that was memory. */
static bool run_patch(struct patch *p, struct span patch)
{
    struct jsondoc_node *list = jsontext_read(&p->doc, patch);
    if (!list || list->type != JSONDOC_ARRAY)
        return false;
    LIST_EACH(link, &list->children)
        if (!run_operation(p, jsondoc_at(link)))
            return false;
    return !jsondoc_error(&p->doc);
}

int diff_json_patch(struct span base, struct span patch, struct buf *ret)
{
    CLEANUP(patch_done) struct patch p = {0};
    size_t before = ret->len;
    p.root = jsontext_read(&p.doc, base);
    if (!p.root || !run_patch(&p, patch))
        return jsondoc_error(&p.doc) < 0 ? -ENOMEM : DIFF_BAD;
    return settle(ret, before, jsontext_write(p.root, ret) ? DIFF_BAD : 0);
}
