/* SPDX-License-Identifier: BSD-3-Clause */
/* What is claimed stays: nothing that happens to keys by itself happens to it, or to its partition. */
#include "unit/keyspace/fake_backing.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claimed_key_is_told_from_others),
        cmocka_unit_test(a_claimed_partition_is_passed_over),
        cmocka_unit_test(names_are_claimed_by_what_stands_around_the_star),
        cmocka_unit_test(keys_of_claimed_names_do_not_go_by_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
