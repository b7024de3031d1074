/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/effects.h"
#include "command/notify.h"
#include "command/string_options.h"
#include "command/string_reply.h"

/* What the files of the string family share. All under the lock of the key's partition. */

/* The string, or null for no entry. */
static inline void string_reply_or_null(struct execution *x, struct entry *entry)
{
    if (!entry) {
        reply_null(x->reply);
        return;
    }
    struct object value = entry_object(entry);
    reply_string(x->reply, &value);
}

/* The entry at a key, NULL for none; *wrong_type if it holds something else, and that is replied. */
static inline struct entry *string_lookup_read(struct execution *x, const struct key *key, bool *wrong_type)
{
    struct entry *entry = lookup_read(x, key);
    *wrong_type = !require_type(x, entry, OBJECT_STRING);
    return entry;
}

static inline struct entry *string_lookup_write(struct execution *x, const struct key *key, bool *wrong_type)
{
    struct entry *entry = lookup_write(x, key);
    *wrong_type = !require_type(x, entry, OBJECT_STRING);
    return entry;
}

/* Stores the bytes as SET does; false (an error is replied) when memory is out. */
bool string_store(struct execution *x, const struct key *key, struct entry *old, struct bytes bytes,
                  int64_t expire_at_ms);
/* Tells that a key was set, and that it expires if the options say so. */
void string_notify_set(struct execution *x, const struct key *key, const struct string_options *options);
