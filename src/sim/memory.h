/* Memory for the simulator. It is a test's peer: without memory it says so and ends, so that nothing here has to be
 * checked and no test runs on after a notification that was never made. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/span.h"

/* N zeroed bytes, *owned* by the caller. Never NULL. */
void *memory_get(size_t n);

/* AT (NULL or from here) made SIZE bytes long. Never NULL. */
void *memory_resize(void *at, size_t size);

/* A NUL-terminated copy of S, *owned* by the caller. */
char *memory_dup(struct span s);

/* Adds under KEY, which must not be there yet. */
void memory_map_add(struct map *m, struct span key, void *value);
