/* One table by itself: what hangs on its session, and reading one that stands in no file (`add-table`). */
#pragma once

#include "conf/node.h"

/* Fills in what S says where TABLE, built from NODE, is silent. Returns 0 or -ENOMEM. */
int table_fill_in(const struct conf_session *s, struct conf_table *table, const struct conf_node *node);

/* Reads NODE, a group with the keys of the file's tables, as if it stood in S; that its name is S's only one is left to
 * the caller. Strings mean what they say: no ${NAME}. Faults begin with "table." and the setting, and have neither file nor line; NODE's
 * places are overwritten. Returns 0 with the *owned* table in *RET; 1 when it has faults: all of them are in FAULTS
 * (as of conf_load()); or -ENOMEM. */
int conf_table_read(const struct conf_session *s, struct conf_node *node, struct conf_table **ret,
                    struct conf_faults *faults);

/* Takes NULL. */
void conf_table_free(struct conf_table *table);
