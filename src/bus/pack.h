/* Single MessagePack values, added to a buffer: libmsgpack's packing, with our text and numbers. Errors stick in the
 * buffer, as with buf_add…(). */
#pragma once

#include <msgpack/pack.h>

#include "base/buf.h"

static inline int pack_write(void *data, const char *bytes, size_t n)
{
    buf_add(data, bytes, n);
    return 0;
}

/* A packer for msgpack_pack_…() that adds to OUT. */
static inline msgpack_packer pack_to(struct buf *out)
{
    return (msgpack_packer){.data = out, .callback = pack_write};
}

/* S as a str, each ill-formed part as one U+FFFD. Shorter than 2^32 / 3 bytes. */
void pack_text(struct buf *out, struct span s);

/* S as an integer. It follows JSON's grammar for numbers, without fraction and exponent. Returns false, with OUT as it
 * was, when 64 bits can't hold it. */
bool pack_integer(struct buf *out, struct span s);

/* S as an integer or a double. It follows JSON's grammar for numbers. Returns false, with OUT as it was, when something
 * would be lost: written with as many digits as S has, the double is another number. */
bool pack_number(struct buf *out, struct span s);

/* S, a valid JSON string with its quotes, as the str it stands for. */
void pack_json_string(struct buf *out, struct span s);

/* A map or an array whose size shows at its end: pack_open() returns where it begins, pack_close() is told that, and its
 * N elements (for a map, its pairs). */
size_t pack_open(struct buf *out);
void pack_close(struct buf *out, size_t begin, bool is_map, uint32_t n);
