/* SPDX-License-Identifier: BSD-3-Clause */
/* One slot's entries: segments in hash order, found by the top bits of the hash.
 *
 * A table of up to 127 entries is one segment that the root points to. A larger one is a radix tree of nodes of up to
 * 64 words; a word is 0, a segment (pointer, size class in bits 48-55) or a node (pointer, bit 63).
 *
 * T1 a node consumes 'bits' bits of the hash after the first 'depth'; node words are never 0.
 * T2 a segment of depth d in a node fills the 2^(node depth + bits - d) words of its prefix; node depth < d.
 * T3 a node below another fills exactly one word of it, since only a full-grown node gets children.
 *
 * So growing is always local: a segment gets the next size class, or splits and fills half the words each; for that
 * a node may double (at most 64 words) or get a child. No step depends on the size of the table. Segments that empty
 * shrink, buddies merge, and a node that one segment fills gives way to it.
 *
 * The root is read without the lock by slot_table_prefetch, which follows it with prefetch instructions only. */
#include "keyspace/slot_table.h"

#include "base/check.h"
#include "base/memory.h"
#include "keyspace/segment.h"

#define NODE_BITS_MAX 6
#define LINE_BYTES 64
/* How much of an entry is fetched before its turn: a key and a value of a hundred bytes. */
#define ENTRY_AHEAD_BYTES (3 * LINE_BYTES)
#define WORD_NODE (UINT64_C(1) << 63)
/* Buddies that hold less together become one: far enough below a split that neither follows the other. */
#define MERGE_BELOW 48

struct node {
    uint8_t bits;
    uint8_t depth;
    _Atomic uint64_t words[];
};

/* The way to a segment: the word that led there, the node it stands in, and the word that led to that node. */
struct route {
    _Atomic uint64_t *word;
    struct node *node; /* NULL: the root is the segment */
    _Atomic uint64_t *link;
    struct segment *segment; /* NULL: the table is empty */
};

static inline uint64_t word_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void word_store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void *word_pointer(uint64_t word)
{
    return (void *)(uintptr_t)(word & POINTER_MASK);
}

static uint64_t segment_word(const struct segment *segment)
{
    return (uint64_t)(uintptr_t)segment | (uint64_t)segment->size_class << 48;
}

static uint64_t node_word(const struct node *node)
{
    return (uint64_t)(uintptr_t)node | WORD_NODE;
}

static inline size_t node_index(const struct node *node, uint64_t hash)
{
    return (size_t)((hash << node->depth) >> (64 - node->bits));
}

static inline struct route route_to(const struct slot_table *table, uint64_t hash)
{
    struct route route = {.word = (_Atomic uint64_t *)&table->root};
    uint64_t word = word_load(route.word);
    while (__builtin_expect((word & WORD_NODE) != 0, 0)) {
        route.link = route.word;
        route.node = word_pointer(word);
        route.word = &route.node->words[node_index(route.node, hash)];
        word = word_load(route.word);
    }
    route.segment = word_pointer(word);
    return route;
}

/* How many words of its node a segment of this depth fills, and the first of them around route->word. */
static size_t route_span(const struct route *route, unsigned depth)
{
    return (size_t)1 << (route->node->depth + route->node->bits - depth);
}

static size_t route_first(const struct route *route, size_t span)
{
    return (size_t)(route->word - route->node->words) & ~(span - 1);
}

static void node_fill(struct node *node, size_t first, size_t count, uint64_t word)
{
    for (size_t i = first; i < first + count; i++)
        word_store(&node->words[i], word);
}

/* The segment was reallocated, or takes the place of another of its prefix. */
static void route_point_to(struct route *route, struct segment *segment)
{
    route->segment = segment;
    if (!route->node) {
        word_store(route->word, segment_word(segment));
        return;
    }
    size_t span = route_span(route, segment->depth);
    node_fill(route->node, route_first(route, span), span, segment_word(segment));
}

static struct node *node_create(unsigned depth, unsigned bits)
{
    struct node *node = memory_allocate(sizeof(*node) + (sizeof(uint64_t) << bits));
    node->depth = (uint8_t)depth;
    node->bits = (uint8_t)bits;
    return node;
}

static struct node *node_double(struct node *node)
{
    struct node *doubled = node_create(node->depth, node->bits + 1u);
    for (size_t i = 0; i < (size_t)1 << node->bits; i++)
        node_fill(doubled, i * 2, 2, word_load(&node->words[i]));
    memory_free(node);
    return doubled;
}

/* Sees that the segment fills at least two words, so that it can be split. */
static void route_widen(struct route *route)
{
    unsigned depth = route->segment->depth;
    if (route->node && route_span(route, depth) > 1)
        return;
    if (route->node && route->node->bits < NODE_BITS_MAX) {
        word_store(route->link, node_word(node_double(route->node)));
        return;
    }
    struct node *child = node_create(depth, 1);
    node_fill(child, 0, 2, word_load(route->word));
    word_store(route->word, node_word(child));
}

static void split_at(struct slot_table *table, uint64_t hash, uint64_t seed)
{
    struct route route = route_to(table, hash);
    route_widen(&route);
    route = route_to(table, hash);
    size_t span = route_span(&route, route.segment->depth), first = route_first(&route, span);
    struct segment *low, *high;
    segment_split(route.segment, seed, &low, &high);
    node_fill(route.node, first, span / 2, segment_word(low));
    node_fill(route.node, first + span / 2, span / 2, segment_word(high));
}

void slot_table_insert(struct slot_table *table, uint64_t hash, struct entry *entry, uint64_t seed)
{
    struct route route = route_to(table, hash);
    if (!route.segment)
        route_point_to(&route, segment_create(0, 1));
    while (route.segment->count == segment_capacity(route.segment)) {
        if (route.segment->size_class < SEGMENT_CLASS_MAX) {
            route_point_to(&route, segment_resize(route.segment, route.segment->size_class + 1u));
        } else {
            split_at(table, hash, seed);
            route = route_to(table, hash);
        }
    }
    segment_insert(route.segment, hash, entry, seed);
    table->entries++;
}

struct entry *slot_table_find(const struct slot_table *table, uint64_t hash, struct bytes name)
{
    struct segment *segment = route_to(table, hash).segment;
    return segment ? segment_find(segment, hash, name) : NULL;
}

void slot_table_replace(struct slot_table *table, uint64_t hash, const struct entry *old_entry, struct entry *entry)
{
    struct segment *segment = route_to(table, hash).segment;
    segment_set_entry(segment, segment_index_of(segment, hash, old_entry), entry);
}

/* The segment of the same depth that shares all but the last bit of the prefix, if it is one. */
static struct segment *route_buddy(const struct route *route)
{
    if (!route->node)
        return NULL;
    size_t span = route_span(route, route->segment->depth);
    uint64_t word = word_load(&route->node->words[route_first(route, span) ^ span]);
    if (word & WORD_NODE)
        return NULL;
    struct segment *buddy = word_pointer(word);
    return buddy->depth == route->segment->depth ? buddy : NULL;
}

/* True if the segment was merged with its buddy. */
static bool route_merge(struct route *route)
{
    struct segment *segment = route->segment, *buddy = route_buddy(route);
    if (!buddy || segment->count + buddy->count >= MERGE_BELOW)
        return false;
    size_t span = route_span(route, segment->depth);
    bool is_high = (route_first(route, span) & span) != 0;
    struct segment *merged = is_high ? segment_merge(buddy, segment) : segment_merge(segment, buddy);
    if (merged->depth > route->node->depth) {
        route_point_to(route, merged);
    } else {
        word_store(route->link, segment_word(merged));
        memory_free(route->node);
    }
    return true;
}

/* After removals around 'hash': gives back what is no longer needed. */
static void settle_at(struct slot_table *table, uint64_t hash)
{
    struct route route = route_to(table, hash);
    while (route.segment->count < MERGE_BELOW && route_merge(&route))
        route = route_to(table, hash);
    if (!route.node && route.segment->count == 0) {
        memory_free(route.segment);
        word_store(&table->root, 0);
        table->expiry_bound_ms = EXPIRY_NEVER;
        return;
    }
    unsigned fitting = segment_class_for(route.segment->count + 1u);
    if (fitting + 2 <= route.segment->size_class)
        route_point_to(&route, segment_resize(route.segment, fitting));
}

void slot_table_remove(struct slot_table *table, uint64_t hash, const struct entry *entry)
{
    struct segment *segment = route_to(table, hash).segment;
    segment_remove(segment, segment_index_of(segment, hash, entry));
    table->entries--;
    settle_at(table, hash);
}

uint64_t slot_table_visit(struct slot_table *table, uint64_t hash,
                          struct entry *(*visit)(void *context, struct entry *entry), void *context)
{
    struct segment *segment = route_to(table, hash).segment;
    if (!segment)
        return 0;
    uint64_t next = segment_last_hash(segment->depth, hash) + 1;
    unsigned index = 0, count = segment->count;
    segment_prefetch_entries(segment);
    segment->expiry = SEGMENT_EXPIRY_NEVER;
    /* Changes are made one by one, since what visit calls may look keys of this segment up. */
    while (index < segment->count) {
        struct entry *entry = visit(context, segment_entry(segment, index));
        if (!entry) {
            segment_remove(segment, index);
            table->entries--;
            continue;
        }
        segment_set_entry(segment, index++, entry);
        if (entry_is_live(entry))
            segment_lower_expiry(segment, entry_due_ms(entry));
    }
    if (segment->count < count)
        settle_at(table, hash);
    return next;
}

void slot_table_note_expiry(struct slot_table *table, uint64_t hash, int64_t expire_at_ms)
{
    segment_lower_expiry(route_to(table, hash).segment, expire_at_ms);
    if (expire_at_ms < table->expiry_bound_ms)
        table->expiry_bound_ms = expire_at_ms;
}

int64_t slot_table_segment_expiry(const struct slot_table *table, uint64_t hash, uint64_t *next)
{
    const struct segment *segment = route_to(table, hash).segment;
    *next = segment ? segment_last_hash(segment->depth, hash) + 1 : 0;
    return segment ? segment_expiry_ms(segment) : EXPIRY_NEVER;
}

void slot_table_prefetch(const struct slot_table *table, uint64_t hash)
{
    uint64_t word = word_load(&table->root);
    const char *start = word_pointer(word);
    __builtin_prefetch(start);
    if (word & WORD_NODE)
        return;
    /* A segment is between 7/8 and wholly full as a rule, so the tag stands about there. */
    uint64_t bytes = segment_class_bytes[(word >> 48) & 0xff];
    __builtin_prefetch(start + ((hash >> 48) * (bytes - bytes / 16) >> 16));
}

void slot_table_prefetch_entry(const struct slot_table *table, uint64_t hash)
{
    const struct segment *segment = route_to(table, hash).segment;
    if (!segment)
        return;
    uint64_t tag = segment_tag(segment->depth, hash);
    unsigned index = segment_seek(segment, tag);
    if (index == segment->count || segment->words[index] >> 48 != tag)
        return;
    const char *entry = (const char *)segment_entry(segment, index);
    for (size_t at = 0; at < ENTRY_AHEAD_BYTES; at += LINE_BYTES)
        __builtin_prefetch(entry + at);
}

void slot_table_init(struct slot_table *table)
{
    atomic_init(&table->root, 0);
    atomic_init(&table->keys, 0);
    atomic_init(&table->pending, 0);
    table->expires = table->resident = table->entries = table->unclean = 0;
    table->expiry_bound_ms = EXPIRY_NEVER;
}

void slot_table_move(struct slot_table *to, struct slot_table *from)
{
    word_store(&to->root, word_load(&from->root));
    atomic_store_explicit(&to->keys, atomic_load_explicit(&from->keys, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&to->pending, atomic_load_explicit(&from->pending, memory_order_relaxed),
                          memory_order_relaxed);
    to->expires = from->expires;
    to->resident = from->resident;
    to->entries = from->entries;
    to->unclean = from->unclean;
    to->expiry_bound_ms = from->expiry_bound_ms;
    word_store(&from->root, 0);
    atomic_store_explicit(&from->keys, 0, memory_order_relaxed);
    atomic_store_explicit(&from->pending, 0, memory_order_relaxed);
    from->expires = from->resident = from->entries = from->unclean = 0;
    from->expiry_bound_ms = EXPIRY_NEVER;
}

static void segment_clear(struct segment *segment, void (*release)(struct entry *entry))
{
    for (unsigned i = 0; i < segment->count; i++)
        release(segment_entry(segment, i));
    memory_free(segment);
}

/* At most eight levels deep: every node but the last of a path consumes six bits of 48. */
static void node_clear(struct node *node, void (*release)(struct entry *entry))
{
    for (size_t i = 0; i < (size_t)1 << node->bits;) {
        uint64_t word = word_load(&node->words[i]);
        if (word & WORD_NODE) {
            node_clear(word_pointer(word), release);
            i++;
            continue;
        }
        struct segment *segment = word_pointer(word);
        i += (size_t)1 << (node->depth + node->bits - segment->depth);
        segment_clear(segment, release);
    }
    memory_free(node);
}

void slot_table_clear(struct slot_table *table, void (*release)(struct entry *entry))
{
    uint64_t root = word_load(&table->root);
    if (root & WORD_NODE)
        node_clear(word_pointer(root), release);
    else if (root)
        segment_clear(word_pointer(root), release);
    slot_table_init(table);
}

static size_t node_bytes(const struct node *node)
{
    size_t bytes = sizeof(*node) + (sizeof(uint64_t) << node->bits);
    for (size_t i = 0; i < (size_t)1 << node->bits;) {
        uint64_t word = word_load(&node->words[i]);
        if (word & WORD_NODE) {
            bytes += node_bytes(word_pointer(word));
            i++;
            continue;
        }
        const struct segment *segment = word_pointer(word);
        i += (size_t)1 << (node->depth + node->bits - segment->depth);
        bytes += segment_class_bytes[segment->size_class];
    }
    return bytes;
}

size_t slot_table_bytes(const struct slot_table *table)
{
    uint64_t root = word_load(&table->root);
    if (root & WORD_NODE)
        return node_bytes(word_pointer(root));
    return root ? segment_class_bytes[((const struct segment *)word_pointer(root))->size_class] : 0;
}
