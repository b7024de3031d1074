/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured rows stand one after another in one buffer, in the order of capture, which is the order of rows but for
 * two cases: keys of equal hash come in any order, and a slot that was left and entered again may show a key twice.
 * Both are rare; they are found when the file is written, and then an index is sorted and the later capture wins.
 * Capture order itself is kept, since the keyspace is told of the outcome in it. */
#include "tier/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"
#include "object/codec.h"
#include "object/object.h"
#include "object/object_capture.h"
#include "tier/row.h"

/* A buffer beyond it was grown by a single huge value and is not kept. */
#define RUN_KEPT_BYTES (32u << 20)
/* Of a large value in one hold of its partition's lock: some ten to a hundred microseconds. */
#define LARGE_PIECE_BYTES (8u << 10)
#define KEY_LENGTH_MAX ((1u << 31) - 1)
/* Some twenty microseconds of writing. */
#define GIVE_WAY_ROWS 32

void run_clear(struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->rows[i].block)
            block_release(run->rows[i].block);
    if (run->bytes.capacity > RUN_KEPT_BYTES)
        buffer_deinit(&run->bytes);
    check(run->large == NULL);
    struct run kept = {.bytes = run->bytes, .piece = run->piece, .rows = run->rows, .capacity = run->capacity};
    kept.bytes.length = 0;
    *run = kept;
}

void run_deinit(struct run *run)
{
    run_clear(run);
    buffer_deinit(&run->bytes);
    buffer_deinit(&run->piece);
    memory_free(run->rows);
    *run = (struct run){0};
}

static void rows_reserve(struct run *run, size_t more)
{
    size_t needed = run->count + more;
    if (needed <= run->capacity)
        return;
    run->capacity = run->capacity * 2 > needed ? run->capacity * 2 : needed;
    run->rows = memory_resize(run->rows, run->capacity * sizeof(*run->rows));
}

void run_make_room(struct run *run, size_t rows, size_t bytes)
{
    rows_reserve(run, rows);
    buffer_reserve(&run->bytes, bytes);
}

static struct run_row *row_append(struct run *run)
{
    rows_reserve(run, 1);
    return &run->rows[run->count++];
}

/* A second row in the hold in which a large value was begun; that takes names of equal hash. */
static void large_finish(struct run *run)
{
    while (run->large && object_capture_step(run->large, LARGE_PIECE_BYTES, &run->bytes))
        ;
    if (run->large)
        object_capture_end(run->large);
    run->large = NULL;
}

void run_get_piece(struct run *run)
{
    run->piece.length = 0;
    if (!capture_value_step(run->large, LARGE_PIECE_BYTES, &run->piece))
        run->large = NULL;
}

void run_add_piece(struct run *run)
{
    buffer_append_bytes(&run->bytes, buffer_bytes(&run->piece));
}

void run_add(struct run *run, const struct row_key *key, const struct object *value, int64_t expire_at_ms,
             uint64_t offset)
{
    size_t key_length = row_key_length(key);
    check(key_length <= KEY_LENGTH_MAX && key->db < ROW_DATABASES);
    large_finish(run);
    struct run_row *row = row_append(run);
    *row = (struct run_row){.position = run->bytes.length, .key_length = (uint32_t)key_length, .deleted = !value};
    char *to = buffer_reserve(&run->bytes, key_length + ROW_HEADER_MAX);
    row_key_write(key, to);
    run->bytes.length += key_length;
    if (value)
        run->bytes.length += row_header_write(expire_at_ms, offset, 0, to + key_length);
    if (value && value->type == OBJECT_STRING && value->encoding == ENCODING_BLOCK) {
        row->block = block_acquire(value->block);
        run->block_bytes += value->block->length;
    } else if (value && object_capture_suits(value)) {
        run->large = object_capture_begin(value, &run->bytes);
    } else if (value) {
        codec_encode(value, &run->bytes);
    }
    if (offset > run->offset_max)
        run->offset_max = offset;
    if (offset > run->db_offset_max[key->db])
        run->db_offset_max[key->db] = offset;
}

static struct bytes row_key_bytes(const struct run *run, size_t index)
{
    return bytes_of(run->bytes.data + run->rows[index].position, run->rows[index].key_length);
}

/* All that the run holds after the key, up to the next row. */
static struct bytes row_value_bytes(const struct run *run, size_t index)
{
    size_t begin = run->rows[index].position + run->rows[index].key_length;
    size_t end = index + 1 < run->count ? run->rows[index + 1].position : run->bytes.length;
    return bytes_of(run->bytes.data + begin, end - begin);
}

struct row_key run_key(const struct run *run, size_t index)
{
    struct row_key key;
    enum status status = row_key_read(row_key_bytes(run, index), &key);
    check(status == STATUS_OK);
    return key;
}

static bool run_ascends(const struct run *run)
{
    for (size_t i = 1; i < run->count; i++)
        if (bytes_compare(row_key_bytes(run, i - 1), row_key_bytes(run, i)) >= 0)
            return false;
    return true;
}

struct placed_row {
    struct bytes key;
    size_t index;
};

/* Equal keys in order of capture, so that the last of them is the newest. */
static int placed_row_compare(const void *left, const void *right)
{
    const struct placed_row *a = left, *b = right;
    int order = bytes_compare(a->key, b->key);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* The rows in row order, without those that a later capture replaces. */
static struct placed_row *order_create(struct run *run, size_t *count)
{
    struct placed_row *order = memory_allocate(run->count * sizeof(*order));
    size_t kept = 0;
    for (size_t i = 0; i < run->count; i++)
        order[i] = (struct placed_row){row_key_bytes(run, i), i};
    qsort(order, run->count, sizeof(*order), placed_row_compare);
    for (size_t i = 0; i < run->count; i++)
        if (i + 1 == run->count || !bytes_equal(order[i].key, order[i + 1].key))
            order[kept++] = order[i];
    *count = kept;
    return order;
}

static enum status row_write(struct run *run, size_t index, struct rocks *rocks, struct buffer *scratch)
{
    const struct run_row *row = &run->rows[index];
    struct bytes key = row_key_bytes(run, index);
    if (row->deleted) {
        run->deletes_written++;
        return rocks_run_delete(rocks, key);
    }
    run->rows_written++;
    struct bytes value = row_value_bytes(run, index);
    if (row->block == NULL)
        return rocks_run_put(rocks, key, value);
    struct object object = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = row->block};
    scratch->length = 0;
    buffer_append_bytes(scratch, value);
    codec_encode(&object, scratch);
    return rocks_run_put(rocks, key, buffer_bytes(scratch));
}

enum status run_write(struct run *run, struct rocks *rocks)
{
    size_t count = run->count;
    struct placed_row *order = run_ascends(run) ? NULL : order_create(run, &count);
    struct buffer scratch = {0};
    run->rows_written = run->deletes_written = 0;
    enum status status = rocks_run_begin(rocks);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = row_write(run, order ? order[i].index : i, rocks, &scratch);
        if (i % GIVE_WAY_ROWS == 0)
            thread_give_way();
    }
    if (status == STATUS_OK)
        status = rocks_run_finish(rocks, &run->file_bytes);
    buffer_deinit(&scratch);
    memory_free(order);
    return status;
}
