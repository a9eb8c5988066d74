#include "conf/node.h"

#include "base/escape.h"

enum { NODE_SHOWN_BYTES = 60 };

void conf_node_done(struct conf_node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        conf_node_done(&node->children[i]);
    free(node->children);
    node->children = NULL;
    node->n_children = 0;
}

struct conf_node *conf_node_get(const struct conf_node *node, const char *name)
{
    for (size_t i = 0; node && i < node->n_children; i++)
        if (node->children[i].name && strcmp(node->children[i].name, name) == 0)
            return &node->children[i];
    return NULL;
}

/* Cut between characters; escaped as in JSON, so that it stays one line of UTF-8. */
static void node_describe_text(struct span text, struct buf *out)
{
    struct span shown = text;
    if (shown.len > NODE_SHOWN_BYTES) {
        shown.len = NODE_SHOWN_BYTES;
        while (shown.len && ((unsigned char)text.at[shown.len] & 0xc0) == 0x80)
            shown.len--;
    }
    escape_json(out, shown);
    if (shown.len < text.len)
        buf_add_text(out, "…");
}

static void node_describe_number(struct span literal, struct buf *out)
{
    bool cut = literal.len > NODE_SHOWN_BYTES;
    buf_add_span(out, cut ? span_make(literal.at, NODE_SHOWN_BYTES) : literal);
    if (cut)
        buf_add_text(out, "…");
}

void conf_node_describe(const struct conf_node *node, struct buf *out)
{
    switch (node->kind) {
    case CONF_NODE_GROUP: buf_add_text(out, "a group { }"); break;
    case CONF_NODE_LIST: buf_add_text(out, "a list ( )"); break;
    case CONF_NODE_ARRAY: buf_add_text(out, "an array [ ]"); break;
    case CONF_NODE_STRING: node_describe_text(span_of(node->text), out); break;
    case CONF_NODE_INTEGER: node_describe_number(node->literal, out); break;
    case CONF_NODE_FLOAT:
        if (node->literal.len)
            node_describe_number(node->literal, out);
        else
            buf_printf(out, "%g", node->number);
        break;
    case CONF_NODE_BOOL: buf_add_text(out, node->boolean ? "true" : "false"); break;
    case CONF_NODE_NULL: buf_add_text(out, "null"); break;
    }
}
