/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/bulk_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>

#include "base/check.h"
#include "base/thread.h"
#include "object/codec.h"
#include "object/list_object.h"
#include "object/string_object.h"

static const int64_t ring_bytes = 1 << 20;

struct story {
    struct engine engine;
    struct bulk_load load;
};

static int set_up(void **state)
{
    char error[256];
    struct story *story = test_calloc(1, sizeof(*story));
    struct stream_options options = {.durability = DURABILITY_NONE};
    story->engine.keyspace = keyspace_create(1);
    assert_int_equal(stream_open(&story->engine.stream, &options, 0, error, sizeof(error)), STATUS_OK);
    story->load.engine = &story->engine;
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    bulk_load_deinit(&story->load);
    stream_close(&story->engine.stream);
    keyspace_destroy(&story->engine.keyspace);
    test_free(story);
    return 0;
}

/* A value as the codec writes it. */
static struct buffer payload_of(const char *text)
{
    struct object value;
    struct buffer payload = {0};
    assert_true(string_object_from_bytes(bytes_of_text(text), &value));
    codec_encode(&value, &payload);
    return payload;
}

static bool load_text(struct story *story, int db, const char *name, const char *text, int64_t expire_at_ms)
{
    struct buffer payload = payload_of(text);
    struct loaded_key loaded = {db, bytes_of_text(name), buffer_bytes(&payload), expire_at_ms};
    bool loaded_it = bulk_load_key(&story->load, &loaded);
    buffer_deinit(&payload);
    return loaded_it;
}

static void assert_text(struct story *story, int db, const char *name, const char *text, int64_t expire_at_ms)
{
    char digits[BYTES_INTEGER_MAX];
    struct keyspace *keyspace = story->engine.keyspace;
    struct key key = keyspace_key(keyspace, bytes_of_text(name), db);
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    struct entry *entry = keyspace_find(keyspace, &key);
    assert_non_null(entry);
    struct object value = entry_object(entry);
    struct bytes found = string_object_bytes(&value, digits);
    assert_int_equal(found.length, strlen(text));
    assert_memory_equal(found.data, text, found.length);
    assert_int_equal(entry_expire_at_ms(entry), expire_at_ms);
    keyspace_release_one(keyspace, key_partition(&key));
}

static struct buffer stream_since(struct story *story, uint64_t from)
{
    struct buffer bytes = {0};
    struct stream_reader *reader = stream_reader_create(story->engine.stream, from);
    assert_true(stream_reader_read(reader, &bytes, SIZE_MAX));
    stream_reader_destroy(&reader);
    return bytes;
}

static void keys_of_a_hold_go_to_the_stream_in_one_piece(void **state)
{
    struct story *story = *state;
    uint64_t from = stream_feed(story->engine.stream, &ring_bytes, NULL);
    assert_true(load_text(story, 0, "{t}a", "1", ENTRY_NO_EXPIRE));
    assert_true(load_text(story, 0, "{t}b", "text", 4102444800000));
    assert_true(load_text(story, 0, "{t}a", "2", ENTRY_NO_EXPIRE));
    assert_int_equal(stream_end(story->engine.stream), from);
    bulk_load_flush(&story->load);
    struct buffer bytes = stream_since(story, from);
    static const char wanted[] = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n"
                                 "*3\r\n$3\r\nset\r\n$4\r\n{t}a\r\n$1\r\n1\r\n"
                                 "*5\r\n$3\r\nset\r\n$4\r\n{t}b\r\n$4\r\ntext\r\n$4\r\nPXAT\r\n$13\r\n4102444800000\r\n"
                                 "*3\r\n$3\r\nSET\r\n$4\r\n{t}a\r\n$1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n";
    assert_int_equal(bytes.length, sizeof(wanted) - 1);
    assert_memory_equal(bytes.data, wanted, bytes.length);
    buffer_deinit(&bytes);
    assert_text(story, 0, "{t}a", "2", ENTRY_NO_EXPIRE);
    assert_text(story, 0, "{t}b", "text", 4102444800000);
}

static void a_collection_is_told_as_it_came(void **state)
{
    struct story *story = *state;
    uint64_t from = stream_feed(story->engine.stream, &ring_bytes, NULL);
    /* a list of one plain element, as old versions wrote it */
    struct loaded_key loaded = {3, BYTES("list"), bytes_of("\x01\x01\x01x", 4), ENTRY_NO_EXPIRE};
    assert_true(bulk_load_key(&story->load, &loaded));
    bulk_load_flush(&story->load);
    struct buffer bytes = stream_since(story, from);
    struct effect effect;
    struct bytes payload;
    size_t select, length;
    assert_true(effect_decode(buffer_bytes(&bytes), &effect, &select));
    assert_true(effect_decode(bytes_of(bytes.data + select, bytes.length - select), &effect, &length));
    assert_int_equal(select + length, bytes.length);
    assert_int_equal(effect.count, 6);
    assert_memory_equal(effect.words[0].data, "restore", 7);
    assert_int_equal(codec_dump_payload(effect.words[3], &payload), STATUS_OK);
    assert_int_equal(payload.length, 4);
    assert_memory_equal(payload.data, loaded.payload.data, 4);
    buffer_deinit(&bytes);
    assert_int_equal(keyspace_counts(story->engine.keyspace, 3).keys, 1);
}

/* A thread that has a partition, or could not have it, until it is ended. */
struct holder {
    struct thread thread;
    struct keyspace *keyspace;
    uint32_t partition;
    bool has;
    sem_t tried, ended;
};

static void holder_run(void *argument)
{
    struct holder *holder = argument;
    holder->has = keyspace_try_one(holder->keyspace, holder->partition);
    sem_post(&holder->tried);
    sem_wait(&holder->ended);
    if (holder->has)
        keyspace_release_one(holder->keyspace, holder->partition);
}

static void holder_start(struct holder *holder, struct keyspace *keyspace, const struct key *key)
{
    *holder = (struct holder){.keyspace = keyspace, .partition = key_partition(key)};
    sem_init(&holder->tried, 0, 0);
    sem_init(&holder->ended, 0, 0);
    thread_start(&holder->thread, "holder", holder_run, holder);
    sem_wait(&holder->tried);
}

static bool holder_end(struct holder *holder)
{
    sem_post(&holder->ended);
    thread_stop(&holder->thread);
    sem_destroy(&holder->tried);
    sem_destroy(&holder->ended);
    return holder->has;
}

static bool is_free(struct keyspace *keyspace, const struct key *key)
{
    struct holder holder;
    holder_start(&holder, keyspace, key);
    return holder_end(&holder);
}

static void another_partition_ends_the_hold(void **state)
{
    struct story *story = *state;
    struct keyspace *keyspace = story->engine.keyspace;
    struct key first = keyspace_key(keyspace, BYTES("a"), 0), second = keyspace_key(keyspace, BYTES("b"), 0);
    assert_int_not_equal(key_partition(&first), key_partition(&second));
    assert_true(load_text(story, 0, "a", "1", ENTRY_NO_EXPIRE));
    assert_false(is_free(keyspace, &first));
    assert_true(load_text(story, 0, "b", "1", ENTRY_NO_EXPIRE));
    assert_true(is_free(keyspace, &first) && !is_free(keyspace, &second));
    bulk_load_flush(&story->load);
    assert_true(is_free(keyspace, &second));
}

static void what_cannot_be_done_at_once_changes_nothing(void **state)
{
    struct story *story = *state;
    struct keyspace *keyspace = story->engine.keyspace;
    struct key key = keyspace_key(keyspace, BYTES("a"), 0);
    struct holder holder;
    holder_start(&holder, keyspace, &key);
    assert_false(load_text(story, 0, "a", "1", ENTRY_NO_EXPIRE));
    assert_true(holder_end(&holder));
    static const char *const damaged[] = {"", "\x01\x05x", "\xfe\x01x", "\x0b\x02\xff\xff"};
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct loaded_key loaded = {0, BYTES("a"), bytes_of_text(damaged[i]), ENTRY_NO_EXPIRE};
        assert_false(bulk_load_key(&story->load, &loaded));
    }
    bulk_load_flush(&story->load);
    assert_int_equal(keyspace_counts(keyspace, 0).keys, 0);
    assert_int_equal(stream_end(story->engine.stream), 0);
}

static void a_node_that_records_nothing_stages_nothing(void **state)
{
    struct story *story = *state;
    assert_true(load_text(story, 0, "a", "1", ENTRY_NO_EXPIRE));
    bulk_load_flush(&story->load);
    assert_int_equal(stream_end(story->engine.stream), 0);
    assert_text(story, 0, "a", "1", ENTRY_NO_EXPIRE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_of_a_hold_go_to_the_stream_in_one_piece),
        TEST(a_collection_is_told_as_it_came),
        TEST(another_partition_ends_the_hold),
        TEST(what_cannot_be_done_at_once_changes_nothing),
        TEST(a_node_that_records_nothing_stages_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
