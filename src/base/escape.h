/* Percent-encoding as the wire has it, and UTF-8 that is always well formed where it leaves us. */
#pragma once

#include "base/buf.h"

/* Adds S with everything but [A-Za-z0-9._~*,-] percent-encoded: what a request's value needs, and more (PROTOCOL.md,
 * "Requests": CR LF & = % + must be encoded, the rest may). */
void escape_percent(struct buf *out, struct span s);

/* Decodes %XX from S into OUT, which must have room for s.len bytes; '+' stays '+'.
 * Returns the number of bytes written, or -1 where a '%' is not followed by two hex digits. */
ptrdiff_t escape_unpercent(char *out, struct span s);

/* Takes a \uXXXX, or the two of a surrogate pair, off the front of *S. Returns the code point, a lone surrogate as it is, or -1 when there is
 * none (*S is then untouched). */
int32_t escape_take_unicode(struct span *s);

/* Writes the UTF-8 of C, at most 4 bytes, to OUT; a surrogate gets three like its neighbours. Returns the number of bytes. */
size_t utf8_put(char *out, uint32_t c);

/* The length in bytes of the longest well-formed start of S (Unicode 15, table 3-7). */
size_t utf8_valid_length(struct span s);

/* The length of the ill-formed part at the start of S (not well formed there): its maximal subpart, at least 1,
 * for which one U+FFFD stands (Unicode 15, section 3.9). */
size_t utf8_bad_length(struct span s);

/* Adds S, each ill-formed part as one U+FFFD: always well formed. */
void utf8_add_mended(struct buf *out, struct span s);
/* How many bytes that adds. */
size_t utf8_mended_length(struct span s);

/* Adds S as a JSON string, quotes included, each ill-formed part as one U+FFFD: always valid JSON. */
void escape_json(struct buf *out, struct span s);
