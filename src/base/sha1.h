/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

#define SHA1_HEX 40

/* The SHA-1 of the bytes as lower-case hex with a NUL behind it: the name of a script, not a protection. */
void sha1_hex(struct bytes bytes, char hex[SHA1_HEX + 1]);
