/* SPDX-License-Identifier: BSD-3-Clause */
/* What was delivered to consumers of a group and not acknowledged. G2-G4 are at the head of stream_group.c.
 *
 * G1 a pending entry is in its group's tree and in that of its one consumer, who is of this group; it is allocated once. */
#include "base/memory.h"
#include "object/stream_private.h"

/* G4 */
static void pending_will_change(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                                const struct xstream_pending *pending)
{
    xstream_group_will_change(stream, group);
    if (__builtin_expect(group->captured != NULL, 0))
        captured_group_note(group->captured, id, pending);
}

struct xstream_pending *xstream_pending_find(const struct xstream_group *group, struct stream_id id)
{
    return id_tree_find(&group->pending, id);
}

struct xstream_pending *xstream_pending_give(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                                             struct xstream_consumer *consumer)
{
    struct xstream_pending *pending = xstream_pending_find(group, id);
    size_t before = group->bytes;
    pending_will_change(stream, group, id, pending);
    if (pending == NULL) {
        pending = memory_allocate_zeroed(sizeof(*pending));
        group->bytes += sizeof(*pending);
        id_tree_insert(&group->pending, id, pending);
    } else if (pending->consumer == consumer) {
        return pending;
    } else {
        id_tree_remove(&pending->consumer->pending, id);
    }
    pending->consumer = consumer;
    id_tree_insert(&consumer->pending, id, pending);
    xstream_group_account(stream, group, before);
    return pending;
}

void xstream_pending_set(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                         struct xstream_pending *pending, int64_t delivered_ms, uint64_t deliveries)
{
    pending_will_change(stream, group, id, pending);
    pending->delivered_ms = delivered_ms;
    pending->deliveries = deliveries;
}

bool xstream_pending_put(struct xstream *stream, struct xstream_group *group, struct stream_id id, int64_t delivered_ms,
                         uint64_t deliveries)
{
    struct xstream_pending *pending = memory_allocate(sizeof(*pending));
    size_t before = group->bytes;
    *pending = (struct xstream_pending){.delivered_ms = delivered_ms, .deliveries = deliveries};
    if (!id_tree_insert(&group->pending, id, pending)) {
        memory_free(pending);
        return false;
    }
    group->bytes += sizeof(*pending);
    xstream_group_account(stream, group, before);
    return true;
}

bool xstream_pending_own(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                         struct xstream_consumer *consumer)
{
    struct xstream_pending *pending = xstream_pending_find(group, id);
    if (pending == NULL || pending->consumer != NULL)
        return false;
    size_t before = group->bytes;
    pending->consumer = consumer;
    bool is_new = id_tree_insert(&consumer->pending, id, pending);
    xstream_group_account(stream, group, before);
    return is_new;
}

bool xstream_pending_remove(struct xstream *stream, struct xstream_group *group, struct stream_id id)
{
    size_t before = group->bytes;
    xstream_group_will_change(stream, group);
    struct xstream_pending *pending = id_tree_remove(&group->pending, id);
    if (pending == NULL)
        return false;
    pending_will_change(stream, group, id, pending);
    id_tree_remove(&pending->consumer->pending, id);
    group->bytes -= sizeof(*pending);
    xstream_group_account(stream, group, before);
    memory_free(pending);
    return true;
}
