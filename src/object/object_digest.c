/* SPDX-License-Identifier: BSD-3-Clause */
/* What has an order is hashed one after the other, each with the hash so far as its seed; of what has none the hashes are
 * added up. */
#include "object/object_digest.h"

#include "base/hash.h"
#include "object/codec.h"
#include "object/hash_object.h"
#include "object/set_object.h"
#include "object/stream_object.h"
#include "object/string_object.h"
#include "object/zset_object.h"

static uint64_t mix(uint64_t so_far, struct bytes bytes)
{
    return hash_bytes(bytes.data, bytes.length, so_far);
}

static uint64_t mix_number(uint64_t so_far, uint64_t number)
{
    return hash_bytes(&number, sizeof(number), so_far);
}

static uint64_t digest_of_string(const struct object *object)
{
    char digits[BYTES_INTEGER_MAX];
    return mix(0, string_object_bytes(object, digits));
}

static bool mix_element(void *context, struct bytes element)
{
    uint64_t *digest = context;
    *digest = mix(*digest, element);
    return true;
}

static uint64_t digest_of_list(const struct object *object)
{
    uint64_t digest = 0;
    object_each(object, mix_element, &digest);
    return digest;
}

static uint64_t digest_of_set(const struct object *object)
{
    uint64_t digest = 0;
    struct set_walk walk;
    struct bytes member;
    set_walk_begin(&walk, object);
    while (set_walk_next(&walk, &member))
        digest += mix(0, member);
    return digest;
}

static uint64_t digest_of_zset(const struct object *object)
{
    uint64_t digest = 0;
    struct zset_cursor cursor;
    for (zset_seek(object, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false)) {
        double score = cursor.score == 0 ? 0 : cursor.score; /* -0 is 0 */
        digest += mix(mix(0, bytes_of(&score, sizeof(score))), cursor.member);
    }
    return digest;
}

static uint64_t digest_of_hash(const struct object *object)
{
    uint64_t digest = 0;
    struct hash_walk walk;
    hash_walk_begin(&walk, object, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        digest += mix(mix(mix_number(0, (uint64_t)walk.expire_at_ms), walk.field), walk.value);
    return digest;
}

/* ---- streams ---- */

static uint64_t mix_id(uint64_t so_far, struct stream_id id)
{
    return mix_number(mix_number(so_far, id.ms), id.seq);
}

static uint64_t mix_entries(uint64_t digest, const struct xstream *stream)
{
    char digits[2 * BYTES_INTEGER_MAX];
    struct bytes field, value;
    struct xstream_cursor cursor;
    for (xstream_seek(stream, STREAM_ID_MIN, false, &cursor); !cursor.is_at_end; xstream_step(&cursor, false)) {
        digest = mix_id(digest, cursor.id);
        while (xstream_next_field(&cursor, &field, &value, digits))
            digest = mix(mix(digest, field), value);
    }
    return digest;
}

static uint64_t mix_group(uint64_t digest, const struct xstream_group *group)
{
    digest = mix_number(mix_id(mix(digest, group->name), group->last_id), (uint64_t)group->entries_read);
    for (size_t i = 0; i < group->consumer_count; i++)
        digest = mix(digest, group->consumers[i]->name);
    for (struct id_place at = id_tree_first(&group->pending); at.leaf; at = id_place_next(at)) {
        const struct xstream_pending *pending = id_place_value(at);
        digest = mix(mix_id(digest, id_place_id(at)), pending->consumer->name);
        digest = mix_number(mix_number(digest, (uint64_t)pending->delivered_ms), pending->deliveries);
    }
    return digest;
}

static uint64_t digest_of_stream(const struct object *object)
{
    const struct xstream *stream = xstream_of(object);
    uint64_t digest = mix_number(mix_number(0, stream->length), stream->entries_added);
    digest = mix_id(mix_id(digest, stream->last_id), stream->max_deleted_id);
    digest = mix_entries(digest, stream);
    for (size_t i = 0; i < stream->group_count; i++)
        digest = mix_group(digest, stream->groups[i]);
    return digest;
}

/* ---- all ---- */

uint64_t object_digest(const struct object *object)
{
    static uint64_t (*const digests[OBJECT_TYPE_COUNT])(const struct object *object) = {
        [OBJECT_STRING] = digest_of_string, [OBJECT_LIST] = digest_of_list, [OBJECT_SET] = digest_of_set,
        [OBJECT_ZSET] = digest_of_zset,     [OBJECT_HASH] = digest_of_hash, [OBJECT_STREAM] = digest_of_stream,
    };
    return mix_number(digests[object->type](object), object->type);
}

enum status codec_digest(struct bytes payload, uint64_t *digest)
{
    struct buffer scratch = {0};
    struct object object;
    enum status status = codec_decode(payload, &scratch, &object);
    if (status == STATUS_OK) {
        *digest = object_digest(&object);
        object_release(&object);
    }
    buffer_deinit(&scratch);
    return status;
}
