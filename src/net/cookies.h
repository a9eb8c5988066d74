/* The cookies of a peer, kept by libcurl, for the one request that libcurl does not make: a WebSocket's
 * handshake. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "base/buf.h"

/* Where a request goes. */
struct cookie_place {
    struct span host; /* an IPv6 address without brackets */
    struct span path; /* a query behind it does not count */
    bool tls;
};

/* Adds "name=value; …" of the cookies that EASY's engine would send there; nothing when there are none.
 * Returns 0 or OUT's error. */
int cookies_for(CURL *easy, const struct cookie_place *place, struct buf *out);

/* Takes the value of a Set-Cookie header that came from there (RFC 6265, 5.2 and 5.3); ignored when it is for
 * somebody else. Returns 0 or -ENOMEM. */
int cookies_take(CURL *easy, const struct cookie_place *place, struct span text);
