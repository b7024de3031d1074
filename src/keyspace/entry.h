/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "object/object.h"

/* A key and what RAM knows of it, in one allocation:
 *
 *   8 bytes header | [8 bytes expire_at_ms] | [4 bytes key length, if LONG_KEY] | key | value
 *
 * The value stands inline when it is short (value_length bytes), else it is an 8-byte integer or pointer.
 * All under the lock of the key's partition. */
struct entry {
    uint8_t kind;          /* type | encoding << 4 */
    uint8_t flags;         /* state in the low three bits, then ENTRY_ flags */
    uint16_t value_length; /* bytes of an inline value; 8 for integers and pointers; 0 for GONE, ABSENT */
    uint32_t access : 24;  /* recency or frequency, see eviction.c */
    uint32_t key_length : 8;
    char data[];
};

enum entry_state {
    ENTRY_DIRTY,       /* RAM is newer than the row, or there is no row */
    ENTRY_IN_RUN,      /* captured for a run that is not ingested yet */
    ENTRY_CLEAN,       /* equals its row */
    ENTRY_GONE,        /* a tombstone: deleted or expired, but a row exists or is in a run */
    ENTRY_GONE_IN_RUN, /* a tombstone captured for a run that is not ingested yet */
    ENTRY_LOADING,     /* a marker: a reader fetches the row; the value is a pointer to struct fetch */
    ENTRY_ABSENT,      /* a fetch found no row; kept for the requests that waited for it */
};

#define ENTRY_STATE_MASK 0x07
#define ENTRY_HAS_EXPIRE 0x08
#define ENTRY_HAS_ROW 0x10     /* a row exists or is in a run: removal must leave a tombstone */
#define ENTRY_ROW_UNKNOWN 0x20 /* made by replay before the filter was rebuilt: treat as HAS_ROW */
#define ENTRY_PINNED 0x40      /* fetched for a suspended request that has not run yet: not evicted */
#define ENTRY_LONG_KEY 0x80

#define ENTRY_KEY_SHORT_MAX 255
#define ENTRY_NO_EXPIRE INT64_C(-1)

static inline enum entry_state entry_state(const struct entry *entry)
{
    return (enum entry_state)(entry->flags & ENTRY_STATE_MASK);
}

static inline bool entry_is_live(const struct entry *entry)
{
    return entry_state(entry) <= ENTRY_CLEAN;
}

static inline uint8_t entry_type(const struct entry *entry)
{
    return entry->kind & 0x0f;
}

static inline const char *entry_key_field(const struct entry *entry)
{
    return entry->data + ((entry->flags & ENTRY_HAS_EXPIRE) ? 8 : 0);
}

static inline struct bytes entry_key(const struct entry *entry)
{
    const char *field = entry_key_field(entry);
    if (__builtin_expect(!(entry->flags & ENTRY_LONG_KEY), 1))
        return (struct bytes){field, entry->key_length};
    uint32_t length;
    memcpy(&length, field, sizeof(length));
    return (struct bytes){field + sizeof(length), length};
}

static inline int64_t entry_expire_at_ms(const struct entry *entry)
{
    int64_t expire_at_ms = ENTRY_NO_EXPIRE;
    if (entry->flags & ENTRY_HAS_EXPIRE)
        memcpy(&expire_at_ms, entry->data, sizeof(expire_at_ms));
    return expire_at_ms;
}

/* Due at the very millisecond, as Redis: a key with expire_at_ms <= now is gone. */
static inline bool entry_is_expired(const struct entry *entry, int64_t now_ms)
{
    return (entry->flags & ENTRY_HAS_EXPIRE) && entry_expire_at_ms(entry) <= now_ms;
}

static inline char *entry_value_field(const struct entry *entry)
{
    struct bytes key = entry_key(entry);
    return (char *)key.data + key.length;
}

/* A view of the value; valid until the entry is changed or its lock released (a block: until released). */
static inline struct object entry_object(const struct entry *entry)
{
    struct object object = {.type = entry->kind & 0x0f, .encoding = entry->kind >> 4};
    const char *field = entry_value_field(entry);
    if (object_is_inline(&object))
        object.bytes = (struct bytes){field, entry->value_length};
    else
        memcpy(&object.body, field, sizeof(object.body));
    return object;
}

/* Whether all of the value stands in the entry. */
static inline bool entry_is_inline(const struct entry *entry)
{
    return object_is_inline(&(struct object){.encoding = entry->kind >> 4});
}

/* When a part of a live entry's value ends by itself next; OBJECT_NEVER_DUE if none does. */
static inline int64_t entry_parts_due_ms(const struct entry *entry)
{
    if (__builtin_expect(entry_type(entry) != OBJECT_HASH || entry->kind >> 4 == ENCODING_LISTPACK, 1))
        return OBJECT_NEVER_DUE;
    struct object value = entry_object(entry);
    return object_due_ms(&value);
}

/* When the entry, or a part of its value, does. */
static inline int64_t entry_due_ms(const struct entry *entry)
{
    int64_t parts_due_ms = entry_parts_due_ms(entry), expire_at_ms = entry_expire_at_ms(entry);
    return (entry->flags & ENTRY_HAS_EXPIRE) && expire_at_ms < parts_due_ms ? expire_at_ms : parts_due_ms;
}
