/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/link_frame.h"

#include <endian.h>
#include <lz4.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

struct header {
    uint32_t stored, raw;
    uint64_t checksum;
};
_Static_assert(sizeof(struct header) == LINK_FRAME_HEADER_BYTES, "as it goes over the wire");

static uint64_t checksum_of(const struct header *header, const char *stored)
{
    return hash_bytes(stored, header->stored, (uint64_t)header->stored << 32 | header->raw);
}

static void header_write(char *at, const struct header *header)
{
    struct header wire = {htole32(header->stored), htole32(header->raw), htole64(header->checksum)};
    memcpy(at, &wire, sizeof(wire));
}

static struct header header_read(const char *at)
{
    struct header wire;
    memcpy(&wire, at, sizeof(wire));
    return (struct header){le32toh(wire.stored), le32toh(wire.raw), le64toh(wire.checksum)};
}

void link_frame_append(struct buffer *out, struct bytes raw)
{
    check(raw.length > 0 && raw.length <= LINK_FRAME_RAW_MAX);
    char *at = buffer_reserve(out, sizeof(struct header) + raw.length);
    char *stored = at + sizeof(struct header);
    struct header header = {.raw = (uint32_t)raw.length};
    int packed = LZ4_compress_default(raw.data, stored, (int)raw.length, (int)raw.length - 1);
    header.stored = packed > 0 ? (uint32_t)packed : header.raw;
    if (packed <= 0)
        memcpy(stored, raw.data, raw.length);
    header.checksum = checksum_of(&header, stored);
    header_write(at, &header);
    out->length += sizeof(header) + header.stored;
}

void link_frame_append_end(struct buffer *out)
{
    struct header header = {0};
    header.checksum = checksum_of(&header, "");
    header_write(buffer_reserve(out, sizeof(header)), &header);
    out->length += sizeof(header);
}

static enum link_frame_result refuse(const char **error, const char *why)
{
    *error = why;
    return LINK_FRAME_BAD;
}

static bool unpack(const struct header *header, const char *stored, struct buffer *raw)
{
    char *room = buffer_reserve(raw, header->raw);
    if (header->stored == header->raw)
        memcpy(room, stored, header->raw);
    else if (LZ4_decompress_safe(stored, room, (int)header->stored, (int)header->raw) != (int)header->raw)
        return false;
    raw->length += header->raw;
    return true;
}

enum link_frame_result link_frame_take(struct bytes input, struct buffer *raw, size_t *taken, const char **error)
{
    *taken = LINK_FRAME_HEADER_BYTES;
    if (input.length < LINK_FRAME_HEADER_BYTES)
        return LINK_FRAME_MORE;
    struct header header = header_read(input.data);
    const char *stored = input.data + sizeof(header);
    bool is_end = header.raw == 0 && header.stored == 0;
    if (header.raw > LINK_FRAME_RAW_MAX || header.stored > header.raw || (header.stored == 0 && !is_end))
        return refuse(error, "a compressed frame of impossible length");
    *taken += header.stored;
    if (input.length < *taken)
        return LINK_FRAME_MORE;
    if (checksum_of(&header, stored) != header.checksum)
        return refuse(error, "a compressed frame whose checksum does not fit");
    if (is_end)
        return LINK_FRAME_END;
    return unpack(&header, stored, raw) ? LINK_FRAME_TAKEN
                                        : refuse(error, "a compressed frame that cannot be unpacked");
}
