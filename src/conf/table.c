#include "conf/table.h"

#include <errno.h>

#include "base/util.h"
#include "conf/rules.h"

int table_fill_in(const struct conf_session *s, struct conf_table *table, const struct conf_node *node)
{
    if (table->mode == CONF_MODE_RAW && !conf_node_get(node, "snapshot"))
        table->snapshot = false;
    if (s->protocol != CONF_PROTOCOL_TEXT || table->mode != CONF_MODE_COMMAND)
        return 0;
    table->key_field = table->key_field ? table->key_field : span_dup(SPAN("key"));
    table->command_field = table->command_field ? table->command_field : span_dup(SPAN("command"));
    return table->key_field && table->command_field ? 0 : -ENOMEM;
}

/* Faults are told in the order of the text. */
static void number(struct conf_node *node, size_t *order)
{
    node->place = (struct conf_place){.order = (*order)++};
    for (size_t i = 0; i < node->n_children; i++)
        number(&node->children[i], order);
}

void conf_table_free(struct conf_table *table)
{
    if (!table)
        return;
    rows_done(&conf_table_rows, table);
    free(table);
}

static void free_table(struct conf_table **table)
{
    conf_table_free(*table);
}

int conf_table_read(const struct conf_session *s, struct conf_node *node, struct conf_table **ret,
                    struct conf_faults *faults)
{
    CLEANUP(free_table) struct conf_table *table = calloc(1, sizeof *table);
    CLEANUP(fault_list_done) struct fault_list found = {0};
    const struct conf_scope scope = {.word = "table"};
    struct conf_build b = {.faults = &found, .literal = true};
    size_t order = 0;
    if (!table)
        return -ENOMEM;
    number(node, &order);
    build_rows(&b, &scope, &conf_table_rows, node, table);
    if (!b.error)
        rules_table(&b, &scope, s, table, node);
    if (b.error)
        return b.error;
    if (found.n)
        return fault_deliver(&found, faults) < 0 ? -ENOMEM : 1;
    if (table_fill_in(s, table, node) < 0)
        return -ENOMEM;
    *ret = TAKE(table);
    return 0;
}
