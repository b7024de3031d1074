/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names an entry of a stream: a time in milliseconds and a number within it. */
struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

/* Below, at or above zero, as a is before, at or after b. */
static inline int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

/* An ordered map from ids to pointers, which are somebody else's: a B+ tree. Every step takes a logarithm of the count.
 * Ids that are inserted in rising order fill it; what is removed frees a leaf once it is empty, never before, for streams
 * lose their entries from an end. All zero but 'account' is an empty tree. */
struct id_tree {
    void *root;
    unsigned height; /* 0: no root; 1: the root is a leaf */
    size_t count;
    size_t *account; /* somebody's count of bytes, to which the tree adds its nodes */
};

/* Where an id stands; good until the tree changes. */
struct id_place {
    struct id_leaf *leaf; /* NULL: beyond either end */
    unsigned index;
};

/* The first id that is not before this one. */
struct id_place id_tree_ceiling(const struct id_tree *tree, struct stream_id id);
/* The last id that is not after this one. */
struct id_place id_tree_floor(const struct id_tree *tree, struct stream_id id);
struct id_place id_tree_first(const struct id_tree *tree);
struct id_place id_tree_last(const struct id_tree *tree);
struct id_place id_place_next(struct id_place place);
struct id_place id_place_previous(struct id_place place);

struct stream_id id_place_id(struct id_place place);
void *id_place_value(struct id_place place);

/* NULL if the id is not there. */
void *id_tree_find(const struct id_tree *tree, struct stream_id id);
/* The value is not NULL. False, with nothing changed, if the id is there. */
bool id_tree_insert(struct id_tree *tree, struct stream_id id, void *value);
/* Returns what stood there; NULL if the id is not there. */
void *id_tree_remove(struct id_tree *tree, struct stream_id id);

/* Frees the nodes, after free_value (may be NULL) of every value; the tree is empty then. */
void id_tree_clear(struct id_tree *tree, void (*free_value)(void *value));
