/* The two formats in which an update may carry the difference to a field's previous value. */
#pragma once

#include "base/buf.h"

/* Adds the TLCP-diff that makes NOW of OLD. Returns false, with nothing of use added, where the format does not apply:
 * a character beyond U+FFFF, or ill-formed UTF-8, in either. */
bool diff_tlcp(struct buf *out, struct span old, struct span now);

/* Adds a JSON Patch (RFC 6902) that makes NOW of OLD. Applies to two flat JSON objects, whose members' values it
 * replaces, adds and removes; returns false for anything else, with nothing of use added. The result, written
 * compactly, is NOW only where NOW is compact and keeps OLD's order: false is returned where it is not. */
bool diff_json_patch(struct buf *out, struct span old, struct span now);
