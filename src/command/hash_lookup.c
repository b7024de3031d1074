/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/hash_lookup.h"

#include "base/metric.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/word_list.h"
#include "keyspace/moment.h"
#include "keyspace/sink.h"

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

/* ---- fields that have expired ---- */

/* What a command that names its fields sweeps on the way. */
#define SWEEP_MAX 64
/* What is swept before others get the partition. */
#define SWEEP_PIECE 128
/* What one effect can name. */
#define FIELDS_MAX (EFFECT_PIECE_WORDS - 2)

/* Fields that are gone, by name, until they are told. */
struct swept {
    struct buffer kept;
    struct word_list fields;
};

static void keep_field(void *context, struct bytes field)
{
    word_list_keep(context, field);
}

static void swept_take(struct swept *swept, struct object *hash, struct buffer *room, int64_t now_ms, size_t max)
{
    swept->kept = (struct buffer){0};
    word_list_init(&swept->fields);
    hash_object_sweep(hash, room, now_ms, max, keep_field, &swept->kept);
    word_list_add_kept(&swept->fields, &swept->kept);
    metric_add(METRIC_expired_subkeys, swept->fields.count);
}

static void swept_deinit(struct swept *swept)
{
    word_list_deinit(&swept->fields);
    buffer_deinit(&swept->kept);
}

/* The entry, or NULL if its last field went. */
static struct entry *sweep(struct execution *x, const struct key *key, struct entry *entry, struct object *hash,
                           size_t max)
{
    struct swept swept;
    moment_keep(x->keyspace, key);
    swept_take(&swept, hash, edit_room(x), x->expiry_ms, max);
    bool is_gone = object_count(hash) == 0;
    hash_store_taken(x, key, entry, hash, swept.fields.words, swept.fields.count, "hexpired");
    swept_deinit(&swept);
    if (is_gone)
        return NULL;
    entry = keyspace_find(x->keyspace, key);
    *hash = entry_object(entry);
    return entry;
}

/* Others get the partition. What was appended is written to the log meanwhile: of a large hash it would be much that stands in
 * memory, and is copied under the locks when it grows. */
static void pause_sweep(struct execution *x)
{
    execution_let_go_changed(x);
    if (x->has_let_go)
        stream_write(x->engine->stream);
    execution_hold_again(x);
}

/* All of them, for what counts or shows every field. Each piece is a change by itself. */
static struct entry *sweep_all(struct execution *x, const struct key *key, struct entry *entry, struct object *hash)
{
    while (entry && hash_object_due_ms(hash) <= x->expiry_ms) {
        entry = sweep(x, key, entry, hash, SWEEP_PIECE);
        if (entry && hash_object_due_ms(hash) <= x->expiry_ms)
            pause_sweep(x);
    }
    return entry;
}

static unsigned fields_expired(void *context, const struct key *key, struct object *hash, struct buffer *room,
                               int64_t now_ms, unsigned max)
{
    struct engine *engine = context;
    struct swept swept;
    swept_take(&swept, hash, room, now_ms, max < FIELDS_MAX ? max : FIELDS_MAX);
    unsigned count = (unsigned)swept.fields.count;
    bool is_gone = object_count(hash) == 0;
    effect_append_alone(engine, key, is_gone ? "DEL" : "HDEL", swept.fields.words, is_gone ? 0 : count);
    notify_by_itself(NOTIFY_HASH, "hexpired", key);
    if (is_gone)
        notify_by_itself(NOTIFY_GENERIC, "del", key);
    swept_deinit(&swept);
    return count;
}

void hash_sink_setup(struct sink *sink)
{
    sink->parts_expired = fields_expired;
}

/* ---- lookups ---- */

static bool view(struct execution *x, const struct key *key, bool exactly, struct entry **entry, struct object *hash)
{
    if (!require_type(x, *entry, OBJECT_HASH))
        return false;
    if (*entry) {
        *hash = entry_object(*entry);
        if (__builtin_expect(hash_object_due_ms(hash) <= x->expiry_ms && engine_decides(x->engine), 0))
            *entry = exactly ? sweep_all(x, key, *entry, hash) : sweep(x, key, *entry, hash, SWEEP_MAX);
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
    bool persists = expire_at_ms == HASH_NO_EXPIRE, is_apart = stage_changed_begin(x, key, count);
    for (size_t piece; count > 0; fields += piece, count -= piece) {
        piece = count < EXPIRY_FIELDS_MAX ? count : EXPIRY_FIELDS_MAX;
        struct bytes head[] = {bytes_of(time, bytes_from_int64(time, expire_at_ms)), BYTES("FIELDS"),
                               bytes_of(number, bytes_from_int64(number, (int64_t)piece))};
        stage_change_with(x, key, false, persists ? "HPERSIST" : "HPEXPIREAT", head + persists, 3u - persists, fields,
                          piece, 1);
    }
    if (is_apart)
        stage_large_end(x);
}
