/* What a configuration says, as a tree, before anybody asked whether it makes sense. Made from libconfig's tree by
 * conf/load, or by the caller of conf_table_read(); nothing here depends on that. */
#pragma once

#include "conf/fault.h"

enum conf_node_kind {
    CONF_NODE_GROUP, /* { }: children with names */
    CONF_NODE_LIST,  /* ( ): children of any kind */
    CONF_NODE_ARRAY, /* [ ]: children of one scalar kind */
    CONF_NODE_STRING,
    CONF_NODE_INTEGER,
    CONF_NODE_FLOAT,
    CONF_NODE_BOOL,
    CONF_NODE_NULL, /* libconfig has none; JSON has */
};

/* How far an integer is from fitting its type. */
enum conf_fit { CONF_FITS, CONF_NEEDS_L, CONF_TOO_LONG };

struct conf_node {
    const char *name; /* borrowed; NULL in lists, in arrays, and for the root */
    enum conf_node_kind kind;
    struct conf_place place;
    const char *text;    /* STRING: its value, borrowed */
    bool nul;            /* STRING: it had a U+0000, at which `text` ends or which it lacks */
    struct span literal; /* INTEGER: as it was written, borrowed; FLOAT: likewise, or empty */
    int64_t integer;     /* unless CONF_TOO_LONG */
    enum conf_fit fit;
    double number; /* FLOAT */
    bool boolean;
    bool faulty;                /* a fault was found in it (set while it is looked at) */
    struct conf_node *children; /* owned */
    size_t n_children;
};

/* Frees the children, not the node itself. */
void conf_node_done(struct conf_node *node);

/* The child with that name, or NULL. NODE may be NULL. */
struct conf_node *conf_node_get(const struct conf_node *node, const char *name);

/* Adds what the node is, for "found …", at most some fifty characters: `"text"`, `12`, `a group`. */
void conf_node_describe(const struct conf_node *node, struct buf *out);
