/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort_lookup.h"

#include "command/claims.h"
#include "command/effects.h"
#include "object/hash_object.h"
#include "object/string_object.h"

struct sort_pattern sort_pattern_of(struct bytes text)
{
    struct sort_pattern pattern = {.is_element = bytes_equal(text, BYTES("#"))};
    const char *star = memchr(text.data, '*', text.length);
    if (!star)
        return pattern;
    pattern.has_star = true;
    pattern.begin = bytes_of(text.data, (size_t)(star - text.data));
    pattern.end = bytes_of(star + 1, text.length - pattern.begin.length - 1);
    for (size_t i = 0; i + 2 < pattern.end.length && !pattern.field.data; i++)
        if (pattern.end.data[i] == '-' && pattern.end.data[i + 1] == '>') {
            pattern.field = bytes_of(pattern.end.data + i + 2, pattern.end.length - i - 2);
            pattern.end.length = i;
        }
    return pattern;
}

/* A cold key is brought to RAM. Its name is claimed if the partitions are let go: then its row is read without one. */
static void warm(struct execution *x, const struct key *key)
{
    uint64_t offset;
    struct fetched_row fetched;
    if (keyspace_is_decided(x->keyspace, key))
        return;
    if (!x->has_let_go) {
        (void)!keyspace_fetch(x->keyspace, key, &offset);
        return;
    }
    execution_look_end(x, key);
    keyspace_fetch_begin(x->keyspace, key, &fetched);
    execution_look_begin(x, key);
    keyspace_fetch_end(x->keyspace, key, &fetched);
}

/* The live entry at any key. */
static struct entry *find_anywhere(struct execution *x, const struct key *key)
{
    warm(x, key);
    if (!keyspace_is_decided(x->keyspace, key))
        return NULL;
    if (!x->has_let_go)
        return lookup_write(x, key);
    struct entry *entry = keyspace_find(x->keyspace, key);
    return entry && !entry_is_expired(entry, x->expiry_ms) ? entry : NULL;
}

/* What is at the key, in 'found', or a long string's block, which is the caller's then. */
static bool look_at(struct sort_lookup *lookup, const struct key *key, struct bytes field, struct block **block)
{
    const struct entry *entry = find_anywhere(lookup->x, key);
    struct object value = entry ? entry_object(entry) : (struct object){0};
    if (!entry || value.type != (field.data ? OBJECT_HASH : OBJECT_STRING))
        return false;
    if (field.data) {
        struct hash_value found;
        if (!hash_object_get(&value, field, lookup->x->expiry_ms, &found))
            return false;
        buffer_append_bytes(&lookup->found, found.bytes);
    } else if (value.encoding == ENCODING_BLOCK) {
        *block = block_acquire(value.block);
    } else {
        char digits[BYTES_INTEGER_MAX];
        buffer_append_bytes(&lookup->found, string_object_bytes(&value, digits));
    }
    return true;
}

bool sort_lookup(struct sort_lookup *lookup, const struct sort_pattern *pattern, struct bytes element,
                 struct buffer *to)
{
    struct block *block = NULL;
    struct buffer *name = &lookup->name;
    if (pattern->is_element)
        buffer_append_bytes(to, element);
    if (!pattern->has_star)
        return pattern->is_element;
    name->length = lookup->found.length = 0;
    buffer_reserve(name, 1);
    buffer_append_bytes(name, pattern->begin);
    buffer_append_bytes(name, element);
    buffer_append_bytes(name, pattern->end);
    struct key key = keyspace_key(lookup->x->keyspace, buffer_bytes(name), lookup->x->db);
    execution_look_begin(lookup->x, &key);
    bool is_found = look_at(lookup, &key, pattern->field, &block);
    execution_look_end(lookup->x, &key);
    if (is_found)
        buffer_append_bytes(to, block ? bytes_of(block->data, block->length) : buffer_bytes(&lookup->found));
    if (block)
        block_release(block);
    return is_found;
}

void sort_lookup_deinit(struct sort_lookup *lookup)
{
    buffer_deinit(&lookup->name);
    buffer_deinit(&lookup->found);
}
