/* SPDX-License-Identifier: BSD-3-Clause */
/* A file is a head ("REDIS" and four digits, or "VALKEY" and three), then items, each behind an opcode or, where the byte
 * is none, behind a type of value:
 *
 *   250 name value | 251 keys expires | 254 db | 253 seconds | 252 milliseconds | 248 idle | 249 frequency
 *   245 code of a function | 244 slot keys expires | 247 what a module says | 255 checksum, 8 bytes
 *   type | key | value
 *
 * Items are read whole. Where one is not there yet, it is tried again when twice as much is: so the work stays in
 * proportion to the file. The checksum is taken over what was read, and its own bytes are not part of it; zero is none. */
#include <endian.h>
#include <stdio.h>

#include "base/crc.h"
#include "object/codec.h"
#include "object/rdb_extent.h"
#include "object/rdb_string.h"
#include "replication/rdb_file.h"
#include "replication/rdb_opcode.h"

#define HEAD_BYTES 9
#define CHECKSUM_BYTES 8
#define CHECKSUM_SINCE 5
#define VERSION_MAX 13
#define VERSION_VALKEY 80
#define DB_MAX INT32_MAX
#define ROOM_KEPT_BYTES_MAX ((size_t)64 << 10)
/* of old, whose end cannot be found */
#define TYPE_MODULE_1 6

/* How far an attempt to read an item came. */
struct attempt {
    struct rdb_file_reader *reader;
    struct bytes input; /* what is left of it */
    enum rdb_extent state;
    bool is_refused; /* by the visitor */
};

static enum status fail(struct rdb_file_reader *reader, const char *what)
{
    if (!reader->error[0])
        snprintf(reader->error, sizeof(reader->error), "%s at byte %llu", what, (unsigned long long)reader->offset);
    return STATUS_CORRUPT;
}

void rdb_file_reader_init(struct rdb_file_reader *reader, const struct rdb_visitor *visitor)
{
    *reader = (struct rdb_file_reader){.visitor = *visitor};
    reader->next = (struct rdb_key){.expire_at_ms = RDB_NO_EXPIRE, .idle_seconds = -1, .frequency = -1};
}

void rdb_file_reader_deinit(struct rdb_file_reader *reader)
{
    buffer_deinit(&reader->waiting);
    buffer_deinit(&reader->room);
    buffer_deinit(&reader->second_room);
}

/* ---- parts of an item ---- */

static void advance(struct attempt *attempt, size_t count)
{
    attempt->input = bytes_of(attempt->input.data + count, attempt->input.length - count);
}

static uint64_t take_length(struct attempt *attempt)
{
    uint64_t value = 0;
    size_t length;
    if (attempt->state == RDB_EXTENT_WHOLE)
        attempt->state = rdb_length_extent(attempt->input, &length, &value);
    if (attempt->state == RDB_EXTENT_WHOLE)
        advance(attempt, length);
    return value;
}

/* Bytes as they stand; NULL data if they are not all there. */
static struct bytes take_raw(struct attempt *attempt, size_t count)
{
    struct bytes raw = {NULL, 0};
    if (attempt->state == RDB_EXTENT_WHOLE && attempt->input.length < count)
        attempt->state = RDB_EXTENT_MORE;
    if (attempt->state != RDB_EXTENT_WHOLE)
        return raw;
    raw = bytes_of(attempt->input.data, count);
    advance(attempt, count);
    return raw;
}

/* Low byte first. */
static uint64_t take_number(struct attempt *attempt, size_t bytes)
{
    uint64_t number = 0;
    struct bytes raw = take_raw(attempt, bytes);
    if (raw.data)
        memcpy(&number, raw.data, bytes);
    return le64toh(number);
}

static struct bytes take_string(struct attempt *attempt, struct buffer *room)
{
    struct bytes string = {NULL, 0};
    size_t length;
    if (attempt->state == RDB_EXTENT_WHOLE)
        attempt->state = rdb_string_extent(attempt->input, &length);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return string;
    struct rdb_reader reader = rdb_reader_of(bytes_of(attempt->input.data, length));
    if (!rdb_read_bytes(&reader, room, &string))
        attempt->state = RDB_EXTENT_BAD;
    advance(attempt, length);
    return string;
}

/* ---- items ---- */

static void read_about(struct attempt *attempt)
{
    const struct rdb_visitor *visitor = &attempt->reader->visitor;
    struct bytes name = take_string(attempt, &attempt->reader->room),
                 value = take_string(attempt, &attempt->reader->second_room);
    if (attempt->state == RDB_EXTENT_WHOLE && visitor->about)
        attempt->is_refused = !visitor->about(visitor->context, name, value);
}

static void read_function(struct attempt *attempt)
{
    const struct rdb_visitor *visitor = &attempt->reader->visitor;
    struct bytes code = take_string(attempt, &attempt->reader->room);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return;
    attempt->reader->functions++;
    if (visitor->function)
        attempt->is_refused = !visitor->function(visitor->context, code);
}

static void read_db(struct attempt *attempt)
{
    uint64_t db = take_length(attempt);
    if (db > DB_MAX)
        attempt->state = RDB_EXTENT_BAD;
    else if (attempt->state == RDB_EXTENT_WHOLE)
        attempt->reader->next.db = (int)db;
}

static void read_sizes(struct attempt *attempt)
{
    uint64_t keys = take_length(attempt);
    take_length(attempt);
    if (attempt->state == RDB_EXTENT_WHOLE)
        attempt->reader->keys_told += keys;
}

/* What belongs to the key that follows. */
static void read_time(struct attempt *attempt, uint8_t opcode)
{
    struct rdb_key *next = &attempt->reader->next;
    uint64_t number = opcode == OPCODE_IDLE ? take_length(attempt)
                                            : take_number(attempt, opcode == OPCODE_EXPIRE_MS ? 8
                                                                   : opcode == OPCODE_EXPIRE  ? 4
                                                                                              : 1);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return;
    if (opcode == OPCODE_IDLE)
        next->idle_seconds = number > INT64_MAX ? INT64_MAX : (int64_t)number;
    else if (opcode == OPCODE_FREQUENCY)
        next->frequency = (int)number;
    else
        next->expire_at_ms = opcode == OPCODE_EXPIRE ? (int64_t)number * 1000 : (int64_t)number;
}

/* The extent of what begins with this type byte, which is put in the place of the byte before the input for the moment. */
static struct bytes take_value(struct attempt *attempt, uint8_t type)
{
    char *before = (char *)attempt->input.data - 1;
    size_t length;
    *before = (char)type;
    attempt->state = rdb_value_extent(bytes_of(before, attempt->input.length + 1), &length);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return (struct bytes){NULL, 0};
    advance(attempt, length - 1);
    return bytes_of(before, length);
}

/* A module's words are those of a value of type 7. They are passed over. */
static void read_module(struct attempt *attempt)
{
    char *before = (char *)attempt->input.data - 1, kept = *before;
    take_value(attempt, RDB_TYPE_MODULE);
    *before = kept;
}

/* The name where the byte before the value is not part of it. */
static struct bytes take_name(struct attempt *attempt)
{
    struct bytes name = take_string(attempt, &attempt->reader->room);
    if (attempt->state != RDB_EXTENT_WHOLE || name.data == attempt->reader->room.data)
        return name;
    attempt->reader->room.length = 0;
    buffer_reserve(&attempt->reader->room, 1);
    buffer_append_bytes(&attempt->reader->room, name);
    return buffer_bytes(&attempt->reader->room);
}

static void read_key(struct attempt *attempt, uint8_t type)
{
    struct rdb_file_reader *reader = attempt->reader;
    struct rdb_key *next = &reader->next;
    next->name = take_name(attempt);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return;
    char *before = (char *)attempt->input.data - 1, kept = *before;
    next->payload = take_value(attempt, type);
    if (attempt->state == RDB_EXTENT_WHOLE) {
        reader->keys++;
        attempt->is_refused = reader->visitor.key && !reader->visitor.key(reader->visitor.context, next);
        *next = (struct rdb_key){.db = next->db, .expire_at_ms = RDB_NO_EXPIRE, .idle_seconds = -1, .frequency = -1};
    }
    *before = kept;
}

static void read_end(struct attempt *attempt, const char *begin)
{
    struct rdb_file_reader *reader = attempt->reader;
    uint64_t expected = crc64(reader->checksum, begin, 1), found = 0;
    if (reader->version >= CHECKSUM_SINCE)
        found = take_number(attempt, CHECKSUM_BYTES);
    if (attempt->state != RDB_EXTENT_WHOLE)
        return;
    if (found != 0 && found != expected) {
        fail(reader, "the checksum does not fit: the file is damaged");
        attempt->state = RDB_EXTENT_BAD;
    }
    reader->is_complete = attempt->state == RDB_EXTENT_WHOLE;
}

static void read_head(struct attempt *attempt)
{
    struct rdb_file_reader *reader = attempt->reader;
    struct bytes head = take_raw(attempt, HEAD_BYTES);
    int64_t version;
    if (!head.data)
        return;
    bool is_valkey = memcmp(head.data, "VALKEY", 6) == 0;
    struct bytes digits = is_valkey ? bytes_of(head.data + 6, 3) : bytes_of(head.data + 5, 4);
    while (digits.length > 1 && digits.data[0] == '0')
        digits = bytes_of(digits.data + 1, digits.length - 1);
    if ((!is_valkey && memcmp(head.data, "REDIS", 5) != 0) || !bytes_to_int64(digits, &version) || version < 1) {
        fail(reader, "this is no RDB file");
        attempt->state = RDB_EXTENT_BAD;
    } else if (version > VERSION_MAX && version != VERSION_VALKEY) {
        snprintf(reader->error, sizeof(reader->error), "RDB version %d is newer than what can be read", (int)version);
        attempt->state = RDB_EXTENT_BAD;
    } else {
        reader->version = (int)version;
    }
}

static void read_item(struct attempt *attempt)
{
    const char *begin = attempt->input.data;
    struct bytes first = take_raw(attempt, 1);
    uint8_t opcode = first.data ? (uint8_t)first.data[0] : 0;
    if (!first.data)
        return;
    switch (opcode) {
    case OPCODE_ABOUT:
        read_about(attempt);
        break;
    case OPCODE_FUNCTION:
        read_function(attempt);
        break;
    case OPCODE_DB:
        read_db(attempt);
        break;
    case OPCODE_SLOT_INFO:
        take_length(attempt);
        take_length(attempt);
        take_length(attempt);
        break;
    case OPCODE_SIZES:
        read_sizes(attempt);
        break;
    case OPCODE_IDLE:
    case OPCODE_FREQUENCY:
    case OPCODE_EXPIRE:
    case OPCODE_EXPIRE_MS:
        read_time(attempt, opcode);
        break;
    case OPCODE_MODULE:
        read_module(attempt);
        break;
    case OPCODE_END:
        read_end(attempt, begin);
        break;
    case OPCODE_FUNCTION_EARLY:
    case TYPE_MODULE_1:
        attempt->state = RDB_EXTENT_BAD;
        break;
    default:
        read_key(attempt, opcode);
    }
}

/* ---- the whole ---- */

/* Most items need little, and a large one's memory is not kept for them. */
static void room_empty(struct buffer *room)
{
    room->length = 0;
    if (room->capacity > ROOM_KEPT_BYTES_MAX)
        buffer_deinit(room);
}

/* One item from the front of what waits: false if there is none, or no more to come. */
static bool read_next(struct rdb_file_reader *reader, size_t *at, enum status *status)
{
    char *begin = reader->waiting.data + *at;
    struct attempt attempt = {.reader = reader, .input = bytes_of(begin, reader->waiting.length - *at)};
    bool is_end = false;
    if (reader->version == 0)
        read_head(&attempt);
    else
        read_item(&attempt);
    size_t length = (size_t)(attempt.input.data - begin);
    if (attempt.state == RDB_EXTENT_BAD) {
        *status = fail(reader, "what stands here cannot be read");
    } else if (attempt.state == RDB_EXTENT_WHOLE) {
        is_end = reader->is_complete;
        if (!is_end)
            reader->checksum = crc64(reader->checksum, begin, length);
        reader->offset += length;
        *at += length;
        if (attempt.is_refused)
            *status = STATUS_CLOSED;
    }
    room_empty(&reader->room);
    room_empty(&reader->second_room);
    return attempt.state == RDB_EXTENT_WHOLE && !is_end && *status == STATUS_OK;
}

static enum status read_waiting(struct rdb_file_reader *reader)
{
    enum status status = STATUS_OK;
    size_t at = 0;
    while (at < reader->waiting.length && read_next(reader, &at, &status))
        ;
    buffer_consume(&reader->waiting, at);
    reader->retry_at = reader->waiting.length * 2;
    return status;
}

enum status rdb_file_read(struct rdb_file_reader *reader, struct bytes bytes, size_t *taken)
{
    *taken = bytes.length;
    if (reader->error[0])
        return STATUS_CORRUPT;
    if (reader->is_complete) {
        *taken = 0;
        return STATUS_OK;
    }
    buffer_append_bytes(&reader->waiting, bytes);
    if (reader->waiting.length < reader->retry_at)
        return STATUS_OK;
    enum status status = read_waiting(reader);
    if (reader->is_complete) {
        *taken = bytes.length - reader->waiting.length;
        reader->waiting.length = 0;
    }
    return status;
}

enum status rdb_file_read_end(struct rdb_file_reader *reader)
{
    enum status status = reader->error[0] ? STATUS_CORRUPT : STATUS_OK;
    if (status == STATUS_OK && !reader->is_complete)
        status = read_waiting(reader);
    if (status == STATUS_OK && !reader->is_complete)
        status = fail(reader, "the file is cut short");
    return status;
}

void rdb_file_setup(void)
{
    codec_setup();
}

bool rdb_key_can_be_decoded(const struct rdb_key *key)
{
    struct buffer scratch = {0};
    struct object value;
    bool can_be = codec_decode(key->payload, &scratch, &value) == STATUS_OK;
    if (can_be)
        object_release(&value);
    buffer_deinit(&scratch);
    return can_be;
}
