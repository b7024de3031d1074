/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

/* Reads the compact sequences that Redis wrote before version 7; nothing writes them any more. Calls visit with every
 * element in order, integers as their digits, until it returns false. The bytes may be hostile: false if they are not
 * exactly one ziplist, or if visit said so; then some elements may have been visited. */
bool ziplist_each(struct bytes ziplist, bool (*visit)(void *context, struct bytes element), void *context) MUST_USE;
