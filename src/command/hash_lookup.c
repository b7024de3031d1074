/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/hash_lookup.h"

#include "command/effects.h"
#include "command/notify.h"
#include "command/word_list.h"

/* Fields of one effect that names their number before them. */
#define EXPIRY_FIELDS_MAX 200

void hash_store_taken(struct execution *x, const struct key *key, struct entry *entry, const struct object *hash,
                      const struct bytes *fields, size_t count, const char *event)
{
    bool is_gone = store_remainder(x, key, entry, hash);
    if (!is_gone)
        stage_change(x, key, false, "HDEL", fields, count, 1);
    notify(x, NOTIFY_HASH, event, key);
    if (is_gone)
        notify(x, NOTIFY_GENERIC, "del", key);
}

static void keep_field(void *context, struct bytes field)
{
    word_list_keep(context, field);
}

/* The entry, or NULL if its last field went. */
static struct entry *sweep(struct execution *x, const struct key *key, struct entry *entry, struct object *hash)
{
    struct buffer kept = {0};
    struct word_list fields;
    hash_object_sweep(hash, x->now_ms, keep_field, &kept);
    word_list_init(&fields);
    word_list_add_kept(&fields, &kept);
    bool is_gone = object_count(hash) == 0;
    if (fields.count > 0)
        hash_store_taken(x, key, entry, hash, fields.words, fields.count, "hexpired");
    word_list_deinit(&fields);
    buffer_deinit(&kept);
    return is_gone ? NULL : entry;
}

static bool view(struct execution *x, const struct key *key, bool exactly, struct entry **entry, struct object *hash)
{
    if (!require_type(x, *entry, OBJECT_HASH))
        return false;
    if (*entry) {
        *hash = entry_object(*entry);
        if (__builtin_expect(hash_object_is_due(hash, x->now_ms, exactly), 0))
            *entry = sweep(x, key, *entry, hash);
    }
    if (!*entry)
        *hash = object_empty(OBJECT_HASH);
    return true;
}

bool hash_lookup_read(struct execution *x, const struct key *key, bool exactly, struct entry **entry,
                      struct object *hash)
{
    *entry = lookup_read(x, key);
    return view(x, key, exactly, entry, hash);
}

bool hash_lookup_write(struct execution *x, const struct key *key, bool exactly, struct entry **entry,
                       struct object *hash)
{
    *entry = lookup_write(x, key);
    return view(x, key, exactly, entry, hash);
}

void hash_stage_expiry(struct execution *x, const struct key *key, const struct bytes *fields, size_t count,
                       int64_t expire_at_ms)
{
    char time[BYTES_INTEGER_MAX], number[BYTES_INTEGER_MAX];
    bool persists = expire_at_ms == HASH_NO_EXPIRE;
    for (size_t piece; count > 0; fields += piece, count -= piece) {
        piece = count < EXPIRY_FIELDS_MAX ? count : EXPIRY_FIELDS_MAX;
        struct bytes head[] = {bytes_of(time, bytes_from_int64(time, expire_at_ms)), BYTES("FIELDS"),
                               bytes_of(number, bytes_from_int64(number, (int64_t)piece))};
        stage_change_with(x, key, false, persists ? "HPERSIST" : "HPEXPIREAT", head + persists, 3u - persists, fields,
                          piece, 1);
    }
}
