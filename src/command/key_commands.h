/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Handlers of the generic family that stand in files of their own; their rows are in key_commands.c. */

/* transfer_commands.c */
void rename_command(struct execution *x);
void renamenx_command(struct execution *x);
void copy_command(struct execution *x);
void move_command(struct execution *x);
void dump_command(struct execution *x);
void restore_command(struct execution *x);
/* For the rows: which db the destination is in. */
int copy_other_db(const struct bytes *argv, size_t argc);
int move_other_db(const struct bytes *argv, size_t argc);

/* scan_commands.c */
void scan_command(struct execution *x);
void keys_command(struct execution *x);
void randomkey_command(struct execution *x);

/* sort_command.c */
void sort_command(struct execution *x);
void sort_ro_command(struct execution *x);
/* For the row: the destination of SORT ... STORE. */
bool sort_more_keys(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                    void *context);
