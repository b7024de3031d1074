/* SPDX-License-Identifier: BSD-3-Clause */
/* An effect that ends at e is in the copy if and only if its key's range was copied at an offset of e or more: ranges are
 * copied at ends of brackets, so what holds for a bracket's end holds for each effect in it. */
#include "replication/copy_map.h"

#include "base/memory.h"
#include "stream/effect.h"

struct copied_part {
    uint64_t position, offset;
};

void copy_map_add(struct copy_map *map, uint64_t position, uint64_t offset)
{
    if (map->count > 0 && map->parts[map->count - 1].offset == offset) {
        map->parts[map->count - 1].position = position;
        return;
    }
    if (map->count == map->capacity) {
        map->capacity = map->capacity ? 2 * map->capacity : 1024;
        map->parts = memory_resize(map->parts, map->capacity * sizeof(*map->parts));
    }
    map->parts[map->count++] = (struct copied_part){position, offset};
}

static uint64_t map_find(const struct copy_map *map, uint64_t position)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (map->parts[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->count ? map->parts[low].offset : 0;
}

uint64_t copy_map_offset(const struct copy_map *map, const struct key *key)
{
    return map_find(map, copy_position(key->db, key->slot, key->hash));
}

void copy_map_deinit(struct copy_map *map)
{
    memory_free(map->parts);
    *map = (struct copy_map){0};
}

/* ---- the filter ---- */

enum verdict { PASS, FILL, VOID };

static enum verdict verdict_of_all(const struct copy_filter *filter, uint64_t end)
{
    const struct copy_map *map = filter->map;
    if (map->count == 0 || end > map->parts[map->count - 1].offset)
        return PASS;
    return end <= map->parts[0].offset ? FILL : VOID;
}

static bool is_aside(struct bytes name)
{
    return bytes_equal_text(name, "ping") || bytes_equal_text(name, "replconf") || bytes_equal_text(name, "multi") ||
           bytes_equal_text(name, "exec");
}

static enum verdict verdict_of(struct copy_filter *filter, const struct effect *effect, uint64_t end)
{
    struct bytes name = effect->words[0];
    int64_t db;
    if (bytes_equal_text(name, "select") && effect->count == 2 && bytes_to_int64(effect->words[1], &db)) {
        filter->db = (int)db;
        return PASS;
    }
    if (is_aside(name))
        return PASS;
    if (bytes_equal_text(name, "flushall") || bytes_equal_text(name, "flushdb") || bytes_equal_text(name, "swapdb"))
        return verdict_of_all(filter, end);
    if (bytes_equal_text(name, "function"))
        return end <= filter->functions_offset ? FILL : PASS;
    if (effect->count < 2 || filter->db < 0)
        return PASS;
    size_t at = effect->count > 2 && bytes_equal_text(name, "xgroup") ? 2 : 1;
    struct key key = keyspace_key(filter->keyspace, effect->words[at], filter->db);
    return end <= copy_map_offset(filter->map, &key) ? FILL : PASS;
}

static void fill(struct buffer *out, size_t length)
{
    memset(buffer_reserve(out, length), '\n', length);
    out->length += length;
}

/* An empty line, as a primary of ours may have sent. */
static bool is_blank(char byte)
{
    return byte == '\r' || byte == '\n';
}

bool copy_filter_pass(struct copy_filter *filter, struct bytes bytes, struct buffer *out)
{
    struct effect effect;
    size_t at = 0, length;
    effect_init(&effect);
    buffer_append_bytes(&filter->waiting, bytes);
    while (at < filter->waiting.length && !filter->is_over) {
        struct bytes left = bytes_of(filter->waiting.data + at, filter->waiting.length - at);
        enum verdict verdict = PASS;
        if (is_blank(left.data[0]))
            length = 1;
        else if (!effect_decode(left, &effect, &length))
            break;
        else
            verdict = verdict_of(filter, &effect, filter->offset + length);
        if (verdict == PASS)
            buffer_append(out, left.data, length);
        else
            fill(out, length);
        filter->filled += verdict == FILL;
        filter->passed += verdict == PASS;
        filter->is_over = verdict == VOID;
        filter->offset += length;
        at += length;
    }
    effect_deinit(&effect);
    buffer_consume(&filter->waiting, at);
    return !filter->is_over;
}

void copy_filter_end(struct copy_filter *filter, struct buffer *out)
{
    filter->offset += filter->waiting.length;
    buffer_append_bytes(out, buffer_bytes(&filter->waiting));
    buffer_deinit(&filter->waiting);
}
