/* SPDX-License-Identifier: BSD-3-Clause */
/* Both checksums by tables of more than one byte: table k of byte b is the checksum of b followed by k zero
 * bytes, so the contributions of several bytes are looked up side by side instead of one after another. The
 * tables are computed when the program starts. */
#include "base/crc.h"

#include <endian.h>
#include <string.h>

#define CRC16_POLYNOMIAL 0x1021
#define CRC64_POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* 0xad93d23594c935a9 with its bits in reverse */

static uint16_t table16[4][256];
static uint64_t table64[8][256];

__attribute__((constructor)) static void crc_tables_setup(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint16_t crc = (uint16_t)(byte << 8);
        uint64_t reflected = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? CRC16_POLYNOMIAL : 0));
            reflected = reflected >> 1 ^ (reflected & 1 ? CRC64_POLYNOMIAL : 0);
        }
        table16[0][byte] = crc;
        table64[0][byte] = reflected;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 4; k++)
            table16[k][byte] = (uint16_t)(table16[k - 1][byte] << 8 ^ table16[0][table16[k - 1][byte] >> 8]);
        for (int k = 1; k < 8; k++)
            table64[k][byte] = table64[k - 1][byte] >> 8 ^ table64[0][table64[k - 1][byte] & 0xff];
    }
}

uint16_t crc16(const void *data, size_t length)
{
    const unsigned char *at = data;
    uint16_t crc = 0;
    for (; length >= 4; at += 4, length -= 4)
        crc = table16[3][(crc >> 8) ^ at[0]] ^ table16[2][(crc & 0xff) ^ at[1]] ^ table16[1][at[2]] ^ table16[0][at[3]];
    for (; length > 0; at++, length--)
        crc = (uint16_t)(crc << 8 ^ table16[0][(crc >> 8) ^ *at]);
    return crc;
}

uint64_t crc64(uint64_t crc, const void *data, size_t length)
{
    const unsigned char *at = data;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc ^= le64toh(word);
        crc = table64[7][crc & 0xff] ^ table64[6][crc >> 8 & 0xff] ^ table64[5][crc >> 16 & 0xff] ^
              table64[4][crc >> 24 & 0xff] ^ table64[3][crc >> 32 & 0xff] ^ table64[2][crc >> 40 & 0xff] ^
              table64[1][crc >> 48 & 0xff] ^ table64[0][crc >> 56];
    }
    for (; length > 0; at++, length--)
        crc = crc >> 8 ^ table64[0][(crc ^ *at) & 0xff];
    return crc;
}
