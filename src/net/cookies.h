/* The cookies of a peer, kept by libcurl, for the one request that libcurl does not make: a WebSocket's
 * handshake. */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "net/target.h"

/* Adds "name=value; …" of the cookies that EASY's engine would send to T; nothing when there are none.
 * Returns 0 or OUT's error. */
int cookies_for(CURL *easy, const struct target *t, struct buf *out);

/* Takes the value of a Set-Cookie header that T sent; ignored when it is for somebody else. Returns 0 or
 * -ENOMEM. */
int cookies_take(CURL *easy, const struct target *t, struct span value);
