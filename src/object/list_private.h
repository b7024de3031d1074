/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object_private.h"

/* A large list: a chain of listpacks. Q1 to Q3 at the head of list_object.c say what holds of it. */
struct list_node {
    struct list_node *previous, *next;
    struct buffer listpack;
    size_t count; /* elements */
};

struct list_body {
    struct list_node *head, *tail;
    size_t count; /* elements */
    size_t nodes;
    size_t bytes; /* of the nodes and what they hold */
};

struct list_body *list_body_create(void);
/* In the background if it is long. */
void list_body_free(struct list_body *body);
/* A node of these bytes at the end; a valid listpack that is not empty. */
void list_body_append(struct list_body *body, struct bytes listpack);

extern const struct object_class list_object_class;
void list_object_encode(const struct object *list, struct buffer *out);
object_decode_function list_object_decode;
