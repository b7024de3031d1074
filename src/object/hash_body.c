/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields by name, and those that have a time in the order of their times as well: the next one due is the tree's first, and
 * what expires costs no look at what does not.
 *
 * I1 a member is in the tree exactly if it has extra bytes; they are its time in milliseconds, as a double, which is exact
 *    for every time that a field may have. */
#include "object/hash_private.h"

#include "base/check.h"
#include "base/memory.h"

/* Fewer members are gone before a thread is woken. */
#define RELEASE_AT_ONCE_MAX 256

struct hash_body *hash_body_create(void)
{
    return memory_allocate_zeroed(sizeof(struct hash_body));
}

static void destroy(void *pointer)
{
    struct hash_body *body = pointer;
    score_tree_clear(&body->due);
    member_table_clear(&body->table);
    memory_free(body);
}

void hash_body_release(struct hash_body *body)
{
    if (body->table.count > RELEASE_AT_ONCE_MAX)
        memory_free_later(body, destroy);
    else
        destroy(body);
}

size_t hash_body_bytes(const struct hash_body *body)
{
    return sizeof(*body) + body->table.bytes + body->due.bytes;
}

/* ---- members ---- */

static bool is_expired(const struct member *member, int64_t now_ms)
{
    return member_has_extra(member) && hash_member_time(member) <= now_ms;
}

static struct member *make_member(struct bytes field, struct bytes value, int64_t expire_at_ms)
{
    double score = (double)expire_at_ms;
    int64_t extra;
    memcpy(&extra, &score, sizeof(extra));
    return member_create(field, &value, expire_at_ms == HASH_NO_EXPIRE ? NULL : &extra);
}

static void insert(struct hash_body *body, uint64_t hash, struct member *member)
{
    member_table_insert(&body->table, hash, member);
    if (member_has_extra(member))
        score_tree_insert(&body->due, member);
}

static void replace(struct hash_body *body, uint64_t hash, struct member *old_member, struct member *member)
{
    if (member_has_extra(old_member))
        score_tree_remove(&body->due, old_member);
    member_table_replace(&body->table, hash, old_member, member);
    if (member_has_extra(member))
        score_tree_insert(&body->due, member);
}

static void overwrite(struct hash_body *body, uint64_t hash, struct member *member, struct bytes value)
{
    member_table_will_change(&body->table, hash, member_name(member), member);
    member_overwrite_value(member, value);
}

static void take_out(struct hash_body *body, uint64_t hash, struct member *member)
{
    if (member_has_extra(member))
        score_tree_remove(&body->due, member);
    member_table_take(&body->table, hash, member);
    member_destroy(member);
}

/* ---- fields ---- */

bool hash_body_add(struct hash_body *body, struct bytes field, struct bytes value, int64_t expire_at_ms)
{
    uint64_t hash = member_hash(field);
    if (member_table_find(&body->table, hash, field))
        return false;
    insert(body, hash, make_member(field, value, expire_at_ms));
    return true;
}

bool hash_body_set(struct hash_body *body, struct bytes field, struct bytes value, bool keeps_expiry, int64_t now_ms)
{
    uint64_t hash = member_hash(field);
    struct member *old_member = member_table_find(&body->table, hash, field);
    if (!old_member) {
        insert(body, hash, make_member(field, value, HASH_NO_EXPIRE));
        return true;
    }
    bool is_new = is_expired(old_member, now_ms);
    keeps_expiry = keeps_expiry && !is_new && member_has_extra(old_member);
    if (member_has_extra(old_member) == keeps_expiry && member_value(old_member).length == value.length)
        overwrite(body, hash, old_member, value);
    else
        replace(body, hash, old_member,
                make_member(field, value, keeps_expiry ? hash_member_time(old_member) : HASH_NO_EXPIRE));
    return is_new;
}

bool hash_body_remove(struct hash_body *body, struct bytes field, int64_t now_ms)
{
    uint64_t hash = member_hash(field);
    struct member *member = member_table_find(&body->table, hash, field);
    if (!member || is_expired(member, now_ms))
        return false;
    take_out(body, hash, member);
    return true;
}

struct hash_body *hash_body_from(const struct object *compact)
{
    struct hash_body *body = hash_body_create();
    struct hash_walk walk;
    bool is_sound = true;
    hash_walk_begin(&walk, compact, HASH_AT_ANY_TIME);
    while (is_sound && hash_walk_next(&walk))
        is_sound = hash_body_add(body, walk.field, walk.value, walk.expire_at_ms);
    if (!is_sound)
        destroy(body);
    return is_sound ? body : NULL;
}

struct hash_body *hash_body_copy(const struct hash_body *body)
{
    struct hash_body *copied = hash_body_create();
    struct member_walk walk = member_walk_from(&body->table, 0);
    struct member *member;
    while ((member = member_walk_next(&walk)) != NULL)
        insert(copied, member_hash(member_name(member)), member_copy(member));
    return copied;
}

/* ---- expiry ---- */

void hash_body_set_expiry(struct hash_body *body, struct bytes field, int64_t expire_at_ms)
{
    uint64_t hash = member_hash(field);
    struct member *member = member_table_find(&body->table, hash, field);
    check(member != NULL);
    if (member_has_extra(member) && expire_at_ms != HASH_NO_EXPIRE) {
        member_table_will_change(&body->table, hash, field, member);
        score_tree_rescore(&body->due, member, (double)expire_at_ms);
    } else if (member_has_extra(member) || expire_at_ms != HASH_NO_EXPIRE)
        replace(body, hash, member, make_member(field, member_value(member), expire_at_ms));
}

static struct member *next_due(const struct hash_body *body)
{
    return body->due.count > 0 ? score_place_member(score_tree_at(&body->due, 0)) : NULL;
}

int64_t hash_body_due_ms(const struct hash_body *body)
{
    const struct member *member = next_due(body);
    return member ? hash_member_time(member) : OBJECT_NEVER_DUE;
}

size_t hash_body_sweep(struct hash_body *body, int64_t now_ms, size_t max,
                       void (*visit)(void *context, struct bytes field), void *context)
{
    size_t swept = 0;
    struct member *member;
    while (swept < max && (member = next_due(body)) != NULL && is_expired(member, now_ms)) {
        struct bytes field = member_name(member);
        visit(context, field);
        take_out(body, member_hash(field), member);
        swept++;
    }
    return swept;
}
