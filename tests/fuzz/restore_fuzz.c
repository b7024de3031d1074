/* SPDX-License-Identifier: BSD-3-Clause */
/* What RESTORE is given: the bytes as they are, and as a payload behind the checksum. What can be decoded must
 * come out the same when it is encoded and decoded again, but for the order of members in a table. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "object/codec.h"
#include "object/object_limits.h"
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
        object_release(&object);
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
