/* Bytes in any chunking -> lines. A line ends with CR LF; a bare LF is taken as well (PROTOCOL.md, "Answers and notifications"). */
#pragma once

#include "base/buf.h"

struct line_reader {
    struct buf carry;  /* the start of a line whose end has not come */
    struct span input; /* what line_feed() brought and line_next() has not taken; borrowed */
    struct buf kept;   /* the input after line_keep() */
    bool carried;      /* the last line returned was the carry: empty it first */
    bool again;        /* return the carry once more */
    size_t
        last_len; /* bytes of the input that the last line was, with its end; 0: none that could be given again */
};

/* Conditions of line_next(). */
enum {
    LINE_NONE = 1, /* all input is taken; feed more */
    LINE_TOO_LONG, /* longer than the maximum; the reader is of no further use until line_reset() */
};

void line_init(struct line_reader *r, size_t max_bytes);
void line_done(struct line_reader *r);

/* Forgets all input and any started line. */
void line_reset(struct line_reader *r);

/* Gives it BYTES, *borrowed until* line_next() returned LINE_NONE; only then may more be fed. */
void line_feed(struct line_reader *r, struct span bytes);

/* Copies what is left of the input, so that it is no longer borrowed: for a caller that cannot take all lines now. Returns 0 or -ENOMEM. */
int line_keep(struct line_reader *r);

/* The line that line_next() returned last is to be returned again. Not after line_feed() or line_reset(). */
void line_again(struct line_reader *r);

/* The start of a line whose end has not come. */
struct span line_rest(const struct line_reader *r);

/* Takes the next line, without its end. Returns 0 with the line in *RET (*borrowed until* the next call), a condition above, or -ENOMEM. */
int line_next(struct line_reader *r, struct span *ret);
