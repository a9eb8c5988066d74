/* The values of one update, token by token (PROTOCOL.md, "Values of U"; "Text mode", values). Pure: knows neither rows nor fields' names. */
#pragma once

#include "base/span.h"

enum delta_syntax { DELTA_TLCP, DELTA_TEXT };

enum delta_kind {
    DELTA_UNCHANGED, /* `fields` fields keep their values */
    DELTA_NULL,
    DELTA_VALUE,      /* `text`, encoded; may be empty */
    DELTA_JSON_PATCH, /* `text`, encoded: RFC 6902, against the field's previous value; TLCP alone */
    DELTA_TLCP_DIFF,  /* `text`, encoded; TLCP alone */
};

struct delta {
    enum delta_kind kind;
    size_t fields;    /* how many fields it speaks of; 1 but for DELTA_UNCHANGED */
    struct span text; /* borrowed from the line */
};

/* Conditions of delta_next(). */
enum {
    DELTA_END = 1, /* no token is left */
    DELTA_BAD,     /* an unknown letter, or a run of 0 or of more fields than FIELDS_LEFT */
};

/* Takes the next token off *REST, of which FIELDS_LEFT are still to be told. Returns 0 or a condition above. */
int delta_next(enum delta_syntax syntax, struct span *rest, size_t fields_left, struct delta *ret);

/* How many values an update of text mode has. */
size_t delta_text_count(struct span values);

/* Whether TEXT is not encoded at all: it is its own value. */
bool delta_is_plain(enum delta_syntax syntax, struct span text);

/* Decodes TEXT into OUT, which must have room for text.len bytes. Returns the number of bytes, or -1: it is not well encoded (a '%' without
 * two hex digits; text mode takes every backslash). */
ptrdiff_t delta_decode(enum delta_syntax syntax, char *out, struct span text);
