/* What people read: values, times and columns as text. Whatever a server sent, nothing here lets a control character
 * through to the terminal. */
#pragma once

#include "base/buf.h"

/* Adds S for one line of output: as it is where nothing in it could be misread, otherwise as a JSON string. */
void text_add_value(struct buf *out, struct span s);

/* Adds S as it is but for control characters, which are written \u00XX, and ill-formed parts, which become U+FFFD. */
void text_add_plain(struct buf *out, struct span s);

/* Adds "0 s", "59 s", "3 min", "2 h 5 min", "4 d 1 h": two units at most, cut, not rounded. */
void text_add_duration(struct buf *out, int64_t ms);

/* Adds "812 B", "12.3 kB", "4.0 GB": powers of 1000. */
void text_add_bytes(struct buf *out, uint64_t bytes);

/* Adds the local time of day, "15:04:05", of microseconds since 1970. */
void text_add_clock(struct buf *out, int64_t time_us);

/* The same with its fraction, "15:04:05.123456", of microseconds since 1970. */
void text_add_time(struct buf *out, int64_t time_us);

enum { GRID_COLUMNS_MAX = 10 };

/* Cells in rows, printed in columns as wide as they need. */
struct grid {
    size_t n_columns;
    unsigned right;   /* bit i: column i is set to the right */
    struct buf cells; /* each ended by a newline, which text_add_plain() and text_add_value() never write */
};
#define AUTO_GRID CLEANUP(grid_done)
#define GRID_INIT(columns, right_columns)                                                                    \
    ((struct grid){.n_columns = (columns), .right = (right_columns), .cells = BUF_INIT(256 << 20)})

void grid_done(struct grid *g);

/* The next cell, from left to right and then down. */
void grid_add(struct grid *g, struct span text);
/* The same, formatted; must give no newline. */
void grid_printf(struct grid *g, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds all rows to OUT, a line each, two blanks between columns. Only whole rows. */
void grid_print(const struct grid *g, struct buf *out);
