/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects are of one key each and deterministic: absolute times, whole values. An effect that creates its key has its
 * name in lower case (see stream/effect.h). A long value that is changed in a small part is told as APPEND or
 * SETRANGE; everything else about a string is a SET, which replay applies without looking. */
#include "command/effects.h"

#include "base/metric.h"
#include "command/blocked.h"
#include "command/claims.h"
#include "command/class.h"
#include "command/hash_lookup.h"
#include "command/notify.h"
#include "keyspace/sink.h"
#include "object/codec.h"
#include "object/string_object.h"

static struct entry *lookup_live(struct execution *x, const struct key *key)
{
    struct entry *entry = keyspace_find(x->keyspace, key);
    if (__builtin_expect(entry && entry_is_expired(entry, x->expiry_ms), 0)) {
        if (!engine_decides(x->engine))
            return NULL; /* it is the primary, or who imports, who says when it goes */
        metric_add(METRIC_expired_keys, 1);
        delete_key(x, key, entry);
        notify(x, NOTIFY_EXPIRED, "expired", key);
        return NULL;
    }
    return entry;
}

struct entry *lookup_peek(struct execution *x, const struct key *key)
{
    return lookup_live(x, key);
}

struct entry *lookup_write(struct execution *x, const struct key *key)
{
    struct entry *entry = lookup_live(x, key);
    if (entry && x->touch)
        keyspace_touch(x->keyspace, entry);
    return entry;
}

struct entry *lookup_read(struct execution *x, const struct key *key)
{
    struct entry *entry = lookup_write(x, key);
    metric_add(entry ? METRIC_keyspace_hits : METRIC_keyspace_misses, 1);
    if (!entry)
        notify(x, NOTIFY_MISSED, "keymiss", key);
    return entry;
}

bool require_type(struct execution *x, const struct entry *entry, enum object_type type)
{
    if (!entry || entry_type(entry) == type)
        return true;
    reply_error(x->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

static void stage_begin(struct execution *x, const struct key *key, const char *name, uint32_t argc)
{
    effect_begin(&x->worker->effects, key->db, argc);
    effect_word(&x->worker->effects, bytes_of_text(name));
    effect_word(&x->worker->effects, key->name);
}

void stage_set(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
               bool creates)
{
    char digits[BYTES_INTEGER_MAX], expiry[BYTES_INTEGER_MAX];
    if (!x->recording)
        return;
    struct bytes words[5] = {creates ? BYTES("set") : BYTES("SET"), key->name, string_object_bytes(value, digits)};
    uint32_t count = 3;
    if (expire_at_ms != ENTRY_NO_EXPIRE) {
        words[count++] = BYTES("PXAT");
        words[count++] = bytes_of(expiry, bytes_from_int64(expiry, expire_at_ms));
    }
    effect_write(&x->worker->effects, key->db, words, count);
}

static void stage_restore(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                          bool creates)
{
    struct effect_batch *effects = &x->worker->effects;
    struct buffer dump = {0};
    if (!x->recording)
        return;
    codec_dump(value, &dump);
    stage_begin(x, key, creates ? "restore" : "RESTORE", 6);
    effect_word_integer(effects, expire_at_ms == ENTRY_NO_EXPIRE ? 0 : expire_at_ms);
    effect_word(effects, buffer_bytes(&dump));
    effect_word(effects, BYTES("REPLACE"));
    effect_word(effects, BYTES("ABSTTL"));
    buffer_deinit(&dump);
}

/* A large batch begins with the first effect: what came before would have to be appended by itself. That of a transaction takes
 * it up, since it goes out in one piece anyway. */
static bool may_be_large(const struct execution *x)
{
    return x->recording && (x->worker->effects.count == 0 || x->whole);
}

static void large_begin(struct execution *x, const struct key *key, bool is_alone)
{
    if (x->has_let_go && x->worker->effects.head == 0)
        stream_batch_begin_large(&x->worker->effects, key->db, is_alone && !x->whole);
}

static void large_end(struct execution *x)
{
    if (!x->has_let_go)
        return;
    if (x->whole)
        stream_batch_keep_room(&x->worker->effects);
    else
        stream_batch_gather(x->engine->stream, &x->worker->effects);
}

void stage_large_begin(struct execution *x, const struct key *key, size_t elements)
{
    if (!may_be_large(x))
        return;
    execution_let_go(x, elements);
    large_begin(x, key, false);
}

void stage_large_end(struct execution *x)
{
    large_end(x);
    execution_hold_again(x);
}

void stage_parts_end(struct execution *whole)
{
    struct execution end = *whole;
    end.whole = whole;
    if (whole->worker->effects.head == 0)
        return;
    execution_let_go_changed(&end);
    stream_batch_gather(whole->engine->stream, &whole->worker->effects);
    execution_hold_again(&end);
}

static void stage_any(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                      bool creates)
{
    if (value->type == OBJECT_STRING)
        stage_set(x, key, value, expire_at_ms, creates);
    else
        stage_restore(x, key, value, expire_at_ms, creates);
}

/* What is large is staged while others have the partitions. */
static void stage_large(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                        bool creates, bool is_alone)
{
    execution_let_go(x, claims_work_of(value));
    large_begin(x, key, is_alone);
    stage_any(x, key, value, expire_at_ms, creates);
    large_end(x);
    execution_hold_again(x);
}

static void stage_value(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                        bool creates, bool is_alone)
{
    bool is_large = !object_is_inline(value) && value->encoding != ENCODING_INTEGER;
    if (__builtin_expect(is_large && may_be_large(x), 0))
        stage_large(x, key, value, expire_at_ms, creates, is_alone);
    else
        stage_any(x, key, value, expire_at_ms, creates);
}

void stage_whole(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                 bool creates)
{
    stage_value(x, key, value, expire_at_ms, creates, true);
}

/* 'is_alone': no other effect is to follow it. */
static struct entry *store_as(struct execution *x, const struct key *key, struct entry *old, const struct object *value,
                              int64_t expire_at_ms, bool is_alone)
{
    stage_value(x, key, value, expire_at_ms, old == NULL, is_alone);
    struct entry *entry = keyspace_put(x->keyspace, key, value, expire_at_ms);
    blocked_note(x, key);
    if (!old)
        notify(x, NOTIFY_CREATED, "new", key);
    return entry;
}

struct entry *store(struct execution *x, const struct key *key, struct entry *old, const struct object *value,
                    int64_t expire_at_ms)
{
    return store_as(x, key, old, value, expire_at_ms, true);
}

struct entry *store_changed(struct execution *x, const struct key *key, struct entry *old, const struct object *value)
{
    blocked_note(x, key);
    if (old) {
        struct object old_value = entry_object(old);
        if (object_is_same_body(&old_value, value) && old_value.encoding == value->encoding) {
            keyspace_written(x->keyspace, key, old);
            return old;
        }
    }
    struct entry *entry = keyspace_put(x->keyspace, key, value, old ? entry_expire_at_ms(old) : ENTRY_NO_EXPIRE);
    if (!old)
        notify(x, NOTIFY_CREATED, "new", key);
    return entry;
}

bool store_remainder(struct execution *x, const struct key *key, struct entry *entry, const struct object *value)
{
    if (object_count(value) > 0) {
        store_changed(x, key, entry, value);
        return false;
    }
    delete_key(x, key, entry);
    return true;
}

/* Effect names are shorter than this. */
#define EFFECT_NAME_MAX 24

static const char *lower_name(const char *name, char lower[EFFECT_NAME_MAX])
{
    size_t length = 0;
    for (; name[length] && length + 1 < EFFECT_NAME_MAX; length++)
        lower[length] = (char)(name[length] | 0x20);
    lower[length] = 0;
    return lower;
}

/* Many words take long to copy. */
bool stage_changed_begin(struct execution *x, const struct key *key, size_t words)
{
    if (words < CLAIMS_WORK_MIN || x->has_let_go || !may_be_large(x))
        return false;
    execution_let_go_changed(x);
    large_begin(x, key, false);
    return x->has_let_go;
}

void stage_change_with(struct execution *x, const struct key *key, bool creates, const char *name,
                       const struct bytes *head, size_t head_count, const struct bytes *words, size_t count,
                       size_t step)
{
    struct effect_batch *effects = &x->worker->effects;
    const char *upper = name;
    char lower[EFFECT_NAME_MAX];
    if (!x->recording)
        return;
    if (creates)
        name = lower_name(name, lower);
    bool is_apart = stage_changed_begin(x, key, count);
    size_t room = EFFECT_PIECE_WORDS - 2 - head_count, piece_max = step > room ? step : room / step * step;
    do {
        size_t piece = count < piece_max ? count : piece_max;
        stage_begin(x, key, name, (uint32_t)(2 + head_count + piece));
        for (size_t i = 0; i < head_count; i++)
            effect_word(effects, head[i]);
        for (size_t i = 0; i < piece; i++)
            effect_word(effects, words[i]);
        words += piece;
        count -= piece;
        name = upper;
    } while (count > 0);
    if (is_apart)
        stage_large_end(x);
}

void stage_change(struct execution *x, const struct key *key, bool creates, const char *name, const struct bytes *words,
                  size_t count, size_t step)
{
    stage_change_with(x, key, creates, name, NULL, 0, words, count, step);
}

void stage_subcommand(struct execution *x, const struct key *key, bool creates, const char *name, const char *sub,
                      const struct bytes *words, size_t count)
{
    struct effect_batch *effects = &x->worker->effects;
    char lower[EFFECT_NAME_MAX];
    if (!x->recording)
        return;
    effect_begin(effects, key->db, (uint32_t)(3 + count));
    effect_word(effects, bytes_of_text(creates ? lower_name(name, lower) : name));
    effect_word(effects, bytes_of_text(sub));
    effect_word(effects, key->name);
    for (size_t i = 0; i < count; i++)
        effect_word(effects, words[i]);
}

struct buffer *edit_room(struct execution *x)
{
    struct buffer *room = &x->worker->edit_room;
    room->length = 0;
    return room;
}

void stage_append(struct execution *x, const struct key *key, struct bytes suffix)
{
    if (!x->recording)
        return;
    stage_begin(x, key, "APPEND", 3);
    effect_word(&x->worker->effects, suffix);
}

void stage_setrange(struct execution *x, const struct key *key, int64_t offset, struct bytes piece, bool creates)
{
    if (!x->recording)
        return;
    stage_begin(x, key, creates ? "setrange" : "SETRANGE", 4);
    effect_word_integer(&x->worker->effects, offset);
    effect_word(&x->worker->effects, piece);
}

struct entry *store_expire(struct execution *x, const struct key *key, struct entry *entry, int64_t expire_at_ms)
{
    if (expire_at_ms != ENTRY_NO_EXPIRE && expire_at_ms <= x->expiry_ms) {
        delete_key(x, key, entry);
        return NULL;
    }
    if (x->recording) {
        stage_begin(x, key, expire_at_ms == ENTRY_NO_EXPIRE ? "PERSIST" : "PEXPIREAT",
                    expire_at_ms == ENTRY_NO_EXPIRE ? 2 : 3);
        if (expire_at_ms != ENTRY_NO_EXPIRE)
            effect_word_integer(&x->worker->effects, expire_at_ms);
    }
    return keyspace_set_expire(x->keyspace, key, entry, expire_at_ms);
}

void delete_key(struct execution *x, const struct key *key, struct entry *entry)
{
    if (x->recording)
        stage_begin(x, key, "DEL", 2);
    keyspace_remove(x->keyspace, key, entry);
    blocked_note(x, key);
}

void move_value(struct execution *x, const struct key *from, struct entry *source, const struct key *to,
                struct entry *old)
{
    struct object value = entry_object(source);
    store_as(x, to, old, &value, entry_expire_at_ms(source), false);
    if (x->recording)
        stage_begin(x, from, "DEL", 2);
    keyspace_remove_shell(x->keyspace, from, source);
    blocked_note(x, from);
}

void stage_node_effect(struct execution *x, const char *name, const int64_t *numbers, uint32_t count)
{
    struct effect_batch *effects = &x->worker->effects;
    effect_begin(effects, x->db, 1 + count);
    effect_word(effects, bytes_of_text(name));
    for (uint32_t i = 0; i < count; i++)
        effect_word_integer(effects, numbers[i]);
}

void effect_append_alone(struct engine *engine, const struct key *key, const char *name, const struct bytes *words,
                         uint32_t count)
{
    if (!engine_stages_effects(engine))
        return;
    struct effect_batch batch = {0};
    effect_begin(&batch, key->db, 2 + count);
    effect_word(&batch, bytes_of_text(name));
    effect_word(&batch, key->name);
    for (uint32_t i = 0; i < count; i++)
        effect_word(&batch, words[i]);
    stream_append(engine->stream, &batch);
    effect_batch_deinit(&batch);
}

static void append_deletion(struct engine *engine, const struct key *key)
{
    effect_append_alone(engine, key, "DEL", NULL, 0);
    if (keyspace_is_awaited(engine->keyspace, key))
        blocked_note_gone(engine->keyspace, key);
}

static void append_expiry(void *context, const struct key *key)
{
    metric_add(METRIC_expired_keys, 1);
    append_deletion(context, key);
    notify_by_itself(NOTIFY_EXPIRED, "expired", key);
}

/* It is the primary who says when a key goes. */
static bool may_expire(void *context)
{
    return !engine_is_following(context);
}

static void append_eviction(void *context, const struct key *key)
{
    class_note_evicted(key->name);
    append_deletion(context, key);
    notify_by_itself(NOTIFY_EVICTED, "evicted", key);
}

static bool name_is_optional(void *context, struct bytes name)
{
    (void)context;
    const struct keyspace_class *class = class_find(name);
    return class && class->optional;
}

const struct sink *effects_sink(struct engine *engine)
{
    static struct sink sink;
    sink = (struct sink){
        .context = engine, .expired = append_expiry, .may_expire = may_expire, .evicted = append_eviction};
    hash_sink_setup(&sink);
    if (class_any_optional())
        sink.is_optional = name_is_optional;
    return &sink;
}
