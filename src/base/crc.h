/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC16/XMODEM, as Redis Cluster maps keys to slots. */
uint16_t crc16(const void *data, size_t length);
/* CRC-64/Jones (reflected, polynomial 0xad93d23594c935a9), as RDB files and DUMP payloads end with;
 * start with crc 0. */
uint64_t crc64(uint64_t crc, const void *data, size_t length);
