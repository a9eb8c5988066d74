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
    RULES_NONE,
};

/* The rules of a control request with that LS_op. */
enum rules rules_of_operation(struct span operation);

/* Complains of everything in P that RULES forbid. SESSION_GIVEN: LS_session stands there or in the query string.
 * Returns what is wrong enough to refuse the request with error 65, or NULL. */
const char *rules_check(struct conn *c, enum rules rules, const struct params *p, bool session_given);
