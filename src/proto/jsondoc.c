#include "proto/jsondoc.h"

#include <errno.h>
#include <stdalign.h>

#include "proto/decimal.h"

enum {
    BLOCK_FIRST_BYTES = 4096,
    BLOCK_MAX_BYTES = 1 << 18,
    DOUBLES_PAIRWISE_MAX = 8, /* members; from there on sorting is cheaper than comparing every pair */
};

struct jsondoc_block {
    struct jsondoc_block *next;
    size_t used, size; /* of bytes */
    alignas(max_align_t) char bytes[];
};

void jsondoc_done(struct jsondoc *d)
{
    while (d->blocks) {
        struct jsondoc_block *next = d->blocks->next;
        free(d->blocks);
        d->blocks = next;
    }
    *d = (struct jsondoc){0};
}

void jsondoc_fail(struct jsondoc *d)
{
    if (!d->error)
        d->error = JSONDOC_BAD;
}

/* Blocks double, so that a small document takes one and a large one few. */
static struct jsondoc_block *add_block(struct jsondoc *d, size_t at_least)
{
    size_t size = d->blocks ? d->blocks->size * 2 : BLOCK_FIRST_BYTES;
    if (size > BLOCK_MAX_BYTES)
        size = BLOCK_MAX_BYTES;
    if (size < at_least)
        size = at_least;
    struct jsondoc_block *block = malloc(sizeof *block + size);
    if (!block) {
        d->error = -ENOMEM;
        return NULL;
    }
    block->next = d->blocks;
    block->used = 0;
    block->size = size;
    return d->blocks = block;
}

void *jsondoc_alloc(struct jsondoc *d, size_t size)
{
    if (d->error)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct jsondoc_block *block = d->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(d, size);
    if (!block)
        return NULL;
    void *at = block->bytes + block->used;
    block->used += size;
    return at;
}

static bool is_container(const struct jsondoc_node *node)
{
    return node->type == JSONDOC_ARRAY || node->type == JSONDOC_OBJECT;
}

struct jsondoc_node *jsondoc_new(struct jsondoc *d, enum jsondoc_type type)
{
    if (++d->n_nodes > JSONDOC_NODES_MAX)
        jsondoc_fail(d);
    struct jsondoc_node *node = jsondoc_alloc(d, sizeof *node);
    if (!node)
        return NULL;
    *node = (struct jsondoc_node){.type = type};
    list_init(&node->link);
    if (is_container(node))
        list_init(&node->children);
    return node;
}

static struct jsondoc_node *copy_below(struct jsondoc *d, const struct jsondoc_node *node, unsigned depth)
{
    if (depth > JSONDOC_DEPTH_MAX && is_container(node))
        jsondoc_fail(d);
    struct jsondoc_node *copy = jsondoc_new(d, node->type);
    if (!copy)
        return NULL;
    copy->name = node->name;
    if (!is_container(node)) {
        copy->text = node->text;
        return copy;
    }
    LIST_EACH(child, &node->children) {
        struct jsondoc_node *child_copy = copy_below(d, jsondoc_at(child), depth + 1);
        if (!child_copy)
            return NULL;
        jsondoc_insert(copy, NULL, child_copy);
    }
    return copy;
}

struct jsondoc_node *jsondoc_copy(struct jsondoc *d, const struct jsondoc_node *node)
{
    return copy_below(d, node, 1);
}

/* Counts a node looked at and COMPARED bytes. Returns false once too much was spent. */
static bool step(struct jsondoc *d, size_t compared)
{
    d->n_steps += 1 + compared / 16;
    if (d->n_steps > JSONDOC_STEPS_MAX)
        jsondoc_fail(d);
    return !d->error;
}

struct jsondoc_node *jsondoc_member(struct jsondoc *d, const struct jsondoc_node *object, struct span name)
{
    LIST_EACH(link, &object->children) {
        struct jsondoc_node *member = jsondoc_at(link);
        bool likely = member->name.len == name.len;
        if (!step(d, likely ? name.len : 0))
            return NULL;
        if (likely && span_equal(member->name, name))
            return member;
    }
    return NULL;
}

struct jsondoc_node *jsondoc_element(struct jsondoc *d, const struct jsondoc_node *array, size_t at)
{
    if (at >= array->n_children)
        return NULL;
    bool backward = at > array->n_children / 2;
    size_t hops = backward ? array->n_children - 1 - at : at;
    struct list *link = backward ? array->children.previous : array->children.next;
    for (; hops > 0; hops--) {
        if (!step(d, 0))
            return NULL;
        link = backward ? link->previous : link->next;
    }
    return jsondoc_at(link);
}

static bool equal_below(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b,
                        unsigned depth);

static bool equal_arrays(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b,
                         unsigned depth)
{
    struct list *other = b->children.next;
    LIST_EACH(link, &a->children) {
        if (!equal_below(d, jsondoc_at(link), jsondoc_at(other), depth + 1))
            return false;
        other = other->next;
    }
    return true;
}

static bool equal_objects(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b,
                          unsigned depth)
{
    LIST_EACH(link, &a->children) {
        const struct jsondoc_node *member = jsondoc_at(link), *other = jsondoc_member(d, b, member->name);
        if (!other || !equal_below(d, member, other, depth + 1))
            return false;
    }
    return true;
}

static bool equal_below(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b,
                        unsigned depth)
{
    if (depth > JSONDOC_DEPTH_MAX && is_container(a))
        jsondoc_fail(d);
    if (!step(d, 0) || a->type != b->type)
        return false;
    if (is_container(a)) {
        if (a->n_children != b->n_children)
            return false;
        return a->type == JSONDOC_ARRAY ? equal_arrays(d, a, b, depth) : equal_objects(d, a, b, depth);
    }
    if (!step(d, a->text.len) || !step(d, b->text.len))
        return false;
    return a->type == JSONDOC_NUMBER ? decimal_equal(a->text, b->text) : span_equal(a->text, b->text);
}

bool jsondoc_equal(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b)
{
    return equal_below(d, a, b, 1);
}

void jsondoc_insert(struct jsondoc_node *parent, struct jsondoc_node *before, struct jsondoc_node *node)
{
    /* To append to a list at one of its items is to put it in front of that item. */
    list_append(before ? &before->link : &parent->children, &node->link);
    parent->n_children++;
}

void jsondoc_remove(struct jsondoc_node *parent, struct jsondoc_node *node)
{
    list_remove(&node->link);
    parent->n_children--;
}

void jsondoc_replace(struct jsondoc_node *old, struct jsondoc_node *node)
{
    node->name = old->name;
    list_append(&old->link, &node->link);
    list_remove(&old->link);
}

static void drop_doubles_pairwise(struct jsondoc_node *object)
{
    LIST_EACH_SAFE(link, &object->children) {
        struct jsondoc_node *member = jsondoc_at(link);
        for (struct list *later = link->next; later != &object->children; later = later->next) {
            if (span_equal(jsondoc_at(later)->name, member->name)) {
                jsondoc_remove(object, member);
                break;
            }
        }
    }
}

struct ranked {
    struct jsondoc_node *member;
    size_t rank;
};

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    struct span x = a->member->name, y = b->member->name;
    size_t shared = x.len < y.len ? x.len : y.len;
    int order = shared ? memcmp(x.at, y.at, shared) : 0;
    if (order)
        return order;
    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    return a->rank < b->rank ? -1 : 1;
}

static void drop_doubles_sorted(struct jsondoc *d, struct jsondoc_node *object)
{
    AUTO_FREE struct ranked *all = malloc(object->n_children * sizeof *all);
    if (!all) {
        d->error = -ENOMEM;
        return;
    }
    size_t n = 0;
    LIST_EACH(link, &object->children) {
        all[n] = (struct ranked){jsondoc_at(link), n};
        n++;
    }
    qsort(all, n, sizeof *all, compare_ranked);
    for (size_t i = 0; i + 1 < n; i++)
        if (span_equal(all[i].member->name, all[i + 1].member->name))
            jsondoc_remove(object, all[i].member);
}

void jsondoc_drop_doubles(struct jsondoc *d, struct jsondoc_node *object)
{
    if (object->n_children > DOUBLES_PAIRWISE_MAX)
        drop_doubles_sorted(d, object);
    else
        drop_doubles_pairwise(object);
}
