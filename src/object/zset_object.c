/* SPDX-License-Identifier: BSD-3-Clause */
/* A large sorted set has its members in a table, which finds them by name and owns them, and in a tree, which has them in
 * order. It stays large when it shrinks, as in Redis. */
#include "object/zset_object.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "object/listpack.h"
#include "object/object_limits.h"
#include "object/object_private.h"
#include "object/zset_listpack.h"

/* Beyond this the body is freed in the background. */
#define FREED_AT_ONCE_MAX 64

struct zset {
    struct member_table table;
    struct score_tree tree;
};

static bool is_small(const struct object *object)
{
    return object->encoding == ENCODING_LISTPACK;
}

/* Integers up to this are written as such. */
#define SCORE_INTEGER_MAX 4611686018427387904.0

struct bytes zset_score_text(double score, char text[ZSET_SCORE_TEXT_MAX])
{
    bool is_integer = score >= -SCORE_INTEGER_MAX && score <= SCORE_INTEGER_MAX && score == (double)(int64_t)score;
    if (is_integer && !(score == 0 && signbit(score)))
        return bytes_of(text, bytes_from_int64(text, (int64_t)score));
    return bytes_of(text, (size_t)snprintf(text, ZSET_SCORE_TEXT_MAX, "%.17g", score));
}

/* ---- large sets ---- */

static void zset_destroy(void *body)
{
    struct zset *zset = body;
    score_tree_clear(&zset->tree);
    member_table_clear(&zset->table);
    memory_free(zset);
}

static struct member *zset_make_member(struct zset *zset, uint64_t hash, struct bytes name, double score)
{
    int64_t extra;
    memcpy(&extra, &score, sizeof(extra));
    struct member *member = member_create(name, NULL, &extra);
    member_table_insert(&zset->table, hash, member);
    return member;
}

static void zset_insert(struct zset *zset, uint64_t hash, struct bytes name, double score)
{
    score_tree_insert(&zset->tree, zset_make_member(zset, hash, name, score));
}

static struct object object_of_body(struct zset *zset)
{
    return (struct object){.type = OBJECT_ZSET, .encoding = ENCODING_SKIPLIST, .body = zset};
}

static void become_large(struct object *object)
{
    struct zset *zset = memory_allocate_zeroed(sizeof(*zset));
    struct zset_cursor cursor;
    for (zset_seek(object, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        zset_insert(zset, member_hash(cursor.member), cursor.member, cursor.score);
    *object = object_of_body(zset);
}

bool zset_add_unordered(struct object *object, struct bytes name, double score)
{
    struct zset *zset = object->body;
    uint64_t hash = member_hash(name);
    if (member_table_find(&zset->table, hash, name))
        return false;
    zset_make_member(zset, hash, name, score);
    return true;
}

struct placed {
    double score;
    struct member *member;
};

static int placed_compare(const void *one, const void *other)
{
    const struct placed *a = one, *b = other;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return bytes_compare(member_name(a->member), member_name(b->member));
}

/* In rising order the tree fills its nodes and touches its right end only. */
void zset_put_in_order(struct object *object)
{
    struct zset *zset = object->body;
    struct placed *placed = memory_allocate((zset->table.count + 1) * sizeof(*placed));
    struct member_walk walk = member_walk_from(&zset->table, 0);
    size_t count = 0;
    for (struct member *member; (member = member_walk_next(&walk)) != NULL;)
        placed[count++] = (struct placed){member_score(member), member};
    qsort(placed, count, sizeof(*placed), placed_compare);
    score_tree_clear(&zset->tree);
    for (size_t i = 0; i < count; i++)
        score_tree_insert(&zset->tree, placed[i].member);
    memory_free(placed);
}

/* ---- both forms ---- */

bool zset_score(const struct object *object, struct bytes member, double *score)
{
    if (is_small(object)) {
        const uint8_t *found = zset_listpack_find(object->bytes, member);
        if (found != NULL)
            *score = zset_listpack_score(found);
        return found != NULL;
    }
    const struct zset *zset = object->body;
    const struct member *found = member_table_find(&zset->table, member_hash(member), member);
    if (found != NULL)
        *score = member_score(found);
    return found != NULL;
}

static enum zset_outcome decide(unsigned conditions, bool exists, double old_score, double *score)
{
    if (!exists)
        return conditions & ZSET_IF_PRESENT ? ZSET_REFUSED : ZSET_ADDED;
    if (conditions & ZSET_IF_ABSENT)
        return ZSET_REFUSED;
    if (conditions & ZSET_INCREMENT)
        *score += old_score;
    if (isnan(*score))
        return ZSET_NOT_A_NUMBER;
    if ((conditions & ZSET_IF_LESS && *score >= old_score) || (conditions & ZSET_IF_GREATER && *score <= old_score))
        return ZSET_REFUSED;
    return *score == old_score ? ZSET_SAME : ZSET_CHANGED;
}

static bool has_room(struct bytes listpack, struct bytes member)
{
    return (int64_t)zset_listpack_count(listpack) < object_limits.zset_max_listpack_entries &&
           (int64_t)member.length <= object_limits.zset_max_listpack_value &&
           listpack.length + ZSET_PAIR_MAX(member.length) <= OBJECT_INLINE_MAX;
}

static enum zset_outcome update_large(struct object *object, struct bytes name, unsigned conditions, double *score)
{
    struct zset *zset = object->body;
    uint64_t hash = member_hash(name);
    struct member *member = member_table_find(&zset->table, hash, name);
    enum zset_outcome outcome = decide(conditions, member != NULL, member ? member_score(member) : 0, score);
    if (outcome == ZSET_ADDED) {
        zset_insert(zset, hash, name, *score);
    } else if (outcome == ZSET_CHANGED) {
        member_table_will_change(&zset->table, hash, name, member);
        score_tree_rescore(&zset->tree, member, *score);
    }
    return outcome;
}

enum zset_outcome zset_update(struct object *object, struct buffer *room, struct bytes member, unsigned conditions,
                              double *score)
{
    if (!is_small(object))
        return update_large(object, member, conditions, score);
    const uint8_t *found = zset_listpack_find(object->bytes, member);
    double old_score = found ? zset_listpack_score(found) : 0;
    enum zset_outcome outcome = decide(conditions, found != NULL, old_score, score);
    if (outcome != ZSET_ADDED && outcome != ZSET_CHANGED)
        return outcome;
    if (outcome == ZSET_ADDED && !has_room(object->bytes, member)) {
        become_large(object);
        return update_large(object, member, 0, score);
    }
    size_t offset = found ? listpack_offset(object->bytes, found) : 0;
    struct buffer *buffer = object_edit_begin(object, room);
    if (found)
        listpack_delete(buffer, offset, 1);
    check(zset_listpack_insert(buffer, member, *score));
    object_edit_end(object, buffer);
    if (object->bytes.length > OBJECT_INLINE_MAX)
        become_large(object);
    return outcome;
}

bool zset_remove(struct object *object, struct buffer *room, struct bytes name)
{
    if (is_small(object)) {
        const uint8_t *found = zset_listpack_find(object->bytes, name);
        if (found == NULL)
            return false;
        size_t offset = listpack_offset(object->bytes, found);
        struct buffer *buffer = object_edit_begin(object, room);
        listpack_delete(buffer, offset, 1);
        object_edit_end(object, buffer);
        return true;
    }
    struct zset *zset = object->body;
    uint64_t hash = member_hash(name);
    struct member *member = member_table_find(&zset->table, hash, name);
    if (member == NULL)
        return false;
    score_tree_remove(&zset->tree, member);
    member_table_take(&zset->table, hash, member);
    member_destroy(member);
    return true;
}

void zset_remove_ranks(struct object *object, struct buffer *room, size_t first, size_t count)
{
    if (is_small(object)) {
        const uint8_t *from = zset_listpack_seek(object->bytes, first);
        size_t offset = listpack_offset(object->bytes, from);
        struct buffer *buffer = object_edit_begin(object, room);
        listpack_delete(buffer, offset, count);
        object_edit_end(object, buffer);
        return;
    }
    struct zset *zset = object->body;
    for (size_t i = 0; i < count; i++) {
        struct member *member = score_place_member(score_tree_at(&zset->tree, first));
        score_tree_remove(&zset->tree, member);
        member_table_take(&zset->table, member_hash(member_name(member)), member);
        member_destroy(member);
    }
}

size_t zset_cut_rank(const struct object *object, const struct score_cut *cut, size_t from)
{
    if (is_small(object))
        return zset_listpack_rank(object->bytes, cut, from);
    size_t rank = score_tree_rank(&((const struct zset *)object->body)->tree, cut);
    return rank > from ? rank : from;
}

/* ---- ways through ---- */

static void cursor_read(struct zset_cursor *cursor)
{
    cursor->is_at_end = cursor->listpack.data ? cursor->position == NULL : cursor->place.leaf == NULL;
    if (cursor->is_at_end)
        return;
    if (cursor->listpack.data) {
        cursor->member = zset_listpack_read(cursor->position, cursor->room, cursor->in_room, &cursor->score);
    } else {
        const struct member *member = score_place_member(cursor->place);
        cursor->member = member_name(member);
        cursor->score = member_score(member);
    }
}

void zset_seek(const struct object *object, size_t rank, struct zset_cursor *cursor)
{
    cursor->listpack = (struct bytes){NULL, 0};
    if (is_small(object)) {
        cursor->listpack = object->bytes;
        cursor->position = zset_listpack_seek(object->bytes, rank);
        cursor->in_room = zset_listpack_room(object->bytes, cursor->room);
    } else {
        cursor->place = score_tree_at(&((const struct zset *)object->body)->tree, rank);
    }
    cursor_read(cursor);
}

void zset_step(struct zset_cursor *cursor, bool backward)
{
    if (!cursor->listpack.data) {
        cursor->place = backward ? score_place_prev(cursor->place) : score_place_next(cursor->place);
    } else if (backward) {
        cursor->position = zset_listpack_prev(cursor->listpack, cursor->position);
    } else {
        cursor->position = listpack_next(cursor->position);
    }
    cursor_read(cursor);
}

const struct member_table *zset_object_table(const struct object *object)
{
    return is_small(object) ? NULL : &((const struct zset *)object->body)->table;
}

/* ---- what every type can do ---- */

static void release(struct object *object)
{
    if (is_small(object))
        return;
    struct zset *zset = object->body;
    if (zset->table.count > FREED_AT_ONCE_MAX)
        memory_free_later(zset, zset_destroy);
    else
        zset_destroy(zset);
}

static size_t external_bytes(const struct object *object)
{
    const struct zset *zset = object->body;
    return is_small(object) ? 0 : sizeof(*zset) + zset->table.bytes + zset->tree.bytes;
}

static size_t count(const struct object *object)
{
    return is_small(object) ? zset_listpack_count(object->bytes) : ((const struct zset *)object->body)->table.count;
}

static struct object copy(const struct object *object)
{
    struct object result = *object;
    become_large(&result);
    return result;
}

static const char empty_listpack[LISTPACK_EMPTY_BYTES] = {0, 0, (char)0xff};

static void each(const struct object *zset, bool (*visit)(void *context, struct bytes element), void *context)
{
    struct zset_cursor cursor;
    zset_seek(zset, 0, &cursor);
    while (!cursor.is_at_end && visit(context, cursor.member))
        zset_step(&cursor, false);
}

const struct object_class zset_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .each = each,
    .empty = {.type = OBJECT_ZSET, .encoding = ENCODING_LISTPACK, .bytes = {empty_listpack, LISTPACK_EMPTY_BYTES}},
    .encode = zset_object_encode,
};
