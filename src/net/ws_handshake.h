/* The opening handshake of a WebSocket (RFC 6455, section 4), the client's side, without I/O. */
#pragma once

#include "base/buf.h"

enum {
    WS_KEY_TEXT = 24 + 1,    /* 16 bytes in base64, and a NUL */
    WS_ACCEPT_TEXT = 28 + 1, /* 20 bytes likewise */
    WS_COOKIES_MAX = 16,     /* Set-Cookie in one head; the rest is ignored */
};

struct ws_request {
    const char *path, *subprotocol;
    struct span
        headers; /* "name: value" and CRLF each: Host, and whatever else the handshake itself does not need */
};

struct ws_response {
    int status;
    const char *fault; /* static; NULL when the handshake is as it should be. Not looked for unless the status
                          is 101 */
    struct span location;
    struct span cookies[WS_COOKIES_MAX]; /* values of Set-Cookie; they count whatever the status */
    size_t n_cookies;
};

/* A new random key. Returns 0 or -errno. */
int ws_handshake_key(char key[static WS_KEY_TEXT]);
/* What the server must answer to KEY. Returns 0 or -ENOMEM. */
int ws_handshake_accept(const char *key, char accept[static WS_ACCEPT_TEXT]);

/* Adds "Authorization: Basic …" (RFC 7617; NULL counts as empty). Returns 0, -ENOMEM, or -ENOBUFS. */
int ws_handshake_credentials(const char *user, const char *password, struct buf *out);

/* Adds the request with KEY to OUT. Returns 0, -ENOMEM, or -ENOBUFS when it is too long for OUT. */
int ws_handshake_request(const struct ws_request *q, const char *key, struct buf *out);

/* How long the head at the start of BYTES is, its empty line included; 0: it is not complete. FROM: how much
 * was there the last time. */
size_t ws_handshake_head_length(struct span bytes, size_t from);

/* Reads HEAD; all spans in *RET are borrowed from it. Returns 0, or 1 when it is not the head of an HTTP
 * response (fault says why). */
int ws_handshake_response(struct span head, const char *accept, const char *subprotocol,
                          struct ws_response *ret);
