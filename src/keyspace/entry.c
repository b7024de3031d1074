/* SPDX-License-Identifier: BSD-3-Clause */
/* Making, rewriting and freeing entries; the layout is in entry.h.
 *
 * An entry is always allocated with the size of its allocator class, so whether another value fits is told from its
 * own fields, without a look at the allocator's. */
#include "keyspace/entry.h"

#include "base/memory.h"
#include "keyspace/keyspace_private.h"

/* Classes of 16 bytes to 128, then four to a doubling, as jemalloc has them. */
static inline size_t size_round(size_t size)
{
    size_t step = 16;
    if (size > 128)
        step = (size_t)1 << (63 - __builtin_clzll(size - 1) - 2);
    return (size + step - 1) & ~(step - 1);
}

static inline size_t value_bytes(const struct object *value)
{
    if (!value)
        return 0;
    return object_is_inline(value) ? value->bytes.length : sizeof(value->body);
}

static inline size_t size_of(size_t name_length, size_t value_length, bool has_expire)
{
    return sizeof(struct entry) + (has_expire ? 8 : 0) + (name_length > ENTRY_KEY_SHORT_MAX ? 4 : 0) + name_length +
           value_length;
}

size_t entry_bytes(const struct entry *entry)
{
    return size_round(size_of(entry_key(entry).length, entry->value_length, entry->flags & ENTRY_HAS_EXPIRE));
}

static void value_store(struct entry *entry, const struct object *value)
{
    size_t length = value_bytes(value);
    entry->value_length = (uint16_t)length;
    if (!value) {
        entry->kind = 0;
        return;
    }
    entry->kind = (uint8_t)(value->type | value->encoding << 4);
    if (!object_is_inline(value))
        memcpy(entry_value_field(entry), &value->body, sizeof(value->body));
    else if (length > 0)
        memcpy(entry_value_field(entry), value->bytes.data, length);
}

struct entry *entry_create(struct bytes name, const struct object *value, int64_t expire_at_ms, unsigned flags)
{
    bool has_expire = expire_at_ms != ENTRY_NO_EXPIRE, is_long = name.length > ENTRY_KEY_SHORT_MAX;
    size_t value_length = value_bytes(value);
    check(value_length <= OBJECT_INLINE_MAX && name.length <= UINT32_MAX);
    struct entry *entry = memory_allocate(size_round(size_of(name.length, value_length, has_expire)));
    entry->flags = (uint8_t)(flags | (has_expire ? ENTRY_HAS_EXPIRE : 0) | (is_long ? ENTRY_LONG_KEY : 0));
    entry->access = 0;
    entry->key_length = is_long ? 0 : (uint32_t)name.length & 0xff;
    char *field = entry->data;
    if (has_expire) {
        memcpy(field, &expire_at_ms, 8);
        field += 8;
    }
    if (is_long) {
        uint32_t length = (uint32_t)name.length;
        memcpy(field, &length, sizeof(length));
        field += sizeof(length);
    }
    if (name.length > 0)
        memcpy(field, name.data, name.length);
    value_store(entry, value);
    return entry;
}

static bool points_into(const void *pointer, const struct entry *entry, size_t size)
{
    return (const char *)pointer >= (const char *)entry && (const char *)pointer < (const char *)entry + size;
}

/* Makes or takes away the room of the expiry before key and value. */
static void expiry_store(struct entry *entry, int64_t expire_at_ms)
{
    bool had_expire = entry->flags & ENTRY_HAS_EXPIRE, has_expire = expire_at_ms != ENTRY_NO_EXPIRE;
    if (had_expire != has_expire) {
        size_t length = (size_t)(entry_value_field(entry) - entry_key_field(entry)) + entry->value_length;
        memmove(entry->data + (has_expire ? 8 : 0), entry_key_field(entry), length);
        entry->flags ^= ENTRY_HAS_EXPIRE;
    }
    if (has_expire)
        memcpy(entry->data, &expire_at_ms, sizeof(expire_at_ms));
}

bool entry_rewrite(struct entry *entry, struct bytes name, const struct object *value, int64_t expire_at_ms)
{
    size_t length = value_bytes(value), old_size = entry_bytes(entry);
    check(length <= OBJECT_INLINE_MAX);
    if (size_round(size_of(name.length, length, expire_at_ms != ENTRY_NO_EXPIRE)) != old_size ||
        points_into(name.data, entry, old_size) ||
        (object_is_inline(value) && points_into(value->bytes.data, entry, old_size)))
        return false;
    struct object old_value = entry_object(entry);
    if (!object_is_inline(&old_value) && !object_is_same_body(&old_value, value))
        object_release(&old_value);
    entry->value_length = 0;
    expiry_store(entry, expire_at_ms);
    value_store(entry, value);
    return true;
}

bool entry_set_expiry(struct entry *entry, int64_t expire_at_ms)
{
    size_t size = size_of(entry_key(entry).length, entry->value_length, expire_at_ms != ENTRY_NO_EXPIRE);
    if (size_round(size) != entry_bytes(entry))
        return false;
    expiry_store(entry, expire_at_ms);
    return true;
}

void entry_free(struct entry *entry)
{
    if (entry_is_live(entry)) {
        struct object value = entry_object(entry);
        if (!object_is_inline(&value))
            object_release(&value);
    }
    memory_free(entry);
}

void entry_free_shell(struct entry *entry)
{
    memory_free(entry);
}
