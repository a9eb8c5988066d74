/* Which of the endpoints that a daemon reports is to be used from here. Pure. */
#pragma once

#include "base/buf.h"

/* Picks from OFFERED, as bound by the daemon whose control socket was reached at CONTROL: over tcp the first tcp://
 * one, otherwise the first. A wildcard address in it is replaced by CONTROL's host (over ipc: by the loopback
 * address). Adds the endpoint to OUT and returns 0, or 1 when none of them will do. */
int endpoint_pick(struct span control, const struct span *offered, size_t n_offered, struct buf *out);
