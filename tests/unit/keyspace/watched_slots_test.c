/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots that are looked at while they change: what is shown is what there was at the begin, or it is said that it is not. */
#include "unit/keyspace/fake_backing.h"

#include "keyspace/moment.h"

#define WORKER 7
#define KEYS 4000
/* All names have the tag {a}, and stand in this slot. */
#define NAME_FORMAT "{a}%u"

struct story {
    struct fake_backing *fake;
    struct slot_group group;
    unsigned shown, marked, begins, ends;
    bool refuses, is_exact;
    /* Done once, when so many keys were shown. */
    unsigned change_at;
    void (*change)(struct story *story);
};

static const char *name_of(unsigned number)
{
    static char name[16];
    snprintf(name, sizeof(name), NAME_FORMAT, number);
    return name;
}

static bool on_begin(void *context)
{
    struct story *story = context;
    story->begins++;
    return !story->refuses;
}

static void on_key(void *context, const struct copied_key *key)
{
    struct story *story = context;
    (void)key;
    if (++story->shown == story->change_at && story->change)
        story->change(story);
}

static void on_mark(void *context)
{
    struct story *story = context;
    story->marked = story->shown;
}

static void on_again(void *context)
{
    struct story *story = context;
    story->shown = story->marked;
}

static void on_end(void *context, bool is_exact)
{
    struct story *story = context;
    story->ends++;
    story->is_exact = is_exact;
}

static enum status show(struct story *story)
{
    const struct slots_visitor visitor = {story, on_begin, on_key, on_mark, on_again, on_end};
    story->shown = story->marked = story->begins = story->ends = 0;
    enum status status = keyspace_show_slots(story->fake->keyspace, &story->group, &visitor);
    assert_false(moment_is_there());
    return status;
}

static int story_setup(void **state)
{
    struct story *story = calloc(1, sizeof(*story));
    story->fake = fake_create();
    story->group = (struct slot_group){0, keyspace_slot_of(BYTES("{a}")), 1};
    *state = story;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *story = *state;
    fake_destroy(&story->fake);
    free(story);
    return 0;
}

static void put_keys(struct story *story, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fake_put(story->fake, name_of(i), "value that is more than a few bytes", ENTRY_NO_EXPIRE);
}

static void put_one(struct story *story)
{
    fake_put(story->fake, name_of(1), "new", ENTRY_NO_EXPIRE);
}

static void put_elsewhere(struct story *story)
{
    fake_put(story->fake, "another slot", "new", ENTRY_NO_EXPIRE);
}

static void flush(struct story *story)
{
    keyspace_acquire_all(story->fake->keyspace, WORKER);
    keyspace_flush(story->fake->keyspace, 1, ++story->fake->offset);
    keyspace_release_all(story->fake->keyspace, WORKER);
}

static void what_does_not_change_is_shown_exactly(void **state)
{
    struct story *story = *state;
    put_keys(story, KEYS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(show(story), STATUS_OK);
        assert_int_equal(story->shown, KEYS);
        assert_int_equal(story->begins, 1);
        assert_int_equal(story->ends, 1);
        assert_true(story->is_exact);
        if (i == 0)
            fake_cycle(story->fake);
        if (i == 1)
            fake_evict(story->fake);
    }
}

static void a_change_while_it_takes_several_pieces_is_noted(void **state)
{
    struct story *story = *state;
    put_keys(story, KEYS);
    story->change_at = KEYS / 2;
    story->change = put_elsewhere;
    assert_int_equal(show(story), STATUS_OK);
    assert_true(story->is_exact);
    story->change = put_one;
    assert_int_equal(show(story), STATUS_OK);
    assert_int_equal(story->ends, 1);
    assert_false(story->is_exact);
    story->change = NULL;
    assert_int_equal(show(story), STATUS_OK);
    assert_true(story->is_exact);
}

static void one_hold_of_what_is_in_memory_is_exact_whatever_changes_then(void **state)
{
    struct story *story = *state;
    put_keys(story, 20);
    story->change_at = 10;
    story->change = put_one;
    assert_int_equal(show(story), STATUS_OK);
    assert_int_equal(story->shown, 20);
    assert_true(story->is_exact);
    /* Not with rows: they are read behind the hold. */
    fake_cycle(story->fake);
    fake_evict(story->fake);
    assert_int_equal(show(story), STATUS_OK);
    assert_false(story->is_exact);
}

static void whole_databases_make_it_void(void **state)
{
    struct story *story = *state;
    put_keys(story, 20);
    story->change_at = 10;
    story->change = flush;
    assert_int_equal(show(story), STATUS_OK);
    assert_false(story->is_exact);
}

static void a_long_command_is_not_looked_into(void **state)
{
    struct story *story = *state;
    struct keyspace *keyspace = story->fake->keyspace;
    struct key_claim claim = {.key = keyspace_key(keyspace, bytes_of_text(name_of(1)), 0), .is_exclusive = true};
    struct lock *lock = keyspace_partition_lock(keyspace, key_partition(&claim.key));
    put_keys(story, 20);
    lock_acquire(lock);
    keyspace_claim(keyspace, &claim);
    lock_release(lock);
    assert_int_equal(show(story), STATUS_BUSY);
    assert_int_equal(story->begins + story->ends + story->shown, 0);
    lock_acquire(lock);
    keyspace_unclaim(keyspace, &claim);
    lock_release(lock);
    story->refuses = true;
    assert_int_equal(show(story), STATUS_BUSY);
    assert_int_equal(story->ends + story->shown, 0);
    story->refuses = false;
    assert_int_equal(show(story), STATUS_OK);
    assert_true(story->is_exact);
}

static void all_slots_of_a_partition_are_shown_together(void **state)
{
    struct story *story = *state;
    unsigned expected = 0;
    story->group.first %= PARTITION_COUNT;
    story->group.count = SLOTS_PER_PARTITION;
    for (unsigned i = 0; i < 3 * KEYS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%u", i);
        fake_put(story->fake, name, "value", ENTRY_NO_EXPIRE);
        expected += keyspace_slot_of(bytes_of_text(name)) % PARTITION_COUNT == story->group.first;
    }
    assert_true(expected > 10);
    assert_int_equal(show(story), STATUS_OK);
    assert_int_equal(story->shown, expected);
    assert_true(story->is_exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_does_not_change_is_shown_exactly, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(a_change_while_it_takes_several_pieces_is_noted, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(one_hold_of_what_is_in_memory_is_exact_whatever_changes_then, story_setup,
                                        story_teardown),
        cmocka_unit_test_setup_teardown(whole_databases_make_it_void, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(a_long_command_is_not_looked_into, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(all_slots_of_a_partition_are_shown_together, story_setup, story_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
