/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers trust the bytes; xstream_node_is_valid, at the end, is what makes them trustworthy. */
#include "object/stream_node.h"

#include "base/check.h"
#include "base/memory.h"

/* What stands around the words of an entry: six integers, the end mark. */
#define ENTRY_OVERHEAD 64
/* Elements of an entry besides its fields and values and their count: flags, ms, seq. */
#define ENTRY_HEAD 3

static int64_t integer_at(const uint8_t *position)
{
    struct listpack_value value;
    listpack_get(position, &value);
    return value.data ? -1 : value.integer;
}

static const uint8_t *skip(const uint8_t *position, size_t elements)
{
    while (elements-- > 0)
        position += listpack_step(position);
    return position;
}

/* ---- the head ---- */

size_t xstream_node_live(struct bytes node)
{
    return (size_t)integer_at(listpack_first(node));
}

size_t xstream_node_deleted(struct bytes node)
{
    return (size_t)integer_at(skip(listpack_first(node), 1));
}

const uint8_t *xstream_node_fields(struct bytes node, size_t *count)
{
    const uint8_t *position = skip(listpack_first(node), 2);
    *count = (size_t)integer_at(position);
    return skip(position, 1);
}

static void append_integer(struct buffer *listpack, int64_t integer)
{
    bool fits = listpack_append_integer(listpack, integer);
    check(fits);
}

static void append(struct buffer *listpack, struct bytes bytes)
{
    bool fits = listpack_append(listpack, bytes);
    check(fits);
}

struct xstream_node *xstream_node_create(const struct bytes *words, size_t word_count)
{
    struct xstream_node *node = memory_allocate_zeroed(sizeof(*node));
    listpack_init(&node->listpack);
    append_integer(&node->listpack, 0);
    append_integer(&node->listpack, 0);
    append_integer(&node->listpack, (int64_t)(word_count / 2));
    for (size_t i = 0; i < word_count; i += 2)
        append(&node->listpack, words[i]);
    append_integer(&node->listpack, 0);
    return node;
}

void xstream_node_destroy(void *node)
{
    buffer_deinit(&((struct xstream_node *)node)->listpack);
    memory_free(node);
}

/* The first two elements. */
static void set_counts(struct xstream_node *node, size_t live, size_t deleted)
{
    char digits[BYTES_INTEGER_MAX];
    size_t offset = LISTPACK_HEADER_BYTES;
    bool fits = listpack_replace(&node->listpack, offset, bytes_of(digits, bytes_from_int64(digits, (int64_t)live)));
    offset += listpack_step((const uint8_t *)node->listpack.data + offset);
    fits =
        fits && listpack_replace(&node->listpack, offset, bytes_of(digits, bytes_from_int64(digits, (int64_t)deleted)));
    check(fits);
}

/* ---- entries ---- */

void xstream_entry_at(struct bytes node, struct stream_id first, const uint8_t *position, struct xstream_entry *entry)
{
    int64_t flags = integer_at(position);
    const uint8_t *ms = skip(position, 1), *seq = skip(ms, 1);
    entry->position = position;
    entry->content = skip(seq, 1);
    entry->id.ms = first.ms + (uint64_t)integer_at(ms);
    entry->id.seq = first.seq + (uint64_t)integer_at(seq);
    entry->is_deleted = flags & XSTREAM_ENTRY_DELETED;
    entry->has_own_fields = !(flags & XSTREAM_ENTRY_SAME_FIELDS);
    if (entry->has_own_fields) {
        entry->fields = (size_t)integer_at(entry->content);
        entry->content = skip(entry->content, 1);
    } else {
        xstream_node_fields(node, &entry->fields);
    }
}

static const uint8_t *entries_begin(struct bytes node)
{
    size_t count;
    const uint8_t *fields = xstream_node_fields(node, &count);
    return skip(fields, count + 1);
}

bool xstream_node_first(struct bytes node, struct stream_id first, struct xstream_entry *entry)
{
    const uint8_t *position = entries_begin(node);
    if (*position == 0xff)
        return false;
    xstream_entry_at(node, first, position, entry);
    return true;
}

/* From the count of elements at the end of an entry. */
static void entry_read_back(struct bytes node, struct stream_id first, const uint8_t *count,
                            struct xstream_entry *entry)
{
    const uint8_t *position = count;
    for (int64_t i = integer_at(count); i > 0; i--)
        position = listpack_prev(node, position);
    xstream_entry_at(node, first, position, entry);
}

bool xstream_node_last(struct bytes node, struct stream_id first, struct xstream_entry *entry)
{
    const uint8_t *begin = entries_begin(node);
    if (*begin == 0xff)
        return false;
    entry_read_back(node, first, listpack_last(node), entry);
    return true;
}

const uint8_t *xstream_entry_end(const struct xstream_entry *entry)
{
    return skip(entry->content, entry->has_own_fields ? entry->fields * 2 : entry->fields);
}

bool xstream_entry_next(struct bytes node, struct stream_id first, struct xstream_entry *entry)
{
    const uint8_t *next = skip(xstream_entry_end(entry), 1);
    if (*next == 0xff)
        return false;
    xstream_entry_at(node, first, next, entry);
    return true;
}

bool xstream_entry_previous(struct bytes node, struct stream_id first, struct xstream_entry *entry)
{
    if (entry->position == entries_begin(node))
        return false;
    entry_read_back(node, first, listpack_prev(node, entry->position), entry);
    return true;
}

/* ---- changes ---- */

static bool has_fields_of_node(struct bytes node, const struct bytes *words, size_t word_count)
{
    size_t count;
    const uint8_t *field = xstream_node_fields(node, &count);
    if (count != word_count / 2)
        return false;
    for (size_t i = 0; i < word_count; i += 2, field = skip(field, 1))
        if (!listpack_equals(field, words[i]))
            return false;
    return true;
}

static size_t words_bytes(const struct bytes *words, size_t word_count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < word_count; i++)
        bytes += listpack_entry_bytes(words[i]);
    return bytes;
}

bool xstream_node_append(struct xstream_node *node, struct stream_id first, struct stream_id id,
                         const struct bytes *words, size_t word_count)
{
    struct buffer *listpack = &node->listpack;
    size_t bytes = words_bytes(words, word_count) + ENTRY_OVERHEAD, live = xstream_node_live(xstream_node_bytes(node));
    bool same = has_fields_of_node(xstream_node_bytes(node), words, word_count);
    if (listpack->length + bytes > LISTPACK_BYTES_MAX)
        return false;
    buffer_reserve(listpack, bytes);
    set_counts(node, live + 1, xstream_node_deleted(xstream_node_bytes(node)));
    append_integer(listpack, same ? XSTREAM_ENTRY_SAME_FIELDS : 0);
    append_integer(listpack, (int64_t)(id.ms - first.ms));
    append_integer(listpack, (int64_t)(id.seq - first.seq));
    if (!same)
        append_integer(listpack, (int64_t)(word_count / 2));
    for (size_t i = same ? 1 : 0; i < word_count; i += same ? 2 : 1)
        append(listpack, words[i]);
    append_integer(listpack, (int64_t)(same ? ENTRY_HEAD + word_count / 2 : ENTRY_HEAD + 1 + word_count));
    return true;
}

void xstream_node_mark_deleted(struct xstream_node *node, const struct xstream_entry *entry)
{
    struct bytes bytes = xstream_node_bytes(node);
    size_t live = xstream_node_live(bytes), deleted = xstream_node_deleted(bytes);
    char flags = (char)('0' + (XSTREAM_ENTRY_DELETED | (entry->has_own_fields ? 0 : XSTREAM_ENTRY_SAME_FIELDS)));
    bool fits = listpack_replace(&node->listpack, listpack_offset(bytes, entry->position), bytes_of(&flags, 1));
    check(fits);
    set_counts(node, live - 1, deleted + 1);
}

void xstream_node_drop_deleted(struct xstream_node *node, const struct xstream_entry *entry)
{
    struct bytes bytes = xstream_node_bytes(node);
    size_t dropped = 1, live = xstream_node_live(bytes), deleted = xstream_node_deleted(bytes);
    struct stream_id first = {0, 0};
    for (struct xstream_entry next = *entry; xstream_entry_next(bytes, first, &next);)
        dropped++;
    listpack_delete(&node->listpack, listpack_offset(bytes, entry->position), SIZE_MAX);
    set_counts(node, live, deleted - dropped);
}

/* ---- bytes from outside ---- */

/* Reads element by element, and fails where there is none or another kind. */
struct examination {
    const uint8_t *position; /* of the next element; NULL: there is none */
    bool failed;
};

static const uint8_t *take(struct examination *of)
{
    const uint8_t *taken = of->position;
    if (taken == NULL)
        of->failed = true;
    else
        of->position = listpack_next(taken);
    return taken;
}

/* An integer of at least 0, or with 'any' of any kind. */
static int64_t take_integer(struct examination *of, bool any)
{
    const uint8_t *taken = take(of);
    struct listpack_value value = {.data = ""};
    if (taken)
        listpack_get(taken, &value);
    if (value.data || (!any && value.integer < 0))
        of->failed = true;
    return of->failed ? 0 : value.integer;
}

static void take_words(struct examination *of, int64_t count)
{
    while (count-- > 0 && !of->failed)
        take(of);
}

struct node_sums {
    int64_t fields, live, deleted;
    struct stream_id first, last;
    bool has_entries;
};

static void examine_entry(struct examination *of, struct node_sums *sums)
{
    int64_t flags = take_integer(of, false);
    struct stream_id id = sums->first;
    id.ms += (uint64_t)take_integer(of, true);
    id.seq += (uint64_t)take_integer(of, true);
    bool same = flags & XSTREAM_ENTRY_SAME_FIELDS;
    int64_t fields = same ? sums->fields : take_integer(of, false);
    int64_t words = same ? fields : fields * 2;
    if (fields < 1 || fields > (int64_t)LISTPACK_BYTES_MAX) /* no element is less than a byte */
        of->failed = true;
    take_words(of, words);
    if (take_integer(of, false) != ENTRY_HEAD + words + !same || flags > 3)
        of->failed = true;
    int order = sums->has_entries ? stream_id_compare(id, sums->last) : stream_id_compare(id, sums->first) + 1;
    if (order <= 0)
        of->failed = true;
    sums->last = id;
    sums->has_entries = true;
    *(flags & XSTREAM_ENTRY_DELETED ? &sums->deleted : &sums->live) += 1;
}

bool xstream_node_is_valid(struct bytes dumped, struct stream_id first, struct stream_id *last)
{
    if (!listpack_is_valid(dumped, NULL, NULL))
        return false;
    struct examination of = {.position = listpack_first(listpack_of_dump(dumped))};
    struct node_sums sums = {.first = first};
    int64_t live = take_integer(&of, false), deleted = take_integer(&of, false);
    sums.fields = take_integer(&of, false);
    take_words(&of, sums.fields);
    if (take_integer(&of, true) != 0)
        of.failed = true;
    while (of.position && !of.failed)
        examine_entry(&of, &sums);
    *last = sums.last;
    return !of.failed && sums.has_entries && sums.live == live && sums.deleted == deleted;
}
