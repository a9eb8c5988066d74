/* MessagePack as JSON: messages of tables that are published so, for a tool that otherwise speaks JSON. */
#pragma once

#include "base/buf.h"

/* Adds what PAYLOAD, one map, holds to OUT as a JSON object on one line. Returns 0, 1 when it is no such map or holds what JSON
 * cannot (bin, ext, other keys than str, infinities), or -ENOMEM; OUT is of no use then. */
int unpack_message(struct span payload, struct buf *out);
