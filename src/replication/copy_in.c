/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_in.h"

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

static bool take_key(void *context, const struct rdb_key *key)
{
    struct copy_in *copy = context;
    struct buffer *out = &copy->requests;
    if (key->db != copy->db) {
        put_count(out, '*', 2);
        put_word(out, BYTES("SELECT"));
        put_integer(out, key->db);
        copy->db = key->db;
    }
    bool has_idle = key->idle_seconds >= 0, has_frequency = !has_idle && key->frequency >= 0;
    put_count(out, '*', has_idle || has_frequency ? 8 : 6);
    put_word(out, BYTES("RESTORE"));
    put_word(out, key->name);
    /* 0 would be no expiry: a time before the beginning of time has passed just as well a little later. */
    put_integer(out, key->expire_at_ms == RDB_NO_EXPIRE ? 0 : key->expire_at_ms > 0 ? key->expire_at_ms : 1);
    put_dump(out, key->payload);
    put_word(out, BYTES("REPLACE"));
    put_word(out, BYTES("ABSTTL"));
    if (has_idle || has_frequency) {
        put_word(out, has_idle ? BYTES("IDLETIME") : BYTES("FREQ"));
        put_integer(out, has_idle ? key->idle_seconds : key->frequency);
    }
    copy->keys++;
    return true;
}

static bool take_function(void *context, struct bytes code)
{
    struct copy_in *copy = context;
    put_count(&copy->requests, '*', 4);
    put_word(&copy->requests, BYTES("FUNCTION"));
    put_word(&copy->requests, BYTES("LOAD"));
    put_word(&copy->requests, BYTES("REPLACE"));
    put_word(&copy->requests, code);
    return true;
}

static bool take_about(void *context, struct bytes name, struct bytes value)
{
    struct copy_in *copy = context;
    int64_t db;
    if (bytes_equal_text(name, "forebay-version"))
        copy->from_forebay = true;
    else if (bytes_equal_text(name, "repl-stream-db") && bytes_to_int64(value, &db) && db >= 0 && db <= INT16_MAX)
        copy->stream_db = (int)db;
    return true;
}

void copy_in_begin(struct copy_in *copy)
{
    *copy = (struct copy_in){.db = -1};
    struct rdb_visitor visitor = {.context = copy, .key = take_key, .function = take_function, .about = take_about};
    rdb_file_reader_init(&copy->reader, &visitor);
    put_count(&copy->requests, '*', 1);
    put_word(&copy->requests, BYTES("FLUSHALL"));
    put_count(&copy->requests, '*', 2);
    put_word(&copy->requests, BYTES("FUNCTION"));
    put_word(&copy->requests, BYTES("FLUSH"));
}

enum status copy_in_read(struct copy_in *copy, struct bytes bytes, size_t *taken)
{
    return rdb_file_read(&copy->reader, bytes, taken);
}

enum status copy_in_finish(struct copy_in *copy)
{
    return rdb_file_read_end(&copy->reader);
}

void copy_in_end(struct copy_in *copy)
{
    rdb_file_reader_deinit(&copy->reader);
    buffer_deinit(&copy->requests);
}
