/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/hash_object.h"

/* What handlers of hashes share. */

/* False if the key holds another type (an error is replied). 'hash' is an empty one if the key is missing. Some
 * fields that have expired are swept on the way, with their effect, and with the key if none is left; with 'exactly' all of
 * them are. */
bool hash_lookup_read(struct execution *x, const struct key *key, bool exactly, struct entry **entry,
                      struct object *hash);
bool hash_lookup_write(struct execution *x, const struct key *key, bool exactly, struct entry **entry,
                       struct object *hash);

/* Tells of the expiry, now, of these fields: HPEXPIREAT, or HPERSIST where it is HASH_NO_EXPIRE. */
void hash_stage_expiry(struct execution *x, const struct key *key, const struct bytes *fields, size_t count,
                       int64_t expire_at_ms);
/* Stores what fields were taken from, and tells of them and of the event. */
void hash_store_taken(struct execution *x, const struct key *key, struct entry *entry, const struct object *hash,
                      const struct bytes *fields, size_t count, const char *event);

/* The sink's part: fields that expire by themselves. Tells of them, or of the key if none is left. */
struct sink;
void hash_sink_setup(struct sink *sink);
