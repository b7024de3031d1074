/* SPDX-License-Identifier: BSD-3-Clause */
/* A cuckoo filter of 16-bit fingerprints that grows by segments.
 *
 *   hash   ffffffffffffffff ................................ ....bbbbbbbbbbbb
 *          fingerprint; its top bits choose the segment      bucket within the segment
 *
 * A fingerprint stands in its bucket or in the alternate one, which is found from bucket and fingerprint alone, so
 * that it can be moved without the hash. A segment's buckets form four stripes, each an allocation of its own with its
 * own number of slots a bucket. When an insertion finds no place, one stripe gets one slot more; when all have
 * SLOTS_SPLIT, the segment splits in two by the next bit of the fingerprints. So a growth step adds 3 to 10 percent,
 * stripes are whole size classes of the allocator, and the load stays near the top at every size.
 *
 * Splitting uses up bits that told keys apart, so false positives grow with the keys; the many buckets of a segment
 * start them low. A filter with few keys is a sorted array of 32 bits of each hash, which has all that a segment needs.
 *
 * F1 the fingerprint 0 marks an empty slot; a hash that has it is given 1. Both are in one segment, since the
 *    directory uses at most DEPTH_MAX bits, all but the lowest one.
 * F2 a fingerprint in a segment agrees with it in its 'depth' top bits.
 * F3 'directory' has 1 << depth places; a segment of depth s stands in 1 << (depth - s) neighbouring ones. */
#include "keyspace/cold_filter.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define BUCKET_BITS 12
#define BUCKETS (1u << BUCKET_BITS)
#define STRIPES 4
#define STRIPE_BUCKETS (BUCKETS / STRIPES)
#define FINGERPRINT_BITS 16
#define DEPTH_MAX (FINGERPRINT_BITS - 1)
#define SLOTS_SPLIT 8
/* How often an insertion moves another fingerprint before it asks for room. */
#define KICKS_MAX 300

/* Percent of a segment's slots: what a new segment is filled to; from where the lack of a place is the segment's
 * fullness and not many equal hashes; where removals begin to give slots back. */
#define LOAD_FRESH 84
#define LOAD_FULL 80
#define LOAD_SPARSE 50

#define SMALL_COUNT_MAX 6144

struct segment {
    uint16_t *stripes[STRIPES];
    uint16_t slots[STRIPES]; /* of every bucket in the stripe */
    uint32_t count;
    uint8_t depth;
};

struct cold_filter {
    size_t count;
    size_t bytes;
    uint32_t *small;            /* ascending; while 'directory' is NULL */
    struct segment **directory; /* by the fingerprint's top bits */
    uint32_t small_capacity;
    uint32_t random;
    uint8_t depth;
};

/* A fingerprint on its way to a place. */
struct homeless {
    uint32_t bucket;
    uint16_t fingerprint;
};

static _Atomic size_t bytes_of_all;

static void *filter_allocate(struct cold_filter *filter, size_t size)
{
    filter->bytes += memory_size_class(size);
    atomic_fetch_add_explicit(&bytes_of_all, memory_size_class(size), memory_order_relaxed);
    return memory_allocate_zeroed(size);
}

static void filter_free(struct cold_filter *filter, void *part, size_t size)
{
    filter->bytes -= memory_size_class(size);
    atomic_fetch_sub_explicit(&bytes_of_all, memory_size_class(size), memory_order_relaxed);
    memory_free(part);
}

static inline uint16_t fingerprint_of(uint64_t hash)
{
    uint16_t fingerprint = (uint16_t)(hash >> (64 - FINGERPRINT_BITS));
    return fingerprint == 0 ? 1 : fingerprint;
}

static inline uint32_t bucket_of(uint64_t hash)
{
    return (uint32_t)hash & (BUCKETS - 1);
}

static inline uint32_t alternate_of(uint32_t bucket, uint16_t fingerprint)
{
    uint32_t distance = fingerprint * UINT32_C(0x9e3779b1) >> (32 - BUCKET_BITS);
    return bucket ^ (distance == 0 ? 1 : distance);
}

static inline struct segment *segment_of(const struct cold_filter *filter, uint16_t fingerprint)
{
    return filter->directory[fingerprint >> (FINGERPRINT_BITS - filter->depth)];
}

static size_t stripe_bytes(unsigned slots)
{
    return (size_t)STRIPE_BUCKETS * slots * sizeof(uint16_t);
}

/* ---- buckets ---- */

static inline uint16_t *bucket_slots(const struct segment *segment, uint32_t bucket, unsigned *slots)
{
    uint32_t stripe = bucket / STRIPE_BUCKETS;
    *slots = segment->slots[stripe];
    return segment->stripes[stripe] + (size_t)(bucket % STRIPE_BUCKETS) * *slots;
}

/* Whether one of four slots holds the fingerprint: the subtraction borrows through a lane that became zero. */
static inline bool four_have(const uint16_t *slots, uint64_t repeated)
{
    const uint64_t ones = UINT64_C(0x0001000100010001);
    uint64_t lanes;
    memcpy(&lanes, slots, sizeof(lanes));
    lanes ^= repeated;
    return ((lanes - ones) & ~lanes & ones << 15) != 0;
}

static inline bool bucket_has(const struct segment *segment, uint32_t bucket, uint16_t fingerprint)
{
    unsigned count;
    const uint16_t *slots = bucket_slots(segment, bucket, &count);
    if (count < 4) {
        for (unsigned i = 0; i < count; i++) {
            if (slots[i] == fingerprint)
                return true;
        }
        return false;
    }
    uint64_t repeated = fingerprint * UINT64_C(0x0001000100010001);
    for (unsigned i = 0; i + 4 < count; i += 4) {
        if (four_have(slots + i, repeated))
            return true;
    }
    return four_have(slots + count - 4, repeated);
}

/* Puts 'to' into the first slot of the bucket that holds 'from'. */
static bool bucket_exchange(struct segment *segment, uint32_t bucket, uint16_t from, uint16_t to)
{
    unsigned count;
    uint16_t *slots = bucket_slots(segment, bucket, &count);
    for (unsigned i = 0; i < count; i++) {
        if (slots[i] == from) {
            slots[i] = to;
            return true;
        }
    }
    return false;
}

/* ---- segments ---- */

static size_t segment_slots(const struct segment *segment)
{
    size_t slots = 0;
    for (unsigned i = 0; i < STRIPES; i++)
        slots += segment->slots[i];
    return slots * STRIPE_BUCKETS;
}

static struct segment *segment_create(struct cold_filter *filter, unsigned depth, size_t count)
{
    struct segment *segment = filter_allocate(filter, sizeof(*segment));
    size_t per_slot = (size_t)STRIPE_BUCKETS * LOAD_FRESH;
    unsigned slots = (unsigned)((count * 100 + per_slot - 1) / per_slot);
    if (slots < STRIPES)
        slots = STRIPES;
    segment->depth = (uint8_t)depth;
    for (unsigned i = 0; i < STRIPES; i++) {
        segment->slots[i] = (uint16_t)((slots + STRIPES - 1 - i) / STRIPES);
        segment->stripes[i] = filter_allocate(filter, stripe_bytes(segment->slots[i]));
    }
    return segment;
}

static void segment_destroy(struct cold_filter *filter, struct segment *segment)
{
    for (unsigned i = 0; i < STRIPES; i++)
        filter_free(filter, segment->stripes[i], stripe_bytes(segment->slots[i]));
    filter_free(filter, segment, sizeof(*segment));
}

static uint32_t random_step(struct cold_filter *filter)
{
    filter->random = filter->random * UINT32_C(1664525) + UINT32_C(1013904223);
    return filter->random >> 16;
}

/* Finds a place for the fingerprint, moving others to their alternates. On failure the one that found none, not
 * always the one that came, is left in 'homeless'. */
static bool segment_place(struct cold_filter *filter, struct segment *segment, struct homeless *homeless)
{
    for (unsigned kick = 0; kick <= KICKS_MAX; kick++) {
        uint32_t bucket = homeless->bucket;
        if (bucket_exchange(segment, bucket, 0, homeless->fingerprint) ||
            bucket_exchange(segment, alternate_of(bucket, homeless->fingerprint), 0, homeless->fingerprint))
            return true;
        unsigned count;
        uint16_t *slots = bucket_slots(segment, bucket, &count);
        uint16_t *victim = &slots[random_step(filter) % count];
        uint16_t moved = *victim;
        *victim = homeless->fingerprint;
        *homeless = (struct homeless){alternate_of(bucket, moved), moved};
    }
    return false;
}

static void stripe_add_slot(struct cold_filter *filter, struct segment *segment, unsigned stripe)
{
    unsigned slots = segment->slots[stripe];
    check(slots < UINT16_MAX);
    uint16_t *larger = filter_allocate(filter, stripe_bytes(slots + 1));
    for (unsigned i = 0; i < STRIPE_BUCKETS; i++)
        memcpy(larger + (size_t)i * (slots + 1), segment->stripes[stripe] + (size_t)i * slots,
               slots * sizeof(uint16_t));
    filter_free(filter, segment->stripes[stripe], stripe_bytes(slots));
    segment->stripes[stripe] = larger;
    segment->slots[stripe]++;
}

static unsigned smallest_stripe(const struct segment *segment)
{
    unsigned smallest = 0;
    for (unsigned i = 1; i < STRIPES; i++) {
        if (segment->slots[i] < segment->slots[smallest])
            smallest = i;
    }
    return smallest;
}

static bool segment_is_full(const struct segment *segment)
{
    return (size_t)segment->count * 100 >= segment_slots(segment) * LOAD_FULL;
}

/* Equal hashes have but two buckets: then only room in these helps. */
static void segment_grow(struct cold_filter *filter, struct segment *segment, const struct homeless *homeless)
{
    bool is_full = segment_is_full(segment);
    stripe_add_slot(filter, segment, is_full ? smallest_stripe(segment) : homeless->bucket / STRIPE_BUCKETS);
}

/* Puts the fingerprint and counts it, whatever room that takes. */
static void segment_put(struct cold_filter *filter, struct segment *segment, struct homeless homeless)
{
    while (!segment_place(filter, segment, &homeless))
        segment_grow(filter, segment, &homeless);
    segment->count++;
}

/* Counts the fingerprint if its first bucket has room, which takes no kicks. */
static bool segment_put_directly(struct segment *segment, uint32_t bucket, uint16_t fingerprint)
{
    bool fits = bucket_exchange(segment, bucket, 0, fingerprint);
    segment->count += fits;
    return fits;
}

/* Takes one slot from every bucket of the stripe. */
static void stripe_remove_slot(struct cold_filter *filter, struct segment *segment, unsigned stripe)
{
    unsigned slots = segment->slots[stripe];
    uint16_t *larger = segment->stripes[stripe];
    segment->slots[stripe]--;
    segment->stripes[stripe] = filter_allocate(filter, stripe_bytes(slots - 1));
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < STRIPE_BUCKETS * slots; i++) {
            uint32_t bucket = stripe * STRIPE_BUCKETS + i / slots;
            if (larger[i] == 0)
                continue;
            segment->count--;
            if (pass == 1)
                segment_put(filter, segment, (struct homeless){bucket, larger[i]});
            else if (segment_put_directly(segment, bucket, larger[i]))
                larger[i] = 0;
            else
                segment->count++;
        }
    }
    filter_free(filter, larger, stripe_bytes(slots));
}

/* ---- splitting ---- */

static void directory_double(struct cold_filter *filter)
{
    size_t places = (size_t)1 << filter->depth;
    struct segment **directory = filter_allocate(filter, 2 * places * sizeof(struct segment *));
    for (size_t i = 0; i < 2 * places; i++)
        directory[i] = filter->directory[i / 2];
    filter_free(filter, filter->directory, places * sizeof(struct segment *));
    filter->directory = directory;
    filter->depth++;
}

/* Which half of a splitting segment the fingerprint goes to. */
static inline unsigned half_of(const struct segment *segment, uint16_t fingerprint)
{
    return fingerprint >> (FINGERPRINT_BITS - 1 - segment->depth) & 1;
}

static size_t count_upper_half(const struct segment *segment)
{
    size_t upper = 0;
    for (unsigned stripe = 0; stripe < STRIPES; stripe++) {
        size_t slots = (size_t)STRIPE_BUCKETS * segment->slots[stripe];
        for (size_t i = 0; i < slots; i++)
            upper += half_of(segment, segment->stripes[stripe][i]);
    }
    return upper;
}

/* Puts every neighbouring place that had 'segment' on its half. */
static void directory_replace(struct cold_filter *filter, const struct segment *segment, struct segment *halves[2],
                              uint16_t member)
{
    unsigned shift = filter->depth - segment->depth;
    size_t first = (size_t)(member >> (FINGERPRINT_BITS - filter->depth)) >> shift << shift;
    size_t half = (size_t)1 << (shift - 1);
    for (size_t i = 0; i < 2 * half; i++)
        filter->directory[first + i] = halves[i / half];
}

/* Every fingerprint keeps its bucket if that has room; the others come last, since kicks are cheapest when most have
 * a place. 'member' is any fingerprint of the segment. */
static void segment_split(struct cold_filter *filter, struct segment *segment, uint16_t member)
{
    size_t upper = count_upper_half(segment);
    struct segment *halves[2] = {segment_create(filter, segment->depth + 1u, segment->count - upper),
                                 segment_create(filter, segment->depth + 1u, upper)};
    if (segment->depth == filter->depth)
        directory_double(filter);
    directory_replace(filter, segment, halves, member);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
            unsigned count;
            uint16_t *slots = bucket_slots(segment, bucket, &count);
            for (unsigned i = 0; i < count; i++) {
                struct segment *half = halves[half_of(segment, slots[i])];
                if (slots[i] == 0)
                    continue;
                if (pass == 1)
                    segment_put(filter, half, (struct homeless){bucket, slots[i]});
                else if (segment_put_directly(half, bucket, slots[i]))
                    slots[i] = 0;
            }
        }
    }
    segment_destroy(filter, segment);
}

static void filter_put(struct cold_filter *filter, struct homeless homeless)
{
    for (;;) {
        struct segment *segment = segment_of(filter, homeless.fingerprint);
        if (segment_place(filter, segment, &homeless)) {
            segment->count++;
            return;
        }
        bool may_split = segment->depth < DEPTH_MAX && segment_is_full(segment) &&
                         segment->slots[smallest_stripe(segment)] >= SLOTS_SPLIT;
        if (may_split)
            segment_split(filter, segment, homeless.fingerprint);
        else
            segment_grow(filter, segment, &homeless);
    }
}

/* ---- few keys ---- */

static inline uint32_t small_of(uint64_t hash)
{
    return (uint32_t)fingerprint_of(hash) << 16 | (hash & 0xffff);
}

/* Where the value stands or would stand. */
static size_t small_position(const struct cold_filter *filter, uint32_t value)
{
    size_t low = 0, high = filter->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (filter->small[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void small_resize(struct cold_filter *filter, size_t capacity)
{
    uint32_t *resized = filter_allocate(filter, capacity * sizeof(*resized));
    if (filter->small != NULL) {
        memcpy(resized, filter->small, filter->count * sizeof(*resized));
        filter_free(filter, filter->small, filter->small_capacity * sizeof(*resized));
    }
    filter->small = resized;
    filter->small_capacity = (uint32_t)capacity;
}

static void small_add(struct cold_filter *filter, uint32_t value)
{
    if (filter->count == filter->small_capacity)
        small_resize(filter, filter->count + filter->count / 4 + 4);
    size_t position = small_position(filter, value);
    memmove(filter->small + position + 1, filter->small + position,
            (filter->count - position) * sizeof(*filter->small));
    filter->small[position] = value;
    filter->count++;
}

static bool small_has(const struct cold_filter *filter, uint32_t value)
{
    size_t position = small_position(filter, value);
    return position < filter->count && filter->small[position] == value;
}

static void small_remove(struct cold_filter *filter, uint32_t value)
{
    size_t position = small_position(filter, value);
    if (position == filter->count || filter->small[position] != value)
        return;
    filter->count--;
    memmove(filter->small + position, filter->small + position + 1,
            (filter->count - position) * sizeof(*filter->small));
    if (filter->count + filter->count / 2 + 8 < filter->small_capacity)
        small_resize(filter, filter->count + filter->count / 8 + 1);
}

static void small_to_segment(struct cold_filter *filter)
{
    filter->directory = filter_allocate(filter, sizeof(struct segment *));
    filter->directory[0] = segment_create(filter, 0, filter->count);
    for (size_t i = 0; i < filter->count; i++)
        filter_put(filter, (struct homeless){bucket_of(filter->small[i]), (uint16_t)(filter->small[i] >> 16)});
    filter_free(filter, filter->small, filter->small_capacity * sizeof(*filter->small));
    filter->small = NULL;
    filter->small_capacity = 0;
}

/* ---- the door ---- */

struct cold_filter *cold_filter_create(void)
{
    struct cold_filter *filter = memory_allocate_zeroed(sizeof(*filter));
    filter->bytes = memory_size_class(sizeof(*filter));
    atomic_fetch_add_explicit(&bytes_of_all, filter->bytes, memory_order_relaxed);
    return filter;
}

static void filter_clear(struct cold_filter *filter)
{
    if (filter->small != NULL)
        filter_free(filter, filter->small, filter->small_capacity * sizeof(*filter->small));
    if (filter->directory != NULL) {
        size_t places = (size_t)1 << filter->depth;
        for (size_t i = 0, next; i < places; i = next) {
            struct segment *segment = filter->directory[i];
            next = i + ((size_t)1 << (filter->depth - segment->depth));
            segment_destroy(filter, segment);
        }
        filter_free(filter, filter->directory, places * sizeof(struct segment *));
    }
    *filter = (struct cold_filter){.bytes = filter->bytes};
}

void cold_filter_destroy(struct cold_filter **filter)
{
    if (*filter == NULL)
        return;
    filter_clear(*filter);
    atomic_fetch_sub_explicit(&bytes_of_all, (*filter)->bytes, memory_order_relaxed);
    memory_free(*filter);
    *filter = NULL;
}

void cold_filter_add(struct cold_filter *filter, uint64_t hash)
{
    if (filter->directory == NULL) {
        if (filter->count < SMALL_COUNT_MAX) {
            small_add(filter, small_of(hash));
            return;
        }
        small_to_segment(filter);
    }
    filter_put(filter, (struct homeless){bucket_of(hash), fingerprint_of(hash)});
    filter->count++;
}

bool cold_filter_maybe(const struct cold_filter *filter, uint64_t hash)
{
    if (filter->directory == NULL)
        return small_has(filter, small_of(hash));
    uint16_t fingerprint = fingerprint_of(hash);
    uint32_t bucket = bucket_of(hash);
    const struct segment *segment = segment_of(filter, fingerprint);
    return bucket_has(segment, bucket, fingerprint) ||
           bucket_has(segment, alternate_of(bucket, fingerprint), fingerprint);
}

static void segment_shrink(struct cold_filter *filter, struct segment *segment)
{
    unsigned largest = 0;
    for (unsigned i = 1; i < STRIPES; i++) {
        if (segment->slots[i] > segment->slots[largest])
            largest = i;
    }
    if (segment->slots[largest] > 1)
        stripe_remove_slot(filter, segment, largest);
}

void cold_filter_remove(struct cold_filter *filter, uint64_t hash)
{
    if (filter->directory == NULL) {
        small_remove(filter, small_of(hash));
        return;
    }
    uint16_t fingerprint = fingerprint_of(hash);
    uint32_t bucket = bucket_of(hash);
    struct segment *segment = segment_of(filter, fingerprint);
    if (!bucket_exchange(segment, bucket, fingerprint, 0) &&
        !bucket_exchange(segment, alternate_of(bucket, fingerprint), fingerprint, 0))
        return;
    segment->count--;
    filter->count--;
    if (filter->count == 0)
        filter_clear(filter);
    else if ((size_t)segment->count * 100 < segment_slots(segment) * LOAD_SPARSE)
        segment_shrink(filter, segment);
}

size_t cold_filter_bytes(const struct cold_filter *filter)
{
    return filter->bytes;
}

size_t cold_filter_bytes_of_all(void)
{
    return atomic_load_explicit(&bytes_of_all, memory_order_relaxed);
}

size_t cold_filter_count(const struct cold_filter *filter)
{
    return filter->count;
}
