/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers trust the bytes; xstream_node_is_valid, at the end, is what makes them trustworthy. */
#include "object/stream_node.h"

#include "base/check.h"
#include "base/memory.h"

/* Elements of an entry besides its fields and values and their count: flags, ms, seq. */
#define ENTRY_HEAD 3
/* Integers around the words of an entry: its head, two counts. */
#define ENTRY_INTEGERS_MAX (ENTRY_HEAD + 2)

static inline const uint8_t *skip(const uint8_t *position, size_t elements)
{
    while (elements-- > 0)
        position += listpack_step(position);
    return position;
}

/* ---- the head ---- */

size_t xstream_node_live(struct bytes node)
{
    return (size_t)listpack_integer(listpack_first(node));
}

size_t xstream_node_deleted(struct bytes node)
{
    return (size_t)listpack_integer(skip(listpack_first(node), 1));
}

struct xstream_view xstream_view_of(struct bytes node, struct stream_id first)
{
    const uint8_t *field_count = skip(listpack_first(node), 2);
    struct xstream_view view = {.node = node, .first = first, .field_count = (size_t)listpack_integer(field_count)};
    view.fields = skip(field_count, 1);
    view.entries = skip(view.fields, view.field_count + 1);
    return view;
}

struct xstream_node *xstream_node_create(const struct bytes *words, size_t word_count)
{
    struct xstream_node *node = memory_allocate_zeroed(sizeof(*node));
    struct listpack_run run;
    size_t bytes = 4 * LISTPACK_INTEGER_MAX;
    for (size_t i = 0; i < word_count; i += 2)
        bytes += LISTPACK_ELEMENT_MAX(words[i].length);
    listpack_init(&node->listpack);
    bool fits = listpack_run_begin(&run, &node->listpack, bytes);
    check(fits);
    listpack_run_add_integer(&run, 0);
    listpack_run_add_integer(&run, 0);
    listpack_run_add_integer(&run, (int64_t)(word_count / 2));
    for (size_t i = 0; i < word_count; i += 2)
        listpack_run_add(&run, words[i]);
    listpack_run_add_integer(&run, 0);
    listpack_run_end(&run);
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
    size_t offset = LISTPACK_HEADER_BYTES;
    bool fits = listpack_replace_integer(&node->listpack, offset, (int64_t)live);
    offset += listpack_step((const uint8_t *)node->listpack.data + offset);
    fits = fits && listpack_replace_integer(&node->listpack, offset, (int64_t)deleted);
    check(fits);
}

/* ---- entries ---- */

/* The one whose flags stand at the position. */
static void entry_at(const struct xstream_view *view, const uint8_t *position, struct xstream_entry *entry)
{
    int64_t flags = listpack_integer(position);
    const uint8_t *ms = skip(position, 1), *seq = skip(ms, 1);
    entry->position = position;
    entry->content = skip(seq, 1);
    entry->id.ms = view->first.ms + (uint64_t)listpack_integer(ms);
    entry->id.seq = view->first.seq + (uint64_t)listpack_integer(seq);
    entry->is_deleted = flags & XSTREAM_ENTRY_DELETED;
    entry->has_own_fields = !(flags & XSTREAM_ENTRY_SAME_FIELDS);
    entry->fields = view->field_count;
    if (entry->has_own_fields) {
        entry->fields = (size_t)listpack_integer(entry->content);
        entry->content = skip(entry->content, 1);
    }
}

const uint8_t *xstream_entry_end(const struct xstream_entry *entry)
{
    return skip(entry->content, (entry->has_own_fields ? entry->fields * 2 : entry->fields) + 1);
}

static const uint8_t *view_end(const struct xstream_view *view)
{
    return (const uint8_t *)view->node.data + view->node.length - 1;
}

/* The entry before the position, which is not the first one's. */
static void entry_before(const struct xstream_view *view, const uint8_t *position, struct xstream_entry *entry)
{
    position = listpack_prev(view->node, position);
    for (int64_t i = listpack_integer(position); i > 0; i--)
        position = listpack_prev(view->node, position);
    entry_at(view, position, entry);
}

bool xstream_view_first(const struct xstream_view *view, struct xstream_entry *entry)
{
    if (view->entries == view_end(view))
        return false;
    entry_at(view, view->entries, entry);
    return true;
}

bool xstream_view_last(const struct xstream_view *view, struct xstream_entry *entry)
{
    if (view->entries == view_end(view))
        return false;
    entry_before(view, view_end(view), entry);
    return true;
}

bool xstream_view_next(const struct xstream_view *view, struct xstream_entry *entry)
{
    const uint8_t *next = xstream_entry_end(entry);
    if (next == view_end(view))
        return false;
    entry_at(view, next, entry);
    return true;
}

bool xstream_view_previous(const struct xstream_view *view, struct xstream_entry *entry)
{
    if (entry->position == view->entries)
        return false;
    entry_before(view, entry->position, entry);
    return true;
}

/* Whether the id is nearer to the last than to the first. */
static bool is_nearer_to_last(struct stream_id first, struct stream_id last, struct stream_id id)
{
    if (stream_id_compare(id, first) <= 0 || stream_id_compare(id, last) >= 0)
        return stream_id_compare(id, first) > 0;
    if (first.ms == last.ms)
        return id.seq - first.seq > last.seq - id.seq;
    return id.ms - first.ms > last.ms - id.ms;
}

static bool seek_from_first(const struct xstream_view *view, struct stream_id id, bool backward,
                            struct xstream_entry *entry)
{
    bool found = xstream_view_first(view, entry);
    while (found && stream_id_compare(entry->id, id) < (backward ? 1 : 0))
        found = xstream_view_next(view, entry);
    if (!backward)
        return found;
    return found ? xstream_view_previous(view, entry) : xstream_view_last(view, entry);
}

static bool seek_from_last(const struct xstream_view *view, struct stream_id id, bool backward,
                           struct xstream_entry *entry)
{
    bool found = xstream_view_last(view, entry);
    while (found && stream_id_compare(entry->id, id) > (backward ? 0 : -1))
        found = xstream_view_previous(view, entry);
    if (backward)
        return found;
    return found ? xstream_view_next(view, entry) : xstream_view_first(view, entry);
}

bool xstream_view_seek(const struct xstream_view *view, struct stream_id id, bool backward, struct xstream_entry *entry)
{
    bool from_last = xstream_view_last(view, entry) && is_nearer_to_last(view->first, entry->id, id);
    return (from_last ? seek_from_last : seek_from_first)(view, id, backward, entry);
}

/* ---- changes ---- */

static bool has_fields_of_node(const struct xstream_view *view, const struct bytes *words, size_t word_count)
{
    const uint8_t *field = view->fields;
    if (view->field_count != word_count / 2)
        return false;
    for (size_t i = 0; i < word_count; i += 2, field = skip(field, 1))
        if (!listpack_equals(field, words[i]))
            return false;
    return true;
}

static size_t entry_bytes_max(const struct bytes *words, size_t word_count)
{
    size_t bytes = ENTRY_INTEGERS_MAX * LISTPACK_INTEGER_MAX;
    for (size_t i = 0; i < word_count; i++)
        bytes += LISTPACK_ELEMENT_MAX(words[i].length);
    return bytes;
}

bool xstream_node_append(struct xstream_node *node, struct stream_id first, struct stream_id id,
                         const struct bytes *words, size_t word_count)
{
    struct xstream_view view = xstream_view_of(xstream_node_bytes(node), first);
    bool same = has_fields_of_node(&view, words, word_count);
    struct listpack_run run;
    if (!listpack_run_begin(&run, &node->listpack, entry_bytes_max(words, word_count)))
        return false;
    listpack_run_add_integer(&run, same ? XSTREAM_ENTRY_SAME_FIELDS : 0);
    listpack_run_add_integer(&run, (int64_t)(id.ms - first.ms));
    listpack_run_add_integer(&run, (int64_t)(id.seq - first.seq));
    if (!same)
        listpack_run_add_integer(&run, (int64_t)(word_count / 2));
    for (size_t i = same ? 1 : 0; i < word_count; i += same ? 2 : 1)
        listpack_run_add(&run, words[i]);
    listpack_run_add_integer(&run, (int64_t)(same ? ENTRY_HEAD + word_count / 2 : ENTRY_HEAD + 1 + word_count));
    listpack_run_end(&run);
    set_counts(node, xstream_node_live(xstream_node_bytes(node)) + 1, xstream_node_deleted(xstream_node_bytes(node)));
    return true;
}

void xstream_node_cut(struct xstream_node *node, const uint8_t *from, const uint8_t *to)
{
    struct bytes bytes = xstream_node_bytes(node);
    struct xstream_view view = xstream_view_of(bytes, STREAM_ID_MIN);
    struct xstream_entry entry;
    size_t live = xstream_node_live(bytes), deleted = xstream_node_deleted(bytes), elements = 0;
    for (const uint8_t *position = from; position < to; position = xstream_entry_end(&entry)) {
        entry_at(&view, position, &entry);
        *(entry.is_deleted ? &deleted : &live) -= 1;
        elements += (size_t)listpack_integer(listpack_prev(bytes, xstream_entry_end(&entry))) + 1;
    }
    listpack_delete(&node->listpack, listpack_offset(bytes, from), elements);
    set_counts(node, live, deleted);
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
    if (fields < 1 || fields > (int64_t)LISTPACK_BYTES_MAX) { /* no element is less than a byte */
        of->failed = true;
        return;
    }
    int64_t words = same ? fields : fields * 2;
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
