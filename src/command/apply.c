/* SPDX-License-Identifier: BSD-3-Clause */
/* Complete effects (SET, DEL, RESTORE) are applied without a look: whatever the row holds, the effects that follow lead to
 * the same end. The others need the value they change: from RAM if an earlier effect put it there, else from the row, and if
 * the row already has the effect (its offset is not below the bracket's end) there is nothing to do. */
#include "command/apply.h"

#include "base/log.h"
#include "command/function_durable.h"
#include "command/string_piece.h"
#include "object/codec.h"
#include "object/string_object.h"

/* proto-max-bulk-len allows no string to be longer: who says that one is means harm. */
#define STRING_BYTES_MAX (INT64_C(4) << 30)

struct row_value {
    struct apply *apply;
    const struct key *key;
    uint64_t end_offset, passed_offset;
    struct entry *entry;
};

static void take_row(void *context, const struct row *row)
{
    struct row_value *value = context;
    struct buffer scratch = {0};
    struct object object;
    if (row->offset >= value->end_offset)
        value->passed_offset = row->offset;
    else if (codec_decode(row->payload, &scratch, &object) == STATUS_OK)
        value->entry =
            keyspace_replay_put(value->apply->engine->keyspace, value->key, &object, row->expire_at_ms, false);
    buffer_deinit(&scratch);
}

/* Rows do not change while effects are applied. */
static bool is_passed(const struct apply *apply, const struct row_key *place, uint64_t end_offset)
{
    return apply->passed_offset >= end_offset && apply->passed_db == place->db &&
           bytes_equal(buffer_bytes(&apply->passed_name), place->name);
}

static void note_passed(struct apply *apply, const struct row_key *place, uint64_t row_offset)
{
    apply->passed_offset = row_offset;
    apply->passed_db = place->db;
    apply->passed_name.length = 0;
    buffer_append_bytes(&apply->passed_name, place->name);
}

void apply_deinit(struct apply *apply)
{
    buffer_deinit(&apply->room);
    buffer_deinit(&apply->passed_name);
}

/* The entry that an incomplete effect changes, or NULL if there is nothing to do. */
static struct entry *find_changed(struct apply *apply, const struct key *key, uint64_t end_offset)
{
    struct entry *entry = keyspace_find(apply->engine->keyspace, key);
    if (entry || !apply->backing)
        return entry;
    struct row_value value = {.apply = apply, .key = key, .end_offset = end_offset};
    struct row_key place = {.db = (uint8_t)keyspace_physical_db(apply->engine->keyspace, key->db),
                            .slot = key->slot,
                            .hash = key->hash,
                            .name = key->name};
    if (is_passed(apply, &place, end_offset) ||
        apply->backing->read(apply->backing->context, &place, take_row, &value) != STATUS_OK)
        return NULL;
    if (value.passed_offset > 0)
        note_passed(apply, &place, value.passed_offset);
    return value.entry;
}

static bool apply_set(struct apply *apply, const struct key *key, const struct effect *effect, bool creates)
{
    struct object object;
    int64_t expire_at_ms = ENTRY_NO_EXPIRE;
    if (effect->count == 5 && !bytes_to_int64(effect->words[4], &expire_at_ms))
        return false;
    if (!string_object_from_bytes(effect->words[2], &object))
        return false;
    keyspace_replay_put(apply->engine->keyspace, key, &object, expire_at_ms, creates);
    return true;
}

/* A piece that creates its key is the whole of it but for zeros. */
static bool apply_piece(struct apply *apply, const struct key *key, const struct effect *effect, bool creates,
                        uint64_t end_offset)
{
    struct entry *entry = creates ? NULL : find_changed(apply, key, end_offset);
    if (!creates && (!entry || entry_type(entry) != OBJECT_STRING))
        return false;
    int64_t offset = (int64_t)string_entry_length(entry);
    if (effect->count == 4 && (!bytes_to_int64(effect->words[2], &offset) || offset < 0 || offset > STRING_BYTES_MAX))
        return false;
    struct object changed;
    struct block *room;
    bool in_place;
    if (!string_change_piece(entry, (size_t)offset, effect->words[effect->count - 1], &changed, &in_place, &room))
        return false;
    if (in_place)
        keyspace_written(apply->engine->keyspace, key, entry);
    else
        keyspace_replay_put(apply->engine->keyspace, key, &changed, entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE,
                            creates);
    if (room)
        block_release(room);
    return true;
}

static bool apply_expiry(struct apply *apply, const struct key *key, const struct effect *effect, uint64_t end_offset)
{
    int64_t expire_at_ms = ENTRY_NO_EXPIRE;
    if (effect->count == 3 && !bytes_to_int64(effect->words[2], &expire_at_ms))
        return false;
    struct entry *entry = find_changed(apply, key, end_offset);
    if (!entry)
        return false;
    keyspace_set_expire(apply->engine->keyspace, key, entry, expire_at_ms);
    return true;
}

static bool apply_restore(struct apply *apply, const struct key *key, const struct effect *effect, bool creates)
{
    struct buffer scratch = {0};
    struct bytes payload;
    struct object object;
    int64_t expire_at_ms;
    bool decoded = effect->count >= 4 && bytes_to_int64(effect->words[2], &expire_at_ms) &&
                   codec_dump_payload(effect->words[3], &payload) == STATUS_OK &&
                   codec_decode(payload, &scratch, &object) == STATUS_OK;
    if (decoded)
        keyspace_replay_put(apply->engine->keyspace, key, &object, expire_at_ms ? expire_at_ms : ENTRY_NO_EXPIRE,
                            creates);
    buffer_deinit(&scratch);
    return decoded;
}

/* ---- collections ---- */

static const struct effect_form *const collection_effects[] = {list_effects, set_effects,    zset_effects,
                                                               hash_effects, stream_effects, NULL};

static const struct effect_form *find_form(const struct effect *effect)
{
    for (size_t i = 0; collection_effects[i]; i++)
        for (const struct effect_form *form = collection_effects[i]; form->name; form++)
            if (effect->count >= form->words_min && bytes_equal_text(effect->words[0], form->name))
                return form;
    return NULL;
}

static bool apply_collection(struct apply *apply, const struct key *key, const struct effect *effect, bool creates,
                             uint64_t end_offset)
{
    const struct effect_form *form = find_form(effect);
    struct entry *entry = form && !creates ? find_changed(apply, key, end_offset) : NULL;
    if (!form || (!creates && (!entry || entry_type(entry) != form->type)))
        return false;
    struct object value = creates ? object_empty(form->type) : entry_object(entry);
    int64_t expire_at_ms = creates ? ENTRY_NO_EXPIRE : entry_expire_at_ms(entry);
    bool applied = form->apply(&value, &apply->room, effect);
    if (applied)
        keyspace_replay_put(apply->engine->keyspace, key, &value, expire_at_ms, creates);
    return applied;
}

static bool apply_node_effect(struct apply *apply, const struct effect *effect, uint64_t end_offset)
{
    struct bytes name = effect->words[0];
    int64_t first, second;
    if (bytes_equal_text(name, "flushdb"))
        keyspace_flush(apply->engine->keyspace, effect->db, end_offset);
    else if (bytes_equal_text(name, "flushall"))
        for (int db = 0; db < DATABASE_COUNT; db++)
            keyspace_flush(apply->engine->keyspace, db, end_offset);
    else if (bytes_equal_text(name, "swapdb") && effect->count == 3 && bytes_to_int64(effect->words[1], &first) &&
             bytes_to_int64(effect->words[2], &second))
        keyspace_swap(apply->engine->keyspace, (int)first, (int)second);
    else
        return functions_apply(effect);
    return true;
}

/* The key follows the name, or its subcommand. */
static struct bytes key_word(const struct effect *effect)
{
    return effect->words[effect->count > 2 && bytes_equal_text(effect->words[0], "xgroup") ? 2 : 1];
}

static bool apply_key_effect(struct apply *apply, const struct effect *effect, uint64_t end_offset)
{
    struct keyspace *keyspace = apply->engine->keyspace;
    struct bytes name = effect->words[0];
    struct key key = keyspace_key(keyspace, key_word(effect), effect->db);
    bool creates = name.data[0] >= 'a' && name.data[0] <= 'z';
    if (bytes_equal_text(name, "set") && (effect->count == 3 || effect->count == 5))
        return apply_set(apply, &key, effect, creates);
    if (bytes_equal_text(name, "restore"))
        return apply_restore(apply, &key, effect, creates);
    if ((bytes_equal_text(name, "append") && effect->count == 3) ||
        (bytes_equal_text(name, "setrange") && effect->count == 4))
        return apply_piece(apply, &key, effect, creates, end_offset);
    if (bytes_equal_text(name, "pexpireat") || bytes_equal_text(name, "persist"))
        return apply_expiry(apply, &key, effect, end_offset);
    if (!bytes_equal_text(name, "del"))
        return apply_collection(apply, &key, effect, creates, end_offset);
    keyspace_replay_remove(keyspace, &key);
    return true;
}

void apply_effect(struct apply *apply, const struct effect *effect, uint64_t end_offset)
{
    bool done = apply_node_effect(apply, effect, end_offset) ||
                (effect->count >= 2 && apply_key_effect(apply, effect, end_offset));
    if (done)
        apply->applied++;
    else
        apply->skipped++;
}
