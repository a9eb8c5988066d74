/* lsbridgectl's command line as a plain struct. Prints nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* What only some verbs take; each is one bit in options.given and in a verb's `takes`. */
enum options_some {
    OPTIONS_PREFIX = 1 << 0,
    OPTIONS_COUNT = 1 << 1,
    OPTIONS_SECONDS = 1 << 2,
    OPTIONS_VERBOSE = 1 << 3,
    OPTIONS_INTERVAL = 1 << 4,
    OPTIONS_SEQUENCE = 1 << 5,
    OPTIONS_MAX_WAIT = 1 << 6,
};

/* Far beyond any use, and short enough for poll()'s int. */
enum { OPTIONS_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

struct options {
    const char *endpoint; /* of the control socket; never NULL */
    const char *data;     /* NULL: as the daemon says */
    const char *status;   /* likewise */
    bool json;
    bool prefix;
    bool verbose;
    uint64_t timeout_ms;
    bool timeout_given;
    uint64_t interval_ms;
    const char *sequence; /* NULL: none */
    uint64_t max_wait_ms; /* 0: none */
    uint64_t count;       /* 0: no end */
    uint64_t seconds;     /* 0: no end */
    unsigned given;       /* which of enum options_some were on the command line */
    const char *verb;     /* as written; options_parse() sets it, never NULL after it returned 0 */
    char **arguments;     /* borrowed from argv: what follows the verb */
    size_t n_arguments;
};

/* Conditions of options_parse(). */
enum {
    OPTIONS_HELP = 1, /* --help was asked for */
    OPTIONS_VERSION,  /* --version was asked for */
    OPTIONS_WRONG,    /* a sentence in ERROR says what is */
};

/* Reads the command line (ARGV is reordered: options may stand anywhere). Returns 0, or a condition above. */
int options_parse(int argc, char **argv, struct options *ret, struct buf *error);

/* Adds the help text on options: a line for each. */
void options_help(struct buf *out);

/* The first option in BITS (of enum options_some) as written: "--count". "" when there is none. */
const char *options_name(unsigned bits);
