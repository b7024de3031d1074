/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "keyspace/keyspace.h"

/* What happens to keys by themselves. Called under the key's partition lock, before the entry is removed; the
 * implementer appends the effect to the stream and stages notifications. Must not take partition locks. */
struct sink {
    void *context;
    void (*expired)(void *context, const struct key *key);
    /* Whether keys and parts of values expire here at all now; NULL: yes. */
    bool (*may_expire)(void *context);
    /* Parts of the value have come due: removes up to 'max' of them from the view, which may be edited in the room, and returns
     * how many. A value that is empty then is deleted. NULL: they stay. */
    unsigned (*parts_expired)(void *context, const struct key *key, struct object *value, struct buffer *room,
                              int64_t now_ms, unsigned max);
    void (*evicted)(void *context, const struct key *key);
    /* Whether a key may be deleted under pressure instead of being written to the tier; NULL: none may. Changes nothing. */
    bool (*is_optional)(void *context, struct bytes name);
};
