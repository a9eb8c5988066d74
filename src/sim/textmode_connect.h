/* create_session and bind_session in the older text mode. */
#pragma once

#include "sim/conn.h"

void textmode_create(struct conn *c, struct span lines);
void textmode_bind(struct conn *c, struct span lines);
