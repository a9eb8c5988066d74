/* control, msg and heartbeat: requests about a session that lives. */
#pragma once

#include "sim/adapter.h"
#include "sim/conn.h"

/* Handles each of LINES as a request NAME of its own, and answers them together. SESSION as in connect_bind(). */
void control_batch(struct conn *c, struct span name, struct span session, struct span lines);

/* --- what they have in common with those of the older text mode --- */

/* The mode of that name; MERGE for any other. */
enum mode control_mode(struct span name);

/* The session ID, of which a request was just heard; NULL where there is none, of which it complains if there never
 * was. */
struct session *control_find_session(struct conn *c, struct span id);
