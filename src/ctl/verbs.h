/* What lsbridgectl can do: one row for each verb. */
#pragma once

#include "ctl/ctl.h"

enum { VERB_KEYS_MAX = 3 };

struct verb {
    const char *name;
    const char *operands; /* for the help text */
    const char *help;
    size_t least, most;              /* arguments; most == SIZE_MAX: any number */
    unsigned takes;                  /* of enum options_some */
    const char *keys[VERB_KEYS_MAX]; /* what the arguments are called in the request */
    int (*run)(struct ctl *c, const struct verb *verb);
    void (*view)(struct buf *out, struct json_object *reply); /* a reply for people */
    void (*more)(struct buf *out, struct json_object *reply); /* … and with --verbose */
};

/* NULL when there is none of that name. */
const struct verb *verb_find(const char *name);

/* Whether the command line suits VERB (NULL: unknown). Returns CTL_OK, or CTL_USAGE with a sentence in ERROR. */
int verb_check(const struct verb *verb, const struct options *options, struct buf *error);

/* Adds a line for each verb. */
void verbs_help(struct buf *out);
