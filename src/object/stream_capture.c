/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes are written in the order of their ids. Before a node beyond the walk is changed or taken out, a copy of it is put
 * aside under its id; for one that comes there, which is rare, an empty one is. What stands aside is written, or passed
 * over, in the place of the node. Groups come behind the nodes, by captures of their own (stream_group_capture.c). */
#include "base/check.h"
#include "base/memory.h"
#include "object/capture_private.h"
#include "object/stream_private.h"

static const struct xstream *stream_of(const struct object_capture *capture)
{
    return xstream_of(&capture->value);
}

void stream_capture_note(struct object_capture *capture, struct stream_id id, const struct xstream_node *node)
{
    bool is_beyond = !capture->is_walked && stream_id_compare(id, capture->next_id) >= 0 &&
                     stream_id_compare(id, capture->last_id) <= 0;
    if (!is_beyond || id_tree_find(&capture->aside, id))
        return;
    struct xstream_node *copy = memory_allocate_zeroed(sizeof(*copy));
    if (node)
        buffer_append_bytes(&copy->listpack, xstream_node_bytes(node));
    check(id_tree_insert(&capture->aside, id, copy));
}

void stream_capture_begin(struct object_capture *capture, struct buffer *out)
{
    const struct xstream *stream = stream_of(capture);
    struct id_place last = id_tree_last(&stream->nodes);
    capture->aside.account = &capture->aside_bytes;
    capture->is_walked = last.leaf == NULL;
    if (last.leaf)
        capture->last_id = id_place_id(last);
    capture->left = stream->nodes.count;
    *buffer_reserve(out, 1) = RDB_TYPE_STREAM_LISTPACKS_2;
    out->length++;
    rdb_write_length(out, stream->nodes.count);
    xstream_write_counts(&capture->written, stream);
    capture->groups_left = stream->group_count;
}

static void write_node(struct object_capture *capture, struct stream_id id, const struct xstream_node *node,
                       struct buffer *out)
{
    if (xstream_node_bytes(node).length == 0)
        return;
    check(capture->left > 0);
    capture->left--;
    xstream_write_node(out, id, node);
}

/* The next node as it was; false if there is none. */
static bool write_next(struct object_capture *capture, struct buffer *out)
{
    struct id_place live = id_tree_ceiling(&stream_of(capture)->nodes, capture->next_id);
    struct id_place aside = id_tree_ceiling(&capture->aside, capture->next_id);
    if (!live.leaf && !aside.leaf)
        return false;
    bool takes_aside = aside.leaf && (!live.leaf || stream_id_compare(id_place_id(aside), id_place_id(live)) <= 0);
    struct stream_id id = id_place_id(takes_aside ? aside : live);
    if (stream_id_compare(id, capture->last_id) > 0)
        return false;
    if (takes_aside) {
        struct xstream_node *node = id_tree_remove(&capture->aside, id);
        write_node(capture, id, node, out);
        xstream_node_destroy(node);
    } else {
        write_node(capture, id, id_place_value(live), out);
    }
    capture->next_id = id;
    return stream_id_increment(&capture->next_id);
}

bool stream_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    size_t end = out->length + bytes;
    while (!capture->is_walked && out->length < end)
        capture->is_walked = !write_next(capture, out);
    if (!capture->is_walked)
        return true;
    buffer_append_bytes(out, buffer_bytes(&capture->written));
    capture->written.length = 0;
    size_t left = out->length < end ? end - out->length : 0;
    return left == 0 || !stream_capture_groups_step(capture, &left, out);
}
