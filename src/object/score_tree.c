/* SPDX-License-Identifier: BSD-3-Clause */
/* A B+-tree of pointers to members. Leaves are linked; a branch of an inner node tells how many members are below it and
 * which is the first, with a copy of its score, so that a descent reads members in its leaf only.
 *
 * I1  a branch's count, first and score are those of the node below it.
 * I2  no node is empty but a tree's without members, which has no root.
 * I3  a node that loses something and has less than a quarter is joined with a neighbour or shares with it.
 *
 * Members often come in ascending order: a node that is full at the right end of the tree is not halved for what comes
 * behind its last one, so nodes stay full then. */
#include "object/score_tree.h"

#include "base/check.h"
#include "base/memory.h"

/* A leaf takes 512 bytes, an inner node 1,000. */
#define LEAF_MAX 61
#define INNER_MAX 31

struct score_leaf {
    unsigned count;
    struct score_leaf *prev, *next;
    struct member *members[LEAF_MAX];
};

struct branch {
    void *below;
    size_t count;
    double score;
    struct member *first;
};

struct inner {
    unsigned count;
    struct branch branches[INNER_MAX];
};

bool score_cut_follows(const struct score_cut *cut, double score, struct bytes name)
{
    switch (cut->kind) {
    case CUT_BEFORE_SCORE:
        return score < cut->score;
    case CUT_AFTER_SCORE:
        return score <= cut->score;
    case CUT_BEFORE_NAME:
        return bytes_compare(name, cut->name) < 0;
    case CUT_AFTER_NAME:
        return bytes_compare(name, cut->name) <= 0;
    case CUT_BEFORE_MEMBER:
        return score < cut->score || (score == cut->score && bytes_compare(name, cut->name) < 0);
    case CUT_AFTER_MEMBER:
        return score < cut->score || (score == cut->score && bytes_compare(name, cut->name) <= 0);
    case CUT_START:
        return false;
    default:
        return true;
    }
}

/* The name is not read where the score decides. */
static inline bool follows(const struct score_cut *cut, double score, const struct member *member)
{
    if (cut->kind <= CUT_AFTER_SCORE)
        return cut->kind == CUT_BEFORE_SCORE ? score < cut->score : score <= cut->score;
    if (cut->kind >= CUT_BEFORE_MEMBER && cut->kind <= CUT_AFTER_MEMBER && score != cut->score)
        return score < cut->score;
    return score_cut_follows(cut, score, member_name(member));
}

static struct score_cut cut_at(enum score_cut_kind kind, const struct member *member)
{
    return (struct score_cut){kind, member_score(member), member_name(member)};
}

/* How many of the leaf's members stand before the cut. While one is looked at, the two that may be next are fetched. */
static unsigned leaf_rank(const struct score_leaf *leaf, const struct score_cut *cut)
{
    unsigned low = 0, high = leaf->count;
    while (low < high) {
        unsigned middle = (low + high) / 2, behind = (middle + 1 + high) / 2;
        __builtin_prefetch(leaf->members[(low + middle) / 2]);
        __builtin_prefetch(leaf->members[behind < high ? behind : middle]);
        if (follows(cut, member_score(leaf->members[middle]), leaf->members[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last branch whose first member stands before the cut, or the first one. */
static unsigned inner_choose(const struct inner *inner, const struct score_cut *cut)
{
    unsigned low = 1, high = inner->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (follows(cut, inner->branches[middle].score, inner->branches[middle].first))
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

/* ---- nodes ---- */

static void *node_create(struct score_tree *tree, size_t size)
{
    tree->bytes += size;
    return memory_allocate(size);
}

static void node_destroy(struct score_tree *tree, void *node, size_t size)
{
    tree->bytes -= size;
    memory_free(node);
}

static struct score_leaf *leaf_create(struct score_tree *tree, struct score_leaf *after)
{
    struct score_leaf *leaf = node_create(tree, sizeof(*leaf));
    leaf->count = 0;
    leaf->prev = after;
    leaf->next = after ? after->next : NULL;
    if (leaf->next)
        leaf->next->prev = leaf;
    if (after)
        after->next = leaf;
    return leaf;
}

static void leaf_destroy(struct score_tree *tree, struct score_leaf *leaf)
{
    if (leaf->prev)
        leaf->prev->next = leaf->next;
    if (leaf->next)
        leaf->next->prev = leaf->prev;
    node_destroy(tree, leaf, sizeof(*leaf));
}

static unsigned node_used(const void *node, unsigned height)
{
    return height == 0 ? ((const struct score_leaf *)node)->count : ((const struct inner *)node)->count;
}

static unsigned node_max(unsigned height)
{
    return height == 0 ? LEAF_MAX : INNER_MAX;
}

/* Makes a branch say what is below it. */
static void branch_refresh(struct branch *branch, unsigned height)
{
    if (height == 0) {
        const struct score_leaf *leaf = branch->below;
        branch->count = leaf->count;
        branch->first = leaf->members[0];
    } else {
        const struct inner *inner = branch->below;
        branch->count = 0;
        for (unsigned i = 0; i < inner->count; i++)
            branch->count += inner->branches[i].count;
        branch->first = inner->branches[0].first;
    }
    branch->score = member_score(branch->first);
}

/* The same where it did so before one member came (1) or went (-1). */
static void branch_change(struct branch *branch, unsigned height, int change)
{
    struct member *first = height == 0 ? ((struct score_leaf *)branch->below)->members[0]
                                       : ((struct inner *)branch->below)->branches[0].first;
    branch->count += (size_t)change;
    if (branch->first == first)
        return;
    branch->first = first;
    branch->score = member_score(first);
}

/* ---- paths ---- */

/* A leaf has at least 15 members when there are others, an inner node 7 branches. */
#define HEIGHT_MAX 20

/* Where a cut is: the branches that were taken, from the leaf's up to the root's. */
struct path {
    struct score_leaf *leaf;
    unsigned at; /* how many of the leaf's members stand before it */
    struct step {
        struct inner *inner;
        unsigned at;
    } steps[HEIGHT_MAX];
};

static void path_find(struct path *path, const struct score_tree *tree, const struct score_cut *cut)
{
    void *node = tree->root;
    for (unsigned height = tree->height; height-- > 0;) {
        struct step *step = &path->steps[height];
        step->inner = node;
        step->at = inner_choose(step->inner, cut);
        node = step->inner->branches[step->at].below;
    }
    path->leaf = node;
    path->at = leaf_rank(path->leaf, cut);
}

/* ---- insertion ---- */

/* Each moves the upper part of a full node to a new one at its right, which it returns. */
static struct score_leaf *leaf_split(struct score_tree *tree, struct score_leaf *leaf, unsigned at)
{
    unsigned kept = at == LEAF_MAX && leaf->next == NULL ? LEAF_MAX : LEAF_MAX / 2;
    struct score_leaf *right = leaf_create(tree, leaf);
    right->count = LEAF_MAX - kept;
    memcpy(right->members, leaf->members + kept, right->count * sizeof(leaf->members[0]));
    leaf->count = kept;
    return right;
}

static struct inner *inner_split(struct score_tree *tree, struct inner *inner, unsigned at)
{
    unsigned kept = at == INNER_MAX ? INNER_MAX : INNER_MAX / 2;
    struct inner *right = node_create(tree, sizeof(*right));
    right->count = INNER_MAX - kept;
    memcpy(right->branches, inner->branches + kept, right->count * sizeof(inner->branches[0]));
    inner->count = kept;
    return right;
}

static void *leaf_insert(struct score_tree *tree, struct score_leaf *leaf, unsigned at, struct member *member)
{
    struct score_leaf *right = leaf->count == LEAF_MAX ? leaf_split(tree, leaf, at) : NULL;
    if (right && at >= leaf->count) {
        at -= leaf->count;
        leaf = right;
    }
    memmove(leaf->members + at + 1, leaf->members + at, (leaf->count - at) * sizeof(leaf->members[0]));
    leaf->members[at] = member;
    leaf->count++;
    return right;
}

static void *inner_insert(struct score_tree *tree, struct inner *inner, unsigned at, void *below, unsigned height)
{
    struct inner *right = inner->count == INNER_MAX ? inner_split(tree, inner, at) : NULL;
    if (right && at >= inner->count) {
        at -= inner->count;
        inner = right;
    }
    memmove(inner->branches + at + 1, inner->branches + at, (inner->count - at) * sizeof(inner->branches[0]));
    inner->branches[at].below = below;
    branch_refresh(&inner->branches[at], height);
    inner->count++;
    return right;
}

/* Gives the tree a root above the two. */
static void root_grow(struct score_tree *tree, void *left, void *right)
{
    struct inner *root = node_create(tree, sizeof(*root));
    root->count = 0;
    inner_insert(tree, root, 0, left, tree->height);
    inner_insert(tree, root, 1, right, tree->height);
    tree->root = root;
    tree->height++;
}

static void insert_at(struct score_tree *tree, const struct path *path, struct member *member)
{
    void *right = leaf_insert(tree, path->leaf, path->at, member);
    for (unsigned height = 0; height < tree->height; height++) {
        struct step step = path->steps[height];
        struct branch *branch = &step.inner->branches[step.at];
        if (right) {
            branch_refresh(branch, height);
            right = inner_insert(tree, step.inner, step.at + 1, right, height);
        } else {
            branch_change(branch, height, 1);
        }
    }
    if (right)
        root_grow(tree, tree->root, right);
    tree->count++;
}

void score_tree_insert(struct score_tree *tree, struct member *member)
{
    struct score_cut cut = cut_at(CUT_BEFORE_MEMBER, member);
    if (!tree->root)
        tree->root = leaf_create(tree, NULL);
    struct path path;
    path_find(&path, tree, &cut);
    insert_at(tree, &path, member);
}

/* ---- removal ---- */

static void inner_drop(struct inner *inner, unsigned at)
{
    inner->count--;
    memmove(inner->branches + at, inner->branches + at + 1, (inner->count - at) * sizeof(inner->branches[0]));
}

static void below_destroy(struct score_tree *tree, void *node, unsigned height)
{
    if (height == 0)
        leaf_destroy(tree, node);
    else
        node_destroy(tree, node, sizeof(struct inner));
}

/* Shifts contents between neighbours until the left one has 'wanted'. */
static void share(void *left_items, unsigned *left, void *right_items, unsigned *right, unsigned wanted, size_t size)
{
    char *to = left_items, *from = right_items;
    if (wanted > *left) {
        unsigned moved = wanted - *left;
        memcpy(to + *left * size, from, moved * size);
        memmove(from, from + moved * size, (*right - moved) * size);
    } else {
        unsigned moved = *left - wanted;
        memmove(from + moved * size, from, *right * size);
        memcpy(from, to + wanted * size, moved * size);
    }
    *right = *left + *right - wanted;
    *left = wanted;
}

static void share_nodes(void *left, void *right, unsigned height, unsigned wanted)
{
    if (height == 0) {
        struct score_leaf *a = left, *b = right;
        share(a->members, &a->count, b->members, &b->count, wanted, sizeof(a->members[0]));
    } else {
        struct inner *a = left, *b = right;
        share(a->branches, &a->count, b->branches, &b->count, wanted, sizeof(a->branches[0]));
    }
}

/* After the node of this branch has lost a member. */
static void inner_mend(struct score_tree *tree, struct inner *inner, unsigned at, unsigned height)
{
    unsigned used = node_used(inner->branches[at].below, height), most = node_max(height);
    if (used == 0) {
        below_destroy(tree, inner->branches[at].below, height);
        inner_drop(inner, at);
        return;
    }
    branch_change(&inner->branches[at], height, -1);
    if (used >= most / 4 || inner->count == 1)
        return;
    unsigned left = at + 1 < inner->count ? at : at - 1;
    void *a = inner->branches[left].below, *b = inner->branches[left + 1].below;
    unsigned both = node_used(a, height) + node_used(b, height);
    bool join = both <= most * 3 / 4;
    share_nodes(a, b, height, join ? both : both / 2);
    branch_refresh(&inner->branches[left], height);
    if (join) {
        below_destroy(tree, b, height);
        inner_drop(inner, left + 1);
    } else {
        branch_refresh(&inner->branches[left + 1], height);
    }
}

static void root_shrink(struct score_tree *tree)
{
    while (tree->height > 0 && node_used(tree->root, tree->height) == 1) {
        struct inner *root = tree->root;
        tree->root = root->branches[0].below;
        tree->height--;
        node_destroy(tree, root, sizeof(*root));
    }
    if (tree->count == 0) {
        below_destroy(tree, tree->root, tree->height);
        tree->root = NULL;
        tree->height = 0;
    }
}

/* Removes the member before the path. */
static void remove_before(struct score_tree *tree, const struct path *path)
{
    struct score_leaf *leaf = path->leaf;
    leaf->count--;
    memmove(leaf->members + path->at - 1, leaf->members + path->at,
            (leaf->count + 1 - path->at) * sizeof(leaf->members[0]));
    for (unsigned height = 0; height < tree->height; height++)
        inner_mend(tree, path->steps[height].inner, path->steps[height].at, height);
    tree->count--;
    root_shrink(tree);
}

/* The path behind a member of the tree. */
static void path_find_member(struct path *path, const struct score_tree *tree, const struct member *member)
{
    struct score_cut cut = cut_at(CUT_AFTER_MEMBER, member);
    check(tree->root != NULL);
    path_find(path, tree, &cut);
    check(path->at > 0 && path->leaf->members[path->at - 1] == member);
}

void score_tree_remove(struct score_tree *tree, struct member *member)
{
    struct path path;
    path_find_member(&path, tree, member);
    remove_before(tree, &path);
}

/* ---- change ---- */

/* Whether the leaf's member of that index may have the score where it is; at a leaf's end only the tree could tell. */
static bool may_stay(const struct score_leaf *leaf, unsigned index, double score)
{
    struct score_cut cut = cut_at(CUT_AFTER_MEMBER, leaf->members[index]);
    if (index == 0 || index + 1 >= leaf->count)
        return false;
    const struct member *before = leaf->members[index - 1], *after = leaf->members[index + 1];
    cut.score = score;
    return follows(&cut, member_score(before), before) && !follows(&cut, member_score(after), after);
}

/* Most changes of a score leave the member between the same neighbours. */
void score_tree_rescore(struct score_tree *tree, struct member *member, double score)
{
    struct path path;
    path_find_member(&path, tree, member);
    bool stays = may_stay(path.leaf, path.at - 1, score);
    if (!stays)
        remove_before(tree, &path);
    member_set_score(member, score);
    if (!stays)
        score_tree_insert(tree, member);
}

/* ---- places ---- */

/* The leaf where the cut is or begins; how many members stand before the leaf is added to 'rank'. */
static const struct score_leaf *descend(const struct score_tree *tree, const struct score_cut *cut, size_t *rank)
{
    const void *node = tree->root;
    for (unsigned height = tree->height; height > 0; height--) {
        const struct inner *inner = node;
        unsigned at = inner_choose(inner, cut);
        for (unsigned i = 0; i < at; i++)
            *rank += inner->branches[i].count;
        node = inner->branches[at].below;
    }
    return node;
}

size_t score_tree_rank(const struct score_tree *tree, const struct score_cut *cut)
{
    size_t rank = 0;
    if (!tree->root)
        return 0;
    const struct score_leaf *leaf = descend(tree, cut, &rank);
    return rank + leaf_rank(leaf, cut);
}

struct score_place score_tree_at(const struct score_tree *tree, size_t rank)
{
    const void *node = tree->root;
    if (rank >= tree->count)
        return (struct score_place){NULL, 0};
    for (unsigned height = tree->height; height > 0; height--) {
        const struct branch *branch = ((const struct inner *)node)->branches;
        while (rank >= branch->count)
            rank -= branch++->count;
        node = branch->below;
    }
    return (struct score_place){node, (unsigned)rank};
}

struct score_place score_place_next(struct score_place place)
{
    if (++place.index < place.leaf->count)
        return place;
    return (struct score_place){place.leaf->next, 0};
}

struct score_place score_place_prev(struct score_place place)
{
    if (place.index > 0)
        return (struct score_place){place.leaf, place.index - 1};
    const struct score_leaf *leaf = place.leaf->prev;
    return (struct score_place){leaf, leaf ? leaf->count - 1 : 0};
}

struct member *score_place_member(struct score_place place)
{
    return place.leaf->members[place.index];
}

static void destroy_below(void *node, unsigned height)
{
    if (height > 0)
        for (unsigned i = 0; i < ((struct inner *)node)->count; i++)
            destroy_below(((struct inner *)node)->branches[i].below, height - 1);
    memory_free(node);
}

void score_tree_clear(struct score_tree *tree)
{
    if (tree->root)
        destroy_below(tree->root, tree->height);
    *tree = (struct score_tree){0};
}
