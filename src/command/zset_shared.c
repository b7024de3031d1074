/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the sorted set family share: look-up, results, replies, and removal by rank. */
#include "command/zset_commands.h"

#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"

/* Members that are removed between two looks at the clock. */
#define REMOVED_AT_ONCE 2

static bool take_zset(struct execution *x, struct entry *entry, struct object *zset)
{
    if (!entry || !require_type(x, entry, OBJECT_ZSET))
        return false;
    *zset = entry_object(entry);
    return true;
}

bool zset_lookup_read(struct execution *x, const struct key *key, struct entry **entry, struct object *zset)
{
    *entry = lookup_read(x, key);
    return take_zset(x, *entry, zset);
}

bool zset_lookup_write(struct execution *x, const struct key *key, struct entry **entry, struct object *zset)
{
    *entry = lookup_write(x, key);
    return take_zset(x, *entry, zset);
}

void zset_store_result(struct execution *x, const struct key *key, struct object *zset, const char *event)
{
    size_t count = object_count(zset);
    struct entry *old = lookup_write(x, key);
    if (count > 0) {
        store(x, key, old, zset, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_ZSET, event, key);
    } else if (old) {
        delete_key(x, key, old);
        notify(x, NOTIFY_GENERIC, "del", key);
    }
    if (count == 0)
        object_release(zset);
    reply_integer(x->reply, (int64_t)count);
}

void zset_reply_members(struct execution *x, size_t count, bool with_scores)
{
    reply_array(x->reply, with_scores && x->reply->protocol < 3 ? count * 2 : count);
}

void zset_reply_member(struct execution *x, struct bytes member, double score, bool with_scores)
{
    if (with_scores && x->reply->protocol >= 3)
        reply_array(x->reply, 2);
    reply_bulk(x->reply, member);
    if (with_scores)
        reply_double(x->reply, score);
}

/* Names of small sets that are integers have no bytes of their own until they are printed. */
static void stage_removal(struct execution *x, const struct key *key, const struct object *zset, size_t first,
                          size_t count)
{
    struct bytes words[ZSET_WORDS_INLINE];
    struct buffer copies = {0};
    struct zset_cursor cursor;
    zset_seek(zset, first, &cursor);
    while (count > 0) {
        size_t piece = count < ZSET_WORDS_INLINE ? count : ZSET_WORDS_INLINE, at = 0;
        copies.length = 0;
        for (size_t i = 0; i < piece; i++, zset_step(&cursor, false)) {
            words[i].length = cursor.member.length;
            buffer_append_bytes(&copies, cursor.member);
        }
        for (size_t i = 0; i < piece; at += words[i++].length)
            words[i].data = copies.data + at;
        stage_change(x, key, false, "ZREM", words, piece, 1);
        count -= piece;
    }
    buffer_deinit(&copies);
}

/* Of a large set piece by piece; to others it is one. */
static void remove_ranks(struct execution *x, struct object *zset, size_t first, size_t count)
{
    while (count > 0) {
        size_t piece = !zset_object_table(zset) || count < REMOVED_AT_ONCE ? count : REMOVED_AT_ONCE;
        zset_remove_ranks(zset, edit_room(x), first, piece);
        count -= piece;
        execution_breathe(x);
    }
}

void zset_remove_range(struct execution *x, const struct key *key, struct entry *entry, struct object *zset,
                       size_t first, size_t count, const char *event)
{
    bool empties = count == object_count(zset);
    if (empties) {
        delete_key(x, key, entry);
    } else {
        stage_large_begin(x, key, count);
        stage_removal(x, key, zset, first, count);
        stage_large_end(x);
        remove_ranks(x, zset, first, count);
        store_changed(x, key, entry, zset);
    }
    notify(x, NOTIFY_ZSET, event, key);
    if (empties)
        notify(x, NOTIFY_GENERIC, "del", key);
}
