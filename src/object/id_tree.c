/* SPDX-License-Identifier: BSD-3-Clause */
/* Leaves hold ids with their values and are linked; branches hold, for each child, an id that none of the child's is
 * before and all of its left neighbour's are. Source of the structure: Bayer and McCreight's B-tree with the values in
 * the leaves, and "free-at-empty" deletion (Johnson and Shasha, 1993).
 *
 * T1 a leaf in the tree is not empty; a branch has at least one child.
 * T2 the first separator of a branch is never looked at: what is before all others goes to the first child.
 * T3 a leaf that is the root grows with its count, so that the many small trees stay small; all others have LEAF_MAX. */
#include "object/id_tree.h"

#include <string.h>

#include "base/memory.h"

#define LEAF_MAX 32
#define BRANCH_MAX 32
#define LEAF_MIN 2
#define HEIGHT_MAX 16

struct id_item {
    struct stream_id id;
    void *value;
};

struct id_leaf {
    struct id_leaf *previous, *next;
    uint32_t count, capacity;
    struct id_item items[];
};

struct branch {
    unsigned count;
    struct stream_id separators[BRANCH_MAX];
    void *children[BRANCH_MAX];
};

/* The way from the root to a leaf. */
struct path {
    struct branch *branches[HEIGHT_MAX]; /* the root first */
    unsigned indices[HEIGHT_MAX];
    unsigned depth;
    struct id_leaf *leaf;
};

/* ---- nodes ---- */

static size_t leaf_bytes(uint32_t capacity)
{
    return sizeof(struct id_leaf) + capacity * sizeof(struct id_item);
}

static struct id_leaf *leaf_create(struct id_tree *tree, uint32_t capacity)
{
    struct id_leaf *leaf = memory_allocate(leaf_bytes(capacity));
    *leaf = (struct id_leaf){.capacity = capacity};
    *tree->account += leaf_bytes(capacity);
    return leaf;
}

static void leaf_destroy(struct id_tree *tree, struct id_leaf *leaf)
{
    *tree->account -= leaf_bytes(leaf->capacity);
    memory_free(leaf);
}

static struct branch *branch_create(struct id_tree *tree)
{
    struct branch *branch = memory_allocate(sizeof(*branch));
    branch->count = 0;
    *tree->account += sizeof(*branch);
    return branch;
}

static void branch_destroy(struct id_tree *tree, struct branch *branch)
{
    *tree->account -= sizeof(*branch);
    memory_free(branch);
}

/* ---- finding ---- */

/* How many items are before the id. */
static unsigned leaf_rank(const struct id_leaf *leaf, struct stream_id id)
{
    unsigned low = 0, high = leaf->count;
    /* What is appended stands behind all. */
    if (high > 0 && stream_id_compare(leaf->items[high - 1].id, id) < 0)
        return high;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (stream_id_compare(leaf->items[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static unsigned branch_child(const struct branch *branch, struct stream_id id)
{
    unsigned low = 1, high = branch->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (stream_id_compare(branch->separators[middle], id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

/* To the leaf where the id stands or would. The tree is not empty. */
static void descend(const struct id_tree *tree, struct stream_id id, struct path *path)
{
    void *node = tree->root;
    path->depth = 0;
    for (unsigned level = tree->height; level > 1; level--) {
        struct branch *branch = node;
        unsigned index = branch_child(branch, id);
        path->branches[path->depth] = branch;
        path->indices[path->depth++] = index;
        node = branch->children[index];
    }
    path->leaf = node;
}

struct id_place id_tree_ceiling(const struct id_tree *tree, struct stream_id id)
{
    struct path path;
    if (tree->height == 0)
        return (struct id_place){NULL, 0};
    descend(tree, id, &path);
    unsigned index = leaf_rank(path.leaf, id);
    if (index < path.leaf->count)
        return (struct id_place){path.leaf, index};
    return (struct id_place){path.leaf->next, 0};
}

struct id_place id_tree_floor(const struct id_tree *tree, struct stream_id id)
{
    struct path path;
    if (tree->height == 0)
        return (struct id_place){NULL, 0};
    descend(tree, id, &path);
    unsigned index = leaf_rank(path.leaf, id);
    if (index < path.leaf->count && stream_id_compare(path.leaf->items[index].id, id) == 0)
        return (struct id_place){path.leaf, index};
    if (index > 0)
        return (struct id_place){path.leaf, index - 1};
    struct id_leaf *previous = path.leaf->previous;
    return (struct id_place){previous, previous ? previous->count - 1 : 0};
}

struct id_place id_tree_first(const struct id_tree *tree)
{
    return id_tree_ceiling(tree, STREAM_ID_MIN);
}

struct id_place id_tree_last(const struct id_tree *tree)
{
    return id_tree_floor(tree, STREAM_ID_MAX);
}

struct id_place id_place_next(struct id_place place)
{
    if (++place.index < place.leaf->count)
        return place;
    return (struct id_place){place.leaf->next, 0};
}

struct id_place id_place_previous(struct id_place place)
{
    if (place.index > 0)
        return (struct id_place){place.leaf, place.index - 1};
    struct id_leaf *previous = place.leaf->previous;
    return (struct id_place){previous, previous ? previous->count - 1 : 0};
}

struct stream_id id_place_id(struct id_place place)
{
    return place.leaf->items[place.index].id;
}

void *id_place_value(struct id_place place)
{
    return place.leaf->items[place.index].value;
}

void *id_tree_find(const struct id_tree *tree, struct stream_id id)
{
    struct id_place place = id_tree_ceiling(tree, id);
    return place.leaf && stream_id_compare(id_place_id(place), id) == 0 ? id_place_value(place) : NULL;
}

/* ---- inserting ---- */

static void *grow_root(struct id_tree *tree, void *left, struct stream_id separator, void *right)
{
    struct branch *root = branch_create(tree);
    root->count = 2;
    root->separators[0] = STREAM_ID_MIN;
    root->children[0] = left;
    root->separators[1] = separator;
    root->children[1] = right;
    tree->height++;
    return root;
}

static void branch_insert(struct branch *branch, unsigned index, struct stream_id separator, void *child)
{
    unsigned after = branch->count - index;
    memmove(&branch->separators[index + 1], &branch->separators[index], after * sizeof(branch->separators[0]));
    memmove(&branch->children[index + 1], &branch->children[index], after * sizeof(branch->children[0]));
    branch->separators[index] = separator;
    branch->children[index] = child;
    branch->count++;
}

/* How many of a full node stay on the left: all, where the new one comes last, so that rising ids leave full nodes. */
static unsigned split_point(unsigned count, unsigned index)
{
    return index == count ? count : count / 2;
}

/* Splits a full branch around the place where a child is to be inserted, and inserts it; returns the right half. */
static struct branch *branch_split(struct id_tree *tree, struct branch *left, unsigned index,
                                   struct stream_id *separator, void *child)
{
    struct branch *right = branch_create(tree);
    unsigned kept = split_point(left->count, index);
    right->count = left->count - kept;
    memcpy(right->separators, &left->separators[kept], right->count * sizeof(right->separators[0]));
    memcpy(right->children, &left->children[kept], right->count * sizeof(right->children[0]));
    left->count = kept;
    if (index > kept || right->count == 0)
        branch_insert(right, index - kept, *separator, child);
    else
        branch_insert(left, index, *separator, child);
    *separator = right->separators[0];
    return right;
}

/* The leaf at the end of the path was split: its right half goes into the branches above. */
static void insert_child(struct id_tree *tree, struct path *path, struct stream_id separator, void *child)
{
    while (path->depth > 0) {
        struct branch *branch = path->branches[--path->depth];
        unsigned index = path->indices[path->depth] + 1;
        if (branch->count < BRANCH_MAX) {
            branch_insert(branch, index, separator, child);
            return;
        }
        child = branch_split(tree, branch, index, &separator, child);
    }
    tree->root = grow_root(tree, tree->root, separator, child);
}

static void leaf_insert(struct id_leaf *leaf, unsigned index, struct stream_id id, void *value)
{
    memmove(&leaf->items[index + 1], &leaf->items[index], (leaf->count - index) * sizeof(leaf->items[0]));
    leaf->items[index] = (struct id_item){id, value};
    leaf->count++;
}

static struct id_leaf *leaf_split(struct id_tree *tree, struct id_leaf *left, unsigned index)
{
    struct id_leaf *right = leaf_create(tree, LEAF_MAX);
    unsigned kept = split_point(left->count, index);
    right->count = left->count - kept;
    memcpy(right->items, &left->items[kept], right->count * sizeof(right->items[0]));
    left->count = kept;
    right->previous = left;
    right->next = left->next;
    left->next = right;
    if (right->next)
        right->next->previous = right;
    return right;
}

/* T3: a root leaf that is full but small. */
static struct id_leaf *leaf_grow(struct id_tree *tree, struct id_leaf *leaf)
{
    uint32_t capacity = leaf->capacity * 2 < LEAF_MAX ? leaf->capacity * 2 : LEAF_MAX;
    *tree->account += leaf_bytes(capacity) - leaf_bytes(leaf->capacity);
    leaf = memory_resize(leaf, leaf_bytes(capacity));
    leaf->capacity = capacity;
    tree->root = leaf;
    return leaf;
}

bool id_tree_insert(struct id_tree *tree, struct stream_id id, void *value)
{
    struct path path;
    if (tree->height == 0) {
        tree->root = leaf_create(tree, LEAF_MIN);
        tree->height = 1;
    }
    descend(tree, id, &path);
    struct id_leaf *leaf = path.leaf;
    unsigned index = leaf_rank(leaf, id);
    if (index < leaf->count && stream_id_compare(leaf->items[index].id, id) == 0)
        return false;
    tree->count++;
    if (leaf->count == leaf->capacity && leaf->capacity < LEAF_MAX)
        leaf = leaf_grow(tree, leaf);
    if (leaf->count < leaf->capacity) {
        leaf_insert(leaf, index, id, value);
        return true;
    }
    struct id_leaf *right = leaf_split(tree, leaf, index);
    if (index > leaf->count || right->count == 0)
        leaf_insert(right, index - leaf->count, id, value);
    else
        leaf_insert(leaf, index, id, value);
    insert_child(tree, &path, right->items[0].id, right);
    return true;
}

/* ---- removing ---- */

/* The last child of a branch went: the branch goes from its own parent, and so on. */
static void remove_child(struct id_tree *tree, struct path *path)
{
    while (path->depth > 0) {
        struct branch *branch = path->branches[--path->depth];
        unsigned index = path->indices[path->depth], after = branch->count - index - 1;
        memmove(&branch->separators[index], &branch->separators[index + 1], after * sizeof(branch->separators[0]));
        memmove(&branch->children[index], &branch->children[index + 1], after * sizeof(branch->children[0]));
        if (--branch->count > 0)
            return;
        branch_destroy(tree, branch);
    }
    tree->root = NULL;
    tree->height = 0;
}

/* A root with one child gives way to it. */
static void shrink_root(struct id_tree *tree)
{
    while (tree->height > 1 && ((struct branch *)tree->root)->count == 1) {
        struct branch *root = tree->root;
        tree->root = root->children[0];
        tree->height--;
        branch_destroy(tree, root);
    }
}

static void leaf_unlink(struct id_leaf *leaf)
{
    if (leaf->previous)
        leaf->previous->next = leaf->next;
    if (leaf->next)
        leaf->next->previous = leaf->previous;
}

void *id_tree_remove(struct id_tree *tree, struct stream_id id)
{
    struct path path;
    if (tree->height == 0)
        return NULL;
    descend(tree, id, &path);
    struct id_leaf *leaf = path.leaf;
    unsigned index = leaf_rank(leaf, id);
    if (index == leaf->count || stream_id_compare(leaf->items[index].id, id) != 0)
        return NULL;
    void *value = leaf->items[index].value;
    tree->count--;
    leaf->count--;
    memmove(&leaf->items[index], &leaf->items[index + 1], (leaf->count - index) * sizeof(leaf->items[0]));
    if (leaf->count == 0) {
        leaf_unlink(leaf);
        leaf_destroy(tree, leaf);
        remove_child(tree, &path);
        shrink_root(tree);
    }
    return value;
}

static void free_branches(struct id_tree *tree, void *node, unsigned height)
{
    if (height <= 1)
        return;
    struct branch *branch = node;
    for (unsigned i = 0; i < branch->count; i++)
        free_branches(tree, branch->children[i], height - 1);
    branch_destroy(tree, branch);
}

void id_tree_clear(struct id_tree *tree, void (*free_value)(void *value))
{
    struct id_leaf *leaf = id_tree_first(tree).leaf, *next;
    free_branches(tree, tree->root, tree->height);
    for (; leaf; leaf = next) {
        next = leaf->next;
        for (unsigned i = 0; free_value && i < leaf->count; i++)
            free_value(leaf->items[i].value);
        leaf_destroy(tree, leaf);
    }
    *tree = (struct id_tree){.account = tree->account};
}
