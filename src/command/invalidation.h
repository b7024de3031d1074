/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/session.h"
#include "command/tracking_table.h"

/* What clients that cache are told: a list of keys to forget, or all. */
struct invalidation;

/* Without keys as yet; and one of everything. The caller has a reference. */
struct invalidation *invalidation_create(void);
struct invalidation *invalidation_create_of_all(void);
/* Before it is sent. 'writer' is the session that changed the key, 0 if none did. */
void invalidation_add(struct invalidation *invalidation, struct bytes key, uint64_t writer);
/* Sends it to sessions that track, those of the own worker at once. Worker's thread, no partition lock held. */
void invalidation_send(struct worker *worker, struct invalidation *invalidation, const struct id_list *to);
void invalidation_release(struct invalidation *invalidation);
