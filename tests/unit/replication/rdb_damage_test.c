/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of tests/rdb, cut at every byte, and with every bit changed. Whoever reads a damaged file is told so, or finds what
 * was in the whole one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "object/codec.h"
#include "replication/rdb_file.h"

#define FILE_BYTES_MAX 65536
#define TYPE_MODULE_2 7
/* Of the table, whose files are read with and without a checksum at their end. */
struct sample {
    const char *name;
    bool has_checksum;
    unsigned keys, functions, values_of_modules;
};
static const struct sample samples[] = {
    {"tests/rdb/redis-7.0.rdb", true, 19, 1, 0}, {"tests/rdb/redis-7.0-no-checksum.rdb", false, 19, 1, 0},
    {"tests/rdb/redis-1.rdb", false, 12, 0, 0},  {"tests/rdb/redis-2.rdb", true, 12, 0, 0},
    {"tests/rdb/redis-7.4.rdb", true, 6, 0, 0},  {"tests/rdb/valkey-9.rdb", true, 2, 0, 0},
    {"tests/rdb/modules.rdb", true, 2, 0, 1},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* What was found, one thing after the other. */
struct found {
    struct buffer all;
    unsigned keys, functions, values_of_modules;
    bool is_refused; /* a value is none */
};

static void find_value(struct found *found, struct bytes payload)
{
    struct buffer scratch = {0};
    struct object value;
    if ((uint8_t)payload.data[0] == TYPE_MODULE_2) {
        found->values_of_modules++;
        buffer_append_bytes(&found->all, payload);
    } else if (codec_decode(payload, &scratch, &value) == STATUS_OK) {
        codec_encode(&value, &found->all);
        object_release(&value);
    } else {
        found->is_refused = true;
    }
    buffer_deinit(&scratch);
}

static bool find_key(void *context, const struct rdb_key *key)
{
    struct found *found = context;
    found->keys++;
    buffer_append_format(&found->all, "%d %zu %lld %lld %d ", key->db, key->name.length, (long long)key->expire_at_ms,
                         (long long)key->idle_seconds, key->frequency);
    buffer_append_bytes(&found->all, key->name);
    find_value(found, key->payload);
    return !found->is_refused;
}

static bool find_function(void *context, struct bytes code)
{
    struct found *found = context;
    found->functions++;
    buffer_append_bytes(&found->all, code);
    return true;
}

/* Whether it is taken for a whole file. Where it is not there is a reason. */
static bool read_file(struct bytes file, size_t piece_bytes, struct found *found)
{
    const struct rdb_visitor visitor = {.context = found, .key = find_key, .function = find_function};
    struct rdb_file_reader reader;
    enum status status = STATUS_OK;
    bool has_more = false;
    *found = (struct found){0};
    rdb_file_reader_init(&reader, &visitor);
    for (size_t at = 0, taken; at < file.length && status == STATUS_OK && !has_more; at += taken) {
        size_t left = file.length - at, length = left < piece_bytes ? left : piece_bytes;
        /* In a block of its own, so that a sanitizer sees who reads beyond it. */
        char *piece = malloc(length);
        memcpy(piece, file.data + at, length);
        status = rdb_file_read(&reader, bytes_of(piece, length), &taken);
        has_more = status == STATUS_OK && taken < length;
        free(piece);
    }
    if (status == STATUS_OK && !has_more)
        status = rdb_file_read_end(&reader);
    assert_true(status == STATUS_OK || (status == STATUS_CLOSED && found->is_refused) ||
                (status == STATUS_CORRUPT && strstr(reader.error, " at byte ")) ||
                (status == STATUS_CORRUPT && strstr(reader.error, "RDB version")));
    rdb_file_reader_deinit(&reader);
    return status == STATUS_OK && !has_more;
}

static size_t load(const char *name, char *room)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    size_t length = fread(room, 1, FILE_BYTES_MAX, file);
    fclose(file);
    assert_true(length > 20 && length < FILE_BYTES_MAX);
    return length;
}

static void every_file_is_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    char *room = memory_allocate(FILE_BYTES_MAX);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct found whole, found;
        size_t length = load(samples[i].name, room);
        assert_true(read_file(bytes_of(room, length), length, &whole));
        assert_int_equal(whole.keys, samples[i].keys);
        assert_int_equal(whole.functions, samples[i].functions);
        assert_int_equal(whole.values_of_modules, samples[i].values_of_modules);
        for (size_t piece = 1; piece < 200; piece = piece * 2 + 1) {
            assert_true(read_file(bytes_of(room, length), piece, &found));
            assert_true(bytes_equal(buffer_bytes(&whole.all), buffer_bytes(&found.all)));
            buffer_deinit(&found.all);
        }
        buffer_deinit(&whole.all);
    }
    memory_free(room);
}

static void no_file_that_is_cut_is_taken_for_whole(void **state)
{
    (void)state;
    char *room = memory_allocate(FILE_BYTES_MAX);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t length = load(samples[i].name, room);
        for (size_t cut = 0; cut < length; cut++) {
            struct found found;
            assert_false(read_file(bytes_of(room, cut), 1 + cut % 100, &found));
            buffer_deinit(&found.all);
        }
    }
    memory_free(room);
}

static void change_bit(const struct sample *sample, char *room, size_t length, size_t at, int bit,
                       const struct found *whole)
{
    struct found found;
    room[at] ^= (char)(1 << bit);
    bool is_taken = read_file(bytes_of(room, length), 4096, &found);
    /* Without a checksum a letter may have become another one. */
    if (is_taken && sample->has_checksum)
        assert_true(bytes_equal(buffer_bytes(&whole->all), buffer_bytes(&found.all)));
    buffer_deinit(&found.all);
    room[at] ^= (char)(1 << bit);
}

static void no_changed_bit_goes_unnoticed(void **state)
{
    (void)state;
    char *room = memory_allocate(FILE_BYTES_MAX);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct found whole;
        size_t length = load(samples[i].name, room);
        assert_true(read_file(bytes_of(room, length), length, &whole));
        for (size_t at = 0; at < length; at++)
            for (int bit = 0; bit < 8; bit++)
                change_bit(&samples[i], room, length, at, bit, &whole);
        buffer_deinit(&whole.all);
    }
    memory_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_read_in_pieces_of_any_size),
        cmocka_unit_test(no_file_that_is_cut_is_taken_for_whole),
        cmocka_unit_test(no_changed_bit_goes_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
