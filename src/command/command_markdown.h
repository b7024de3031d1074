/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* Appends docs/COMMANDS.md: all commands of the table by group, as their rows tell of them. */
void command_markdown(struct buffer *out);
