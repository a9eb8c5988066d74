/* The older text mode (PROTOCOL.md, "Text mode"): its lines -> the TLCP messages that say the same, so that the session knows one kind of
 * message. Its values are delta.h's; its requests are made of the same parameters as TLCP's (tlcp.h). */
#pragma once

#include "proto/tlcp.h"

/* Where the lines come from. */
enum text_source {
    TEXT_STREAM,  /* create_session and bind_session: a head, then notifications */
    TEXT_ANSWERS, /* control and send_message: one answer after the other, in the order of the requests */
};

/* Messages of text mode take several lines: it remembers those of one. */
struct text_reader {
    enum text_source source;
    enum {
        TEXT_AT_START, /* OK, ERROR, SYNC ERROR or END is next */
        TEXT_AT_HEAD,  /* after OK, up to the empty line */
        TEXT_AT_BODY,
        TEXT_AT_ERROR_CODE,
        TEXT_AT_ERROR_TEXT,
        TEXT_AT_END_CODE,
    } at;
    struct buf session_id, control_link, bandwidth,
        server_name; /* owned; of the head, in messages until the next head */
    uint64_t request_limit_bytes, keepalive_ms, polling_ms;
    int code;
};

void text_init(struct text_reader *r, enum text_source source);
void text_done(struct text_reader *r);
/* A new response begins. */
void text_reset(struct text_reader *r);

/* Conditions of the functions below. */
enum { TEXT_NOTHING = 1 /* no message is complete */ };

/* Takes the next line. What it completes is in *RET, its spans *borrowed* from the line or, until the next head, from the reader; they are not
 * percent-encoded (text_decode). Lines become:
 *
 *   OK … empty line       CONOK; without ControlAddress the control link is "*", without RequestLimit the limit 0; then text_next()
 *   OK (TEXT_ANSWERS)     REQOK, REQERR: without a request's id: it is the next one that waits
 *   ERROR, code, text     CONERR, REQERR
 *   SYNC ERROR            the same with code 20: session not found
 *   END [code]            END; without a code (text_finish) has_no_code
 *   LOOP [ms]             LOOP; without a time PollingMillis of the head, or 0
 *   PROBE, Preamble: …    PROBE
 *   table,item|v|v        U, whose values are text mode's
 *   table,item,EOS CS OVn EOS CS OV
 *   MSG,…                 MSGDONE, MSGFAIL; sequence "*" for UNORDERED_MESSAGES
 *   anything else         TLCP_UNKNOWN; TLCP_BAD where it begins like one of these
 *
 * Returns 0, TEXT_NOTHING, or -ENOMEM. */
int text_line(struct text_reader *r, struct span line, struct tlcp_message *ret);

/* After CONOK: what else the head said, as CONS and SERVNAME, one a call. Returns 0 or TEXT_NOTHING. */
int text_next(struct text_reader *r, struct tlcp_message *ret);

/* No line follows, or none came in time: END without a code, ERROR without a text. Returns 0 or TEXT_NOTHING. */
int text_finish(struct text_reader *r, struct tlcp_message *ret);

/* Whether it waits for the code of an END, which may never come. */
bool text_awaits_code(const struct text_reader *r);

/* LINE is whole though its end never came: no longer line begins so; or, in a response that is COMPLETE, it is not one of data, which count
 * for nothing then. */
bool text_is_whole(const struct text_reader *r, struct span line, bool complete);

/* Adds TEXT to OUT, \uXXXX decoded (a lone surrogate becomes U+FFFD); other backslashes stay. */
void text_decode(struct buf *out, struct span text);
/* The same into OUT, which must have room for text.len bytes. Returns the number of bytes written. */
size_t text_unescape(char *out, struct span text);
