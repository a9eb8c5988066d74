/* A changed configuration taken over while running (INTERFACE.md, "Reload touches only what changed"). */
#pragma once

#include "bridge/bridge.h"

/* Condition: the new configuration has a fault (or cannot be taken over), and nothing changed; ERROR says why. */
enum { RELOAD_FAULT = 1 };

/* Reads the configuration's file again. Adds the members "added", "removed", "changed" and "restart_needed" to the object in JSON. Returns
 * 0, RELOAD_FAULT, or -errno. */
int reload(struct bridge *b, struct buf *json, struct buf *error);
