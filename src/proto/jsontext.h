/* JSON text to and from a document (RFC 8259). */
#pragma once

#include "base/buf.h"
#include "proto/jsondoc.h"

/* Reads one JSON text into D: strict, well-formed UTF-8, nothing but blanks around it. Of members with the same name
 * the last one stays. TEXT is *borrowed until* jsondoc_done().
 * Returns its root, or NULL: the error is D's, JSONDOC_BAD or -ENOMEM. */
struct jsondoc_node *jsontext_read(struct jsondoc *d, struct span text);

/* Adds NODE to OUT: no blanks, and no escapes but for quotation marks, backslashes, control characters and lone
 * surrogates. Returns 0 or JSONDOC_BAD: deeper than JSONDOC_DEPTH_MAX. OUT has its own error. */
int jsontext_write(const struct jsondoc_node *node, struct buf *out);
