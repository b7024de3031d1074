/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

/* No compressed byte stands for more than this many: three make a run of 264. */
#define LZF_RATIO_MAX 88

/* Decompresses all of 'input' to exactly 'length' bytes at 'output'. False if the input is malformed, ends early or
 * stands for another length; nothing beyond 'length' is ever written. */
bool lzf_decompress(struct bytes input, char *output, size_t length) MUST_USE;
