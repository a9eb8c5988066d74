/* Tables added at run time (`add-table`): they stand in no file, so each is kept with the JSON that it came as, and is read again
 * when its session is made anew with other settings. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "conf/conf.h"
#include "proto/jsondoc.h"

struct added_table {
    struct list in_added;    /* of its link */
    struct conf_table *conf; /* owned */
    struct buf json;
};

/* Condition of the two that follow: ERROR has a sentence for each fault, one a line. */
enum { ADDED_FAULT = 1 };

/* Reads TABLE, an object of DOC with the configuration's keys, as a table of S. TAKEN tells whether a name is in use; NULL: none is. *RET is
 * *owned*. Returns 0, ADDED_FAULT or -ENOMEM. */
int added_read(const struct conf_session *s, struct jsondoc *doc, const struct jsondoc_node *table,
               bool (*taken)(const void *userdata, const char *name), const void *userdata,
               struct added_table **ret, struct buf *error);

/* The same table, read again as one of S. Likewise. */
int added_again(const struct conf_session *s, const struct added_table *table, struct added_table **ret,
                struct buf *error);

/* Takes it out of its list. Takes NULL. */
void added_free(struct added_table *table);
