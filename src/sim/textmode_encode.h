/* Values and words as the older text mode writes them: in ASCII, whatever they hold. Written for the simulator alone:
 * proto has its own. */
#pragma once

#include "base/buf.h"
#include "sim/text.h"

/* Adds each value of NOW with a '|' before it: nothing where it is the same in PREVIOUS (NULL: a first update, nothing
 * is left out), '#' for null, '$' for "". A value that begins with '#' or '$' has that character twice; what is not
 * printable ASCII, '|' and the backslash become \uXXXX, beyond U+FFFF as a pair of surrogates; each byte that belongs to
 * no UTF-8 character is U+FFFD. */
void textmode_values(struct buf *out, const struct row *previous, const struct row *now);

/* Adds the text of an error, which ends with its line: control characters become blanks. */
void textmode_words(struct buf *out, struct span s);
