/* How a session's lines are written: TLCP's (dialect_tlcp.c), or those of the older text mode (dialect_text.c). Which
 * one a session speaks is settled by the request that creates it. Every function adds lines that end in CR LF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct row;
struct session;

struct dialect {
    const char *name;   /* for the events */
    bool tells_of_subs; /* SUBOK, SUBCMD, CONF, UNSUB, CONS and SYNC exist */

    /* What a stream begins with; the session is bound. */
    void (*head)(struct buf *out, const struct session *s);
    void (*loop)(struct buf *out, uint64_t delay_ms, bool polling);
    void (*end)(struct buf *out, int code, struct span message);
    /* A create or bind is refused. */
    void (*refusal)(struct buf *out, int code, struct span text);
    /* An update of the subscription ID's item at POS (from 1): the row NOW against PREVIOUS, which is NULL before a first
     * one. DIFFS: see encode.h. */
    void (*update)(struct buf *out, uint64_t id, size_t pos, const struct row *previous,
                   const struct row *now, unsigned diffs);
    /* "EOS", "CS", or "OV" with its number. */
    void (*mark)(struct buf *out, uint64_t id, size_t pos, const char *tag, const uint64_t *number);
    /* What became of a message: CODE 0 is success. A TEXT without `at`: none is told. */
    void (*outcome)(struct buf *out, struct span sequence, uint64_t prog, int code, struct span text);
};

extern const struct dialect dialect_tlcp, dialect_text;
