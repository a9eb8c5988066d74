/* The whole terminal, for lines that change. The only file of this folder with curses.h. */
#pragma once

#include "base/buf.h"

struct screen;

enum { SCREEN_FAILED = 1 }; /* a sentence in ERROR says why */

/* Takes over the terminal that standard input and output are. One at a time. Returns 0, SCREEN_FAILED or -errno. */
int screen_open(struct screen **ret, struct buf *error);
/* Leaves the terminal as it was. Takes NULL. */
void screen_close(struct screen *s);

/* Shows LINES as snapshot_view() makes them, cut to the screen, with NOTICE in the last one (NULL: none). The first HEAD lines stay
 * where they are when the others are scrolled. */
void screen_show(struct screen *s, struct span lines, size_t head, const char *notice);

/* The terminal has another size. */
void screen_resize(struct screen *s);

/* What was typed. SCREEN_SCROLL: the picture is to be shown anew. */
enum screen_key { SCREEN_NOTHING, SCREEN_OTHER, SCREEN_QUIT, SCREEN_SCROLL };
/* Takes one key that waits; does not wait. */
enum screen_key screen_key(struct screen *s);
