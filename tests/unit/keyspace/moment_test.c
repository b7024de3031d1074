/* SPDX-License-Identifier: BSD-3-Clause */
/* A moment kept while keys change: what a copy and what was put aside make together is all keys as they were. */
#include "unit/keyspace/fake_backing.h"

#include "keyspace/moment.h"
#include "object/object_capture.h"
#include "object/set_object.h"

#define WORKER 7
#define MEMBERS 20000
#define KEYS 3000

struct story {
    struct fake_backing *fake;
    struct moment *moment;
    unsigned moments, copied[KEYS], kept[KEYS];
    bool has_new_value;
    struct kept_keys changed;
    struct buffer names; /* of the range: length, bytes */
};

static void at_moment(void *context)
{
    ((struct story *)context)->moments++;
}

static void begin(struct story *story, size_t bytes_max)
{
    story->moment = keyspace_moment_begin(story->fake->keyspace, WORKER, bytes_max, at_moment, story);
    assert_int_equal(story->moments, 1);
    assert_true(moment_is_there());
}

static void end(struct story *story)
{
    keyspace_moment_end(story->fake->keyspace, WORKER, &story->moment);
    assert_null(story->moment);
    assert_false(moment_is_there() || moment_must_wait());
    buffer_deinit(&story->names);
    fake_destroy(&story->fake);
}

static const char *name_of(unsigned number)
{
    static char name[16];
    snprintf(name, sizeof(name), "key:%u", number);
    return name;
}

static unsigned number_of(struct bytes name)
{
    int64_t number;
    assert_true(name.length > 4 && memcmp(name.data, "key:", 4) == 0);
    assert_true(bytes_to_int64(bytes_of(name.data + 4, name.length - 4), &number));
    return (unsigned)number;
}

/* ---- a copy ---- */

static bool no_offset(void *context, uint64_t *offset)
{
    (void)context;
    *offset = UINT64_MAX;
    return true;
}

static void note_key(void *context, const struct copied_key *key)
{
    struct story *story = context;
    uint32_t length = (uint32_t)key->name.length;
    buffer_append(&story->names, &length, sizeof(length));
    buffer_append_bytes(&story->names, key->name);
}

static void forget_keys(void *context)
{
    ((struct story *)context)->names.length = 0;
}

static void note_kept(void *context, const struct kept_value *value)
{
    struct story *story = context;
    assert_int_equal(value->db, 0);
    /* Type 0, then the string "old". */
    assert_true(bytes_equal(value->payload, BYTES("\0\3old")));
    story->kept[number_of(value->name)]++;
}

static void count_copied(struct story *story)
{
    for (size_t at = 0; at < story->names.length;) {
        uint32_t length;
        memcpy(&length, story->names.data + at, sizeof(length));
        struct bytes name = bytes_of(story->names.data + at + sizeof(length), length);
        if (!kept_keys_has(&story->changed, keyspace_key(story->fake->keyspace, name, 0).hash))
            story->copied[number_of(name)]++;
        at += sizeof(length) + length;
    }
}

static void copy_range(struct story *story, struct copy_place *place)
{
    const struct copy_visitor visitor = {story, no_offset, note_key, forget_keys};
    struct copied_range range;
    uint16_t slot = place->slot;
    story->names.length = 0;
    assert_int_equal(keyspace_copy_range(story->fake->keyspace, place, &visitor, &range), STATUS_OK);
    moment_pass(story->moment, 0, slot, range.last_hash, &story->changed);
    count_copied(story);
    memory_free(story->changed.hashes);
    moment_take(story->moment, note_kept, story);
}

/* ---- stories ---- */

static void change_some(struct story *story, unsigned round)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned number = (round * 7919 + i * 104729) % KEYS;
        if (i % 2)
            fake_put(story->fake, name_of(number), "new", ENTRY_NO_EXPIRE);
        else
            fake_remove(story->fake, name_of(number));
    }
}

static void find_every_key(bool cold)
{
    struct story *story = calloc(1, sizeof(*story));
    struct copy_place place = {0};
    story->fake = fake_create();
    /* The last third comes to be after the moment. */
    for (unsigned i = 0; i < KEYS / 3 * 2; i++)
        fake_put(story->fake, name_of(i), "old", ENTRY_NO_EXPIRE);
    if (cold) {
        fake_cycle(story->fake);
        fake_evict(story->fake);
    }
    begin(story, 1 << 20);
    for (unsigned round = 0; round < 200; round++)
        change_some(story, round);
    if (cold)
        fake_cycle(story->fake); /* rows are of later than the moment now */
    while (place.slot < SLOT_COUNT) {
        copy_range(story, &place);
        if (place.slot % 16 == 0)
            change_some(story, place.slot);
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(story->copied[i] + story->kept[i], i < KEYS / 3 * 2);
        kept += story->kept[i];
    }
    assert_true(kept > 100 && kept < KEYS / 3 * 2 - 100);
    assert_false(moment_is_void(story->moment) || moment_is_blurred(story->moment));
    end(story);
    free(story);
}

static void every_key_is_found_once_as_it_was(void **state)
{
    (void)state;
    find_every_key(false);
}

static void cold_keys_are_found_as_they_were(void **state)
{
    (void)state;
    find_every_key(true);
}

static void a_bound_of_memory_blurs_it(void **state)
{
    (void)state;
    struct story *story = calloc(1, sizeof(*story));
    struct copy_place place = {0};
    story->fake = fake_create();
    for (unsigned i = 0; i < KEYS; i++)
        fake_put(story->fake, name_of(i), "old", ENTRY_NO_EXPIRE);
    begin(story, 4096);
    for (unsigned i = 0; i < KEYS; i++)
        fake_put(story->fake, name_of(i), "new", ENTRY_NO_EXPIRE);
    assert_true(moment_is_blurred(story->moment));
    while (place.slot < SLOT_COUNT)
        copy_range(story, &place);
    /* Still every key, but not as of one moment. */
    unsigned kept = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(story->copied[i] + story->kept[i], 1);
        kept += story->kept[i];
    }
    assert_true(kept > 0 && kept < 100);
    end(story);
    free(story);
}

static void whole_databases_make_it_void(void **state)
{
    (void)state;
    for (int flushes = 0; flushes < 2; flushes++) {
        struct story *story = calloc(1, sizeof(*story));
        story->fake = fake_create();
        fake_put(story->fake, "key:1", "old", ENTRY_NO_EXPIRE);
        begin(story, 4096);
        assert_false(moment_is_void(story->moment));
        keyspace_acquire_all(story->fake->keyspace, WORKER);
        if (flushes)
            keyspace_flush(story->fake->keyspace, 0, ++story->fake->offset);
        else
            keyspace_swap(story->fake->keyspace, 0, 1);
        keyspace_release_all(story->fake->keyspace, WORKER);
        assert_true(moment_is_void(story->moment));
        end(story);
        free(story);
    }
}

static void much_that_is_put_aside_asks_writers_to_wait(void **state)
{
    (void)state;
    struct story *story = calloc(1, sizeof(*story));
    char *text = calloc(1, 1 << 20);
    story->fake = fake_create();
    memset(text, 'x', (1 << 20) - 1);
    for (unsigned i = 0; i < 20; i++)
        fake_put(story->fake, name_of(i), text, ENTRY_NO_EXPIRE);
    begin(story, 1 << 20);
    unsigned before = 0;
    for (; before < 20 && !moment_must_wait(); before++)
        fake_put(story->fake, name_of(before), "new", ENTRY_NO_EXPIRE);
    assert_true(before > 10 && before < 20);
    end(story);
    free(text);
    free(story);
}

/* ---- large values ---- */

static struct bytes member_of(unsigned number)
{
    static char name[24];
    return bytes_of(name, (size_t)snprintf(name, sizeof(name), "member:%u", number));
}

static struct key key_held(struct story *story, const char *name)
{
    struct key key = fake_key(story->fake, name);
    assert_true(keyspace_try_one(story->fake->keyspace, key_partition(&key)));
    return key;
}

static struct object value_at(struct story *story, const struct key *key)
{
    struct entry *entry = keyspace_find(story->fake->keyspace, key);
    assert_non_null(entry);
    return entry_object(entry);
}

static void put_set(struct story *story, const char *name)
{
    struct object set = object_empty(OBJECT_SET);
    struct buffer room = {0};
    struct key key = key_held(story, name);
    for (unsigned i = 0; i < MEMBERS; i++)
        set_object_add(&set, &room, member_of(i));
    keyspace_put(story->fake->keyspace, &key, &set, ENTRY_NO_EXPIRE);
    keyspace_release_one(story->fake->keyspace, key_partition(&key));
    buffer_deinit(&room);
}

/* Members of an even number go, as many others come. */
static void edit_set(struct story *story, const char *name)
{
    struct buffer room = {0};
    struct key key = key_held(story, name);
    moment_keep(story->fake->keyspace, &key);
    struct object set = value_at(story, &key);
    for (unsigned i = 0; i < MEMBERS; i += 2) {
        set_object_remove(&set, &room, member_of(i));
        set_object_add(&set, &room, member_of(MEMBERS + i));
    }
    keyspace_written(story->fake->keyspace, &key, keyspace_find(story->fake->keyspace, &key));
    keyspace_release_one(story->fake->keyspace, key_partition(&key));
    buffer_deinit(&room);
}

static void assert_set_of_the_begin(struct bytes payload)
{
    struct object set;
    struct buffer scratch = {0};
    assert_int_equal(codec_decode(payload, &scratch, &set), STATUS_OK);
    assert_int_equal(object_count(&set), MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_true(set_object_contains(&set, member_of(i)));
    object_release(&set);
    buffer_deinit(&scratch);
}

static void note_kept_set(void *context, const struct kept_value *value)
{
    struct story *story = context;
    assert_set_of_the_begin(value->payload);
    story->kept[number_of(value->name)]++;
}

static bool is_under_capture(struct story *story, const char *name)
{
    struct key key = key_held(story, name);
    struct object set = value_at(story, &key);
    bool is_there = object_capture_is_there(&set);
    keyspace_release_one(story->fake->keyspace, key_partition(&key));
    return is_there;
}

static void a_large_value_is_as_it_was_though_it_is_written_later(void **state)
{
    (void)state;
    struct story *story = calloc(1, sizeof(*story));
    story->fake = fake_create();
    put_set(story, "key:1");
    put_set(story, "key:2");
    begin(story, 1 << 20);
    edit_set(story, "key:1");
    assert_true(is_under_capture(story, "key:1"));
    edit_set(story, "key:2");
    assert_true(fake_remove(story->fake, "key:2"));
    moment_take(story->moment, note_kept_set, story);
    assert_int_equal(story->kept[1], 1);
    assert_int_equal(story->kept[2], 1);
    assert_false(is_under_capture(story, "key:1"));
    end(story);
    free(story);
}

/* The copy and the flusher come to a value that the moment has under capture, which nobody has written yet. */
static void who_meets_such_a_value_writes_it(void **state)
{
    (void)state;
    for (int by_flusher = 0; by_flusher < 2; by_flusher++) {
        struct story *story = calloc(1, sizeof(*story));
        const struct copy_visitor visitor = {story, no_offset, note_key, forget_keys};
        struct copied_range range;
        story->fake = fake_create();
        put_set(story, "key:1");
        begin(story, 1 << 20);
        edit_set(story, "key:1");
        assert_true(is_under_capture(story, "key:1"));
        struct key key = fake_key(story->fake, "key:1");
        struct copy_place place = {.slot = key.slot};
        if (by_flusher) {
            fake_capture(story->fake, 1 << 20);
            fake_ingest(story->fake);
        } else {
            while (place.slot == key.slot)
                assert_int_equal(keyspace_copy_range(story->fake->keyspace, &place, &visitor, &range), STATUS_OK);
        }
        assert_false(is_under_capture(story, "key:1"));
        moment_take(story->moment, note_kept_set, story);
        assert_int_equal(story->kept[1], 1);
        end(story);
        free(story);
    }
}

static void a_change_waits_for_another_capture_once(void **state)
{
    (void)state;
    struct story *story = calloc(1, sizeof(*story));
    struct buffer row = {0};
    story->fake = fake_create();
    put_set(story, "key:1");
    begin(story, 1 << 20);
    struct key key = key_held(story, "key:1");
    struct object set = value_at(story, &key);
    assert_false(moment_waits_for_key(story->fake->keyspace, &key));
    struct object_capture *capture = object_capture_begin(&set, &row);
    object_capture_move(&set, story);
    assert_true(moment_waits_for_key(story->fake->keyspace, &key));
    /* Who cannot wait has all of it put aside. */
    keyspace_release_one(story->fake->keyspace, key_partition(&key));
    edit_set(story, "key:1");
    key = key_held(story, "key:1");
    assert_false(moment_waits_for_key(story->fake->keyspace, &key));
    while (object_capture_step(capture, 4096, &row))
        ;
    object_capture_end(capture);
    keyspace_release_one(story->fake->keyspace, key_partition(&key));
    assert_set_of_the_begin(buffer_bytes(&row));
    moment_take(story->moment, note_kept_set, story);
    assert_int_equal(story->kept[1], 1);
    buffer_deinit(&row);
    end(story);
    free(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_once_as_it_was),
        cmocka_unit_test(cold_keys_are_found_as_they_were),
        cmocka_unit_test(a_bound_of_memory_blurs_it),
        cmocka_unit_test(whole_databases_make_it_void),
        cmocka_unit_test(much_that_is_put_aside_asks_writers_to_wait),
        cmocka_unit_test(a_large_value_is_as_it_was_though_it_is_written_later),
        cmocka_unit_test(who_meets_such_a_value_writes_it),
        cmocka_unit_test(a_change_waits_for_another_capture_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
