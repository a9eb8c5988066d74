/* Small macros that every folder uses. libc only. */
#pragma once

#include <stdlib.h>

/* Runs FUNCTION on the variable's address when it leaves its scope; for owning locals. */
#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void util_free_pointer(void *pointer)
{
    free(*(void **)pointer);
}

/* An owning local from malloc: `AUTO_FREE char *text = NULL;` */
#define AUTO_FREE CLEANUP(util_free_pointer)

/* Hands the pointer in VARIABLE on to the caller and leaves NULL, so that its cleanup does nothing. */
#define TAKE(variable)                                                                                       \
    __extension__({                                                                                          \
        __typeof__(variable) taken_ = (variable);                                                            \
        (variable) = NULL;                                                                                   \
        taken_;                                                                                              \
    })

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define PRINTF_LIKE(format_at, arguments_at) __attribute__((format(printf, format_at, arguments_at)))
#define UNUSED                               __attribute__((unused))
#define WARN_UNUSED                          __attribute__((warn_unused_result))
