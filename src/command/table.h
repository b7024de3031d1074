/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/command.h"

/* A row with what dispatch needs at hand; made once at start from the families' rows. */
struct command_entry {
    const struct command *row;
    const struct command_entry *parent;             /* of a subcommand */
    const struct command_entry *const *subcommands; /* NULL-terminated, or NULL */
    const char *full_name;                          /* lower case; "object|encoding" */
    uint32_t id;                                    /* index into per-worker statistics */
    uint32_t flags;                                 /* the row's, movablekeys where it follows */
    int16_t arity;
    int16_t first_key, last_key, key_step; /* the legacy triple; first_key 0: none */
    bool simple_key;                       /* exactly one key at argument 1 */
    bool takes_out;                        /* replies with what it deletes (LPOP, GETDEL) */
    uint64_t categories;                   /* ACL_ bits */
};

enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20,
};
extern const char *const acl_category_names[]; /* in bit order, NULL at the end */

/* Adds a family of another module, a table that ends with a NULL name; before the table is built. */
void command_family_register(const struct command *family);
/* Builds the table; once, before the first look-up. */
void command_table_setup(void);
/* The command of the name, any case; NULL if there is none. */
const struct command_entry *command_lookup(struct bytes name);
/* The subcommand, or NULL. */
const struct command_entry *command_lookup_subcommand(const struct command_entry *parent, struct bytes name);
/* From the words of a request: the subcommand where there is one of that name, else the command. */
const struct command_entry *command_resolve(const struct bytes *argv, size_t argc);
/* From "config|get" or "get". */
const struct command_entry *command_by_full_name(struct bytes name);
/* All, subcommands included, by id 0 .. count - 1; commands of the top level come first. */
uint32_t command_count(void);
uint32_t command_top_level_count(void);
const struct command_entry *command_by_id(uint32_t id);

/* Calls add for each key among the arguments with the flags of its spec; false if the arguments are malformed
 * for the specs (too few, a bad count). */
bool command_keys(const struct command_entry *command, const struct bytes *argv, size_t argc,
                  void (*add)(void *context, size_t index, uint16_t flags), void *context);
