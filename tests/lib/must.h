/* What must hold, whatever happens: an abort says where it does not. Unlike assert() it does not go away with NDEBUG. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition) ((condition) ? (void)0 : must_abort(#condition, __FILE__, __LINE__))

__attribute__((noreturn)) static inline void must_abort(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
    abort();
}
