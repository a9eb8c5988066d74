/* What a server's codes mean for the session (PROTOCOL.md, the tables of codes at the end of "The session's life"). */
#pragma once

#include <stdbool.h>

enum errcode_context {
    ERRCODE_CREATE, /* CONERR, or ERROR, in answer to create_session */
    ERRCODE_BIND,   /* … to bind_session, with or without LS_recovery_from */
    ERRCODE_END,    /* END of a session */
};

enum errcode_verdict {
    ERRCODE_RETRY,    /* the same again, with back-off: on bind a recovery, on END a new session */
    ERRCODE_ANEW,     /* the session is lost: a new one, with back-off */
    ERRCODE_ANEW_NOW, /* a new one at once */
    ERRCODE_AFFINITY, /* a new one; too many of these in a row: refused, the balancer splits us */
    ERRCODE_REFUSED,  /* for good: somebody has to change something */
};

/* Total: every code has a verdict. */
enum errcode_verdict errcode_session(enum errcode_context context, int code);

/* On create: perhaps the server does not know this version of the protocol, but an older one (60, 65, 71). */
bool errcode_is_version(int code);

/* REQERR on an add. */
enum errcode_add {
    ERRCODE_ADD_FAILED,       /* the table is failed, the session lives on */
    ERRCODE_ADD_AGAIN,        /* the server's trouble: asked again with back-off */
    ERRCODE_ADD_SESSION_LOST, /* the server does not know the session */
    ERRCODE_ADD_WRONG_NODE,   /* nor does this node: ERRCODE_AFFINITY */
};
enum errcode_add errcode_request(int code);

/* An HTTP status other than 200: RETRY, or REFUSED. */
enum errcode_verdict errcode_http(int status);
