/* The parameters of one request: NAME=VALUE&… */
#pragma once

#include "base/util.h"
#include "base/span.h"

/* More is a fault of the client's: no request has so many. */
#define PARAMS_MAX 32

struct param {
    struct span name;  /* borrowed from the line */
    struct span raw;   /* the value as it came, borrowed */
    struct span value; /* decoded; borrowed from the params */
};

struct params {
    struct param list[PARAMS_MAX];
    size_t n;
    char *decoded; /* owned */
    bool too_many;
};

/* Parses LINE, which must live as long as *RET, a zeroed one. */
void params_parse(struct params *ret, struct span line);
/* The same where '+' stands for a blank. */
void params_parse_form(struct params *ret, struct span line);
void params_done(struct params *p);

/* The parameter of that NAME, or NULL. */
const struct param *params_get(const struct params *p, const char *name);

/* Its value; a NULL `at` where it is absent. */
struct span params_text(const struct params *p, const char *name);
bool params_is(const struct params *p, const char *name, const char *value);

/* Its value as a number; OTHERWISE where it is absent or none. */
uint64_t params_number(const struct params *p, const char *name, uint64_t otherwise);
