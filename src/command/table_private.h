/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/table.h"

/* The families of this folder, NULL behind the last: families.c. */
extern const struct command *const command_families[];

/* Fills in what an entry's row implies, from the row, the flags and the full names of the entry and its parent. */
void command_entry_derive(struct command_entry *entry);
