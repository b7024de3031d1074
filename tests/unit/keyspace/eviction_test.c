/* SPDX-License-Identifier: BSD-3-Clause */
/* Who leaves when memory is short: beside exact orders, and within what each policy allows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "keyspace/backing.h"
#include "keyspace/keyspace.h"
#include "keyspace/sink.h"
#include "object/string_object.h"

#define START_MS INT64_C(1700000000000)

/* A keyspace with a clock and a sink that counts. */
struct world {
    struct keyspace *keyspace;
    enum eviction_policy policy;
    int64_t now_ms;
    uint32_t partition; /* whose turn it is */
    size_t dirty_seen;
    unsigned evicted;
    struct sink sink;
};

static void count_evicted(void *context, const struct key *key)
{
    (void)key;
    ((struct world *)context)->evicted++;
}

static void pass_time(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    keyspace_set_clock(world->keyspace, world->now_ms, world->policy);
}

static void world_begin(struct world *world, enum eviction_policy policy)
{
    *world = (struct world){.keyspace = keyspace_create(42), .policy = policy, .now_ms = START_MS};
    world->sink = (struct sink){.context = world, .evicted = count_evicted};
    keyspace_set_sink(world->keyspace, &world->sink);
    pass_time(world, 0);
}

static void world_end(struct world *world)
{
    keyspace_destroy(&world->keyspace);
}

static struct key key_of(struct world *world, uint32_t number)
{
    static char text[32];
    size_t length = (size_t)snprintf(text, sizeof(text), "key:%u", number);
    return keyspace_key(world->keyspace, bytes_of(text, length), 0);
}

/* Runs the statement under the lock of the key's partition. */
#define WITH_KEY(world, key, statement)                                                                                \
    do {                                                                                                               \
        assert_true(keyspace_try_one((world)->keyspace, key_partition(&(key))));                                       \
        statement;                                                                                                     \
        keyspace_release_one((world)->keyspace, key_partition(&(key)));                                                \
    } while (0)

static void put_until(struct world *world, uint32_t number, int64_t expire_at_ms)
{
    struct object value;
    struct key key = key_of(world, number);
    assert_true(string_object_from_bytes(BYTES("a value of some forty bytes, as many are"), &value));
    WITH_KEY(world, key, keyspace_put(world->keyspace, &key, &value, expire_at_ms));
}

static void put(struct world *world, uint32_t number)
{
    put_until(world, number, ENTRY_NO_EXPIRE);
}

/* Reads the key as a command does; false if it is not in memory. */
static bool read_key(struct world *world, uint32_t number)
{
    struct key key = key_of(world, number);
    struct entry *entry;
    WITH_KEY(world, key, {
        entry = keyspace_find(world->keyspace, &key);
        if (entry)
            keyspace_touch(world->keyspace, entry);
    });
    return entry != NULL;
}

static bool is_resident(struct world *world, uint32_t number)
{
    struct key key = key_of(world, number);
    struct entry *entry;
    WITH_KEY(world, key, entry = keyspace_find(world->keyspace, &key));
    return entry != NULL;
}

static uint64_t resident(const struct world *world)
{
    return keyspace_counts(world->keyspace, 0).resident;
}

static size_t evict(struct world *world, size_t bytes, enum eviction_reach reach)
{
    world->partition = (world->partition + 1) % PARTITION_COUNT;
    return keyspace_evict_step(world->keyspace, world->partition, bytes, world->policy, reach, world->now_ms,
                               &world->dirty_seen);
}

/* Deletes keys until no more than 'count' are left. */
static void evict_down_to(struct world *world, uint64_t count)
{
    for (unsigned idle = 0; resident(world) > count && idle < PARTITION_COUNT;)
        idle = evict(world, 1, EVICT_ANY) > 0 ? 0 : idle + 1;
}

/* Frees whatever the policy lets go. */
static void evict_all(struct world *world, enum eviction_reach reach)
{
    for (unsigned idle = 0; idle < 2 * PARTITION_COUNT;)
        idle = evict(world, 1 << 16, reach) > 0 ? 0 : idle + 1;
}

/* ---- rows, as far as eviction knows of them ---- */

struct captured {
    struct row_key keys[64];
    char names[64][32];
    size_t count;
};

static void capture(void *context, const struct row_key *key, const struct object *value, int64_t expire_at_ms)
{
    struct captured *captured = context;
    (void)value;
    (void)expire_at_ms;
    assert_true(captured->count < 64);
    struct row_key *copy = &captured->keys[captured->count];
    *copy = *key;
    copy->name = bytes_of(memcpy(captured->names[captured->count], key->name.data, key->name.length), key->name.length);
    captured->count++;
}

static const struct backing no_rows_backing;

/* Makes a slot's entries clean: captured for a run and ingested. */
static void make_slot_clean(struct world *world, uint32_t slot)
{
    struct captured captured = {0};
    uint64_t hash = 0;
    assert_true(capture_slot(world->keyspace, 0, (uint16_t)slot, &hash, SIZE_MAX, capture, &captured));
    capture_ingested(world->keyspace, captured.keys, captured.count);
}

static void make_clean(struct world *world)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        make_slot_clean(world, slot);
}

static void clean_entries_go_cold_and_no_other_is_lost(void **state)
{
    (void)state;
    enum { KEYS = 6000 };
    struct world world;
    world_begin(&world, EVICT_TIER);
    keyspace_set_backing(world.keyspace, &no_rows_backing);
    for (uint32_t i = 0; i < KEYS; i++)
        put(&world, i);
    assert_int_equal(evict(&world, 1 << 20, EVICT_CLEAN), 0);
    assert_true(world.dirty_seen > 0);
    make_clean(&world);
    for (uint32_t i = 0; i < KEYS; i += 3) {
        put(&world, i);
        struct key key = key_of(&world, i + 1);
        WITH_KEY(&world, key, keyspace_find(world.keyspace, &key)->flags |= ENTRY_PINNED);
    }
    evict_all(&world, EVICT_CLEAN);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(is_resident(&world, i), i % 3 != 2);
    assert_int_equal(keyspace_counts(world.keyspace, 0).keys, KEYS);
    assert_int_equal(world.evicted, 0);
    world_end(&world);
}

static bool is_even(void *context, struct bytes name)
{
    (void)context;
    return (name.data[name.length - 1] - '0') % 2 == 0;
}

static void optional_keys_are_deleted_only_while_they_wait_to_be_written(void **state)
{
    (void)state;
    enum { KEYS = 6000 };
    struct world world;
    world_begin(&world, EVICT_TIER);
    keyspace_set_backing(world.keyspace, &no_rows_backing);
    for (uint32_t i = 0; i < KEYS; i++)
        put(&world, i);
    evict_all(&world, EVICT_OPTIONAL);
    assert_int_equal(world.evicted, 0);
    world.sink.is_optional = is_even;
    evict_all(&world, EVICT_CLEAN);
    assert_int_equal(world.evicted, 0);
    evict_all(&world, EVICT_OPTIONAL);
    assert_int_equal(world.evicted, KEYS / 2);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(is_resident(&world, i), i % 2 == 1);

    for (uint32_t i = 0; i < KEYS; i += 2)
        put(&world, i);
    make_clean(&world);
    evict_all(&world, EVICT_OPTIONAL);
    assert_int_equal(world.evicted, KEYS / 2);
    assert_int_equal(resident(&world), 0);
    assert_int_equal(keyspace_counts(world.keyspace, 0).keys, KEYS);
    world_end(&world);
}

static void dirty_entries_are_counted_only_if_they_are_cold(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, EVICT_TIER);
    keyspace_set_backing(world.keyspace, &no_rows_backing);
    for (uint32_t i = 0; i < 20000; i++)
        put(&world, i);
    make_clean(&world);
    pass_time(&world, 100000);
    for (uint32_t i = 0; i < 20000; i += 10) {
        put(&world, i);
        read_key(&world, i);
    }
    for (unsigned i = 0; i < PARTITION_COUNT; i++)
        assert_true(evict(&world, 400, EVICT_CLEAN) > 0);
    assert_int_equal(world.dirty_seen, 0);
    world_end(&world);
}

/* A step looks at some 64 entries; here ten times as many dirty ones stand before the clean ones. */
static void one_step_finds_the_few_that_are_clean(void **state)
{
    (void)state;
    enum { KEYS = 200000, SLOT = SLOT_COUNT - 1 };
    struct world world;
    world_begin(&world, EVICT_TIER);
    keyspace_set_backing(world.keyspace, &no_rows_backing);
    for (uint32_t i = 0; i < KEYS; i++)
        put(&world, i);
    make_slot_clean(&world, SLOT);
    world.partition = SLOT % PARTITION_COUNT - 1;
    assert_true(evict(&world, 1, EVICT_OPTIONAL) > 0);
    assert_true(world.dirty_seen > 0);
    assert_int_equal(resident(&world), KEYS - 1);
    world_end(&world);
}

static void noeviction_lets_clean_entries_go_and_deletes_nothing(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, EVICT_NOEVICTION);
    keyspace_set_backing(world.keyspace, &no_rows_backing);
    for (uint32_t i = 0; i < 1000; i++)
        put(&world, i);
    make_clean(&world);
    for (uint32_t i = 0; i < 500; i++)
        put(&world, i);
    evict_all(&world, EVICT_ANY);
    assert_int_equal(resident(&world), 500);
    assert_int_equal(world.evicted, 0);
    world_end(&world);
}

/* ---- hit ratios ---- */

/* Keys by a Zipf law, the same sequence for every cache that is compared. */
struct trace {
    struct random random;
    uint32_t keys;
    double *shares; /* sums */
};

static void trace_begin(struct trace *trace, uint32_t keys, double exponent)
{
    double sum = 0;
    random_init(&trace->random, 11);
    trace->keys = keys;
    trace->shares = malloc(keys * sizeof(double));
    for (uint32_t i = 0; i < keys; i++)
        trace->shares[i] = sum += pow(i + 1, -exponent);
}

static uint32_t trace_next(struct trace *trace)
{
    double at = (double)(random_next(&trace->random) >> 11) * 0x1p-53 * trace->shares[trace->keys - 1];
    uint32_t low = 0, high = trace->keys - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (trace->shares[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum { TRACE_KEYS = 100000, CACHE_KEYS = 10000, ACCESSES = 250000, ACCESSES_PER_TICK = 100 };

static double hit_ratio(enum eviction_policy policy)
{
    struct world world;
    struct trace trace;
    unsigned hits = 0;
    world_begin(&world, policy);
    trace_begin(&trace, TRACE_KEYS, 0.9);
    for (unsigned i = 0; i < ACCESSES; i++) {
        uint32_t key = trace_next(&trace);
        if (i % ACCESSES_PER_TICK == 0)
            pass_time(&world, 250);
        if (read_key(&world, key)) {
            hits++;
            continue;
        }
        put(&world, key);
        evict_down_to(&world, CACHE_KEYS);
    }
    free(trace.shares);
    world_end(&world);
    return (double)hits / ACCESSES;
}

/* A list in exact order of use. */
static double exact_lru_hit_ratio(void)
{
    static uint32_t next[TRACE_KEYS + 1], previous[TRACE_KEYS + 1];
    bool *is_in = calloc(TRACE_KEYS, sizeof(bool));
    const uint32_t end = TRACE_KEYS;
    struct trace trace;
    unsigned hits = 0, count = 0;
    trace_begin(&trace, TRACE_KEYS, 0.9);
    next[end] = previous[end] = end;
    for (unsigned i = 0; i < ACCESSES; i++) {
        uint32_t key = trace_next(&trace);
        hits += is_in[key];
        if (!is_in[key] && ++count > CACHE_KEYS) {
            uint32_t oldest = previous[end];
            is_in[oldest] = false;
            previous[end] = previous[oldest];
            next[previous[oldest]] = end;
            count--;
        } else if (is_in[key]) {
            next[previous[key]] = next[key];
            previous[next[key]] = previous[key];
        }
        is_in[key] = true;
        next[key] = next[end];
        previous[key] = end;
        previous[next[end]] = key;
        next[end] = key;
    }
    free(is_in);
    free(trace.shares);
    return (double)hits / ACCESSES;
}

static void lru_hits_as_often_as_an_exact_one(void **state)
{
    (void)state;
    double ours = hit_ratio(EVICT_ALLKEYS_LRU), exact = exact_lru_hit_ratio();
    print_message("lru %.4f, exact %.4f\n", ours, exact);
    assert_true(fabs(ours - exact) < 0.02);
}

static void use_counts_more_than_recency_alone(void **state)
{
    (void)state;
    double lru = exact_lru_hit_ratio(), tier = hit_ratio(EVICT_TIER), lfu = hit_ratio(EVICT_ALLKEYS_LFU);
    double random = hit_ratio(EVICT_ALLKEYS_RANDOM);
    print_message("exact lru %.4f, tier %.4f, lfu %.4f, random %.4f\n", lru, tier, lfu, random);
    assert_true(tier > lru + 0.02);
    assert_true(lfu > lru);
    assert_true(random < lru);
}

/* Hits on a working set of half the cache, each key of which is read every 250 ticks, while a scan goes through the
 * cache in 80. */
static double hit_ratio_beside_a_scan(enum eviction_policy policy)
{
    enum { CACHE = 8000, WORKING = 4000, SCAN_PER_TICK = 100, READS_PER_TICK = 16, TICKS = 1000, SETTLED = 250 };
    struct world world;
    unsigned hits = 0;
    world_begin(&world, policy);
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        for (uint32_t i = 0; i < READS_PER_TICK; i++) {
            uint32_t number = (tick * READS_PER_TICK + i) % WORKING;
            bool hit = read_key(&world, number);
            hits += tick >= 2 * SETTLED && hit;
            if (!hit)
                put(&world, number);
        }
        for (uint32_t i = 0; tick >= 2 * SETTLED && i < SCAN_PER_TICK; i++) {
            put(&world, 1000000 + tick * SCAN_PER_TICK + i);
            read_key(&world, 1000000 + tick * SCAN_PER_TICK + i);
        }
        evict_down_to(&world, CACHE);
        pass_time(&world, 250);
    }
    world_end(&world);
    return (double)hits / (TICKS - 2 * SETTLED) / READS_PER_TICK;
}

static void scan_does_not_displace_what_is_in_use(void **state)
{
    (void)state;
    double tier = hit_ratio_beside_a_scan(EVICT_TIER), lru = hit_ratio_beside_a_scan(EVICT_ALLKEYS_LRU);
    print_message("beside a scan tier hits %.4f, lru %.4f\n", tier, lru);
    assert_true(tier > 0.95);
    assert_true(lru < 0.4);
}

/* The working set is exchanged for another; how many rounds over it until nearly all of it is found. */
static unsigned rounds_to_adapt(enum eviction_policy policy)
{
    enum { CACHE = 4000, WORKING = 3000, ROUNDS_MAX = 100 };
    struct world world;
    unsigned round = 0, hits = 0;
    world_begin(&world, policy);
    for (; round < ROUNDS_MAX && (round < 11 || hits < WORKING * 95 / 100); round++) {
        hits = 0;
        for (uint32_t i = 0; i < WORKING; i++) {
            uint32_t number = round < 10 ? i : 100000 + i;
            bool hit = read_key(&world, number);
            hits += hit;
            if (!hit)
                put(&world, number);
            evict_down_to(&world, CACHE);
            if (i % 100 == 0)
                pass_time(&world, 250);
        }
    }
    world_end(&world);
    return round - 10;
}

static void what_was_in_use_once_gives_way_in_the_end(void **state)
{
    (void)state;
    unsigned rounds = rounds_to_adapt(EVICT_TIER);
    print_message("adapts in %u rounds\n", rounds);
    assert_true(rounds <= 30);
}

/* ---- what each policy may choose ---- */

static void volatile_policies_choose_only_keys_that_expire(void **state)
{
    (void)state;
    const enum eviction_policy policies[] = {EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM,
                                             EVICT_VOLATILE_TTL};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct world world;
        world_begin(&world, policies[p]);
        for (uint32_t i = 0; i < 3000; i++)
            put_until(&world, i, i % 3 == 0 ? START_MS + 1000000 + i : ENTRY_NO_EXPIRE);
        evict_all(&world, EVICT_ANY);
        for (uint32_t i = 0; i < 3000; i++)
            assert_int_equal(is_resident(&world, i), i % 3 != 0);
        assert_int_equal(world.evicted, 1000);
        assert_int_equal(keyspace_counts(world.keyspace, 0).expires, 0);
        world_end(&world);
    }
}

static void volatile_ttl_chooses_what_expires_soonest(void **state)
{
    (void)state;
    struct world world;
    unsigned soon = 0;
    world_begin(&world, EVICT_VOLATILE_TTL);
    for (uint32_t i = 0; i < 20000; i++)
        put_until(&world, i, START_MS + 1000 * (int64_t)(i + 1));
    evict_down_to(&world, 16000);
    for (uint32_t i = 0; i < 20000; i++)
        soon += !is_resident(&world, i) && i < 5000;
    assert_true(soon > 3500);
    world_end(&world);
}

static void allkeys_policies_can_free_everything(void **state)
{
    (void)state;
    const enum eviction_policy policies[] = {EVICT_TIER, EVICT_ALLKEYS_LRU, EVICT_ALLKEYS_LFU, EVICT_ALLKEYS_RANDOM};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct world world;
        world_begin(&world, policies[p]);
        for (uint32_t i = 0; i < 3000; i++)
            put_until(&world, i, i % 3 == 0 ? START_MS + 1000000 : ENTRY_NO_EXPIRE);
        evict_all(&world, EVICT_ANY);
        assert_int_equal(keyspace_counts(world.keyspace, 0).keys, 0);
        assert_int_equal(world.evicted, 3000);
        world_end(&world);
    }
}

static void step_frees_about_what_was_asked_for(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, EVICT_ALLKEYS_LRU);
    for (uint32_t i = 0; i < 200000; i++)
        put(&world, i);
    for (unsigned i = 0; i < PARTITION_COUNT; i++) {
        size_t freed = evict(&world, 500, EVICT_ANY);
        assert_true(freed >= 250 && freed < 700);
    }
    assert_int_equal(evict(&world, 0, EVICT_ANY), 0);
    world_end(&world);
}

static void held_partition_is_left_alone(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, EVICT_ALLKEYS_LRU);
    put(&world, 1);
    struct key key = key_of(&world, 1);
    struct lock *lock = keyspace_partition_lock(world.keyspace, key_partition(&key));
    atomic_store(&lock->state, 1);
    world.partition = key_partition(&key) - 1;
    assert_int_equal(evict(&world, 1000, EVICT_ANY), 0);
    atomic_store(&lock->state, 0);
    assert_true(is_resident(&world, 1));
    world_end(&world);
}

/* ---- what OBJECT tells and RESTORE sets ---- */

static void idle_time_is_counted_since_the_last_use(void **state)
{
    (void)state;
    const enum eviction_policy policies[] = {EVICT_TIER, EVICT_ALLKEYS_LRU, EVICT_VOLATILE_TTL, EVICT_NOEVICTION};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct world world;
        struct key key;
        struct entry *entry;
        world_begin(&world, policies[p]);
        put(&world, 1);
        key = key_of(&world, 1);
        WITH_KEY(&world, key, entry = keyspace_find(world.keyspace, &key));
        assert_int_equal(keyspace_idle_seconds(world.keyspace, entry), 0);
        pass_time(&world, 90000);
        assert_int_equal(keyspace_idle_seconds(world.keyspace, entry), 90);
        read_key(&world, 1);
        assert_int_equal(keyspace_idle_seconds(world.keyspace, entry), 0);
        keyspace_set_idle(world.keyspace, entry, 1000);
        assert_int_equal(keyspace_idle_seconds(world.keyspace, entry), 1000);
        keyspace_set_idle(world.keyspace, entry, INT64_MAX);
        assert_true(keyspace_idle_seconds(world.keyspace, entry) > 10 * 86400);
        world_end(&world);
    }
}

static void clock_set_back_makes_nothing_old(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, EVICT_ALLKEYS_LRU);
    put(&world, 1);
    pass_time(&world, -3600000);
    struct key key = key_of(&world, 1);
    WITH_KEY(&world, key,
             assert_int_equal(keyspace_idle_seconds(world.keyspace, keyspace_find(world.keyspace, &key)), 0));
    world_end(&world);
}

static void frequency_rises_slowly_and_decays_by_the_minute(void **state)
{
    (void)state;
    struct world world;
    struct entry *entry;
    world_begin(&world, EVICT_ALLKEYS_LFU);
    put(&world, 1);
    struct key key = key_of(&world, 1);
    WITH_KEY(&world, key, entry = keyspace_find(world.keyspace, &key));
    assert_int_equal(keyspace_frequency(world.keyspace, entry), 5);
    for (int i = 0; i < 1000; i++)
        read_key(&world, 1);
    uint32_t frequency = keyspace_frequency(world.keyspace, entry);
    assert_true(frequency >= 14 && frequency <= 26); /* about 5 + sqrt(2 * 1000 / 10) */
    pass_time(&world, 60000 * 3);
    assert_int_equal(keyspace_frequency(world.keyspace, entry), frequency - 3);
    keyspace_set_frequency(world.keyspace, entry, 200);
    assert_int_equal(keyspace_frequency(world.keyspace, entry), 200);
    keyspace_set_frequency(world.keyspace, entry, 100000);
    assert_int_equal(keyspace_frequency(world.keyspace, entry), 255);
    pass_time(&world, INT64_C(60000) * 300);
    assert_int_equal(keyspace_frequency(world.keyspace, entry), 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_entries_go_cold_and_no_other_is_lost),
        cmocka_unit_test(optional_keys_are_deleted_only_while_they_wait_to_be_written),
        cmocka_unit_test(dirty_entries_are_counted_only_if_they_are_cold),
        cmocka_unit_test(one_step_finds_the_few_that_are_clean),
        cmocka_unit_test(noeviction_lets_clean_entries_go_and_deletes_nothing),
        cmocka_unit_test(lru_hits_as_often_as_an_exact_one),
        cmocka_unit_test(use_counts_more_than_recency_alone),
        cmocka_unit_test(scan_does_not_displace_what_is_in_use),
        cmocka_unit_test(what_was_in_use_once_gives_way_in_the_end),
        cmocka_unit_test(volatile_policies_choose_only_keys_that_expire),
        cmocka_unit_test(volatile_ttl_chooses_what_expires_soonest),
        cmocka_unit_test(allkeys_policies_can_free_everything),
        cmocka_unit_test(step_frees_about_what_was_asked_for),
        cmocka_unit_test(held_partition_is_left_alone),
        cmocka_unit_test(idle_time_is_counted_since_the_last_use),
        cmocka_unit_test(clock_set_back_makes_nothing_old),
        cmocka_unit_test(frequency_rises_slowly_and_decays_by_the_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
