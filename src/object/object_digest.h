/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object.h"

/* What a value is, in 64 bits: the same for equal values in any encoding and on any node. A hash's fields count with their
 * times, a stream with its groups and what is pending, but not with when a consumer was seen last, which every node notes for
 * itself. Takes as long as there are elements. */
uint64_t object_digest(const struct object *object);
