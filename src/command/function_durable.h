/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/status.h"
#include "stream/effect.h"

/* Libraries of functions over a restart. */

/* Remembers the data directory and loads what the last checkpoint saved there. One thread, before replay. */
enum status functions_open(const char *directory, char *error, size_t error_size) MUST_USE;
/* Saves the libraries as they are now if they have changed since; before the log below a new checkpoint is dropped. Any
 * thread. */
enum status functions_save(void) MUST_USE;
/* Appends the libraries as RDB files have them. Any thread. */
void functions_copy(struct buffer *out);
/* How many libraries there are, and a sum of what they say, which does not depend on their order. Any thread. */
void functions_digest(uint64_t *sum, uint64_t *count);
/* None is left here; the effect that says so is the caller's, who lets nobody else run. */
void functions_forget(void);
/* An effect read back: the libraries as a whole. False if it is none, or does not fit. Replay only. */
bool functions_apply(const struct effect *effect);
