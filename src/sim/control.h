/* control, msg and heartbeat: requests about a session that lives. */
#pragma once

#include "sim/conn.h"

/* Handles each of LINES as a request NAME of its own, and answers them together. SESSION as in connect_bind(). */
void control_batch(struct conn *c, struct span name, struct span session, struct span lines);
