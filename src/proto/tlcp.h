/* TLCP lines -> typed messages, and requests -> text (PROTOCOL.md, "Requests" and "Answers and notifications"). */
#pragma once

#include "base/buf.h"

/* Every tag, in the order of PROTOCOL.md's table: name, whether it counts for recovery, its arguments.
 * Arguments: n = unsigned number, i = signed number, t = text (percent-encoded), r = the rest of the line as it is;
 * what follows '?' may be missing. */
#define TLCP_TAGS(X)                                                                                         \
    X(CONOK, false, "tnnt")                                                                                  \
    X(CONERR, false, "ir")                                                                                   \
    X(END, false, "i?r")                                                                                     \
    X(REQOK, false, "?n")                                                                                    \
    X(REQERR, false, "nir")                                                                                  \
    X(ERROR, false, "ir")                                                                                    \
    X(SERVNAME, false, "r")                                                                                  \
    X(CLIENTIP, false, "r")                                                                                  \
    X(CONS, false, "r")                                                                                      \
    X(PROBE, false, "?r")                                                                                    \
    X(NOOP, false, "?r")                                                                                     \
    X(SYNC, false, "n")                                                                                      \
    X(LOOP, false, "n")                                                                                      \
    X(PROG, false, "n")                                                                                      \
    X(SUBOK, true, "nnn")                                                                                    \
    X(SUBCMD, true, "nnnnn")                                                                                 \
    X(CONF, true, "ntt")                                                                                     \
    X(U, true, "nnr")                                                                                        \
    X(EOS, true, "nn")                                                                                       \
    X(CS, true, "nn")                                                                                        \
    X(OV, true, "nnn")                                                                                       \
    X(UNSUB, true, "n")                                                                                      \
    X(MSGDONE, true, "tn?r")                                                                                 \
    X(MSGFAIL, true, "tnir")                                                                                 \
    X(WSOK, false, "")                                                                                       \
    X(MPN, false, "?r") /* any tag that begins with MPN */

enum tlcp_tag {
#define X(name, counts, arguments) TLCP_##name,
    TLCP_TAGS(X)
#undef X
        TLCP_UNKNOWN, /* a tag that is not in the table */
    TLCP_BAD,         /* a known tag with arguments that do not fit */
    TLCP_N_TAGS,
};

enum { TLCP_MAX_NUMBERS = 5, TLCP_MAX_TEXTS = 2 };

/* A parsed line; every span is borrowed from it and still percent-encoded (tlcp_decode). */
struct tlcp_message {
    enum tlcp_tag tag;
    union {
        uint64_t numbers[TLCP_MAX_NUMBERS]; /* 'n' in order */
        struct {
            uint64_t request_limit_bytes, keepalive_ms;
        } conok;
        struct {
            uint64_t sub_id, items, fields, key_field, command_field;
        } sub; /* SUBOK SUBCMD CONF UNSUB */
        struct {
            uint64_t sub_id, item, lost;
        } item;                                      /* U EOS CS OV */
        uint64_t request_id;                         /* REQOK REQERR; 0: none */
        uint64_t seconds, delay_ms, count, msg_prog; /* SYNC LOOP PROG MSG… */
    };
    int code;     /* 'i' */
    bool no_code; /* an END of text mode that told none */
    struct span texts
        [TLCP_MAX_TEXTS]; /* 't' in order: session id and control link; frequency and filtering; sequence */
    struct span rest;     /* 'r': message, name, values, response */
};

/* Never fails: the tag says TLCP_UNKNOWN or TLCP_BAD. */
void tlcp_parse(struct span line, struct tlcp_message *ret);

const char *tlcp_tag_name(enum tlcp_tag tag);

/* Whether the server counts it among the data notifications of LS_recovery_from and PROG. */
bool tlcp_counts(enum tlcp_tag tag);

/* Adds the percent-decoded text to OUT; as it stands, where it is not well encoded (it is for people, then). */
void tlcp_decode(struct buf *out, struct span text);

/* ---- requests ---- */

/* Requests are built parameter by parameter; tlcp_line_begin() starts a line of a batch. All errors stick in OUT. */
void tlcp_line_begin(struct buf *out); /* CR LF before every line but the first */
void tlcp_param(struct buf *out, const char *name,
                struct span value); /* NAME=value, encoded; & before all but a line's first */
void tlcp_param_text(struct buf *out, const char *name, const char *value); /* nothing when VALUE is NULL */
void tlcp_param_u64(struct buf *out, const char *name, uint64_t value);

/* LS_cid, literally; always the first parameter of create_session. */
void tlcp_param_cid(struct buf *out);

/* Newest first: a server that refuses one is asked with the next (PROTOCOL.md, "Fallback"). */
#define TLCP_VERSIONS                                                                                        \
    {                                                                                                        \
        "TLCP-2.5.0", "TLCP-2.4.0", "TLCP-2.3.0", "TLCP-2.2.0", "TLCP-2.1.0", "TLCP-2.0.0"                   \
    }
enum { TLCP_2_5, TLCP_2_4, TLCP_2_3, TLCP_2_2, TLCP_2_1, TLCP_2_0, TLCP_N_VERSIONS };
