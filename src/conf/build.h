/* Nodes into structs, after the schema's rows: names, types, ranges, and what each string must look like. What
 * concerns several settings at once is left to conf/rules. */
#pragma once

#include "conf/rows.h"
#include "conf/say.h"

/* Fills the zeroed BASE: defaults, then what NODE, a group, says. A faulty setting keeps its default, a list keeps an
 * element for each of its node. BASE is to be freed by rows_done() in any case. */
void build_rows(struct conf_build *b, const struct conf_scope *scope, const struct conf_rows *rows,
                const struct conf_node *node, void *base);

/* The scope of an element of a list of groups. */
struct conf_scope build_scope(const struct conf_scope *outer, const struct conf_row *row,
                              const struct conf_node *node, size_t index);
