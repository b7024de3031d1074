/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What the files of COMMAND share. */

/* In the order of enum key_flags. */
extern const char *const key_flag_names[];
/* A set of the names of bits, in their order and behind the prefix; a bit whose name is empty is not shown. */
void reply_flag_names(struct reply *reply, uint64_t flags, const char *const *names, const char *prefix);

size_t command_spec_count(const struct command *row);
size_t command_subcommand_count(const struct command_entry *entry);

/* What COMMAND INFO says of a command and its subcommands; null for none. */
void reply_command_info(struct reply *reply, const struct command_entry *entry);
/* What COMMAND DOCS says of it: its name and a map. */
void reply_command_docs(struct reply *reply, const struct command_entry *entry);
/* The set of its tips, often empty. */
void reply_command_tips(struct reply *reply, const struct command_entry *entry);
