/* WebSocket frames (RFC 6455, section 5) out of bytes in any chunking, and back; by wslay's frame reader and
 * writer. No I/O.
 *
 * Text is handed on as it comes, frame by frame and part by part: nothing waits for the end of a frame or of
 * a message, so that neither needs a limit. It is not looked at: ill-formed UTF-8 is the reader's
 * business. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum ws_what {
    WS_MORE, /* all that was fed has been used */
    WS_TEXT, /* `bytes` of a text message */
    WS_PING, /* `bytes` go back in a pong */
    WS_PONG,
    WS_CLOSE, /* `code` (1005: none was given), `bytes` hold the reason; nothing that follows counts */
    WS_BAD,   /* the peer broke the protocol: `reason` says how, `code` is for our close frame; nothing that
                 follows counts */
};

struct ws_event {
    enum ws_what what;
    uint16_t code;
    struct span bytes;  /* borrowed until the next call */
    const char *reason; /* static */
};

enum {
    WS_CONTROL_MAX = 125, /* RFC 6455, 5.5 */
    WS_OPCODE_TEXT = 1,
    WS_OPCODE_CLOSE = 8,
    WS_OPCODE_PONG = 10,
};

struct ws_frames;

/* Of the client's side. Returns 0 with *RET *owned*, or -ENOMEM. */
int ws_frames_new(struct ws_frames **ret);
/* Takes NULL. */
void ws_frames_free(struct ws_frames *f);

/* What next() reads from now on; borrowed until it returns WS_MORE or ws_frames_keep() is called. The input
 * before must be used up. */
void ws_frames_feed(struct ws_frames *f, struct span bytes);
/* The next thing in the input. */
struct ws_event ws_frames_next(struct ws_frames *f);
/* Moves the input not yet used into KEEP (emptied first; borrowed from then on), so that the memory fed can
 * go. Returns 0 or KEEP's error. */
int ws_frames_keep(struct ws_frames *f, struct buf *keep);

/* Adds one frame, final and masked, to OUT. Returns 0, or with OUT as it was: -ENOMEM, -ENOBUFS (no room), or
 * -errno when the system has no random numbers. */
int ws_frames_write(struct ws_frames *f, unsigned opcode, struct span payload, struct buf *out);
/* The same, a close frame with CODE. */
int ws_frames_write_close(struct ws_frames *f, uint16_t code, struct buf *out);
