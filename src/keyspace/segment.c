/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted runs of tagged pointers.
 *
 * S1 words are sorted by tag, words of equal tag by (hash, name) of their entries; so a segment is in row order.
 * S2 a segment of depth d holds only hashes whose top d bits are its prefix; the prefix itself stands nowhere.
 * S3 'expiry' is a lower bound: inserts lower it at once, removals leave it, a visit makes it exact.
 *
 * A tag of 16 bits among at most 127 words is right in all but 2 of 1000 comparisons, so a find touches one entry. A
 * split needs one more bit of every hash, which only the names can tell; a merge loses a bit and needs none. */
#include "keyspace/segment.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "keyspace/slot_table.h"

/* The allocator's classes up to a KiB: 127 words are moved in some tens of nanoseconds. */
const uint16_t segment_class_bytes[SEGMENT_CLASS_COUNT] = {
    32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024,
};

/* 40 bits of it last for five centuries. */
#define EXPIRY_UNIT_MS 16

unsigned segment_class_for(unsigned count)
{
    unsigned size_class = 0;
    while (segment_class_capacity(size_class) < count)
        size_class++;
    return size_class;
}

struct segment *segment_create(unsigned depth, unsigned capacity)
{
    unsigned size_class = segment_class_for(capacity);
    struct segment *segment = memory_allocate(segment_class_bytes[size_class]);
    *segment = (struct segment){.size_class = size_class, .depth = depth, .expiry = SEGMENT_EXPIRY_NEVER};
    return segment;
}

struct segment *segment_resize(struct segment *segment, unsigned size_class)
{
    debug_check(segment->count <= segment_class_capacity(size_class));
    segment = memory_resize(segment, segment_class_bytes[size_class]);
    segment->size_class = size_class;
    return segment;
}

struct entry *segment_find(const struct segment *segment, uint64_t hash, struct bytes name)
{
    uint64_t tag = segment_tag(segment->depth, hash);
    unsigned count = segment->count;
    for (unsigned i = segment_seek(segment, tag); i < count && segment->words[i] >> 48 == tag; i++) {
        struct entry *entry = segment_entry(segment, i);
        struct bytes key = entry_key(entry);
        if (key.length == name.length && memcmp(key.data, name.data, name.length) == 0)
            return entry;
    }
    return NULL;
}

static bool entry_is_before(const struct entry *entry, uint64_t hash, struct bytes name, uint64_t seed)
{
    struct bytes key = entry_key(entry);
    uint64_t entry_hash = hash_bytes(key.data, key.length, seed);
    return entry_hash != hash ? entry_hash < hash : bytes_compare(key, name) < 0;
}

static uint64_t word_of(uint64_t tag, const struct entry *entry)
{
    return tag << 48 | (uint64_t)(uintptr_t)entry;
}

void segment_insert(struct segment *segment, uint64_t hash, struct entry *entry, uint64_t seed)
{
    uint64_t tag = segment_tag(segment->depth, hash);
    unsigned index = segment_seek(segment, tag), count = segment->count;
    debug_check(count < segment_capacity(segment));
    while (index < count && segment->words[index] >> 48 == tag &&
           entry_is_before(segment_entry(segment, index), hash, entry_key(entry), seed))
        index++;
    memmove(&segment->words[index + 1], &segment->words[index], (count - index) * sizeof(uint64_t));
    segment->words[index] = word_of(tag, entry);
    segment->count = count + 1;
}

unsigned segment_index_of(const struct segment *segment, uint64_t hash, const struct entry *entry)
{
    uint64_t word = word_of(segment_tag(segment->depth, hash), entry);
    unsigned index = segment_seek(segment, word >> 48);
    while (index < segment->count && segment->words[index] != word)
        index++;
    check(index < segment->count);
    return index;
}

void segment_remove(struct segment *segment, unsigned index)
{
    unsigned count = segment->count - 1;
    memmove(&segment->words[index], &segment->words[index + 1], (count - index) * sizeof(uint64_t));
    segment->count = count;
}

void segment_prefetch_entries(const struct segment *segment)
{
    for (unsigned i = 0; i < segment->count; i++)
        __builtin_prefetch(segment_entry(segment, i));
}

static struct segment *half_create(const struct segment *segment, unsigned count)
{
    unsigned most = segment_class_capacity(SEGMENT_CLASS_MAX);
    return segment_create(segment->depth + 1, count < most ? count + 1 : most);
}

static void half_append(struct segment *half, struct entry *entry, uint64_t seed)
{
    struct bytes key = entry_key(entry);
    uint64_t hash = hash_bytes(key.data, key.length, seed);
    half->words[half->count] = word_of(segment_tag(half->depth, hash), entry);
    half->count++;
    if (entry_is_live(entry))
        segment_lower_expiry(half, entry_due_ms(entry));
}

void segment_split(struct segment *segment, uint64_t seed, struct segment **low, struct segment **high)
{
    unsigned count = segment->count, middle = segment_seek(segment, 0x8000);
    check(segment->depth < SEGMENT_DEPTH_MAX);
    segment_prefetch_entries(segment);
    *low = half_create(segment, middle);
    *high = half_create(segment, count - middle);
    for (unsigned i = 0; i < count; i++)
        half_append(i < middle ? *low : *high, segment_entry(segment, i), seed);
    memory_free(segment);
}

static void merged_append(struct segment *merged, const struct segment *half, uint64_t top_bit)
{
    for (unsigned i = 0; i < half->count; i++) {
        uint64_t tag = top_bit << 15 | half->words[i] >> 49;
        merged->words[merged->count] = word_of(tag, segment_entry(half, i));
        merged->count++;
    }
    if (half->expiry < merged->expiry)
        merged->expiry = half->expiry;
}

struct segment *segment_merge(struct segment *low, struct segment *high)
{
    struct segment *merged = segment_create(low->depth - 1, low->count + high->count + 1);
    merged_append(merged, low, 0);
    merged_append(merged, high, 1);
    memory_free(low);
    memory_free(high);
    return merged;
}

void segment_lower_expiry(struct segment *segment, int64_t expire_at_ms)
{
    if (expire_at_ms == EXPIRY_NEVER)
        return;
    uint64_t units = expire_at_ms < 0 ? 0 : (uint64_t)expire_at_ms / EXPIRY_UNIT_MS;
    if (units < segment->expiry)
        segment->expiry = units;
}

int64_t segment_expiry_ms(const struct segment *segment)
{
    return segment->expiry == SEGMENT_EXPIRY_NEVER ? EXPIRY_NEVER : (int64_t)segment->expiry * EXPIRY_UNIT_MS;
}
