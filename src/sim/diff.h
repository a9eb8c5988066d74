/* The two formats in which an update may carry the difference to a field's previous value. */
#pragma once

#include "base/buf.h"

/* Adds the TLCP-diff (the specification's appendix D) that makes NOW of OLD. Returns false, with nothing of use added,
 * where the format does not apply: a character beyond U+FFFF, or ill-formed UTF-8, in either. */
bool diff_tlcp(struct buf *out, struct span old, struct span now);

/* Adds a JSON Patch (RFC 6902) that makes NOW of OLD. Applies to two JSON objects, whose members it replaces, adds and
 * removes, and only where the outcome, written compactly, is NOW byte by byte. Returns false, with nothing of use
 * added, for anything else. */
bool diff_json_patch(struct buf *out, struct span old, struct span now);

/* Whether VALUE is an object that diff_json_patch() can change. */
bool diff_is_document(struct span value);
