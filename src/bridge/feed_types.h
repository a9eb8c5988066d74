/* The types of a table's fields (`types` of INTERFACE.md): by name or position, found by index; and what did not fit. */
#pragma once

#include "bus/encode.h"

/* A field's type, as it is configured. */
struct feed_type {
    struct span field; /* a name, or a 1-based position in decimal */
    enum encode_type type;
};

/* What is known of one field. */
struct feed_field {
    enum encode_type type;
    bool told;      /* a value that did not fit was named */
    bool type_kept; /* by the last feed_types_set(): what is encoded again is not counted again */
};

struct feed_types {
    struct feed_type *given; /* owned, their texts too */
    size_t n_given;
    struct feed_field *fields; /* owned; for n_fields of them */
    size_t n_fields;
};

/* What a table's fields are called: those of the first level, or none (they then have positions), and behind them those of the second. */
struct feed_names {
    struct span *first, *second; /* owned, their texts too */
    size_t n_first, n_second;
};

/* The name of the field at INDEX (from 0) of N, or its position as text in POSITION. */
struct span feed_name(const struct feed_names *names, size_t n, size_t index, char position[static 24]);

/* Takes copies of TYPES instead of what was there; what is known of fields whose type stays is kept. Returns 0 or
 * -ENOMEM: nothing changed then. */
int feed_types_set(struct feed_types *t, const struct feed_type *types, size_t n,
                   const struct feed_names *names);
/* The server says how many fields there are, of both levels. Returns 0 or -ENOMEM. */
int feed_types_fit(struct feed_types *t, size_t n_fields, const struct feed_names *names);
void feed_types_done(struct feed_types *t);

/* "number", "integer", "boolean", "json", or "string". */
const char *feed_type_name(enum encode_type type);
