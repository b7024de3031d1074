/* SPDX-License-Identifier: BSD-3-Clause */
/* The chain of nodes of a large list: Q1 and Q2 of list_object.c. */
#include "base/check.h"
#include "base/memory.h"
#include "object/list_private.h"
#include "object/listpack.h"

/* Chains longer than this are freed in the background. */
#define FREE_NODES_AT_ONCE 64

struct list_node *list_node_create(void)
{
    struct list_node *node = memory_allocate_zeroed(sizeof(*node));
    listpack_init(&node->listpack);
    return node;
}

void list_node_destroy(struct list_node *node)
{
    buffer_deinit(&node->listpack);
    memory_free(node);
}

void list_node_link(struct list_body *body, struct list_node *node, struct list_node *before)
{
    node->previous = before;
    node->next = before ? before->next : body->head;
    *(before ? &before->next : &body->head) = node;
    *(node->next ? &node->next->previous : &body->tail) = node;
    body->nodes++;
    list_node_enter(body, node);
    if (__builtin_expect(list_body_capture(body) != NULL, 0))
        list_capture_added(list_body_capture(body), node);
}

void list_node_unlink(struct list_body *body, struct list_node *node)
{
    list_node_discount(body, node);
    *(node->previous ? &node->previous->next : &body->head) = node->next;
    *(node->next ? &node->next->previous : &body->tail) = node->previous;
    body->nodes--;
    if (__builtin_expect(list_body_capture(body) != NULL, 0))
        list_capture_removed(list_body_capture(body), node);
}

struct list_body *list_body_create(void)
{
    return memory_allocate_zeroed(sizeof(struct list_body));
}

static void body_destroy(void *taken)
{
    struct list_body *body = taken;
    for (struct list_node *node = body->head, *next; node; node = next) {
        next = node->next;
        list_node_destroy(node);
    }
    memory_free(body);
}

void list_body_free(struct list_body *body)
{
    if (body->nodes > FREE_NODES_AT_ONCE)
        memory_free_later(body, body_destroy);
    else
        body_destroy(body);
}

void list_body_append(struct list_body *body, struct bytes listpack)
{
    struct list_node *node = memory_allocate_zeroed(sizeof(*node));
    buffer_append_bytes(&node->listpack, listpack);
    node->count = listpack_count(listpack);
    list_node_link(body, node, body->tail);
}

/* Moves the elements from the offset on to a node of their own behind it. */
static void node_split(struct list_body *body, struct list_node *node, size_t offset)
{
    struct bytes listpack = buffer_bytes(&node->listpack);
    struct list_node *behind = list_node_create();
    char digits[BYTES_INTEGER_MAX];
    for (const uint8_t *position = listpack_at(listpack, offset); position; position = listpack_next(position)) {
        bool fits = listpack_append(&behind->listpack, listpack_get_bytes(position, digits));
        check(fits);
        behind->count++;
    }
    list_node_leave(body, node);
    listpack_delete(&node->listpack, offset, behind->count);
    node->count -= behind->count;
    list_node_enter(body, node);
    list_node_link(body, behind, node);
}

struct list_node *list_node_open(struct list_body *body, struct list_node *node, size_t offset)
{
    struct bytes listpack = buffer_bytes(&node->listpack);
    struct list_node *before = node, *opened = list_node_create();
    if (offset == LISTPACK_HEADER_BYTES)
        before = node->previous;
    else if (listpack_at(listpack, offset))
        node_split(body, node, offset);
    list_node_link(body, opened, before);
    return opened;
}
