/* Nodes into structs, after the schema's rows: names, types, ranges, and what each string must look like. What
 * concerns several settings at once is left to conf/rules. */
#pragma once

#include "conf/node.h"
#include "conf/rows.h"

/* Where we are, for messages: `session demo: table quotes: second_level.fields`. */
struct conf_scope {
    const struct conf_scope *outer;
    const char *word; /* "publisher"; with `index`: "session" */
    const char *name; /* borrowed; NULL: its number is shown instead */
    size_t index;     /* 1-based, of a list; 0: a group */
};

struct conf_build {
    struct fault_list *faults;
    bool incomplete; /* an include is missing: don't complain of what may have been there */
    int error;       /* 0 or -ENOMEM; sticks */
};

/* Fills the zeroed BASE: defaults, then what NODE, a group, says. A faulty setting keeps its default, a list keeps an
 * element for each of its node. BASE is to be freed by rows_done() in any case. */
void build_rows(struct conf_build *b, const struct conf_scope *scope, const struct conf_rows *rows,
                const struct conf_node *node, void *base);

/* The scope of an element of a list of groups. */
struct conf_scope build_scope(const struct conf_scope *outer, const struct conf_row *row,
                              const struct conf_node *node, size_t index);

/* A fault at PLACE: the scope, SETTING unless NULL, and the sentence. */
void build_fault(struct conf_build *b, const struct conf_scope *scope, struct conf_place place,
                 const char *setting, const char *format, ...) PRINTF_LIKE(5, 6);
