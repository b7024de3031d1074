/* SPDX-License-Identifier: BSD-3-Clause */
/* What is claimed stays: nothing that happens to keys by itself happens to it, or to its partition. */
#include "unit/keyspace/fake_backing.h"

#include <sched.h>

#include "base/thread.h"

#define NOW_MS 5000

struct held {
    struct fake_backing *fake;
    struct key_claim claims[2];
    unsigned expired;
};

static void note_expired(void *context, const struct key *key)
{
    struct held *held = context;
    (void)key;
    held->expired++;
}

static void change_claims(struct held *held, void (*change)(struct keyspace *keyspace, struct key_claim *claim))
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t partition = key_partition(&held->claims[i].key);
        assert_true(keyspace_try_one(held->fake->keyspace, partition));
        change(held->fake->keyspace, &held->claims[i]);
        keyspace_release_one(held->fake->keyspace, partition);
    }
}

/* Two claims on one key that is due. */
static void claim(struct held *held, struct sink *sink)
{
    *held = (struct held){.fake = fake_create()};
    *sink = (struct sink){.context = held, .expired = note_expired, .evicted = note_expired};
    keyspace_set_sink(held->fake->keyspace, sink);
    fake_put(held->fake, "{p}k", "v", 1000);
    held->claims[0].key = held->claims[1].key = fake_key(held->fake, "{p}k");
    change_claims(held, keyspace_claim);
}

static void a_claimed_key_is_told_from_others(void **state)
{
    (void)state;
    struct sink sink;
    struct held held;
    claim(&held, &sink);
    struct keyspace *keyspace = held.fake->keyspace;
    struct key key = fake_key(held.fake, "{p}k"), other = fake_key(held.fake, "{p}other"), other_db = key;
    uint32_t partition = key_partition(&key);
    other_db.db = 1;
    assert_true(keyspace_any_claims());
    assert_true(keyspace_try_one(keyspace, partition));
    assert_int_equal(keyspace_claim_of(keyspace, &key), CLAIM_SHARED);
    assert_int_equal(keyspace_claim_of(keyspace, &other), CLAIM_NONE);
    assert_int_equal(keyspace_claim_of(keyspace, &other_db), CLAIM_NONE);
    assert_true(keyspace_has_claims(keyspace, partition));
    assert_false(keyspace_has_claims(keyspace, (partition + 1) % PARTITION_COUNT));
    assert_true(keyspace_claim_is_shared(keyspace, &held.claims[0], &held.claims[0], 1));
    assert_false(keyspace_claim_is_shared(keyspace, &held.claims[0], held.claims, 2));
    held.claims[1].is_exclusive = true;
    assert_int_equal(keyspace_claim_of(keyspace, &key), CLAIM_EXCLUSIVE);
    held.claims[1].is_exclusive = false;
    keyspace_unclaim(keyspace, &held.claims[0]);
    assert_int_equal(keyspace_claim_of(keyspace, &key), CLAIM_SHARED);
    keyspace_unclaim(keyspace, &held.claims[1]);
    assert_int_equal(keyspace_claim_of(keyspace, &key), CLAIM_NONE);
    keyspace_release_one(keyspace, partition);
    assert_false(keyspace_any_claims());
    fake_destroy(&held.fake);
}

static void a_claimed_partition_is_passed_over(void **state)
{
    (void)state;
    struct sink sink;
    struct held held;
    claim(&held, &sink);
    struct keyspace *keyspace = held.fake->keyspace;
    uint32_t partition = key_partition(&held.claims[0].key);
    size_t dirty = 0;
    bool more = false;
    assert_int_equal(keyspace_expire_step(keyspace, partition, NOW_MS, 10, &more), 0);
    assert_true(more);
    assert_int_equal(keyspace_evict_step(keyspace, partition, 1000, EVICT_ALLKEYS_RANDOM, EVICT_ANY, NOW_MS, &dirty),
                     0);
    assert_int_equal(keyspace_gather_step(keyspace, partition).looked, 0);
    assert_int_equal(held.expired, 0);
    change_claims(&held, keyspace_unclaim);
    assert_int_equal(keyspace_gather_step(keyspace, partition).looked, 1);
    assert_int_equal(keyspace_expire_step(keyspace, partition, NOW_MS, 10, &more), 1);
    assert_int_equal(held.expired, 1);
    fake_destroy(&held.fake);
}

static void change_names(struct fake_backing *fake, struct name_claim *claim,
                         void (*change)(struct keyspace *keyspace, struct name_claim *claim))
{
    keyspace_acquire_all(fake->keyspace, 1);
    change(fake->keyspace, claim);
    keyspace_release_all(fake->keyspace, 1);
}

static enum claim_kind claim_of(struct fake_backing *fake, const char *name, int16_t db)
{
    struct key key = fake_key(fake, name);
    key.db = db;
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    enum claim_kind kind = keyspace_claim_of(fake->keyspace, &key);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    return kind;
}

static void names_are_claimed_by_what_stands_around_the_star(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct name_claim claim = {.begin = BYTES("aba"), .end = BYTES("bac"), .db = 0};
    assert_false(keyspace_any_claims() || keyspace_has_claims(fake->keyspace, 7));
    change_names(fake, &claim, keyspace_claim_names);
    assert_true(keyspace_any_claims() && keyspace_has_claims(fake->keyspace, 7));
    assert_int_equal(claim_of(fake, "ababac", 0), CLAIM_SHARED);
    assert_int_equal(claim_of(fake, "abaxxbac", 0), CLAIM_SHARED);
    assert_int_equal(claim_of(fake, "abaxxbac", 1), CLAIM_NONE);
    assert_int_equal(claim_of(fake, "abac", 0), CLAIM_NONE); /* the two may not overlap */
    assert_int_equal(claim_of(fake, "xababac", 0), CLAIM_NONE);
    assert_int_equal(claim_of(fake, "ababacx", 0), CLAIM_NONE);
    change_names(fake, &claim, keyspace_unclaim_names);
    assert_int_equal(claim_of(fake, "ababac", 0), CLAIM_NONE);
    assert_false(keyspace_any_claims() || keyspace_has_claims(fake->keyspace, 7));
    fake_destroy(&fake);
}

/* Others of the same partition do. */
static void keys_of_claimed_names_do_not_go_by_themselves(void **state)
{
    (void)state;
    struct held held = {.fake = fake_create()};
    struct sink sink = {.context = &held, .expired = note_expired, .evicted = note_expired};
    struct keyspace *keyspace = held.fake->keyspace;
    struct name_claim claim = {.begin = BYTES("{p}"), .end = BYTES("kept"), .db = 0};
    struct key key = fake_key(held.fake, "{p}kept");
    size_t dirty = 0;
    bool more = false;
    keyspace_set_sink(keyspace, &sink);
    fake_put(held.fake, "{p}kept", "v", 1000);
    fake_put(held.fake, "{p}other", "v", 1000);
    change_names(held.fake, &claim, keyspace_claim_names);
    assert_int_equal(keyspace_expire_step(keyspace, key_partition(&key), NOW_MS, 10, &more), 1);
    assert_int_equal(held.expired, 1);
    assert_int_equal(
        keyspace_evict_step(keyspace, key_partition(&key), 1000, EVICT_ALLKEYS_RANDOM, EVICT_ANY, NOW_MS, &dirty), 0);
    change_names(held.fake, &claim, keyspace_unclaim_names);
    assert_int_equal(keyspace_expire_step(keyspace, key_partition(&key), NOW_MS, 10, &more), 1);
    assert_int_equal(held.expired, 2);
    fake_destroy(&held.fake);
}

/* ---- transactions ---- */

static const char *const NAME = "{p}k";

/* The key has a row, and a transaction has deleted it. */
static struct fake_backing *delete_in_transaction(struct key_claim *claim)
{
    struct fake_backing *fake = fake_create();
    fake_put(fake, NAME, "v", ENTRY_NO_EXPIRE);
    fake_cycle(fake);
    assert_int_equal(fake->rows.count, 1);
    *claim = (struct key_claim){.key = fake_key(fake, NAME), .is_exclusive = true, .is_of_whole = true};
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&claim->key)));
    keyspace_remove(fake->keyspace, &claim->key, keyspace_find(fake->keyspace, &claim->key));
    keyspace_claim(fake->keyspace, claim);
    keyspace_release_one(fake->keyspace, key_partition(&claim->key));
    return fake;
}

static void end_transaction(struct fake_backing *fake, struct key_claim *claim)
{
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&claim->key)));
    keyspace_unclaim(fake->keyspace, claim);
    keyspace_release_one(fake->keyspace, key_partition(&claim->key));
}

static void what_a_transaction_has_deleted_keeps_its_row_until_the_end(void **state)
{
    (void)state;
    struct key_claim claim;
    struct fake_backing *fake = delete_in_transaction(&claim);
    uint64_t hash = 0;
    assert_false(capture_slot(fake->keyspace, 0, claim.key.slot, &hash, 1000, fake_capture_visit, fake));
    assert_int_equal(fake->run.count, 0);
    end_transaction(fake, &claim);
    fake_cycle(fake);
    assert_int_equal(fake->rows.count, 0);
    fake_destroy(&fake);
}

/* What another thread does, and when it has done so. */
struct waiting {
    struct fake_backing *fake;
    struct key_claim claim;
    struct thread thread;
    _Atomic bool is_under_way, is_done;
    unsigned keys;
};

static void note_state(void *context)
{
    atomic_store(&((struct waiting *)context)->is_done, true);
}

static void save_state(void *argument)
{
    struct waiting *waiting = argument;
    struct buffer state = {0};
    keyspace_save_state(waiting->fake->keyspace, note_state, waiting, &state);
    buffer_deinit(&state);
}

static bool note_offset(void *context, uint64_t *offset)
{
    *offset = 1;
    atomic_store(&((struct waiting *)context)->is_under_way, true);
    return true;
}

static void note_key(void *context, const struct copied_key *key)
{
    (void)key;
    ((struct waiting *)context)->keys++;
}

static void note_again(void *context)
{
    (void)context;
}

static void copy_slot(void *argument)
{
    struct waiting *waiting = argument;
    struct copy_place place = {.db = 0, .slot = waiting->claim.key.slot};
    struct copy_visitor visitor = {waiting, note_offset, note_key, note_again};
    struct copied_range range;
    assert_int_equal(keyspace_copy_range(waiting->fake->keyspace, &place, &visitor, &range), STATUS_OK);
    atomic_store(&waiting->is_done, true);
}

static void a_checkpoint_waits_for_transactions_and_keeps_others_from_letting_go(void **state)
{
    (void)state;
    struct waiting waiting = {0};
    waiting.fake = delete_in_transaction(&waiting.claim);
    assert_false(keyspace_wants_whole(waiting.fake->keyspace));
    thread_start(&waiting.thread, "test", save_state, &waiting);
    while (!keyspace_wants_whole(waiting.fake->keyspace))
        sched_yield();
    assert_false(atomic_load(&waiting.is_done));
    while (!keyspace_try_one(waiting.fake->keyspace, key_partition(&waiting.claim.key)))
        sched_yield();
    keyspace_unclaim(waiting.fake->keyspace, &waiting.claim);
    assert_false(atomic_load(&waiting.is_done));
    keyspace_release_one(waiting.fake->keyspace, key_partition(&waiting.claim.key));
    thread_stop(&waiting.thread);
    assert_true(atomic_load(&waiting.is_done));
    assert_false(keyspace_wants_whole(waiting.fake->keyspace));
    fake_destroy(&waiting.fake);
}

/* What it has deleted may be nowhere any more. */
static void a_slot_is_not_copied_in_the_middle_of_a_transaction(void **state)
{
    (void)state;
    struct waiting waiting = {.fake = fake_create()};
    waiting.claim = (struct key_claim){.key = fake_key(waiting.fake, NAME), .is_exclusive = true, .is_of_whole = true};
    uint32_t partition = key_partition(&waiting.claim.key);
    fake_put(waiting.fake, "{p}other", "v", ENTRY_NO_EXPIRE);
    assert_true(keyspace_try_one(waiting.fake->keyspace, partition));
    keyspace_claim(waiting.fake->keyspace, &waiting.claim);
    keyspace_release_one(waiting.fake->keyspace, partition);
    thread_start(&waiting.thread, "test", copy_slot, &waiting);
    while (!atomic_load(&waiting.is_under_way))
        sched_yield();
    while (!keyspace_try_one(waiting.fake->keyspace, partition))
        sched_yield();
    assert_false(atomic_load(&waiting.is_done));
    assert_int_equal(waiting.keys, 0);
    keyspace_unclaim(waiting.fake->keyspace, &waiting.claim);
    keyspace_release_one(waiting.fake->keyspace, partition);
    thread_stop(&waiting.thread);
    assert_int_equal(waiting.keys, 1);
    fake_destroy(&waiting.fake);
}

struct wish {
    struct keyspace *keyspace;
    bool is_granted;
};

static void wish_for_everything(void *argument)
{
    struct wish *wish = argument;
    wish->is_granted = keyspace_try_all(wish->keyspace, 3);
    if (wish->is_granted)
        keyspace_release_all(wish->keyspace, 3);
}

/* On a thread of its own, as it may hold nothing. */
static bool gets_everything(struct keyspace *keyspace)
{
    struct wish wish = {.keyspace = keyspace};
    struct thread thread;
    thread_start(&thread, "test", wish_for_everything, &wish);
    thread_stop(&thread);
    return wish.is_granted;
}

/* The second has partitions, and waits for the claims of the first; the third wants everything when the second is through. */
static void what_was_let_go_is_taken_back_past_who_wants_everything(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct partition_set first = {{12}}, second = {{3}};
    assert_true(keyspace_try_several(fake->keyspace, &first, 1));
    keyspace_release_several(fake->keyspace, &first, 1);
    assert_true(keyspace_try_several(fake->keyspace, &second, 2));
    assert_false(gets_everything(fake->keyspace));
    assert_false(keyspace_try_several(fake->keyspace, &first, 1));
    assert_true(keyspace_take_back_several(fake->keyspace, &first, 1));
    keyspace_release_several(fake->keyspace, &second, 2);
    assert_false(gets_everything(fake->keyspace));
    keyspace_release_several(fake->keyspace, &first, 1);
    assert_true(gets_everything(fake->keyspace));
    fake_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claimed_key_is_told_from_others),
        cmocka_unit_test(a_claimed_partition_is_passed_over),
        cmocka_unit_test(names_are_claimed_by_what_stands_around_the_star),
        cmocka_unit_test(keys_of_claimed_names_do_not_go_by_themselves),
        cmocka_unit_test(what_a_transaction_has_deleted_keeps_its_row_until_the_end),
        cmocka_unit_test(a_checkpoint_waits_for_transactions_and_keeps_others_from_letting_go),
        cmocka_unit_test(a_slot_is_not_copied_in_the_middle_of_a_transaction),
        cmocka_unit_test(what_was_let_go_is_taken_back_past_who_wants_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
