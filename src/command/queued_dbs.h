/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/table.h"
#include "keyspace/keyspace.h"

/* What SELECT and SWAPDB in a transaction make of databases for the commands behind them, found without running any. */
struct queued_dbs {
    int selected;
    int16_t before[DATABASE_COUNT]; /* what stands under each number: the number that it has before the transaction */
};

void queued_dbs_begin(struct queued_dbs *dbs, int selected);
/* A bad index fails when the command runs, and changes nothing then. */
void queued_dbs_follow(struct queued_dbs *dbs, const struct command_entry *command, const struct bytes *argv,
                       size_t argc);
