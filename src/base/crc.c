/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC16 by tables of more than one byte: table k of byte b is the checksum of b followed by k zero bytes, so the
 * contributions of several bytes are looked up side by side instead of one after another. The tables are computed when the
 * program starts. CRC64 comes from ISA-L, which multiplies without carries where the CPU can. */
#include "base/crc.h"

#include <isa-l/crc64.h>

#define CRC16_POLYNOMIAL 0x1021

static uint16_t table16[4][256];

__attribute__((constructor)) static void crc_tables_setup(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint16_t crc = (uint16_t)(byte << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? CRC16_POLYNOMIAL : 0));
        table16[0][byte] = crc;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        for (int k = 1; k < 4; k++)
            table16[k][byte] = (uint16_t)(table16[k - 1][byte] << 8 ^ table16[0][table16[k - 1][byte] >> 8]);
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

/* ISA-L's inverts before and after, as most CRCs are defined; Redis's does neither. */
uint64_t crc64(uint64_t crc, const void *data, size_t length)
{
    return ~crc64_jones_refl(~crc, data, length);
}
