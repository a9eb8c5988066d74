/* What each request may and must carry (the specification's chapter on requests), as rows; every departure is a
 * violation. */
#pragma once

#include "sim/param.h"

struct conn;

/* Which row of rules a request falls under; RULES_NONE when there is none. */
enum rules {
    RULES_CREATE,
    RULES_BIND,
    RULES_ADD,
    RULES_DELETE,
    RULES_RECONF,
    RULES_CONSTRAIN,
    RULES_FORCE_REBIND,
    RULES_DESTROY,
    RULES_MSG,
    RULES_HEARTBEAT,
    RULES_START, /* in the older text mode alone */
    RULES_NONE,
};

/* What a value may look like. */
enum rule_form {
    RULE_TEXT,      /* anything */
    RULE_NUMBER,    /* digits */
    RULE_DECIMAL,   /* digits, perhaps with a dot */
    RULE_INTEGER,   /* perhaps negative */
    RULE_BOOLEAN,   /* true or false */
    RULE_WORD,      /* letters, digits and underscores */
    RULE_FREQUENCY, /* decimal, unlimited or unfiltered */
    RULE_LIMIT,     /* decimal or unlimited */
    RULE_LIFE,      /* number, unlimited or unknown */
    RULE_SNAPSHOT,  /* boolean or number */
    RULE_MODE,
    RULE_DIFFS, /* letters, comma-separated */
};

struct rule {
    const char *name;
    enum rule_form form;
    unsigned allowed, required; /* in which requests: bits, 1 << enum rules */
};

/* The rules of a protocol. */
struct rule_book {
    const struct rule *rows;
    size_t n;
    /* What is wrong with the way a value was encoded, or NULL. */
    const char *(*encoding_fault)(struct span raw);
    /* Whether the parameter is not looked at. */
    bool (*forgiven)(const struct conn *c, const struct param *p);
};

/* The rules of a control request with that LS_op. */
enum rules rules_of_operation(struct span operation);

/* Complains of everything in P that RULES forbid. SESSION_GIVEN: LS_session stands there or in the query string.
 * Returns what is wrong enough to refuse the request with error 65, or NULL. */
const char *rules_check(struct conn *c, enum rules rules, const struct params *p, bool session_given);

/* The part of it that a BOOK of rules settles, each parameter by itself. */
const char *rules_check_book(struct conn *c, const struct rule_book *book, enum rules rules,
                             const struct params *p);

/* Complains where the parameter NAME is there. Returns as above. */
const char *rules_forbid(struct conn *c, const struct params *p, const char *name, const char *when);

/* Whether S begins with a '%' and two hexadecimal digits. */
bool rule_is_encoded(struct span s);
