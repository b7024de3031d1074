/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "object/listpack.h"
#include "object/object_limits.h"
#include "object/object_private.h"

/* A large list: a chain of listpacks. Q1 to Q3 at the head of list_object.c say what holds of it. */
struct list_node;
struct list_chain {
    struct list_node *head, *tail; /* linked by next */
};

struct list_node {
    struct list_node *previous, *next;
    struct buffer listpack;
    size_t count;             /* elements */
    uint64_t captured_by;     /* id of the capture that needs it no more */
    struct list_chain before; /* what the present capture is to write in front of it */
};

struct list_body {
    struct list_node *head, *tail;
    size_t count; /* elements */
    size_t nodes;
    size_t bytes;                           /* of the nodes and what they hold */
    struct object_capture *_Atomic capture; /* told before nodes change; NULL: none */
};

/* What a capture is told: of a node that is new, that will change, that was taken out of the chain of nodes, but still
 * knows its successor. */
void list_capture_added(const struct object_capture *capture, struct list_node *node);
void list_capture_change(struct object_capture *capture, struct list_node *node);
void list_capture_removed(struct object_capture *capture, struct list_node *node);

/* NULL almost always. */
static inline struct object_capture *list_body_capture(const struct list_body *body)
{
    return atomic_load_explicit(&body->capture, memory_order_relaxed);
}

/* Whether a listpack of these bytes and elements is still within the limit, which counts bytes as dumped. */
static inline bool list_within_limit(size_t bytes, size_t count)
{
    int64_t size = object_limits.list_max_listpack_size;
    bytes += LISTPACK_SIZE_BYTES;
    if (size < 0)
        return bytes <= (size_t)4096 << ((size < -5 ? 5 : -size) - 1);
    return count <= (size_t)size && bytes <= 8192;
}

/* A node without elements, in no chain. */
struct list_node *list_node_create(void);
void list_node_destroy(struct list_node *node);
/* After 'before', or at the head (NULL). */
void list_node_link(struct list_body *body, struct list_node *node, struct list_node *before);
/* The node is the caller's then. */
void list_node_unlink(struct list_body *body, struct list_node *node);
/* Makes a node without elements at the offset of another, which is split there unless it ends or begins there. */
struct list_node *list_node_open(struct list_body *body, struct list_node *node, size_t offset);

static inline size_t list_node_bytes(const struct list_node *node)
{
    return sizeof(*node) + node->listpack.capacity;
}

static inline void list_node_discount(struct list_body *body, const struct list_node *node)
{
    body->bytes -= list_node_bytes(node);
    body->count -= node->count;
}

/* Every change of a node stands between these two. */
static inline void list_node_leave(struct list_body *body, struct list_node *node)
{
    if (__builtin_expect(list_body_capture(body) != NULL, 0))
        list_capture_change(list_body_capture(body), node);
    list_node_discount(body, node);
}

static inline void list_node_enter(struct list_body *body, const struct list_node *node)
{
    body->bytes += list_node_bytes(node);
    body->count += node->count;
}

struct list_body *list_body_create(void);
/* In the background if it is long. */
void list_body_free(struct list_body *body);
/* A node of these bytes at the end; a valid listpack that is not empty. */
void list_body_append(struct list_body *body, struct bytes listpack);

extern const struct object_class list_object_class;
/* Appends a node as a payload has it. */
void list_node_encode(struct bytes listpack, struct buffer *out);
void list_object_encode(const struct object *list, struct buffer *out);
object_decode_function list_object_decode;
