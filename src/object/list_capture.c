/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes are written from head to tail. Before a node beyond the walk is changed, a copy of it is put into the chain of what
 * is to be written in front of that node; one that is taken out goes into the chain of its successor itself, with what
 * was in its own. A node is left out that has the capture's id: it is written, in a chain, or new. */
#include <stdatomic.h>

#include "base/check.h"
#include "base/memory.h"
#include "object/capture_private.h"

static void chain_append(struct list_chain *chain, struct list_node *node)
{
    node->next = NULL;
    *(chain->tail ? &chain->tail->next : &chain->head) = node;
    chain->tail = node;
}

/* Puts all of 'from' in front. */
static void chain_prepend(struct list_chain *chain, struct list_chain *from)
{
    if (!from->head)
        return;
    from->tail->next = chain->head;
    chain->tail = chain->tail ? chain->tail : from->tail;
    chain->head = from->head;
    *from = (struct list_chain){0};
}

static struct list_node *chain_take(struct list_chain *chain)
{
    struct list_node *node = chain->head;
    if (node) {
        chain->head = node->next;
        chain->tail = chain->head ? chain->tail : NULL;
    }
    return node;
}

static bool is_told(const struct object_capture *capture, const struct list_node *node)
{
    return node->captured_by == capture->id;
}

void list_capture_added(const struct object_capture *capture, struct list_node *node)
{
    node->captured_by = capture->id;
}

void list_capture_change(struct object_capture *capture, struct list_node *node)
{
    if (is_told(capture, node))
        return;
    struct list_node *copy = memory_allocate_zeroed(sizeof(*copy));
    buffer_append_bytes(&copy->listpack, buffer_bytes(&node->listpack));
    chain_append(&node->before, copy);
    node->captured_by = capture->id;
}

void list_capture_removed(struct object_capture *capture, struct list_node *node)
{
    if (!is_told(capture, node)) {
        struct list_node *kept = memory_allocate_zeroed(sizeof(*kept));
        kept->listpack = node->listpack;
        node->listpack = (struct buffer){0};
        chain_append(&node->before, kept);
        node->captured_by = capture->id;
    }
    chain_prepend(node->next ? &node->next->before : &capture->after, &node->before);
    if (capture->next == node)
        capture->next = node->next;
}

void list_capture_begin(struct object_capture *capture, struct buffer *out)
{
    const struct list_body *body = capture->value.body;
    capture->next = body->head;
    capture->left = body->nodes;
    *buffer_reserve(out, 1) = RDB_TYPE_LIST_QUICKLIST_2;
    out->length++;
    rdb_write_length(out, body->nodes);
}

static void write_node(struct object_capture *capture, const struct list_node *node, struct buffer *out)
{
    check(capture->left > 0);
    capture->left--;
    list_node_encode(buffer_bytes(&node->listpack), out);
}

/* The next of what is to be written; false if there is none. */
static bool write_next(struct object_capture *capture, struct buffer *out)
{
    struct list_node *node = capture->next;
    struct list_node *kept = chain_take(node ? &node->before : &capture->after);
    if (kept) {
        write_node(capture, kept, out);
        list_node_destroy(kept);
        return true;
    }
    if (!node)
        return false;
    if (!is_told(capture, node))
        write_node(capture, node, out);
    node->captured_by = capture->id;
    capture->next = node->next;
    return true;
}

bool list_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    for (size_t end = out->length + bytes; out->length < end;)
        if (!write_next(capture, out))
            return false;
    return true;
}
