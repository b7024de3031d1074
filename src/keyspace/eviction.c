/* SPDX-License-Identifier: BSD-3-Clause */
/* The order of use, and who leaves when memory is short.
 *
 * No entry is linked to another: each carries 24 access bits, whose form follows from the policy:
 *
 *   EVICT_TIER          22 bits of clock | 2 bits of frequency (0: not used again since it came)
 *   EVICT_*_LFU         16 bits of minutes | 8 bits of logarithmic counter
 *   all others          24 bits of clock
 *
 * The clock ticks four times a second and wraps (after 12 or 48 days); ages are differences, so only an entry that was
 * not used for so long looks younger than it is.
 *
 * A hand per partition walks the tables in hash order. Since that has nothing to do with use, the next some hundred
 * entries are a fair sample of the partition. A step surveys such a window into a histogram of coldness, then goes
 * over it once more and frees its coldest sixteenth, so what leaves is within a percent or two of the coldest of all,
 * and nothing is kept up to date between steps.
 *
 * The order of EVICT_TIER is recency with a handicap: an entry that was not used again since it came counts as 16 times
 * older than one that was, 32 times older than one that was used often; but uses within one tick are one use. So keys
 * that a scan reads once pass through a small part of memory, while what was in use before and is not now still gives
 * way in the end. A larger handicap gains little on skewed use and makes that end late.
 *
 * E1 scores do not change between survey and eviction: the lock is held and touching needs it.
 * E2 only CLEAN entries go without a trace. Others go by deletion only: within EVICT_ANY all, within EVICT_OPTIONAL what is
 *    DIRTY and optional. What is in a run is being written, and deleting it would save nothing. */
#include "base/metric.h"
#include "keyspace/keyspace_private.h"

#define TICK_MS 250
#define TICKS_PER_SECOND (1000 / TICK_MS)
#define CLOCK_BITS 24
#define TIER_CLOCK_BITS 22
#define TIER_FREQUENCY_MAX 3

/* As Redis: lfu-decay-time 1, lfu-log-factor 10, and where a new key's counter starts. */
#define LFU_MINUTE_MS 60000
#define LFU_LOG_FACTOR 10
#define LFU_COUNTER_FRESH 5
#define LFU_COUNTER_MAX 255

/* A window has an entry for every so many bytes wanted: a sixteenth of it, at 128 bytes each, is what is wanted. */
#define WINDOW_BYTES_PER_ENTRY 8
#define WINDOW_MIN 64
#define WINDOW_MAX 512
#define WINDOW_SHARE 16

/* Coldness: higher goes first. Scores of ages and times have 16 steps to a doubling. */
#define SCORE_COUNT 1024
#define SCORE_DOUBLING 16

enum access_form { ACCESS_CLOCK, ACCESS_TIER, ACCESS_LFU };

static inline enum access_form access_form_of(enum eviction_policy policy)
{
    switch (policy) {
    case EVICT_TIER:
        return ACCESS_TIER;
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LFU:
        return ACCESS_LFU;
    default:
        return ACCESS_CLOCK;
    }
}

static inline enum access_form access_form(const struct keyspace *keyspace)
{
    return access_form_of(atomic_load_explicit(&keyspace->access_policy, memory_order_relaxed));
}

static inline uint32_t access_clock(const struct keyspace *keyspace)
{
    return atomic_load_explicit(&keyspace->access_clock, memory_order_relaxed);
}

/* ---- access bits ---- */

void keyspace_set_clock(struct keyspace *keyspace, int64_t now_ms, enum eviction_policy policy)
{
    uint32_t clock = (uint32_t)(now_ms / TICK_MS) & ((1u << CLOCK_BITS) - 1), fresh = clock;
    switch (access_form_of(policy)) {
    case ACCESS_TIER:
        clock &= (1u << TIER_CLOCK_BITS) - 1;
        fresh = clock << 2;
        break;
    case ACCESS_LFU:
        clock = (uint32_t)(now_ms / LFU_MINUTE_MS) & 0xffff;
        fresh = clock << 8 | LFU_COUNTER_FRESH;
        break;
    case ACCESS_CLOCK:
        break;
    }
    atomic_store_explicit(&keyspace->access_clock, clock, memory_order_relaxed);
    atomic_store_explicit(&keyspace->access_fresh, fresh, memory_order_relaxed);
    atomic_store_explicit(&keyspace->access_policy, policy, memory_order_relaxed);
}

/* Ticks from a stamp to the clock. The last sixteenth of the range is the future: the wall clock was set back. */
static inline uint32_t age_of(uint32_t clock, uint32_t stamp, unsigned bits)
{
    uint32_t range = 1u << bits, age = (clock - stamp) & (range - 1);
    return age >= range - range / 16 ? 0 : age;
}

/* The counter loses one a minute. */
static inline uint32_t lfu_counter(uint32_t access, uint32_t minute)
{
    uint32_t counter = access & 0xff, minutes = (minute - (access >> 8)) & 0xffff;
    return minutes < counter ? counter - minutes : 0;
}

static uint32_t random_word(void)
{
    static _Thread_local uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 32);
}

/* Counts with a chance that falls as the counter rises, so that 255 stands for about a million uses. */
static uint32_t lfu_count(uint32_t counter)
{
    uint32_t above = counter > LFU_COUNTER_FRESH ? counter - LFU_COUNTER_FRESH : 0;
    bool counts = random_word() <= UINT32_MAX / (above * LFU_LOG_FACTOR + 1);
    return counts && counter < LFU_COUNTER_MAX ? counter + 1 : counter;
}

static inline uint32_t tier_touched(uint32_t access, uint32_t clock)
{
    uint32_t frequency = access & TIER_FREQUENCY_MAX;
    if (access >> 2 == clock)
        return access;
    return clock << 2 | (frequency < TIER_FREQUENCY_MAX ? frequency + 1 : frequency);
}

void keyspace_touch(struct keyspace *keyspace, struct entry *entry)
{
    uint32_t clock = access_clock(keyspace), access = entry->access, touched = clock;
    switch (access_form(keyspace)) {
    case ACCESS_TIER:
        touched = tier_touched(access, clock);
        break;
    case ACCESS_LFU:
        touched = clock << 8 | lfu_count(lfu_counter(access, clock));
        break;
    case ACCESS_CLOCK:
        break;
    }
    /* A hot entry's cache line stays clean between two ticks. */
    if (touched != access)
        entry->access = touched & 0xffffff;
}

int64_t keyspace_idle_seconds(const struct keyspace *keyspace, const struct entry *entry)
{
    uint32_t clock = access_clock(keyspace);
    switch (access_form(keyspace)) {
    case ACCESS_TIER:
        return age_of(clock, entry->access >> 2, TIER_CLOCK_BITS) / TICKS_PER_SECOND;
    case ACCESS_LFU:
        return (int64_t)((clock - (entry->access >> 8)) & 0xffff) * (LFU_MINUTE_MS / 1000);
    default:
        return age_of(clock, entry->access, CLOCK_BITS) / TICKS_PER_SECOND;
    }
}

uint32_t keyspace_frequency(const struct keyspace *keyspace, const struct entry *entry)
{
    switch (access_form(keyspace)) {
    case ACCESS_TIER:
        return entry->access & TIER_FREQUENCY_MAX;
    case ACCESS_LFU:
        return lfu_counter(entry->access, access_clock(keyspace));
    default:
        return 0;
    }
}

void keyspace_set_idle(struct keyspace *keyspace, struct entry *entry, int64_t idle_seconds)
{
    enum access_form form = access_form(keyspace);
    if (form == ACCESS_LFU)
        return;
    unsigned bits = form == ACCESS_TIER ? TIER_CLOCK_BITS : CLOCK_BITS;
    uint32_t mask = (1u << bits) - 1, oldest = mask - mask / 16 - 1;
    bool is_oldest = idle_seconds > oldest / TICKS_PER_SECOND;
    uint32_t ticks = is_oldest ? oldest : idle_seconds < 0 ? 0 : (uint32_t)idle_seconds * TICKS_PER_SECOND;
    uint32_t stamp = (access_clock(keyspace) - ticks) & mask;
    if (form == ACCESS_TIER)
        stamp = stamp << 2 | (entry->access & TIER_FREQUENCY_MAX);
    entry->access = stamp & 0xffffff;
}

void keyspace_set_frequency(struct keyspace *keyspace, struct entry *entry, uint32_t frequency)
{
    if (access_form(keyspace) != ACCESS_LFU)
        return;
    uint32_t counter = frequency < LFU_COUNTER_MAX ? frequency : LFU_COUNTER_MAX;
    entry->access = ((access_clock(keyspace) & 0xffff) << 8 | counter) & 0xffffff;
}

/* ---- coldness ---- */

struct eviction_step {
    struct place place;
    enum eviction_policy policy;
    enum eviction_reach reach;
    int64_t now_ms;
    uint32_t clock;
    uint64_t seed; /* of random scores */

    unsigned looks, candidates;
    unsigned threshold; /* the score from which entries go */
    unsigned allowance; /* how many with this very score may go */
    bool is_done;
    size_t bytes_wanted, bytes_freed, dirty_seen, dirty_passed;
    uint16_t histogram[SCORE_COUNT];
};

static inline unsigned score_of_length(uint64_t length)
{
    if (length < SCORE_DOUBLING)
        return (unsigned)length;
    unsigned top = 63 - (unsigned)__builtin_clzll(length);
    return (top - 3) * SCORE_DOUBLING + (unsigned)(length >> (top - 4) & (SCORE_DOUBLING - 1));
}

/* Sixteenths of a tick, so that a doubling has its 16 steps from the first on. */
static inline unsigned score_of_age(uint32_t ticks)
{
    return score_of_length((uint64_t)ticks * 16 + 16);
}

static inline unsigned score_tier(uint32_t access, uint32_t clock)
{
    static const uint8_t handicaps[] = {5 * SCORE_DOUBLING, SCORE_DOUBLING, SCORE_DOUBLING / 2, 0};
    return score_of_age(age_of(clock, access >> 2, TIER_CLOCK_BITS)) + handicaps[access & TIER_FREQUENCY_MAX];
}

static inline unsigned score_ttl(const struct entry *entry, int64_t now_ms)
{
    int64_t left_ms = entry_expire_at_ms(entry) - now_ms;
    return SCORE_COUNT - 1 - (left_ms > 0 ? score_of_length((uint64_t)left_ms) : 0);
}

static inline unsigned score_random(const struct entry *entry, uint64_t seed)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)entry ^ seed) * UINT64_C(0xff51afd7ed558ccd);
    mixed = (mixed ^ mixed >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return mixed >> 32 & (SCORE_COUNT - 1);
}

static inline unsigned score_of(const struct eviction_step *step, const struct entry *entry)
{
    switch (step->policy) {
    case EVICT_TIER:
        return score_tier(entry->access, step->clock);
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LFU:
        return LFU_COUNTER_MAX - lfu_counter(entry->access, step->clock);
    case EVICT_ALLKEYS_RANDOM:
    case EVICT_VOLATILE_RANDOM:
        return score_random(entry, step->seed);
    case EVICT_VOLATILE_TTL:
        return score_ttl(entry, step->now_ms);
    default:
        return score_of_age(age_of(step->clock, entry->access, CLOCK_BITS));
    }
}

static inline bool policy_is_volatile(enum eviction_policy policy)
{
    return policy >= EVICT_VOLATILE_LRU;
}

/* Whether the policy speaks of the entry at all. */
static inline bool policy_covers(const struct eviction_step *step, const struct entry *entry)
{
    return entry_is_live(entry) && !(entry->flags & ENTRY_PINNED) &&
           (!policy_is_volatile(step->policy) || (entry->flags & ENTRY_HAS_EXPIRE));
}

static bool is_optional(const struct eviction_step *step, const struct entry *entry)
{
    const struct sink *sink = step->place.keyspace->sink;
    return entry_state(entry) == ENTRY_DIRTY && sink && sink->is_optional &&
           sink->is_optional(sink->context, entry_key(entry));
}

static bool has_claimed_name(const struct eviction_step *step, const struct entry *entry)
{
    struct key key = place_key(&step->place, entry);
    return keyspace_is_claimed(step->place.keyspace, &key);
}

static inline bool may_leave(const struct eviction_step *step, const struct entry *entry)
{
    if (step->reach != EVICT_ANY && entry_state(entry) == ENTRY_CLEAN)
        return true;
    return (step->reach == EVICT_ANY || (step->reach == EVICT_OPTIONAL && is_optional(step, entry))) &&
           !(keyspace_any_claims() && has_claimed_name(step, entry));
}

/* ---- the two passes ---- */

static struct entry *survey_entry(void *context, struct entry *entry)
{
    struct eviction_step *step = context;
    step->looks++;
    if (policy_covers(step, entry) && may_leave(step, entry)) {
        step->candidates++;
        step->histogram[score_of(step, entry)]++;
    }
    return entry;
}

/* Where the coldest sixteenth of the candidates begins. Without any, all that is passed over counts as dirty. */
static void find_threshold(struct eviction_step *step)
{
    unsigned quota = (step->candidates + WINDOW_SHARE - 1) / WINDOW_SHARE, score = SCORE_COUNT;
    step->threshold = 0;
    step->allowance = quota;
    while (quota > 0 && score-- > 0) {
        unsigned here = step->histogram[score];
        step->threshold = score;
        step->allowance = quota;
        quota -= here < quota ? here : quota;
    }
}

/* Lets the entry go; returns what must stand in its place. */
static struct entry *entry_leave(struct eviction_step *step, struct entry *entry)
{
    step->bytes_freed += keyspace_entry_bytes(step->place.keyspace, entry);
    if (step->reach != EVICT_ANY && entry_state(entry) == ENTRY_CLEAN) {
        keyspace_drop_entry_locked(&step->place, entry);
        metric_add(METRIC_tier_spilled_keys, 1);
        return NULL;
    }
    const struct sink *sink = step->place.keyspace->sink;
    struct key key = place_key(&step->place, entry);
    if (sink)
        sink->evicted(sink->context, &key);
    metric_add(METRIC_evicted_keys, 1);
    return place_delete(&step->place, &key, entry);
}

static struct entry *evict_entry(void *context, struct entry *entry)
{
    struct eviction_step *step = context;
    step->looks++;
    if (step->is_done || !policy_covers(step, entry))
        return entry;
    unsigned score = score_of(step, entry);
    if (score < step->threshold)
        return entry;
    if (!may_leave(step, entry)) {
        step->dirty_seen++;
        return entry;
    }
    if (score == step->threshold) {
        if (step->allowance == 0)
            return entry;
        step->allowance--;
    }
    struct entry *successor = entry_leave(step, entry);
    step->is_done = step->bytes_freed >= step->bytes_wanted;
    return successor;
}

static bool only_clean_leave(const struct eviction_step *step)
{
    const struct sink *sink = step->place.keyspace->sink;
    return step->reach == EVICT_CLEAN || (step->reach == EVICT_OPTIONAL && !(sink && sink->is_optional));
}

/* While little is clean, a look at the counts spares many looks at entries. */
static bool table_has_candidates(const struct eviction_step *step)
{
    const struct slot_table *table = step->place.table;
    return table->entries > 0 && (!policy_is_volatile(step->policy) || table->expires > 0) &&
           (table->unclean < table->entries || !only_clean_leave(step));
}

/* Visits segments from the hand on until 'looks_max' entries were looked at, the step is done (the hand then stays, as
 * the segment may hold more that should go), or the hand is back at its table. */
static void walk_window(struct partition *partition, struct eviction_step *step, unsigned looks_max,
                        struct entry *(*visit)(void *context, struct entry *entry))
{
    struct partition_hand *hand = &partition->evict_hand;
    const struct partition_hand start = *hand;
    step->looks = 0;
    while (step->looks < looks_max) {
        uint16_t slot = partition_slot(step->place.keyspace, partition, hand->table);
        if (place_find(step->place.keyspace, hand->db, slot, &step->place) && table_has_candidates(step)) {
            hand->hash = slot_table_visit(step->place.table, hand->hash, visit, step);
            if (step->is_done)
                return;
        } else {
            hand->hash = 0;
            step->dirty_passed += step->place.table ? step->place.table->unclean : 0;
        }
        if (hand->hash != 0)
            continue;
        partition_hand_advance(partition, hand);
        if (hand->db == start.db && hand->table == start.table)
            return;
    }
}

/* Whether dirty entries in tables that were passed over stand in the way of colder ones leaving: surely if nothing else
 * may leave, and likely where most are dirty. */
static bool passed_are_wanted(const struct partition *partition, const struct eviction_step *step)
{
    uint64_t dirty = 0, resident = 0;
    for (unsigned db = 0; db < DATABASE_COUNT; db++) {
        const struct database_part *part = partition_database(partition, db);
        dirty += part ? atomic_load_explicit(&part->dirty_count, memory_order_relaxed) : 0;
        resident += part ? atomic_load_explicit(&part->resident, memory_order_relaxed) : 0;
    }
    return step->candidates == 0 || dirty > resident / 2;
}

static void evict_locked(struct partition *partition, struct eviction_step *step)
{
    size_t window = step->bytes_wanted / WINDOW_BYTES_PER_ENTRY;
    window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    const struct partition_hand start = partition->evict_hand;
    step->seed = (uint64_t)step->now_ms * UINT64_C(0x9e3779b97f4a7c15) ^ start.hash ^ start.table;
    walk_window(partition, step, (unsigned)window, survey_entry);
    if (step->dirty_passed > 0 && passed_are_wanted(partition, step))
        step->dirty_seen += step->dirty_passed;
    find_threshold(step);
    partition->evict_hand = start;
    walk_window(partition, step, step->looks, evict_entry);
}

size_t keyspace_evict_step(struct keyspace *keyspace, uint32_t partition_index, size_t bytes,
                           enum eviction_policy policy, enum eviction_reach reach, int64_t now_ms, size_t *dirty_seen)
{
    struct partition *partition = &keyspace->partitions[partition_index];
    struct eviction_step step = {
        .place.keyspace = keyspace,
        .policy = policy,
        .reach = policy == EVICT_NOEVICTION ? EVICT_CLEAN : reach,
        .now_ms = now_ms,
        .clock = access_clock(keyspace),
        .bytes_wanted = bytes,
    };
    if (bytes == 0 || !lock_try(&partition->lock))
        return 0;
    if (partition_is_claimed(partition)) {
        lock_release(&partition->lock);
        return 0;
    }
    evict_locked(partition, &step);
    lock_release(&partition->lock);
    *dirty_seen += step.dirty_seen;
    return step.bytes_freed;
}
