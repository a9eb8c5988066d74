#include "sim/sha1.h"

struct state {
    uint32_t h[5];
};

static uint32_t rotate(uint32_t x, unsigned by)
{
    return (x << by) | (x >> (32 - by));
}

static void expand(const uint8_t block[64], uint32_t w[80])
{
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

static void mix(struct state *s, const uint8_t block[64])
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];

    expand(block, w);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f = i < 20              ? (b & c) | (~b & d)
                     : i < 40 || i >= 60 ? b ^ c ^ d
                                         : (b & c) | (b & d) | (c & d);
        uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    s->h[0] += a;
    s->h[1] += b;
    s->h[2] += c;
    s->h[3] += d;
    s->h[4] += e;
}

void sha1(struct span data, uint8_t ret_digest[20])
{
    struct state s = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    uint64_t bits = (uint64_t)data.len * 8;
    uint8_t block[64];
    size_t at = 0;

    for (; data.len - at >= 64; at += 64) {
        memcpy(block, data.at + at, 64);
        mix(&s, block);
    }
    memset(block, 0, sizeof(block));
    if (data.len > at)
        memcpy(block, data.at + at, data.len - at);
    block[data.len - at] = 0x80;
    if (data.len - at >= 56) {
        mix(&s, block);
        memset(block, 0, sizeof(block));
    }
    for (unsigned i = 0; i < 8; i++)
        block[63 - i] = (uint8_t)(bits >> (8 * i));
    mix(&s, block);
    for (unsigned i = 0; i < 20; i++)
        ret_digest[i] = (uint8_t)(s.h[i / 4] >> (24 - 8 * (i % 4)));
}

void base64_add(struct buf *out, const uint8_t *bytes, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < n ? bytes[i + 2] : 0U);

        for (size_t j = 0; j < 4; j++)
            buf_add_char(out, i + j > n ? '=' : letters[group >> (18 - 6 * j) & 63]);
    }
}
