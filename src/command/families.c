/* SPDX-License-Identifier: BSD-3-Clause */
/* The families of commands in this folder; a new one is a line here. */
#include "command/table_private.h"

/* clang-format off */
#define FAMILIES(family) \
    family(zset_commands) \
    family(zset_add_commands) \
    family(zset_range_commands) \
    family(zset_pop_commands) \
    family(zset_store_commands) \
    family(zset_scan_commands) \
    family(geo_commands) \
    family(geo_search_commands) \
    family(string_commands) \
    family(increx_commands) \
    family(string_range_commands) \
    family(string_counter_commands) \
    family(string_many_commands) \
    family(bitmap_commands) \
    family(hyperloglog_commands) \
    family(list_commands) \
    family(list_index_commands) \
    family(list_wait_commands) \
    family(stream_commands) \
    family(stream_add_commands) \
    family(stream_range_commands) \
    family(stream_read_commands) \
    family(stream_group_commands) \
    family(stream_claim_commands) \
    family(stream_delete_commands) \
    family(stream_info_commands) \
    family(key_commands) \
    family(object_commands) \
    family(transfer_commands) \
    family(dump_commands) \
    family(scan_commands) \
    family(sort_commands) \
    family(transaction_commands) \
    family(connection_commands) \
    family(server_commands) \
    family(command_commands) \
    family(standalone_commands) \
    family(pubsub_commands) \
    family(set_commands) \
    family(set_walk_commands) \
    family(set_algebra_commands) \
    family(script_commands) \
    family(function_commands) \
    family(hash_commands) \
    family(hash_walk_commands) \
    family(hash_expiry_commands) \
    family(hash_getex_commands)
/* clang-format on */

#define DECLARED(name) extern const struct command name[];
#define LISTED(name) name,

FAMILIES(DECLARED)

const struct command *const command_families[] = {FAMILIES(LISTED) NULL};
