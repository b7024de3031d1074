/* SPDX-License-Identifier: BSD-3-Clause */
/* A radix tree over the bits of the hash, four to a node, with sorted leaves.
 *
 * A word is 0 (nothing), a leaf, or a node (bit 63). A leaf at depth d (bits of the hash that led to it) holds words of
 * (tag << 48 | member), sorted by tag: the 16 bits of the hash after the first d. Of equal tags the order is any. Tags are
 * even, so the place of one is guessed by interpolation, and a find reads one member as a rule.
 *
 * M1 a leaf is never empty, and holds up to LEAF_MAX words; only at DEPTH_MAX more, where no seeded hash of ours gets to.
 * M2 a node counts the members below it, and has at least MERGE_BELOW: a full leaf becomes a node with up to 16 leaves,
 *    one that falls below becomes a leaf again. The distance between the two keeps either from following the other.
 * M3 leaves fill an allocator's size class, and nodes and leaves are counted in the table's bytes as such.
 *
 * Splitting needs four more bits of each hash, which only the names can tell; merging loses them, and needs none. */
#include "object/member_table.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

#define NODE_BITS 4
#define NODE_WORDS 16
#define WORD_NODE (UINT64_C(1) << 63)
#define POINTER_MASK ((UINT64_C(1) << 48) - 1)
#define LEAF_MAX 127
#define MERGE_BELOW 64
#define DEPTH_MAX 48
#define LEVELS_MAX (DEPTH_MAX / NODE_BITS)
/* Cursors are the top bits of a hash. */
#define CURSOR_SHIFT 12

struct leaf {
    uint32_t count;
    uint32_t capacity;
    uint64_t words[];
};

struct node {
    size_t count;
    uint64_t words[NODE_WORDS];
};

static uint64_t hash_seed;

void member_table_set_seed(uint64_t seed)
{
    hash_seed = seed;
}

uint64_t member_hash(struct bytes name)
{
    return hash_bytes(name.data, name.length, hash_seed);
}

static inline void *word_pointer(uint64_t word)
{
    return (void *)(uintptr_t)(word & POINTER_MASK);
}

static inline bool word_is_node(uint64_t word)
{
    return word & WORD_NODE;
}

static inline uint64_t word_tag(uint64_t word)
{
    return word >> 48;
}

static inline size_t node_index(uint64_t hash, unsigned depth)
{
    return (hash << depth) >> (64 - NODE_BITS);
}

static inline uint64_t leaf_tag(uint64_t hash, unsigned depth)
{
    return (hash << depth) >> 48;
}

static inline uint64_t last_hash(uint64_t hash, unsigned depth)
{
    return depth == 0 ? UINT64_MAX : hash | (UINT64_MAX >> depth);
}

/* ---- leaves ---- */

static size_t leaf_bytes(const struct leaf *leaf)
{
    return sizeof(*leaf) + leaf->capacity * sizeof(uint64_t);
}

/* Bytes of the class that holds so many words. */
static size_t leaf_class(size_t words)
{
    return memory_size_class(sizeof(struct leaf) + words * sizeof(uint64_t));
}

static struct leaf *leaf_resize(struct member_table *table, struct leaf *leaf, size_t words)
{
    size_t bytes = leaf_class(words);
    bool is_new = leaf == NULL;
    table->bytes -= is_new ? 0 : leaf_bytes(leaf);
    leaf = memory_resize(leaf, bytes);
    leaf->count = is_new ? 0 : leaf->count;
    leaf->capacity = (uint32_t)((bytes - sizeof(*leaf)) / sizeof(uint64_t));
    table->bytes += leaf_bytes(leaf);
    return leaf;
}

static void leaf_destroy(struct member_table *table, struct leaf *leaf)
{
    table->bytes -= leaf_bytes(leaf);
    memory_free(leaf);
}

/* The first word whose tag is not below. */
static inline uint32_t leaf_seek(const struct leaf *leaf, uint64_t tag)
{
    uint32_t count = leaf->count, index = (uint32_t)(tag * count >> 16);
    uint64_t bound = tag << 48;
    while (index > 0 && leaf->words[index - 1] >= bound)
        index--;
    while (index < count && leaf->words[index] < bound)
        index++;
    return index;
}

static void leaf_add(struct leaf *leaf, uint64_t tag, const struct member *member)
{
    uint32_t index = leaf_seek(leaf, tag);
    debug_check(leaf->count < leaf->capacity);
    memmove(&leaf->words[index + 1], &leaf->words[index], (leaf->count - index) * sizeof(uint64_t));
    leaf->words[index] = tag << 48 | (uint64_t)(uintptr_t)member;
    leaf->count++;
}

static void leaf_prefetch(const struct leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->count; i++)
        __builtin_prefetch(word_pointer(leaf->words[i]));
}

/* ---- growing and shrinking ---- */

static void split_counts(const struct leaf *leaf, uint32_t counts[NODE_WORDS])
{
    memset(counts, 0, NODE_WORDS * sizeof(counts[0]));
    for (uint32_t i = 0; i < leaf->count; i++)
        counts[word_tag(leaf->words[i]) >> (16 - NODE_BITS)]++;
}

/* A node in the place of the full leaf at *word. */
static void split(struct member_table *table, uint64_t *word, unsigned depth)
{
    struct leaf *leaf = word_pointer(*word), *halves[NODE_WORDS];
    struct node *node = memory_allocate_zeroed(sizeof(*node));
    uint32_t counts[NODE_WORDS];
    leaf_prefetch(leaf);
    split_counts(leaf, counts);
    for (size_t i = 0; i < NODE_WORDS; i++) {
        halves[i] = counts[i] ? leaf_resize(table, NULL, counts[i]) : NULL;
        node->words[i] = (uint64_t)(uintptr_t)halves[i];
    }
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct member *member = word_pointer(leaf->words[i]);
        uint64_t hash = member_hash(member_name(member));
        leaf_add(halves[node_index(hash, depth)], leaf_tag(hash, depth + NODE_BITS), member);
    }
    node->count = leaf->count;
    table->bytes += memory_size_class(sizeof(*node));
    leaf_destroy(table, leaf);
    *word = (uint64_t)(uintptr_t)node | WORD_NODE;
}

/* A leaf in the place of the node at *word, below which are leaves only (M2). */
static void merge(struct member_table *table, uint64_t *word)
{
    struct node *node = word_pointer(*word);
    struct leaf *leaf = leaf_resize(table, NULL, node->count);
    for (uint64_t i = 0; i < NODE_WORDS; i++) {
        struct leaf *part = word_pointer(node->words[i]);
        for (uint32_t k = 0; part && k < part->count; k++) {
            uint64_t tag = i << (16 - NODE_BITS) | word_tag(part->words[k]) >> NODE_BITS;
            leaf->words[leaf->count++] = tag << 48 | (part->words[k] & POINTER_MASK);
        }
        if (part)
            leaf_destroy(table, part);
    }
    table->bytes -= memory_size_class(sizeof(*node));
    memory_free(node);
    *word = (uint64_t)(uintptr_t)leaf;
}

/* ---- by name ---- */

/* The word that leads to the leaf of the hash, or is 0; its depth to 'depth'. */
static inline const uint64_t *leaf_word(const struct member_table *table, uint64_t hash, unsigned *depth)
{
    const uint64_t *word = &table->root;
    *depth = 0;
    while (word_is_node(*word)) {
        const struct node *node = word_pointer(*word);
        word = &node->words[node_index(hash, *depth)];
        *depth += NODE_BITS;
    }
    return word;
}

struct member *member_table_find(const struct member_table *table, uint64_t hash, struct bytes name)
{
    unsigned depth;
    const struct leaf *leaf = word_pointer(*leaf_word(table, hash, &depth));
    if (!leaf)
        return NULL;
    uint64_t tag = leaf_tag(hash, depth);
    for (uint32_t i = leaf_seek(leaf, tag); i < leaf->count && word_tag(leaf->words[i]) == tag; i++) {
        struct member *member = word_pointer(leaf->words[i]);
        struct bytes found = member_name(member);
        if (found.length == name.length && memcmp(found.data, name.data, name.length) == 0)
            return member;
    }
    return NULL;
}

void member_table_insert(struct member_table *table, uint64_t hash, struct member *member)
{
    uint64_t *word = &table->root;
    unsigned depth = 0;
    member_table_will_change(table, hash, member_name(member), NULL);
    table->count++;
    table->bytes += member_bytes(member);
    for (;;) {
        struct leaf *leaf = word_pointer(*word);
        if (!word_is_node(*word) && (!leaf || leaf->count < LEAF_MAX || depth == DEPTH_MAX))
            break;
        if (!word_is_node(*word))
            split(table, word, depth);
        struct node *node = word_pointer(*word);
        node->count++;
        word = &node->words[node_index(hash, depth)];
        depth += NODE_BITS;
    }
    struct leaf *leaf = word_pointer(*word);
    if (!leaf || leaf->count == leaf->capacity)
        leaf = leaf_resize(table, leaf, leaf ? leaf->count + 1u : 1);
    leaf_add(leaf, leaf_tag(hash, depth), member);
    *word = (uint64_t)(uintptr_t)leaf;
}

/* The word of this very member, which must be there. */
static uint64_t *leaf_place(struct leaf *leaf, uint64_t tag, const struct member *member)
{
    uint64_t word = tag << 48 | (uint64_t)(uintptr_t)member;
    uint32_t index = leaf_seek(leaf, tag);
    while (index < leaf->count && leaf->words[index] != word)
        index++;
    check(index < leaf->count);
    return &leaf->words[index];
}

void member_table_replace(struct member_table *table, uint64_t hash, struct member *old_member, struct member *member)
{
    unsigned depth;
    struct leaf *leaf = word_pointer(*leaf_word(table, hash, &depth));
    uint64_t tag = leaf_tag(hash, depth);
    member_table_will_change(table, hash, member_name(old_member), old_member);
    *leaf_place(leaf, tag, old_member) = tag << 48 | (uint64_t)(uintptr_t)member;
    table->bytes += member_bytes(member) - member_bytes(old_member);
    member_destroy(old_member);
}

static void leaf_take(struct member_table *table, uint64_t *word, uint64_t tag, const struct member *member)
{
    struct leaf *leaf = word_pointer(*word);
    uint64_t *place = leaf_place(leaf, tag, member);
    leaf->count--;
    memmove(place, place + 1, (size_t)(&leaf->words[leaf->count] - place) * sizeof(*place));
    if (leaf->count == 0) {
        leaf_destroy(table, leaf);
        *word = 0;
    } else if (leaf->count + leaf->count / 2 + 2 < leaf->capacity) {
        *word = (uint64_t)(uintptr_t)leaf_resize(table, leaf, leaf->count + 1u);
    }
}

void member_table_take(struct member_table *table, uint64_t hash, struct member *member)
{
    uint64_t *nodes[LEVELS_MAX], *word = &table->root;
    unsigned levels = 0, depth = 0;
    member_table_will_change(table, hash, member_name(member), member);
    while (word_is_node(*word)) {
        struct node *node = word_pointer(*word);
        nodes[levels++] = word;
        node->count--;
        word = &node->words[node_index(hash, depth)];
        depth += NODE_BITS;
    }
    leaf_take(table, word, leaf_tag(hash, depth), member);
    table->count--;
    table->bytes -= member_bytes(member);
    while (levels > 0 && ((struct node *)word_pointer(*nodes[levels - 1]))->count < MERGE_BELOW)
        merge(table, nodes[--levels]);
}

bool member_table_remove(struct member_table *table, uint64_t hash, struct bytes name)
{
    struct member *member = member_table_find(table, hash, name);
    if (!member)
        return false;
    member_table_take(table, hash, member);
    member_destroy(member);
    return true;
}

/* ---- by rank ---- */

static size_t word_count(uint64_t word)
{
    if (word_is_node(word))
        return ((const struct node *)word_pointer(word))->count;
    return word ? ((const struct leaf *)word_pointer(word))->count : 0;
}

static const uint64_t *node_at(const struct node *node, size_t *rank)
{
    for (size_t i = 0; i < NODE_WORDS; i++)
        __builtin_prefetch(word_pointer(node->words[i]));
    const uint64_t *word = node->words;
    for (size_t count; (count = word_count(*word)) <= *rank; word++)
        *rank -= count;
    return word;
}

struct member *member_table_at(const struct member_table *table, size_t rank)
{
    const uint64_t *word = &table->root;
    check(rank < table->count);
    while (word_is_node(*word))
        word = node_at(word_pointer(*word), &rank);
    return word_pointer(((const struct leaf *)word_pointer(*word))->words[rank]);
}

/* ---- all of them ---- */

static void leaf_release(struct leaf *leaf, bool with_members)
{
    if (with_members)
        leaf_prefetch(leaf);
    for (uint32_t i = 0; with_members && i < leaf->count; i++)
        member_destroy(word_pointer(leaf->words[i]));
    memory_free(leaf);
}

/* No deeper than LEVELS_MAX. */
static void word_release(uint64_t word, bool with_members)
{
    struct node *node = word_pointer(word);
    if (!word_is_node(word)) {
        if (word)
            leaf_release(word_pointer(word), with_members);
        return;
    }
    for (size_t i = 0; i < NODE_WORDS; i++)
        word_release(node->words[i], with_members);
    memory_free(node);
}

void member_table_clear(struct member_table *table)
{
    word_release(table->root, true);
    *table = (struct member_table){0};
}

void member_table_forget(struct member_table *table)
{
    word_release(table->root, false);
    *table = (struct member_table){0};
}

/* ---- walks ---- */

/* Points the walk at the leaf that covers its hash, from there on; it may be an empty one. */
static void walk_load(struct member_walk *walk)
{
    unsigned depth;
    const struct leaf *leaf = word_pointer(*leaf_word(walk->table, walk->hash, &depth));
    walk->next = walk->end = NULL;
    if (leaf) {
        walk->next = leaf->words + leaf_seek(leaf, leaf_tag(walk->hash, depth));
        walk->end = leaf->words + leaf->count;
        leaf_prefetch(leaf);
    }
    walk->hash = last_hash(walk->hash, depth) + 1;
    walk->is_last = walk->hash == 0;
}

struct member_walk member_walk_from(const struct member_table *table, uint64_t hash)
{
    struct member_walk walk = {.table = table, .hash = hash};
    walk_load(&walk);
    return walk;
}

struct member *member_walk_next(struct member_walk *walk)
{
    while (walk->next == walk->end) {
        if (walk->is_last)
            return NULL;
        walk_load(walk);
    }
    return word_pointer(*walk->next++);
}

/* A leaf is left between two tags only, since of equal ones the order is any. Tags may be too short to tell whether a
 * member stands before the hash, if leaves have merged since it was found; then the name does. */
uint64_t member_table_visit(const struct member_table *table, uint64_t hash,
                            bool (*visit)(void *context, struct member *member), void *context)
{
    unsigned depth;
    const struct leaf *leaf = word_pointer(*leaf_word(table, hash, &depth));
    uint64_t from = leaf_tag(hash, depth), next = last_hash(hash, depth) + 1;
    bool goes_on = true;
    if (!leaf)
        return next;
    leaf_prefetch(leaf);
    for (uint32_t i = leaf_seek(leaf, from); i < leaf->count; i++) {
        struct member *member = word_pointer(leaf->words[i]);
        uint64_t tag = word_tag(leaf->words[i]);
        if (!goes_on && tag != word_tag(leaf->words[i - 1]))
            return (hash & ~(UINT64_MAX >> depth)) | tag << (48 - depth);
        if (tag == from && member_hash(member_name(member)) < hash)
            continue;
        goes_on = visit(context, member) && goes_on;
    }
    return next;
}

uint64_t member_table_scan(const struct member_table *table, uint64_t cursor, size_t count,
                           void (*visit)(void *context, struct member *member), void *context)
{
    struct member_walk walk = member_walk_from(table, cursor << CURSOR_SHIFT);
    for (;;) {
        size_t found = (size_t)(walk.end - walk.next);
        while (walk.next != walk.end)
            visit(context, word_pointer(*walk.next++));
        if (walk.is_last)
            return 0;
        if (found >= count)
            return walk.hash >> CURSOR_SHIFT;
        count -= found;
        walk_load(&walk);
    }
}
