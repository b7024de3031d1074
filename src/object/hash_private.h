/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/hash_object.h"
#include "object/object_private.h"

/* The body of a hash that is a table. */
struct hash_body {
    struct member_table table; /* first: it is destroyed as a table's body is */
    size_t expiring;           /* members that have a time */
    int64_t due_at_ms;         /* none of them expires before it */
    int64_t quiet_until_ms;    /* before it a sweep is not worth its walk */
};

struct hash_body *hash_body_create(void);
/* Takes a member whose name is not there. */
void hash_body_insert(struct hash_body *body, uint64_t hash, struct member *member);

/* Whether a listpack of so many bytes that comes to 'count' fields with this one stays one. */
bool hash_listpack_has_room(size_t count, size_t bytes, struct bytes field, struct bytes value);
