/* SPDX-License-Identifier: BSD-3-Clause */
/* One key at a time, against a model: an array of what every key ought to be. */
#include "keyspace/keyspace.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "object/string_object.h"

struct model_key {
    bool exists;
    uint32_t version; /* the value is made of it */
    int64_t expire_at_ms;
};

struct model {
    struct keyspace *keyspace;
    struct random random;
    uint32_t count;
    const char *tag; /* {tag} or nothing: all in one slot, or over all */
    struct model_key *keys;
};

static struct bytes name_of(const struct model *model, uint32_t index, char *text)
{
    return bytes_of(text, (size_t)sprintf(text, "%skey:%u", model->tag, index));
}

/* Integers, embedded strings and blocks, by the version. */
static void value_of(uint32_t version, struct object *value)
{
    static char text[OBJECT_INLINE_MAX + 4000];
    size_t length = (size_t)sprintf(text, version % 3 == 0 ? "%u" : "version %u", version);
    if (version % 3 == 1) {
        size_t wanted = version % 1000 == 1 ? OBJECT_INLINE_MAX + version % 4000 : version % 200;
        memset(text + length, 'x', wanted > length ? wanted - length : 0);
        length = wanted > length ? wanted : length;
    }
    assert_true(string_object_from_bytes(bytes_of(text, length), value));
}

static void assert_value(const struct entry *entry, uint32_t version)
{
    struct object expected, value = entry_object(entry);
    char expected_digits[BYTES_INTEGER_MAX], digits[BYTES_INTEGER_MAX];
    value_of(version, &expected);
    assert_true(bytes_equal(string_object_bytes(&value, digits), string_object_bytes(&expected, expected_digits)));
    if (expected.encoding == ENCODING_BLOCK)
        object_release(&expected);
}

static struct key key_of(const struct model *model, uint32_t index, char *text)
{
    return keyspace_key(model->keyspace, name_of(model, index, text), 0);
}

static void change_a_key(struct model *model, uint32_t version, unsigned remove_percent)
{
    char text[64];
    uint32_t index = (uint32_t)random_below(&model->random, model->count);
    struct model_key *expected = &model->keys[index];
    struct key key = key_of(model, index, text);
    unsigned choice = (unsigned)random_below(&model->random, 100);
    assert_true(keyspace_try_one(model->keyspace, key_partition(&key)));
    struct entry *entry = keyspace_find(model->keyspace, &key);
    assert_int_equal(entry != NULL, expected->exists);
    if (entry) {
        assert_value(entry, expected->version);
        assert_int_equal(entry_expire_at_ms(entry), expected->expire_at_ms);
    }
    if (choice < remove_percent) {
        if (entry)
            keyspace_remove(model->keyspace, &key, entry);
        expected->exists = false;
    } else if (choice < remove_percent + 10 && entry) {
        expected->expire_at_ms = choice % 2 ? ENTRY_NO_EXPIRE : 1000 + (int64_t)random_below(&model->random, 100000);
        entry = keyspace_set_expire(model->keyspace, &key, entry, expected->expire_at_ms);
        assert_value(entry, expected->version);
    } else {
        struct object value;
        value_of(version, &value);
        *expected = (struct model_key){true, version, ENTRY_NO_EXPIRE};
        if (choice % 4 == 0)
            expected->expire_at_ms = 1000 + (int64_t)random_below(&model->random, 100000);
        entry = keyspace_put(model->keyspace, &key, &value, expected->expire_at_ms);
        assert_value(entry, version);
    }
    keyspace_release_one(model->keyspace, key_partition(&key));
}

static void assert_model(const struct model *model)
{
    char text[64];
    struct keyspace_counts counts = keyspace_counts(model->keyspace, 0), expected = {0};
    for (uint32_t i = 0; i < model->count; i++) {
        struct key key = key_of(model, i, text);
        assert_true(keyspace_try_one(model->keyspace, key_partition(&key)));
        struct entry *entry = keyspace_find(model->keyspace, &key);
        assert_int_equal(entry != NULL, model->keys[i].exists);
        if (entry) {
            assert_true(bytes_equal(entry_key(entry), key.name));
            assert_value(entry, model->keys[i].version);
            assert_int_equal(entry_expire_at_ms(entry), model->keys[i].expire_at_ms);
            expected.keys++;
            expected.expires += model->keys[i].expire_at_ms != ENTRY_NO_EXPIRE;
        }
        keyspace_release_one(model->keyspace, key_partition(&key));
    }
    assert_int_equal(counts.keys, expected.keys);
    assert_int_equal(counts.resident, expected.keys);
    assert_int_equal(counts.expires, expected.expires);
}

static void run_model(uint32_t count, const char *tag)
{
    struct model model = {.count = count, .tag = tag, .keyspace = keyspace_create(count)};
    model.keys = calloc(count + 1, sizeof(*model.keys));
    random_init(&model.random, count + 7);
    uint32_t version = 0;
    for (uint32_t i = 0; i < count * 3; i++)
        change_a_key(&model, ++version, 10);
    assert_model(&model);
    for (uint32_t i = 0; i < count * 4; i++)
        change_a_key(&model, ++version, 85);
    assert_model(&model);
    for (uint32_t i = 0; i < count; i++)
        change_a_key(&model, ++version, 10);
    assert_model(&model);
    free(model.keys);
    keyspace_destroy(&model.keyspace);
}

static void keys_are_what_was_last_done_to_them_at_every_size(void **state)
{
    (void)state;
    const uint32_t sizes[] = {0, 1, 2, 3, 5, 126, 127, 128, 1000, 5000};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        run_model(sizes[i], "");
        run_model(sizes[i], "{one slot}");
    }
    run_model(200000, "");
    run_model(60000, "{one slot}");
}

static void put_text(struct keyspace *keyspace, const char *name, const char *text, int64_t expire_at_ms)
{
    struct object value;
    struct key key = keyspace_key(keyspace, bytes_of_text(name), 0);
    assert_true(string_object_from_bytes(bytes_of_text(text), &value));
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    keyspace_put(keyspace, &key, &value, expire_at_ms);
    keyspace_release_one(keyspace, key_partition(&key));
}

static void a_hash_tag_decides_about_the_slot(void **state)
{
    (void)state;
    assert_int_equal(keyspace_slot_of(BYTES("123456789")), 0x31c3);
    assert_int_equal(keyspace_slot_of(BYTES("{user1000}.following")), keyspace_slot_of(BYTES("user1000")));
    assert_int_equal(keyspace_slot_of(BYTES("foo{{bar}}zap")), keyspace_slot_of(BYTES("{bar")));
    assert_int_not_equal(keyspace_slot_of(BYTES("foo{}{bar}")), keyspace_slot_of(BYTES("bar")));
    assert_int_equal(keyspace_slot_of(BYTES("")), 0);
    assert_int_not_equal(keyspace_slot_of(BYTES("a{b")), keyspace_slot_of(BYTES("b")));
}

static void a_value_may_be_made_of_the_entry_it_replaces(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    put_text(keyspace, "k", "0123456789", ENTRY_NO_EXPIRE);
    struct key key = keyspace_key(keyspace, BYTES("k"), 0);
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    struct entry *entry = keyspace_find(keyspace, &key);
    struct object part = entry_object(entry);
    part.bytes = bytes_of(part.bytes.data + 3, 5);
    struct key own = key;
    own.name = entry_key(entry);
    entry = keyspace_put(keyspace, &own, &part, 5000);
    part = entry_object(entry);
    assert_true(bytes_equal(part.bytes, BYTES("34567")));
    assert_true(bytes_equal(entry_key(entry), BYTES("k")));
    assert_int_equal(entry_expire_at_ms(entry), 5000);
    keyspace_release_one(keyspace, key_partition(&key));
    keyspace_destroy(&keyspace);
}

static void names_of_any_bytes_and_length_are_kept(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    char name[1000];
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = (char)(i * 7);
    for (size_t length = 0; length < sizeof(name); length += length < 300 ? 1 : 111) {
        struct key key = keyspace_key(keyspace, bytes_of(name, length), 3);
        struct object value = string_object_from_integer((int64_t)length);
        assert_true(keyspace_try_one(keyspace, key_partition(&key)));
        keyspace_set_expire(keyspace, &key, keyspace_put(keyspace, &key, &value, ENTRY_NO_EXPIRE), 77);
        struct entry *entry = keyspace_find(keyspace, &key);
        assert_non_null(entry);
        assert_true(bytes_equal(entry_key(entry), key.name));
        assert_int_equal(entry_object(entry).integer, length);
        keyspace_release_one(keyspace, key_partition(&key));
    }
    assert_int_equal(keyspace_counts(keyspace, 0).keys, 0);
    assert_int_equal(keyspace_counts(keyspace, 3).keys, keyspace_counts(keyspace, 3).expires);
    keyspace_destroy(&keyspace);
}

static void a_watch_is_touched_by_changes_of_its_key_alone(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    _Atomic bool touched = false;
    struct watch watch = {.key = keyspace_key(keyspace, BYTES("{s}watched"), 0), .touched = &touched};
    uint32_t partition = key_partition(&watch.key);
    assert_true(keyspace_try_one(keyspace, partition));
    keyspace_watch(keyspace, &watch);
    keyspace_release_one(keyspace, partition);
    put_text(keyspace, "{s}other", "1", ENTRY_NO_EXPIRE);
    assert_false(touched);
    put_text(keyspace, "{s}watched", "1", ENTRY_NO_EXPIRE);
    assert_true(touched);
    touched = false;
    assert_true(keyspace_try_one(keyspace, partition));
    keyspace_remove(keyspace, &watch.key, keyspace_find(keyspace, &watch.key));
    assert_true(touched);
    touched = false;
    keyspace_unwatch(keyspace, &watch);
    keyspace_release_one(keyspace, partition);
    put_text(keyspace, "{s}watched", "2", ENTRY_NO_EXPIRE);
    assert_false(touched);
    keyspace_destroy(&keyspace);
}

static void flush_empties_one_database_and_swap_exchanges_two(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    char name[32];
    for (int i = 0; i < 5000; i++) {
        sprintf(name, "k%d", i);
        put_text(keyspace, name, "value", i % 2 ? 1000 : ENTRY_NO_EXPIRE);
    }
    assert_true(keyspace_try_all(keyspace, 0));
    keyspace_swap(keyspace, 0, 5);
    assert_int_equal(keyspace_counts(keyspace, 0).keys, 0);
    assert_int_equal(keyspace_counts(keyspace, 5).keys, 5000);
    assert_int_equal(keyspace_counts(keyspace, 5).expires, 2500);
    assert_int_equal(keyspace_flush(keyspace, 0, 1), 0);
    assert_int_equal(keyspace_flush(keyspace, 5, 1), 5000);
    assert_int_equal(keyspace_counts(keyspace, 5).keys, 0);
    keyspace_release_all(keyspace, 0);
    put_text(keyspace, "k1", "again", ENTRY_NO_EXPIRE);
    assert_int_equal(keyspace_counts(keyspace, 0).keys, 1);
    struct key key = keyspace_key(keyspace, BYTES("k1"), 0);
    assert_int_equal(keyspace_slot_count(keyspace, 0, key.slot), 1);
    keyspace_destroy(&keyspace);
}

/* Memory as the allocator counts it; in sanitizer builds the figures say nothing. */
static void a_key_of_16_bytes_with_32_takes_75_bytes(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    const uint32_t count = 1000000;
    char name[32];
    size_t before = memory_allocated();
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_EMBSTR};
    value.bytes = BYTES("0123456789abcdef0123456789abcdef");
    for (uint32_t i = 0; i < count; i++) {
        struct key key = keyspace_key(keyspace, bytes_of(name, (size_t)sprintf(name, "key:%012u", i)), 0);
        assert_true(keyspace_try_one(keyspace, key_partition(&key)));
        keyspace_put(keyspace, &key, &value, ENTRY_NO_EXPIRE);
        keyspace_release_one(keyspace, key_partition(&key));
    }
    double per_key = (double)(memory_allocated() - before) / count;
    print_message("bytes per key: %.1f\n", per_key);
#ifndef FOREBAY_NO_JEMALLOC
    assert_true(per_key < 78);
#endif
    keyspace_destroy(&keyspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_what_was_last_done_to_them_at_every_size),
        cmocka_unit_test(a_hash_tag_decides_about_the_slot),
        cmocka_unit_test(a_value_may_be_made_of_the_entry_it_replaces),
        cmocka_unit_test(names_of_any_bytes_and_length_are_kept),
        cmocka_unit_test(a_watch_is_touched_by_changes_of_its_key_alone),
        cmocka_unit_test(flush_empties_one_database_and_swap_exchanges_two),
        cmocka_unit_test(a_key_of_16_bytes_with_32_takes_75_bytes),
    };
    memory_thread_enter();
    return cmocka_run_group_tests_name("keyspace", tests, NULL, NULL);
}
