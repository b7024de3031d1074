/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"

/* Keys that a request met while it ran and that were not in RAM: when it starts over they are locked and fetched with the
 * ones it declares. */

/* Copies the key; false if there are too many. */
bool met_keys_add(struct session *session, const struct key *key);
/* Adds them to the worker's array of keys; the names stay the session's. */
void met_keys_collect(struct session *session, struct worker *worker);
void met_keys_forget(struct session *session);
