/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/member_table.h"

/* A member table as the body of an object: allocated, so that a view of it is one pointer. */

/* Destroys it, a large one in the background. */
void table_body_release(struct member_table *table);
size_t table_body_bytes(const struct member_table *table);
struct member_table *table_body_copy(const struct member_table *table);

/* Whether of the listpack's elements each step-th one, from the first on, reads as another of them. */
bool listpack_has_duplicates(struct bytes listpack, size_t step);
