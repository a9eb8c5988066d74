/* Faults as they are found, in any order, until they are handed out in the order of the file. */
#pragma once

#include "base/buf.h"
#include "conf/conf.h"

/* Where something stands. */
struct conf_place {
    const char *file; /* borrowed; NULL: none */
    unsigned line;    /* 1-based; 0: none */
    size_t order;     /* grows along the text, included files in their place */
};

struct fault_entry;

struct fault_list {
    struct fault_entry *at;
    size_t n, cap;
    int error; /* 0 or -ENOMEM; sticks */
};

void fault_list_done(struct fault_list *list);

/* Adds one; TEXT is copied. Its buffer's error sticks in the list. */
void fault_add(struct fault_list *list, struct conf_place place, struct buf *text);
void fault_addf(struct fault_list *list, struct conf_place place, const char *format, ...) PRINTF_LIKE(3, 4);

/* Moves all to OUT, which is empty, sorted by place; those of one place in the order of their finding.
 * Returns 0 or -ENOMEM. */
int fault_deliver(struct fault_list *list, struct conf_faults *out);
