/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Handlers of the server family that stand in files of their own, and the tables of its containers' subcommands. The
 * rows of the commands themselves are in server_commands.c. */

/* info.c */
void info_command(struct execution *x);

/* saving.c */
void save_command(struct execution *x);
void bgsave_command(struct execution *x);
void bgrewriteaof_command(struct execution *x);
void lastsave_command(struct execution *x);

/* flush_commands.c */
void flushdb_command(struct execution *x);
void flushall_command(struct execution *x);
void swapdb_command(struct execution *x);
void dbsize_command(struct execution *x);

/* in a file each, but for COMMANDLOG, which stands with SLOWLOG */
extern const struct command acl_subcommands[], commandlog_subcommands[], config_subcommands[], latency_subcommands[],
    memory_subcommands[], module_subcommands[], slowlog_subcommands[];

/* debug_command.c */
void debug_command(struct execution *x);

/* "unknown subcommand or wrong number of arguments for 'x'. Try DEBUG HELP." */
void reply_usage(struct execution *x);
