/* SHA-1 and base64, for the WebSocket handshake alone (RFC 6455, section 4.2.2). */
#pragma once

#include <stdint.h>

#include "base/buf.h"

void sha1(struct span data, uint8_t ret_digest[20]);

void base64_add(struct buf *out, const uint8_t *bytes, size_t n);
