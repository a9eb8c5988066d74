/* The sentences of faults: where we are, what was expected, what was found. */
#pragma once

#include "conf/node.h"
#include "conf/schema.h"

enum {
    SAY_MAX_BYTES = 4 * 1024 * 1024
}; /* of a sentence while it is put together; more than any string has */

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
    bool literal;    /* strings are what they say: ${NAME} stands for nothing */
    int error;       /* 0 or -ENOMEM; sticks */
};

/* Adds the scope: `session demo: table quotes: `. SCOPE may be NULL. */
void say_scope(const struct conf_scope *scope, struct buf *out);

/* Adds what the row wants, in words. */
void say_expected(const struct conf_row *row, struct buf *out);

/* Adds what NODE, the row's or one of its elements, is instead; no secret. */
void say_found(const struct conf_row *row, const struct conf_node *node, struct buf *out);

/* TEXT, a whole sentence, becomes a fault at PLACE. */
void say_end(struct conf_build *b, struct conf_place place, struct buf *text);

/* A fault at PLACE: the scope, SETTING unless NULL, and the sentence. */
void say_fault(struct conf_build *b, const struct conf_scope *scope, struct conf_place place,
               const char *setting, const char *format, ...) PRINTF_LIKE(5, 6);
