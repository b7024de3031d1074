/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/list_object.h"

/* What the list commands share. All under the lock of the key's partition. */

/* The list at a key, an empty one if there is no entry; false (and replied) if the key holds something else. */
bool list_find(struct execution *x, const struct key *key, bool for_write, struct entry **entry, struct object *list);
/* Pushes the elements one by one; they must not lie in the list. Stores, stages and tells. */
void push_to(struct execution *x, const struct key *key, struct entry *entry, struct object *list, enum list_end end,
             const struct bytes *elements, size_t count);
/* Removes as many elements as there are at least; the key goes with the last. Stores, stages and tells. */
void pop_from(struct execution *x, const struct key *key, struct entry *entry, struct object *list, enum list_end end,
              size_t count);
/* Replies elements from an end on, as bulks without a header. */
void reply_from_end(struct execution *x, const struct object *list, enum list_end end, size_t count);
/* A range of indexes as Redis takes it, counted from the front then; false if it names nothing. */
bool list_clamp_range(int64_t length, int64_t *start, int64_t *stop);
