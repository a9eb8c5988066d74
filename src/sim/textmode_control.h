/* control and send_message in the older text mode: requests about a session that lives. */
#pragma once

#include "sim/conn.h"

/* Handles each of LINES as a request NAME of its own; the answers are one response, in order. */
void textmode_batch(struct conn *c, struct span name, struct span lines);
