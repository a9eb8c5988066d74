/* The three files that every program starts with. */
#pragma once

#include <stdbool.h>

/* To be called first: whoever starts us with one of the three closed must not find what we print in the file that is opened next, a
 * socket say. Such a one is taken by /dev/null, for reading, so that a program still learns that nobody gets its output. Returns
 * whether all three are taken. */
bool stdfiles_keep(void);
