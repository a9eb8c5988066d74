/* The daemon's log: to the journal with fields when systemd gave us its stream, else to stderr with levels. Never a
 * secret: callers have none to give. */
#pragma once

#include <syslog.h>

#include "base/span.h"
#include "base/util.h"

struct log;

/* What is logged is at most LEVEL (LOG_ERR … LOG_DEBUG). Returns 0 or -ENOMEM. */
int log_new(int level, struct log **ret);
void log_free(struct log *l);

/* From now on. */
void log_set_level(struct log *l, int level);

/* The level of "error", "warning", "notice", "info" or "debug"; -1 for anything else. */
int log_level_of(const char *name);

/* SESSION and TABLE name what it is about; NULL: nothing in particular. */
void log_line(struct log *l, int priority, const char *session, const char *table, const char *format, ...)
    PRINTF_LIKE(5, 6);
