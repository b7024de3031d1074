/* SPDX-License-Identifier: BSD-3-Clause */
/* RDB files: the bytes as they are, and with an end and a checksum that fits. They are read in one piece and in small ones, with
 * the same outcome; every value is decoded; what is taken for whole is written again, and read again as the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crc.h"
#include "object/codec.h"
#include "replication/rdb_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPE_MODULE_2 7

struct found {
    struct rdb_file_writer again;
    uint64_t keys, functions;
};

static bool find_key(void *context, const struct rdb_key *key)
{
    struct found *found = context;
    struct buffer scratch = {0};
    struct object value;
    check(key->payload.length > 0 && key->db >= 0);
    if ((uint8_t)key->payload.data[0] != TYPE_MODULE_2 && codec_decode(key->payload, &scratch, &value) == STATUS_OK)
        object_release(&value);
    buffer_deinit(&scratch);
    rdb_file_key(&found->again, key);
    found->keys++;
    return true;
}

static bool find_function(void *context, struct bytes code)
{
    struct found *found = context;
    rdb_file_function(&found->again, code);
    found->functions++;
    return true;
}

static bool find_about(void *context, struct bytes name, struct bytes value)
{
    rdb_file_about(&((struct found *)context)->again, name, value);
    return true;
}

static enum status read_file(struct bytes file, size_t piece_bytes, struct found *found)
{
    const struct rdb_visitor visitor = {found, find_key, find_function, find_about};
    struct rdb_file_reader reader;
    enum status status = STATUS_OK;
    *found = (struct found){0};
    rdb_file_begin(&found->again);
    rdb_file_reader_init(&reader, &visitor);
    for (size_t at = 0, taken = 1; at < file.length && status == STATUS_OK && taken > 0; at += taken) {
        size_t left = file.length - at, length = left < piece_bytes ? left : piece_bytes;
        char *piece = malloc(length);
        memcpy(piece, file.data + at, length);
        status = rdb_file_read(&reader, bytes_of(piece, length), &taken);
        free(piece);
    }
    if (status == STATUS_OK)
        status = rdb_file_read_end(&reader);
    check(status == STATUS_OK || (status == STATUS_CORRUPT && reader.error[0]));
    check(reader.keys == found->keys && reader.functions == found->functions);
    rdb_file_reader_deinit(&reader);
    rdb_file_end(&found->again);
    return status;
}

static void read_and_repeat(struct bytes file, size_t piece_bytes)
{
    struct found whole, pieces, again;
    enum status status = read_file(file, file.length + 1, &whole);
    check(read_file(file, piece_bytes, &pieces) == status);
    check(bytes_equal(buffer_bytes(&whole.again.out), buffer_bytes(&pieces.again.out)));
    if (status == STATUS_OK) {
        check(read_file(buffer_bytes(&whole.again.out), file.length + 1, &again) == STATUS_OK);
        check(bytes_equal(buffer_bytes(&whole.again.out), buffer_bytes(&again.again.out)));
        rdb_file_writer_deinit(&again.again);
    }
    rdb_file_writer_deinit(&whole.again);
    rdb_file_writer_deinit(&pieces.again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer sealed = {0};
    size_t piece_bytes = size > 0 ? 1 + data[size - 1] % 64 : 1;
    read_and_repeat(bytes_of(data, size), piece_bytes);
    buffer_append(&sealed, data, size);
    buffer_append(&sealed, "\xff", 1);
    uint64_t checksum = crc64(0, sealed.data, sealed.length);
    buffer_append(&sealed, &checksum, sizeof(checksum));
    read_and_repeat(buffer_bytes(&sealed), piece_bytes);
    buffer_deinit(&sealed);
    return 0;
}
