/* What table.c (what a table has) and table_update.c (what updates make of it) share. */
#pragma once

#include "proto/table.h"

/* NULL: no memory. */
struct row *table_row_new(struct table *t);
/* Takes NULL. */
void table_row_free(struct table *t, struct row *row);
