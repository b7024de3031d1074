/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/table_body.h"

#include "base/memory.h"
#include "object/listpack.h"

/* Fewer members are gone before a thread is woken. */
#define RELEASE_AT_ONCE_MAX 256

static void destroy(void *body)
{
    member_table_clear(body);
    memory_free(body);
}

void table_body_release(struct member_table *table)
{
    if (table->count > RELEASE_AT_ONCE_MAX)
        memory_free_later(table, destroy);
    else
        destroy(table);
}

size_t table_body_bytes(const struct member_table *table)
{
    return sizeof(*table) + table->bytes;
}

struct member_table *table_body_copy(const struct member_table *table)
{
    struct member_table *copied = memory_allocate_zeroed(sizeof(*copied));
    struct member_walk walk = member_walk_from(table, 0);
    struct member *member;
    while ((member = member_walk_next(&walk)) != NULL)
        member_table_insert(copied, member_hash(member_name(member)), member_copy(member));
    return copied;
}

/* Open addressing over the elements' hashes; a hash that is there already is a duplicate, or one in 2^64. */
static bool note_hash(uint64_t *hashes, size_t mask, uint64_t hash)
{
    hash |= hash == 0;
    size_t place = hash & mask;
    while (hashes[place] != 0 && hashes[place] != hash)
        place = (place + 1) & mask;
    bool is_new = hashes[place] == 0;
    hashes[place] = hash;
    return is_new;
}

bool listpack_has_duplicates(struct bytes listpack, size_t step)
{
    size_t count = listpack_count(listpack) / step, places = 16;
    while (places < count * 2)
        places *= 2;
    uint64_t *hashes = memory_allocate_zeroed(places * sizeof(*hashes));
    bool has_duplicates = false;
    const uint8_t *position = listpack_first(listpack);
    while (position && !has_duplicates) {
        char digits[BYTES_INTEGER_MAX];
        has_duplicates = !note_hash(hashes, places - 1, member_hash(listpack_get_bytes(position, digits)));
        for (size_t i = 0; position && i < step; i++)
            position = listpack_next(position);
    }
    memory_free(hashes);
    return has_duplicates;
}
