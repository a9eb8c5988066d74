/* What clients ask for: each request by its name, whichever way it came. */
#pragma once

#include "sim/conn.h"

/* What stands for the older text mode where a protocol version is named: it has none, and is before 2.0.0. */
#define REQUEST_TEXT_MODE 100

bool request_known(struct span name, uint64_t version);

/* Handles the request NAME of C with LINES (one set of parameters each), SESSION from the query string (NULL `at`:
 * none) and the protocol VERSION as 250 for 2.5.0 (0: none was named). Answers it, perhaps later. */
void request_handle(struct conn *c, struct span name, struct span session, uint64_t version,
                    struct span lines);

/* The same for a request that has been put off long enough. */
void request_handle_now(struct conn *c, struct span name, struct span session, uint64_t version,
                        struct span lines);
