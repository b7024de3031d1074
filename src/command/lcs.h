/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* LCS, in a file of its own for its algorithm. */
void lcs_command(struct execution *x);
