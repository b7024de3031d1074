/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/rdb_file.h"

/* What an RDB file holds, as requests that make it on a node. Appended to 'out'. */
void rdb_request_words(struct buffer *out, const struct bytes *words, size_t count);
void rdb_request_select(struct buffer *out, int db);
/* RESTORE with the key's times; replace: over a key that is there. */
void rdb_request_key(struct buffer *out, const struct rdb_key *key, bool replace);
void rdb_request_function(struct buffer *out, struct bytes code, bool replace);
