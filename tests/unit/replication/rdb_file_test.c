/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/crc.h"
#include "base/memory.h"
#include "base/random.h"
#include "object/codec.h"
#include "object/string_object.h"
#include "replication/rdb_file.h"

#define KEYS 300

/* What a file with KEYS keys holds, and how much of it was seen. */
struct story {
    struct random random;
    struct rdb_file_writer writer;
    struct rdb_key keys[KEYS];
    struct buffer names[KEYS], payloads[KEYS];
    size_t seen, functions, abouts;
    bool refuses;
};

static void make_payload(struct story *story, struct buffer *payload)
{
    char text[4000];
    struct object object;
    size_t length = (size_t)random_below(&story->random, random_below(&story->random, 10) ? 40 : sizeof(text));
    for (size_t i = 0; i < length; i++)
        text[i] = (char)random_below(&story->random, length < 20 ? 10 : 256);
    assert_true(string_object_from_bytes(bytes_of(text, length), &object));
    codec_encode(&object, payload);
    object_release(&object);
}

static void make_key(struct story *story, size_t number)
{
    struct rdb_key *key = &story->keys[number];
    size_t name_length = (size_t)random_below(&story->random, 30);
    for (size_t i = 0; i < name_length; i++)
        buffer_append_format(&story->names[number], "%d", (int)random_below(&story->random, 10));
    buffer_append_format(&story->names[number], number % 5 ? "-%zu" : "%zu", number);
    make_payload(story, &story->payloads[number]);
    *key = (struct rdb_key){.db = (int)(number / 100),
                            .name = buffer_bytes(&story->names[number]),
                            .payload = buffer_bytes(&story->payloads[number]),
                            .expire_at_ms = number % 3 ? RDB_NO_EXPIRE : 1700000000000 + (int64_t)number,
                            .idle_seconds = number % 4 ? -1 : (int64_t)number * 100,
                            .frequency = number % 7 ? -1 : (int)number % 256};
}

static int set_up(void **state)
{
    struct story *story = memory_allocate_zeroed(sizeof(*story));
    random_init(&story->random, 3);
    rdb_file_begin(&story->writer);
    rdb_file_about(&story->writer, BYTES("redis-ver"), BYTES("7.0.15"));
    rdb_file_function(&story->writer, BYTES("#!lua name=lib\n"));
    for (size_t i = 0; i < KEYS; i++) {
        make_key(story, i);
        rdb_file_key(&story->writer, &story->keys[i]);
    }
    rdb_file_end(&story->writer);
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    for (size_t i = 0; i < KEYS; i++) {
        buffer_deinit(&story->names[i]);
        buffer_deinit(&story->payloads[i]);
    }
    rdb_file_writer_deinit(&story->writer);
    memory_free(story);
    return 0;
}

static bool see_key(void *context, const struct rdb_key *key)
{
    struct story *story = context;
    const struct rdb_key *expected = &story->keys[story->seen++];
    assert_int_equal(key->db, expected->db);
    assert_true(bytes_equal(key->name, expected->name));
    assert_true(bytes_equal(key->payload, expected->payload));
    assert_int_equal(key->expire_at_ms, expected->expire_at_ms);
    assert_int_equal(key->idle_seconds, expected->idle_seconds);
    assert_int_equal(key->frequency, expected->frequency);
    return !story->refuses;
}

static bool see_function(void *context, struct bytes code)
{
    assert_true(bytes_equal(code, BYTES("#!lua name=lib\n")));
    ((struct story *)context)->functions++;
    return true;
}

static bool see_about(void *context, struct bytes name, struct bytes value)
{
    assert_true(bytes_equal(name, BYTES("redis-ver")));
    assert_true(bytes_equal(value, BYTES("7.0.15")));
    ((struct story *)context)->abouts++;
    return true;
}

static void begin(struct story *story, struct rdb_file_reader *reader)
{
    const struct rdb_visitor visitor = {story, see_key, see_function, see_about};
    story->seen = story->functions = story->abouts = 0;
    rdb_file_reader_init(reader, &visitor);
}

static void read_in_pieces(struct story *story, struct bytes file, size_t most)
{
    struct rdb_file_reader reader;
    begin(story, &reader);
    for (size_t at = 0, taken; at < file.length; at += taken) {
        size_t piece = 1 + (size_t)random_below(&story->random, most);
        piece = piece < file.length - at ? piece : file.length - at;
        assert_int_equal(rdb_file_read(&reader, bytes_of(file.data + at, piece), &taken), STATUS_OK);
        assert_int_equal(taken, piece);
    }
    assert_int_equal(rdb_file_read_end(&reader), STATUS_OK);
    assert_true(reader.is_complete);
    assert_int_equal(story->seen, KEYS);
    assert_int_equal(story->functions, 1);
    assert_int_equal(story->abouts, 1);
    rdb_file_reader_deinit(&reader);
}

static void what_is_written_is_read_however_it_is_cut(void **state)
{
    struct story *story = *state;
    static const size_t most[] = {1, 2, 7, 100, 5000, 1000000};
    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
        read_in_pieces(story, buffer_bytes(&story->writer.out), most[i]);
}

static void what_stands_behind_the_end_is_left(void **state)
{
    struct story *story = *state;
    struct rdb_file_reader reader;
    size_t length = story->writer.out.length, taken;
    buffer_append(&story->writer.out, "*1\r\n", 4);
    begin(story, &reader);
    assert_int_equal(rdb_file_read(&reader, bytes_of(story->writer.out.data, 100), &taken), STATUS_OK);
    assert_int_equal(rdb_file_read(&reader, bytes_of(story->writer.out.data + 100, length + 4 - 100), &taken),
                     STATUS_OK);
    assert_int_equal(taken, length - 100);
    assert_true(reader.is_complete);
    assert_int_equal(rdb_file_read(&reader, BYTES("x"), &taken), STATUS_OK);
    assert_int_equal(taken, 0);
    rdb_file_reader_deinit(&reader);
}

static void a_writer_may_be_emptied_on_the_way(void **state)
{
    struct story *story = *state;
    struct rdb_file_writer writer;
    struct buffer file = {0};
    rdb_file_begin(&writer);
    rdb_file_about(&writer, BYTES("redis-ver"), BYTES("7.0.15"));
    rdb_file_function(&writer, BYTES("#!lua name=lib\n"));
    for (size_t i = 0; i <= KEYS; i++) {
        size_t going = (size_t)random_below(&story->random, writer.out.length + 1);
        buffer_append(&file, writer.out.data, going);
        rdb_file_taken(&writer, going);
        if (i < KEYS)
            rdb_file_key(&writer, &story->keys[i]);
    }
    rdb_file_end(&writer);
    buffer_append_bytes(&file, buffer_bytes(&writer.out));
    assert_true(bytes_equal(buffer_bytes(&file), buffer_bytes(&story->writer.out)));
    rdb_file_writer_deinit(&writer);
    buffer_deinit(&file);
}

static void a_visitor_may_end_it(void **state)
{
    struct story *story = *state;
    struct rdb_file_reader reader;
    size_t taken;
    begin(story, &reader);
    story->refuses = true;
    assert_int_equal(rdb_file_read(&reader, buffer_bytes(&story->writer.out), &taken), STATUS_CLOSED);
    assert_int_equal(story->seen, 1);
    rdb_file_reader_deinit(&reader);
}

static bool ignore_key(void *context, const struct rdb_key *key)
{
    (void)context;
    return key->payload.length > 0;
}

static enum status read_whole(struct bytes file, char error[128])
{
    const struct rdb_visitor visitor = {.key = ignore_key};
    struct rdb_file_reader reader;
    size_t taken;
    rdb_file_reader_init(&reader, &visitor);
    enum status status = rdb_file_read(&reader, file, &taken);
    if (status == STATUS_OK)
        status = rdb_file_read_end(&reader);
    memcpy(error, reader.error, sizeof(reader.error));
    rdb_file_reader_deinit(&reader);
    return status;
}

static void a_file_that_is_cut_or_changed_is_refused_with_a_reason(void **state)
{
    struct story *story = *state;
    struct bytes file = buffer_bytes(&story->writer.out);
    char error[128];
    size_t looked = file.length < 3000 ? file.length : 3000;
    for (size_t i = 0; i < looked; i++) {
        assert_int_equal(read_whole(bytes_of(file.data, i), error), STATUS_CORRUPT);
        assert_true(error[0] != 0);
        int bit = 1 << random_below(&story->random, 8);
        story->writer.out.data[i] ^= (char)bit;
        assert_int_equal(read_whole(file, error), STATUS_CORRUPT);
        assert_true(error[0] != 0);
        story->writer.out.data[i] ^= (char)bit;
    }
}

/* Head, body, 255, checksum. */
static void read_body(const char *head, struct bytes body, enum status expected, const char *error_begin)
{
    struct buffer file = {0};
    char error[128];
    buffer_append_text(&file, head);
    buffer_append_bytes(&file, body);
    buffer_append(&file, "\xff", 1);
    uint64_t checksum = crc64(0, file.data, file.length);
    buffer_append(&file, &checksum, sizeof(checksum));
    assert_int_equal(read_whole(buffer_bytes(&file), error), expected);
    assert_memory_equal(error, error_begin, strlen(error_begin));
    buffer_deinit(&file);
}

static void opcodes_of_others_are_passed_over(void **state)
{
    (void)state;
    read_body("REDIS0011", BYTES("\xfe\x00\xfb\x05\x02\xf4\x01\x02\x03\xfd\x01\x02\x03\x04\x00\x01k\x01v"), STATUS_OK,
              "");
    read_body("VALKEY080", BYTES("\x00\x01k\x01v"), STATUS_OK, "");
    /* A module's words: id, then an integer, a string, the end. */
    read_body("REDIS0009",
              BYTES("\xf7\x05\x02\x07\x05\x03"
                    "abc\x00\x00\x01k\x01v"),
              STATUS_OK, "");
    read_body("REDIS0009",
              BYTES("\x07\x01m\x05\x04"
                    "12345678\x00"),
              STATUS_OK, "");
}

static void what_is_no_rdb_file_is_told_as_such(void **state)
{
    (void)state;
    read_body("REDIX0011", BYTES(""), STATUS_CORRUPT, "this is no RDB file");
    read_body("REDIS0099", BYTES(""), STATUS_CORRUPT, "RDB version 99 is newer");
    read_body("REDIS0011", BYTES("\xc8\x01k\x01v"), STATUS_CORRUPT, "what stands here cannot be read at byte 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_however_it_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_stands_behind_the_end_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_writer_may_be_emptied_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_visitor_may_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_cut_or_changed_is_refused_with_a_reason, set_up, tear_down),
        cmocka_unit_test(opcodes_of_others_are_passed_over),
        cmocka_unit_test(what_is_no_rdb_file_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
