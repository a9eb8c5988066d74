/* What each request of the older text mode may and must carry. */
#pragma once

#include "sim/param.h"
#include "sim/rule.h"

struct conn;

/* The rules of a control request with that LS_op; RULES_NONE when there are none. */
enum rules textmode_rules_of(struct span operation);

/* Complains of everything in P that RULES forbid. Returns what is wrong enough to refuse the request, or NULL. */
const char *textmode_check(struct conn *c, enum rules rules, const struct params *p);

/* LS_requested_max_bandwidth, where 0 is "unlimited"; empty where it is absent. */
struct span textmode_bandwidth(const struct params *p);
