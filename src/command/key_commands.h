/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* The entry at a key, counted as a hit or a miss, and left where it is in the order of use. */
struct entry *key_lookup_quietly(struct execution *x, const struct key *key);
