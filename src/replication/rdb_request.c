/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/rdb_request.h"

#include <endian.h>

#include "base/crc.h"
#include "object/codec.h"

/* Of a DUMP payload: two bytes of version, eight of checksum. */
#define FOOTER_BYTES 10

static void put_count(struct buffer *out, char type, size_t count)
{
    char line[BYTES_INTEGER_MAX + 3];
    size_t length = 1 + bytes_from_uint64(line + 1, count);
    line[0] = type;
    line[length++] = '\r';
    line[length++] = '\n';
    buffer_append(out, line, length);
}

static void put_word(struct buffer *out, struct bytes word)
{
    put_count(out, '$', word.length);
    buffer_append_bytes(out, word);
    buffer_append(out, "\r\n", 2);
}

static void put_integer(struct buffer *out, int64_t value)
{
    char digits[BYTES_INTEGER_MAX];
    put_word(out, bytes_of(digits, bytes_from_int64(digits, value)));
}

static void put_dump(struct buffer *out, struct bytes payload)
{
    put_count(out, '$', payload.length + FOOTER_BYTES);
    uint16_t version = htole16(CODEC_DUMP_VERSION);
    uint64_t crc = crc64(crc64(0, payload.data, payload.length), &version, sizeof(version));
    crc = htole64(crc);
    buffer_append_bytes(out, payload);
    buffer_append(out, &version, sizeof(version));
    buffer_append(out, &crc, sizeof(crc));
    buffer_append(out, "\r\n", 2);
}

void rdb_request_words(struct buffer *out, const struct bytes *words, size_t count)
{
    put_count(out, '*', count);
    for (size_t i = 0; i < count; i++)
        put_word(out, words[i]);
}

void rdb_request_select(struct buffer *out, int db)
{
    put_count(out, '*', 2);
    put_word(out, BYTES("SELECT"));
    put_integer(out, db);
}

void rdb_request_key(struct buffer *out, const struct rdb_key *key, bool replace)
{
    bool has_idle = key->idle_seconds >= 0, has_frequency = !has_idle && key->frequency >= 0;
    put_count(out, '*', (has_idle || has_frequency ? 7 : 5) + (size_t)replace);
    put_word(out, BYTES("RESTORE"));
    put_word(out, key->name);
    /* 0 would be no expiry: a time before the beginning of time has passed just as well a little later. */
    put_integer(out, key->expire_at_ms == RDB_NO_EXPIRE ? 0 : key->expire_at_ms > 0 ? key->expire_at_ms : 1);
    put_dump(out, key->payload);
    if (replace)
        put_word(out, BYTES("REPLACE"));
    put_word(out, BYTES("ABSTTL"));
    if (has_idle || has_frequency) {
        put_word(out, has_idle ? BYTES("IDLETIME") : BYTES("FREQ"));
        put_integer(out, has_idle ? key->idle_seconds : key->frequency);
    }
}

void rdb_request_function(struct buffer *out, struct bytes code, bool replace)
{
    put_count(out, '*', 3 + (size_t)replace);
    put_word(out, BYTES("FUNCTION"));
    put_word(out, BYTES("LOAD"));
    if (replace)
        put_word(out, BYTES("REPLACE"));
    put_word(out, code);
}
