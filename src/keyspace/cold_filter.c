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
#include "keyspace/cold_filter_private.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"

#define SMALL_COUNT_MAX 6144

static _Atomic size_t bytes_of_all;

void *cold_filter_allocate(struct cold_filter *filter, size_t size)
{
    filter->bytes += memory_size_class(size);
    atomic_fetch_add_explicit(&bytes_of_all, memory_size_class(size), memory_order_relaxed);
    return memory_allocate_zeroed(size);
}

void cold_filter_free(struct cold_filter *filter, void *part, size_t size)
{
    filter->bytes -= memory_size_class(size);
    atomic_fetch_sub_explicit(&bytes_of_all, memory_size_class(size), memory_order_relaxed);
    memory_free(part);
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
    uint32_t *resized = cold_filter_allocate(filter, capacity * sizeof(*resized));
    if (filter->small != NULL) {
        memcpy(resized, filter->small, filter->count * sizeof(*resized));
        cold_filter_free(filter, filter->small, filter->small_capacity * sizeof(*resized));
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
    filter->directory = cold_filter_allocate(filter, sizeof(struct cold_segment *));
    filter->directory[0] = cold_segment_create(filter, 0, filter->count);
    for (size_t i = 0; i < filter->count; i++)
        cold_filter_put(filter, (struct homeless){bucket_of(filter->small[i]), (uint16_t)(filter->small[i] >> 16)});
    cold_filter_free(filter, filter->small, filter->small_capacity * sizeof(*filter->small));
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
        cold_filter_free(filter, filter->small, filter->small_capacity * sizeof(*filter->small));
    if (filter->directory != NULL) {
        size_t places = (size_t)1 << filter->depth;
        for (size_t i = 0, next; i < places; i = next) {
            struct cold_segment *segment = filter->directory[i];
            next = i + ((size_t)1 << (filter->depth - segment->depth));
            cold_segment_destroy(filter, segment);
        }
        cold_filter_free(filter, filter->directory, places * sizeof(struct cold_segment *));
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
    cold_filter_put(filter, (struct homeless){bucket_of(hash), fingerprint_of(hash)});
    filter->count++;
}

bool cold_filter_maybe(const struct cold_filter *filter, uint64_t hash)
{
    if (filter->directory == NULL)
        return small_has(filter, small_of(hash));
    uint16_t fingerprint = fingerprint_of(hash);
    uint32_t bucket = bucket_of(hash);
    const struct cold_segment *segment = segment_of(filter, fingerprint);
    return bucket_has(segment, bucket, fingerprint) ||
           bucket_has(segment, alternate_of(bucket, fingerprint), fingerprint);
}

void cold_filter_remove(struct cold_filter *filter, uint64_t hash)
{
    if (filter->directory == NULL) {
        small_remove(filter, small_of(hash));
        return;
    }
    uint16_t fingerprint = fingerprint_of(hash);
    uint32_t bucket = bucket_of(hash);
    struct cold_segment *segment = segment_of(filter, fingerprint);
    if (!bucket_exchange(segment, bucket, fingerprint, 0) &&
        !bucket_exchange(segment, alternate_of(bucket, fingerprint), fingerprint, 0))
        return;
    segment->count--;
    filter->count--;
    if (filter->count == 0)
        filter_clear(filter);
    else if (cold_segment_is_sparse(segment))
        cold_segment_shrink(filter, segment);
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
