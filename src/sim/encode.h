/* Field values as an update carries them (the specification's chapter on real-time updates), and the text of every
 * other argument. Written for the simulator alone: proto has its own. */
#pragma once

#include "base/buf.h"
#include "sim/text.h"

enum encode_diffs { ENCODE_PATCH = 1, ENCODE_TLCP_DIFF = 2 };

/* Adds the values of NOW, joined by '|': against PREVIOUS (NULL: the first update, nothing is left out), with the
 * diffs of the set DIFFS where one applies and is shorter. */
void encode_values(struct buf *out, const struct row *previous, const struct row *now, unsigned diffs);

/* Adds S percent-encoded as a non-numeric argument: comma, percent and control characters. */
void encode_argument(struct buf *out, struct span s);

/* Decodes a request's value, every %XX, into OUT (room for s.len bytes; may be where S is). A '%' without two hexadecimal digits stays
 * as it is. Returns the bytes written. */
size_t encode_undo(char *out, struct span s);
