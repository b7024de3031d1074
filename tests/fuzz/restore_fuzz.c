/* SPDX-License-Identifier: BSD-3-Clause */
/* What RESTORE is given: the bytes as they are, and as a payload behind the checksum. What can be decoded must
 * come out the same when it is encoded and decoded again, but for the order of members in a table. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "object/codec.h"
#include "object/object_limits.h"
#include "object/stream_object.h"
#include "object/string_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* So low that short inputs meet both sides of them. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    object_limits = (struct object_limits){.hash_max_listpack_entries = 4,
                                           .hash_max_listpack_value = 16,
                                           .set_max_intset_entries = 4,
                                           .set_max_listpack_entries = 4,
                                           .set_max_listpack_value = 16,
                                           .zset_max_listpack_entries = 4,
                                           .zset_max_listpack_value = 16,
                                           .list_max_listpack_size = 4,
                                           .stream_node_max_bytes = 256,
                                           .stream_node_max_entries = 4};
    return 0;
}

/* ---- streams, which keep what they were given as it was ---- */

static size_t walk(const struct xstream *stream, bool backward)
{
    struct xstream_cursor cursor;
    struct bytes field, value;
    char digits[2 * BYTES_INTEGER_MAX];
    size_t count = 0;
    for (xstream_seek(stream, backward ? STREAM_ID_MAX : STREAM_ID_MIN, backward, &cursor); !cursor.is_at_end;
         xstream_step(&cursor, backward), count++) {
        check(xstream_has(stream, cursor.id));
        while (xstream_next_field(&cursor, &field, &value, digits))
            check(field.length + value.length <= LISTPACK_BYTES_MAX);
    }
    return count;
}

static void use_group(struct xstream *stream, struct xstream_group *group)
{
    struct xstream_consumer *consumer = xstream_consumer_create(stream, group, BYTES("new"), 1);
    uint64_t lag;
    xstream_group_lag(stream, group, &lag);
    if (consumer)
        xstream_pending_give(stream, group, group->last_id, consumer);
    if (group->pending.count > 0)
        check(xstream_pending_remove(stream, group, id_place_id(id_tree_first(&group->pending))));
    if (group->consumer_count > 1)
        xstream_consumer_destroy(stream, group, group->consumers[0]);
}

static void use_stream(struct object *object)
{
    struct xstream *stream = xstream_edit(object);
    const struct bytes words[] = {BYTES("f"), BYTES("v")};
    struct stream_id id = stream->last_id;
    check(walk(stream, false) == stream->length && walk(stream, true) == stream->length);
    if (stream_id_increment(&id))
        check(xstream_append(stream, id, words, 2) && xstream_has(stream, id));
    for (size_t i = 0; i < stream->group_count; i++)
        use_group(stream, stream->groups[i]);
    if (xstream_first_id(stream, &id))
        check(xstream_delete(stream, id) && !xstream_has(stream, id));
    struct xstream_trim trim = {.by = XSTREAM_TRIM_LENGTH, .length = stream->length / 2};
    xstream_trim(stream, &trim);
    check(stream->length == trim.length && walk(stream, false) == trim.length);
}

static void decode_and_repeat(struct bytes payload)
{
    struct buffer scratch = {0}, again_scratch = {0}, encoded = {0}, again = {0};
    struct object object, repeated;
    if (codec_decode(payload, &scratch, &object) == STATUS_OK) {
        codec_encode(&object, &encoded);
        check(codec_decode(buffer_bytes(&encoded), &again_scratch, &repeated) == STATUS_OK);
        check(object.type == repeated.type && object.encoding == repeated.encoding);
        codec_encode(&repeated, &again);
        check(object_count(&object) == object_count(&repeated) && encoded.length == again.length);
        check(object.encoding == ENCODING_TABLE || bytes_equal(buffer_bytes(&encoded), buffer_bytes(&again)));
        object_release(&repeated);
        if (object.type == OBJECT_STREAM)
            use_stream(&object);
        encoded.length = 0;
        codec_encode(&object, &encoded);
        object_release(&object);
        check(codec_decode(buffer_bytes(&encoded), &again_scratch, &repeated) == STATUS_OK);
        object_release(&repeated);
    }
    buffer_deinit(&scratch);
    buffer_deinit(&again_scratch);
    buffer_deinit(&encoded);
    buffer_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size), payload;
    if (codec_dump_payload(input, &payload) == STATUS_OK)
        decode_and_repeat(payload);
    decode_and_repeat(input);
    return 0;
}
