/* The differences that a field's new value may come as (PROTOCOL.md, "Values of U"), already percent-decoded. */
#pragma once

#include "base/buf.h"

/* Conditions */
enum {
    DIFF_BAD = 1 /* malformed, does not apply to this base, or the result passes a limit: RET is as it was */
};

/* Adds to RET what DIFF, a TLCP-diff, makes of BASE: COPY n, ADD n text, DEL n in turn, from COPY, ending anywhere; what
 * is left of the base is dropped. A number is letters, base 26 (a and A are 0), capitals first, one small letter last. It
 * counts code points; in bytes that are no UTF-8 each byte counts as one. A COPY or DEL past the base's end, or an ADD
 * past the diff's, is malformed.
 * RET must be free of errors and hold neither BASE nor DIFF; its max bounds what it holds afterwards.
 * Returns 0, DIFF_BAD or -ENOMEM; RET changed only with 0. */
int diff_tlcp(struct span base, struct span diff, struct buf *ret) WARN_UNUSED;

/* Adds to RET what PATCH, a JSON Patch (RFC 6902), makes of the JSON text BASE, written compactly. Numbers keep their
 * text, members their order; strings lose escapes they do not need. All operations apply, or none. An operation that
 * would leave no value at all (remove of "") is refused. Limits besides RET's max: see jsondoc.h.
 * Otherwise as diff_tlcp(). */
int diff_json_patch(struct span base, struct span patch, struct buf *ret) WARN_UNUSED;
