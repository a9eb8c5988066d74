#include "bridge/added.h"

#include <errno.h>
#include <inttypes.h>

#include "base/escape.h"
#include "base/util.h"
#include "conf/table.h"
#include "proto/jsontext.h"

/* ---- JSON into the configuration's nodes ---- */

/* With a NUL behind it, which no span of a document has. NULL after an error. */
static char *text_of(struct jsondoc *doc, struct span s)
{
    char *text = jsondoc_alloc(doc, s.len + 1);
    if (text && s.len)
        memcpy(text, s.at, s.len);
    if (text)
        text[s.len] = '\0';
    return text;
}

static bool has_nul(struct span s)
{
    return s.len && memchr(s.at, '\0', s.len);
}

/* A name with U+0000 is no setting's, and must not become one by being cut short: it is shown, and not found, as JSON has it. */
static const char *name_of(struct jsondoc *doc, struct span name)
{
    if (!has_nul(name))
        return text_of(doc, name);
    AUTO_BUF struct buf escaped = BUF_INIT(SIZE_MAX);
    escape_json(&escaped, name);
    if (buf_error(&escaped))
        doc->error = -ENOMEM;
    return text_of(doc, buf_span(&escaped));
}

static void take_string(struct jsondoc *doc, struct span text, struct conf_node *ret)
{
    ret->kind = CONF_NODE_STRING;
    ret->nul = has_nul(text);
    ret->text = text_of(doc, text);
}

/* As JSON's readers mostly have it: an integer is what is written as one. */
static void take_number(struct jsondoc *doc, struct span written, struct conf_node *ret)
{
    const char *text = text_of(doc, written);
    if (!text)
        return;
    ret->literal = written;
    if (strpbrk(text, ".eE")) {
        ret->kind = CONF_NODE_FLOAT;
        ret->number = strtod(text, NULL);
        return;
    }
    errno = 0;
    ret->kind = CONF_NODE_INTEGER;
    ret->integer = strtoll(text, NULL, 10);
    ret->fit = errno == ERANGE ? CONF_TOO_LONG : CONF_FITS;
}

static void take_literal(struct span word, struct conf_node *ret)
{
    ret->kind = span_is(word, "null") ? CONF_NODE_NULL : CONF_NODE_BOOL;
    ret->boolean = span_is(word, "true");
}

/* Errors stick in the document. */
static void take_node(struct jsondoc *doc, const struct jsondoc_node *from, struct conf_node *ret);

static void take_children(struct jsondoc *doc, const struct jsondoc_node *from, struct conf_node *ret)
{
    ret->kind = from->type == JSONDOC_OBJECT ? CONF_NODE_GROUP : CONF_NODE_ARRAY;
    ret->children = calloc(from->n_children + 1, sizeof *ret->children);
    if (!ret->children) {
        doc->error = -ENOMEM;
        return;
    }
    LIST_EACH(link, &from->children) {
        const struct jsondoc_node *child = jsondoc_at(link);
        struct conf_node *made = &ret->children[ret->n_children++];
        if (from->type == JSONDOC_OBJECT)
            made->name = name_of(doc, child->name);
        take_node(doc, child, made);
        if (jsondoc_error(doc))
            return;
    }
}

static void take_node(struct jsondoc *doc, const struct jsondoc_node *from, struct conf_node *ret)
{
    switch (from->type) {
    case JSONDOC_LITERAL: take_literal(from->text, ret); break;
    case JSONDOC_NUMBER: take_number(doc, from->text, ret); break;
    case JSONDOC_STRING: take_string(doc, from->text, ret); break;
    case JSONDOC_ARRAY:
    case JSONDOC_OBJECT: take_children(doc, from, ret); break;
    }
}

/* ---- reading ---- */

static void add_fault(struct buf *error, const char *text)
{
    if (error->len)
        buf_add_char(error, '\n');
    buf_add_text(error, text);
}

static void add_faults(struct buf *error, const struct conf_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++)
        add_fault(error, faults->at[i].text);
}

static bool name_taken(const struct conf_node *table, bool (*taken)(const void *userdata, const char *name),
                       const void *userdata, struct buf *error)
{
    const struct conf_node *name = conf_node_get(table, "name");
    if (!taken || !name || name->kind != CONF_NODE_STRING || name->faulty || !taken(userdata, name->text))
        return false;
    add_fault(error, "table.name: expected a name of its own, found \"");
    buf_printf(error, "%s\", which is taken", name->text);
    return true;
}

static void free_added(struct added_table **table)
{
    added_free(*table);
}

int added_read(const struct conf_session *s, struct jsondoc *doc, const struct jsondoc_node *table,
               bool (*taken)(const void *userdata, const char *name), const void *userdata,
               struct added_table **ret, struct buf *error)
{
    CLEANUP(free_added) struct added_table *made = calloc(1, sizeof *made);
    CLEANUP(conf_node_done) struct conf_node node = {0};
    CLEANUP(conf_faults_done) struct conf_faults faults = {0};
    if (!made)
        return -ENOMEM;
    list_init(&made->in_added);
    buf_init(&made->json, SIZE_MAX);
    jsontext_write(table, &made->json);
    take_node(doc, table, &node);
    if (jsondoc_error(doc) || buf_error(&made->json))
        return -ENOMEM;
    int r = conf_table_read(s, &node, &made->conf, &faults);
    if (r < 0)
        return r;
    add_faults(error, &faults);
    if (name_taken(&node, taken, userdata, error) || r > 0)
        return ADDED_FAULT;
    *ret = TAKE(made);
    return 0;
}

int added_again(const struct conf_session *s, const struct added_table *table, struct added_table **ret,
                struct buf *error)
{
    CLEANUP(jsondoc_done) struct jsondoc doc = {0};
    const struct jsondoc_node *root = jsontext_read(&doc, buf_span(&table->json));
    return root ? added_read(s, &doc, root, NULL, NULL, ret, error) : -ENOMEM;
}

void added_free(struct added_table *table)
{
    if (!table)
        return;
    list_remove(&table->in_added);
    conf_table_free(table->conf);
    buf_done(&table->json);
    free(table);
}
