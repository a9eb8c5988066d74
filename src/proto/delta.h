/* The values of one U line, token by token (PROTOCOL.md, "Values of U"). Pure: knows neither rows nor fields' names. */
#pragma once

#include "base/span.h"

enum delta_kind {
    DELTA_UNCHANGED, /* `fields` fields keep their values */
    DELTA_NULL,
    DELTA_VALUE,      /* `text`, percent-encoded; may be empty */
    DELTA_JSON_PATCH, /* `text`, percent-encoded: RFC 6902, against the field's previous value */
    DELTA_TLCP_DIFF,  /* `text`, percent-encoded */
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
int delta_next(struct span *rest, size_t fields_left, struct delta *ret);
