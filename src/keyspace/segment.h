/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "keyspace/entry.h"

/* A sorted run of entry pointers that covers one prefix of the hash; the leaf of a slot table. One allocation of an
 * allocator size class, so nothing is lost to rounding:
 *
 *   8 bytes header | count words of (tag << 48 | pointer), sorted | free words
 *
 * The tag is the 16 bits of the hash just below the prefix. Words are packed, without gaps: since hashes are even,
 * the place of a tag is guessed by interpolation within a few words, so the words are looked at, not the entries. */
struct segment {
    uint64_t count : 8;
    uint64_t size_class : 8;
    uint64_t depth : 8;   /* bits of the prefix */
    uint64_t expiry : 40; /* no live entry expires before it; in EXPIRY_UNIT_MS, rounded down */
    uint64_t words[];
};

#define SEGMENT_CLASS_COUNT 19
#define SEGMENT_CLASS_MAX (SEGMENT_CLASS_COUNT - 1)
#define SEGMENT_DEPTH_MAX 48
#define SEGMENT_EXPIRY_NEVER ((UINT64_C(1) << 40) - 1)
#define POINTER_MASK ((UINT64_C(1) << 48) - 1)

extern const uint16_t segment_class_bytes[SEGMENT_CLASS_COUNT];

static inline unsigned segment_class_capacity(unsigned size_class)
{
    return segment_class_bytes[size_class] / 8 - 1;
}

static inline unsigned segment_capacity(const struct segment *segment)
{
    return segment_class_capacity(segment->size_class);
}

static inline uint64_t segment_tag(unsigned depth, uint64_t hash)
{
    return (hash << depth) >> 48;
}

static inline struct entry *segment_entry(const struct segment *segment, unsigned index)
{
    return (struct entry *)(uintptr_t)(segment->words[index] & POINTER_MASK);
}

/* Another entry of the same name. */
static inline void segment_set_entry(struct segment *segment, unsigned index, const struct entry *entry)
{
    segment->words[index] = (segment->words[index] & ~POINTER_MASK) | (uint64_t)(uintptr_t)entry;
}

/* The last hash that the segment of this depth around 'hash' covers. */
static inline uint64_t segment_last_hash(unsigned depth, uint64_t hash)
{
    return depth == 0 ? UINT64_MAX : hash | (UINT64_MAX >> depth);
}

/* The first word whose tag is not below 'tag'. */
static inline unsigned segment_seek(const struct segment *segment, uint64_t tag)
{
    unsigned count = segment->count, index = (unsigned)(tag * count >> 16);
    uint64_t bound = tag << 48;
    while (index > 0 && segment->words[index - 1] >= bound)
        index--;
    while (index < count && segment->words[index] < bound)
        index++;
    return index;
}

/* An empty segment with room for at least 'capacity' words. */
struct segment *segment_create(unsigned depth, unsigned capacity);
/* The same contents in an allocation of another class, which must have room. */
struct segment *segment_resize(struct segment *segment, unsigned size_class);
/* The smallest class with room for 'count' words. */
unsigned segment_class_for(unsigned count);

/* The entry of the name, or NULL. */
struct entry *segment_find(const struct segment *segment, uint64_t hash, struct bytes name);
/* There must be room. */
void segment_insert(struct segment *segment, uint64_t hash, struct entry *entry, uint64_t seed);
/* The word of this very entry; it must be there. */
unsigned segment_index_of(const struct segment *segment, uint64_t hash, const struct entry *entry);
void segment_remove(struct segment *segment, unsigned index);

/* Two segments with the halves of a full one, which is freed. Entries are hashed anew. */
void segment_split(struct segment *segment, uint64_t seed, struct segment **low, struct segment **high);
/* One segment with what two halves hold; they are freed. */
struct segment *segment_merge(struct segment *low, struct segment *high);

void segment_lower_expiry(struct segment *segment, int64_t expire_at_ms);
int64_t segment_expiry_ms(const struct segment *segment);
void segment_prefetch_entries(const struct segment *segment);
