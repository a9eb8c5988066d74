/* create_session and bind_session. */
#pragma once

#include "sim/conn.h"

void connect_create(struct conn *c, uint64_t version, struct span lines);

/* SESSION: LS_session of the query string, or a NULL `at`. */
void connect_bind(struct conn *c, uint64_t version, struct span session, struct span lines);
