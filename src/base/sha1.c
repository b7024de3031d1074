/* SPDX-License-Identifier: BSD-3-Clause */
/* FIPS 180-4, section 6.1: blocks of 64 bytes; the last ones hold a bit 1, zeros, and the length in bits. */
#include "base/sha1.h"

#include <endian.h>

#define BLOCK 64

static inline uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static void schedule_fill(uint32_t words[80], const uint8_t *block)
{
    for (int i = 0; i < 16; i++) {
        memcpy(&words[i], block + 4 * i, 4);
        words[i] = be32toh(words[i]);
    }
    for (int i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
}

static inline uint32_t choose(int round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return ((b & c) | (~b & d)) + 0x5a827999;
    case 1:
        return (b ^ c ^ d) + 0x6ed9eba1;
    case 2:
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    default:
        return (b ^ c ^ d) + 0xca62c1d6;
    }
}

static void block_add(uint32_t state[5], const uint8_t *block)
{
    uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    schedule_fill(words, block);
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(a, 5) + choose(i, b, c, d) + e + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void sha1_hex(struct bytes bytes, char hex[SHA1_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t last[2 * BLOCK] = {0};
    size_t whole = bytes.length / BLOCK * BLOCK, rest = bytes.length - whole;
    for (size_t at = 0; at < whole; at += BLOCK)
        block_add(state, (const uint8_t *)bytes.data + at);
    if (rest > 0)
        memcpy(last, bytes.data + whole, rest);
    last[rest] = 0x80;
    size_t padded = rest + 9 > BLOCK ? 2 * BLOCK : BLOCK;
    uint64_t bits = htobe64((uint64_t)bytes.length * 8);
    memcpy(last + padded - 8, &bits, 8);
    for (size_t at = 0; at < padded; at += BLOCK)
        block_add(state, last + at);
    for (int i = 0; i < SHA1_HEX; i++)
        hex[i] = digits[state[i / 8] >> (28 - i % 8 * 4) & 15];
    hex[SHA1_HEX] = '\0';
}
