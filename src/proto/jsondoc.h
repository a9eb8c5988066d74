/* A JSON value as a document that can be changed (RFC 8259); jsontext reads and writes it. What a change does not
 * touch stays as it was: numbers keep their text, of any length; members keep their order; strings keep their
 * characters. Nothing passes through a double or a 64-bit integer.
 *
 * Errors stick to the document, as they do to a buf: a run of calls is checked once, by jsondoc_error(). */
#pragma once

#include "base/list.h"
#include "base/span.h"

/* Conditions */
enum { JSONDOC_BAD = 1 /* not JSON, or a limit below was passed */ };

enum {
    /* Every walk over a document is a recursion, and "[[[[…" costs a peer one byte a level. */
    JSONDOC_DEPTH_MAX = 512,
    /* "[1,1,1,…" costs a peer two bytes a node, and a patch that copies a document into itself doubles it with every
     * few bytes. 64 bytes a node: 64 MiB. */
    JSONDOC_NODES_MAX = 1 << 20,
    /* Members are searched one after the other, elements counted from the nearer end, and a patch of a megabyte may
     * ask for that 30,000 times. A step is a node looked at, or 16 bytes compared: a fraction of a second. */
    JSONDOC_STEPS_MAX = 1 << 24,
};

enum jsondoc_type {
    JSONDOC_LITERAL, /* null, true, false */
    JSONDOC_NUMBER,
    JSONDOC_STRING,
    JSONDOC_ARRAY,
    JSONDOC_OBJECT,
};

struct jsondoc_node {
    struct list link; /* among its parent's children */
    struct span name; /* of a member of an object, decoded as a string is */
    union {
        /* Number, literal: as written. String: decoded to UTF-8; a lone surrogate, which only an escape can bring, as
         * the three bytes that UTF-8's scheme would give it, so that it can be written as an escape again. */
        struct span text;
        struct {
            struct list children;
            size_t n_children;
        };
    };
    enum jsondoc_type type;
};

/* A zeroed document is empty. Its nodes may come from several texts, and be mixed. */
struct jsondoc {
    struct jsondoc_block *blocks; /* owned: all nodes, and strings that had escapes */
    size_t n_nodes;
    size_t n_steps;
    int error; /* 0, JSONDOC_BAD or -ENOMEM */
};

/* Frees every node; fine twice. */
void jsondoc_done(struct jsondoc *d);

static inline int jsondoc_error(const struct jsondoc *d)
{
    return d->error;
}

/* Makes JSONDOC_BAD stick, unless there is an error already. */
void jsondoc_fail(struct jsondoc *d);

/* SIZE bytes that live as long as the document; NULL after an error. */
void *jsondoc_alloc(struct jsondoc *d, size_t size);
/* A node without text or children, in no parent; NULL after an error. */
struct jsondoc_node *jsondoc_new(struct jsondoc *d, enum jsondoc_type type);
/* A deep copy, in no parent; NULL after an error. */
struct jsondoc_node *jsondoc_copy(struct jsondoc *d, const struct jsondoc_node *node);

/* The member of OBJECT called NAME, or NULL: none, or an error that sticks. */
struct jsondoc_node *jsondoc_member(struct jsondoc *d, const struct jsondoc_node *object, struct span name);
/* The element AT (from 0) of ARRAY, or NULL likewise. */
struct jsondoc_node *jsondoc_element(struct jsondoc *d, const struct jsondoc_node *array, size_t at);

/* Whether A and B are the same value: numbers by their exact decimal value (of those with an exponent of more than
 * 18 digits only such as have the same one), strings by their characters, members in any order. */
bool jsondoc_equal(struct jsondoc *d, const struct jsondoc_node *a, const struct jsondoc_node *b);

/* Puts NODE, which is in no parent, into PARENT (an array or object), before the child BEFORE or, with NULL, last.
 * In an object its name must be set, and not be there yet. */
void jsondoc_insert(struct jsondoc_node *parent, struct jsondoc_node *before, struct jsondoc_node *node);
/* Takes NODE out of PARENT; it stays the document's. */
void jsondoc_remove(struct jsondoc_node *parent, struct jsondoc_node *node);
/* Puts NODE, which is in no parent, in the place and under the name of OLD, which is then in none. */
void jsondoc_replace(struct jsondoc_node *old, struct jsondoc_node *node);

/* Of members of OBJECT with the same name, leaves the last: for a reader, before anything else above sees it. */
void jsondoc_drop_doubles(struct jsondoc *d, struct jsondoc_node *object);

static inline struct jsondoc_node *jsondoc_at(struct list *link)
{
    return CONTAINER_OF(link, struct jsondoc_node, link);
}
