/* What happens in a virtual session: steps, each with chances of its own, so that one can be left out and the others stay what they were. */
#pragma once

#include "world.h"

enum { STEPS_MAX = 64 };

/* Plays the session of SEED, without the steps whose bit is set in WITHOUT (NULL: all of them), and writes its STORY (NULL: nowhere). Exits with 1 where the
 * session does what it must not. Returns how many steps it has. */
size_t steps_play(uint64_t seed, const bool *without, FILE *story);
