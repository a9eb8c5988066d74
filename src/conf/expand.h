/* ${NAME} in strings. */
#pragma once

#include "base/buf.h"

/* Adds TEXT with every ${NAME} replaced from the environment, and $${ as ${. Returns 0, or 1 with what is wrong in
 * ERROR: a name that is not defined, or is none, or a brace without its end. */
int expand_environment(const char *text, struct buf *out, struct buf *error);

/* Adds TEXT so that expand_environment() would give it back. */
void expand_protect(struct span text, struct buf *out);
