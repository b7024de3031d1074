/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of the filter: fingerprints in their buckets, growth by slots, and splitting. */
#include "keyspace/cold_filter_private.h"

#include "base/check.h"
#include "base/memory.h"

#define SLOTS_SPLIT 8
/* How often an insertion moves another fingerprint before it asks for room. */
#define KICKS_MAX 300

/* Percent of a segment's slots: what a new segment is filled to; from where the lack of a place is the segment's
 * fullness and not many equal hashes; where removals begin to give slots back. */
#define LOAD_FRESH 84
#define LOAD_FULL 80
#define LOAD_SPARSE 50

static size_t stripe_bytes(unsigned slots)
{
    return (size_t)STRIPE_BUCKETS * slots * sizeof(uint16_t);
}

static size_t segment_slots(const struct cold_segment *segment)
{
    size_t slots = 0;
    for (unsigned i = 0; i < STRIPES; i++)
        slots += segment->slots[i];
    return slots * STRIPE_BUCKETS;
}

struct cold_segment *cold_segment_create(struct cold_filter *filter, unsigned depth, size_t count)
{
    struct cold_segment *segment = cold_filter_allocate(filter, sizeof(*segment));
    size_t per_slot = (size_t)STRIPE_BUCKETS * LOAD_FRESH;
    unsigned slots = (unsigned)((count * 100 + per_slot - 1) / per_slot);
    if (slots < STRIPES)
        slots = STRIPES;
    segment->depth = (uint8_t)depth;
    for (unsigned i = 0; i < STRIPES; i++) {
        segment->slots[i] = (uint16_t)((slots + STRIPES - 1 - i) / STRIPES);
        segment->stripes[i] = cold_filter_allocate(filter, stripe_bytes(segment->slots[i]));
    }
    return segment;
}

void cold_segment_destroy(struct cold_filter *filter, struct cold_segment *segment)
{
    for (unsigned i = 0; i < STRIPES; i++)
        cold_filter_free(filter, segment->stripes[i], stripe_bytes(segment->slots[i]));
    cold_filter_free(filter, segment, sizeof(*segment));
}

static uint32_t random_step(struct cold_filter *filter)
{
    filter->random = filter->random * UINT32_C(1664525) + UINT32_C(1013904223);
    return filter->random >> 16;
}

/* Finds a place for the fingerprint, moving others to their alternates. On failure the one that found none, not
 * always the one that came, is left in 'homeless'. */
static bool segment_place(struct cold_filter *filter, struct cold_segment *segment, struct homeless *homeless)
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

static void stripe_add_slot(struct cold_filter *filter, struct cold_segment *segment, unsigned stripe)
{
    unsigned slots = segment->slots[stripe];
    check(slots < UINT16_MAX);
    uint16_t *larger = cold_filter_allocate(filter, stripe_bytes(slots + 1));
    for (unsigned i = 0; i < STRIPE_BUCKETS; i++)
        memcpy(larger + (size_t)i * (slots + 1), segment->stripes[stripe] + (size_t)i * slots,
               slots * sizeof(uint16_t));
    cold_filter_free(filter, segment->stripes[stripe], stripe_bytes(slots));
    segment->stripes[stripe] = larger;
    segment->slots[stripe]++;
}

static unsigned smallest_stripe(const struct cold_segment *segment)
{
    unsigned smallest = 0;
    for (unsigned i = 1; i < STRIPES; i++) {
        if (segment->slots[i] < segment->slots[smallest])
            smallest = i;
    }
    return smallest;
}

static bool segment_is_full(const struct cold_segment *segment)
{
    return (size_t)segment->count * 100 >= segment_slots(segment) * LOAD_FULL;
}

/* Equal hashes have but two buckets: then only room in these helps. */
static void segment_grow(struct cold_filter *filter, struct cold_segment *segment, const struct homeless *homeless)
{
    bool is_full = segment_is_full(segment);
    stripe_add_slot(filter, segment, is_full ? smallest_stripe(segment) : homeless->bucket / STRIPE_BUCKETS);
}

/* Puts the fingerprint and counts it, whatever room that takes. */
static void segment_put(struct cold_filter *filter, struct cold_segment *segment, struct homeless homeless)
{
    while (!segment_place(filter, segment, &homeless))
        segment_grow(filter, segment, &homeless);
    segment->count++;
}

/* Counts the fingerprint if its first bucket has room, which takes no kicks. */
static bool segment_put_directly(struct cold_segment *segment, uint32_t bucket, uint16_t fingerprint)
{
    bool fits = bucket_exchange(segment, bucket, 0, fingerprint);
    segment->count += fits;
    return fits;
}

/* Takes one slot from every bucket of the stripe. */
static void stripe_remove_slot(struct cold_filter *filter, struct cold_segment *segment, unsigned stripe)
{
    unsigned slots = segment->slots[stripe];
    uint16_t *larger = segment->stripes[stripe];
    segment->slots[stripe]--;
    segment->stripes[stripe] = cold_filter_allocate(filter, stripe_bytes(slots - 1));
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
    cold_filter_free(filter, larger, stripe_bytes(slots));
}

/* ---- splitting ---- */

static void directory_double(struct cold_filter *filter)
{
    size_t places = (size_t)1 << filter->depth;
    struct cold_segment **directory = cold_filter_allocate(filter, 2 * places * sizeof(struct cold_segment *));
    for (size_t i = 0; i < 2 * places; i++)
        directory[i] = filter->directory[i / 2];
    cold_filter_free(filter, filter->directory, places * sizeof(struct cold_segment *));
    filter->directory = directory;
    filter->depth++;
}

/* Which half of a splitting segment the fingerprint goes to. */
static inline unsigned half_of(const struct cold_segment *segment, uint16_t fingerprint)
{
    return fingerprint >> (FINGERPRINT_BITS - 1 - segment->depth) & 1;
}

static size_t count_upper_half(const struct cold_segment *segment)
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
static void directory_replace(struct cold_filter *filter, const struct cold_segment *segment,
                              struct cold_segment *halves[2], uint16_t member)
{
    unsigned shift = filter->depth - segment->depth;
    size_t first = (size_t)(member >> (FINGERPRINT_BITS - filter->depth)) >> shift << shift;
    size_t half = (size_t)1 << (shift - 1);
    for (size_t i = 0; i < 2 * half; i++)
        filter->directory[first + i] = halves[i / half];
}

/* Every fingerprint keeps its bucket if that has room; the others come last, since kicks are cheapest when most have
 * a place. 'member' is any fingerprint of the segment. */
static void segment_split(struct cold_filter *filter, struct cold_segment *segment, uint16_t member)
{
    size_t upper = count_upper_half(segment);
    struct cold_segment *halves[2] = {cold_segment_create(filter, segment->depth + 1u, segment->count - upper),
                                      cold_segment_create(filter, segment->depth + 1u, upper)};
    if (segment->depth == filter->depth)
        directory_double(filter);
    directory_replace(filter, segment, halves, member);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
            unsigned count;
            uint16_t *slots = bucket_slots(segment, bucket, &count);
            for (unsigned i = 0; i < count; i++) {
                struct cold_segment *half = halves[half_of(segment, slots[i])];
                if (slots[i] == 0)
                    continue;
                if (pass == 1)
                    segment_put(filter, half, (struct homeless){bucket, slots[i]});
                else if (segment_put_directly(half, bucket, slots[i]))
                    slots[i] = 0;
            }
        }
    }
    cold_segment_destroy(filter, segment);
}

void cold_filter_put(struct cold_filter *filter, struct homeless homeless)
{
    for (;;) {
        struct cold_segment *segment = segment_of(filter, homeless.fingerprint);
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

/* ---- giving room back ---- */

bool cold_segment_is_sparse(const struct cold_segment *segment)
{
    return (size_t)segment->count * 100 < segment_slots(segment) * LOAD_SPARSE;
}

void cold_segment_shrink(struct cold_filter *filter, struct cold_segment *segment)
{
    unsigned largest = 0;
    for (unsigned i = 1; i < STRIPES; i++) {
        if (segment->slots[i] > segment->slots[largest])
            largest = i;
    }
    if (segment->slots[largest] > 1)
        stripe_remove_slot(filter, segment, largest);
}
