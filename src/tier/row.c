/* SPDX-License-Identifier: BSD-3-Clause */
/* A row's key:
 *
 *   db, 1 byte | slot, 2 bytes | hash, 8 bytes | name          numbers with the high byte first
 *
 * and its value:
 *
 *   1 byte: version in the low nibble, ROW_HAS_EXPIRE | offset, varint | [expire_at_ms, 8 bytes, low byte first] |
 *   epoch of the offset's history, varint | payload of object/codec
 *
 * A varint has seven bits a byte, the low ones first, the high bit set on all but the last; only the shortest form
 * is accepted, so that equal rows are equal bytes. */
#include "tier/row.h"

#include <endian.h>
#include <string.h>

#define ROW_VERSION 1
#define ROW_VERSION_MASK 0x0f
#define ROW_HAS_EXPIRE 0x10
#define VARINT_MAX 10

void row_prefix_write(uint8_t db, uint16_t slot, uint64_t hash, char *to)
{
    uint16_t slot_big = htobe16(slot);
    uint64_t hash_big = htobe64(hash);
    to[0] = (char)db;
    memcpy(to + 1, &slot_big, sizeof(slot_big));
    memcpy(to + 3, &hash_big, sizeof(hash_big));
}

void row_key_write(const struct row_key *key, char *to)
{
    row_prefix_write(key->db, key->slot, key->hash, to);
    if (key->name.length > 0)
        memcpy(to + ROW_KEY_PREFIX, key->name.data, key->name.length);
}

bool row_prefix_next(char *prefix)
{
    for (int i = ROW_KEY_PREFIX - 1; i >= 0; i--)
        if (++prefix[i] != 0)
            return true;
    return false;
}

enum status row_key_read(struct bytes bytes, struct row_key *key)
{
    uint16_t slot_big;
    uint64_t hash_big;
    if (bytes.length < ROW_KEY_PREFIX)
        return STATUS_CORRUPT;
    memcpy(&slot_big, bytes.data + 1, sizeof(slot_big));
    memcpy(&hash_big, bytes.data + 3, sizeof(hash_big));
    key->db = (uint8_t)bytes.data[0];
    key->slot = be16toh(slot_big);
    key->hash = be64toh(hash_big);
    key->name = (struct bytes){bytes.data + ROW_KEY_PREFIX, bytes.length - ROW_KEY_PREFIX};
    return key->db < ROW_DATABASES && key->slot < ROW_SLOTS ? STATUS_OK : STATUS_CORRUPT;
}

static char *varint_write(uint64_t value, char *to)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (char)(value | 0x80);
    *to++ = (char)value;
    return to;
}

/* Takes a varint off the front of 'bytes'. */
static bool varint_take(struct bytes *bytes, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < bytes->length && i < VARINT_MAX; i++) {
        uint8_t byte = (uint8_t)bytes->data[i];
        bool overflows = i == VARINT_MAX - 1 && byte > 1;
        bool padded = i > 0 && byte == 0;
        if (overflows || padded)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *bytes = (struct bytes){bytes->data + i + 1, bytes->length - i - 1};
            return true;
        }
    }
    return false;
}

static bool expire_take(struct bytes *bytes, int64_t *expire_at_ms)
{
    uint64_t little;
    if (bytes->length < sizeof(little))
        return false;
    memcpy(&little, bytes->data, sizeof(little));
    *expire_at_ms = (int64_t)le64toh(little);
    *bytes = (struct bytes){bytes->data + sizeof(little), bytes->length - sizeof(little)};
    return *expire_at_ms != ENTRY_NO_EXPIRE;
}

size_t row_header_write(int64_t expire_at_ms, uint64_t offset, uint64_t epoch, char *to)
{
    bool expires = expire_at_ms != ENTRY_NO_EXPIRE;
    char *end = to;
    *end++ = (char)(ROW_VERSION | (expires ? ROW_HAS_EXPIRE : 0));
    end = varint_write(offset, end);
    if (expires) {
        uint64_t little = htole64((uint64_t)expire_at_ms);
        memcpy(end, &little, sizeof(little));
        end += sizeof(little);
    }
    return (size_t)(varint_write(epoch, end) - to);
}

enum status row_value_read(struct bytes bytes, struct row *row, uint64_t *epoch)
{
    uint64_t unused;
    if (bytes.length == 0)
        return STATUS_CORRUPT;
    uint8_t head = (uint8_t)bytes.data[0];
    if ((head & ROW_VERSION_MASK) != ROW_VERSION || (head & ~(ROW_VERSION_MASK | ROW_HAS_EXPIRE)) != 0)
        return STATUS_CORRUPT;
    bytes = (struct bytes){bytes.data + 1, bytes.length - 1};
    if (!varint_take(&bytes, &row->offset))
        return STATUS_CORRUPT;
    row->expire_at_ms = ENTRY_NO_EXPIRE;
    if ((head & ROW_HAS_EXPIRE) && !expire_take(&bytes, &row->expire_at_ms))
        return STATUS_CORRUPT;
    if (!varint_take(&bytes, epoch ? epoch : &unused) || bytes.length == 0)
        return STATUS_CORRUPT;
    row->payload = bytes;
    return STATUS_OK;
}
