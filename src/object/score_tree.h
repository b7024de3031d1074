/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object/member.h"

/* Members in order of score, and of bytes where scores are equal. Every step takes a logarithm of the count, ranks
 * included. The members are somebody else's, who tells the tree before a score changes. All zero is an empty tree. */
struct score_tree {
    void *root;
    unsigned height;
    size_t count;
    size_t bytes; /* of the nodes */
};

/* A place between members, by what stands before it. */
struct score_cut {
    enum score_cut_kind {
        CUT_BEFORE_SCORE, /* smaller scores */
        CUT_AFTER_SCORE,  /* these too */
        CUT_BEFORE_NAME,  /* smaller names, whatever their scores, which should be equal then */
        CUT_AFTER_NAME,
        CUT_BEFORE_MEMBER, /* smaller scores, and smaller names of this score */
        CUT_AFTER_MEMBER,
        CUT_START, /* nothing */
        CUT_END    /* all */
    } kind;
    double score;
    struct bytes name;
};

/* Whether a member with this score and name stands before the cut. */
bool score_cut_follows(const struct score_cut *cut, double score, struct bytes name);

/* The member must not be in the tree. */
void score_tree_insert(struct score_tree *tree, struct member *member);
/* The member must be in the tree, with the score that it was inserted with. */
void score_tree_remove(struct score_tree *tree, struct member *member);
/* Gives a member of the tree another score, and its place. */
void score_tree_rescore(struct score_tree *tree, struct member *member, double score);

/* How many members stand before the cut. */
size_t score_tree_rank(const struct score_tree *tree, const struct score_cut *cut);

/* Where a member stands; good until the tree changes. */
struct score_place {
    const struct score_leaf *leaf; /* NULL: beyond either end */
    unsigned index;
};
struct score_place score_tree_at(const struct score_tree *tree, size_t rank);
struct score_place score_place_next(struct score_place place);
struct score_place score_place_prev(struct score_place place);
struct member *score_place_member(struct score_place place);

/* Frees the nodes; the tree is empty then. Takes as long as there are nodes. */
void score_tree_clear(struct score_tree *tree);
