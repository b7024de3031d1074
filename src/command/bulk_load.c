/* SPDX-License-Identifier: BSD-3-Clause */
/* A copy of a Forebay comes slot by slot, so a hold mostly serves all keys of a slot. What a hold has put in goes to the
 * stream before it ends, as with any execution. */
#include "command/bulk_load.h"

#include <endian.h>

#include "base/crc.h"
#include "object/codec.h"
#include "object/string_object.h"

/* A hold ends, and a piece of the stream; larger values are left to requests. */
#define HOLD_BYTES_MAX ((size_t)64 << 10)

void bulk_load_flush(struct bulk_load *load)
{
    if (!load->is_holding)
        return;
    stream_append(load->engine->stream, &load->effects);
    keyspace_release_one(load->engine->keyspace, load->partition);
    effect_batch_clear(&load->effects);
    load->is_holding = false;
}

void bulk_load_deinit(struct bulk_load *load)
{
    bulk_load_flush(load);
    effect_batch_deinit(&load->effects);
    buffer_deinit(&load->scratch);
    buffer_deinit(&load->dump);
}

static bool hold(struct bulk_load *load, uint32_t partition)
{
    if (load->is_holding && (load->partition != partition || load->effects.bytes.length >= HOLD_BYTES_MAX))
        bulk_load_flush(load);
    if (!load->is_holding) {
        load->is_holding = keyspace_try_one(load->engine->keyspace, partition);
        load->partition = partition;
    }
    return load->is_holding;
}

static void stage_string(struct bulk_load *load, const struct key *key, const struct object *value,
                         int64_t expire_at_ms, bool creates)
{
    char digits[BYTES_INTEGER_MAX];
    effect_begin(&load->effects, key->db, expire_at_ms == ENTRY_NO_EXPIRE ? 3 : 5);
    effect_word(&load->effects, creates ? BYTES("set") : BYTES("SET"));
    effect_word(&load->effects, key->name);
    effect_word(&load->effects, string_object_bytes(value, digits));
    if (expire_at_ms == ENTRY_NO_EXPIRE)
        return;
    effect_word(&load->effects, BYTES("PXAT"));
    effect_word_integer(&load->effects, expire_at_ms);
}

/* The payload as it came, in DUMP's form. */
static void stage_payload(struct bulk_load *load, const struct key *key, const struct loaded_key *loaded, bool creates)
{
    uint16_t version = htole16(CODEC_DUMP_VERSION);
    uint64_t crc = htole64(crc64(crc64(0, loaded->payload.data, loaded->payload.length), &version, sizeof(version)));
    load->dump.length = 0;
    buffer_append_bytes(&load->dump, loaded->payload);
    buffer_append(&load->dump, &version, sizeof(version));
    buffer_append(&load->dump, &crc, sizeof(crc));
    effect_begin(&load->effects, key->db, 6);
    effect_word(&load->effects, creates ? BYTES("restore") : BYTES("RESTORE"));
    effect_word(&load->effects, key->name);
    effect_word_integer(&load->effects, loaded->expire_at_ms == ENTRY_NO_EXPIRE ? 0 : loaded->expire_at_ms);
    effect_word(&load->effects, buffer_bytes(&load->dump));
    effect_word(&load->effects, BYTES("REPLACE"));
    effect_word(&load->effects, BYTES("ABSTTL"));
}

static void stage(struct bulk_load *load, const struct key *key, const struct object *value,
                  const struct loaded_key *loaded)
{
    bool creates = keyspace_find(load->engine->keyspace, key) == NULL;
    if (value->type == OBJECT_STRING)
        stage_string(load, key, value, loaded->expire_at_ms, creates);
    else
        stage_payload(load, key, loaded, creates);
}

bool bulk_load_key(struct bulk_load *load, const struct loaded_key *loaded)
{
    struct keyspace *keyspace = load->engine->keyspace;
    struct key key = keyspace_key(keyspace, loaded->name, loaded->db);
    struct object value;
    if (loaded->payload.length > HOLD_BYTES_MAX || !hold(load, key_partition(&key)) ||
        !keyspace_is_decided(keyspace, &key) ||
        (keyspace_any_claims() && keyspace_claim_of(keyspace, &key) != CLAIM_NONE))
        return false;
    load->scratch.length = 0;
    if (codec_decode(loaded->payload, &load->scratch, &value) != STATUS_OK)
        return false;
    if (engine_stages_effects(load->engine))
        stage(load, &key, &value, loaded);
    keyspace_put(keyspace, &key, &value, loaded->expire_at_ms);
    return true;
}
