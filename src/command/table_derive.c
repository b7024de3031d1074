/* SPDX-License-Identifier: BSD-3-Clause */
/* What a row implies: the legacy key triple, movablekeys and the ACL categories. */
#include "command/table_private.h"

#include <string.h>

const char *const acl_category_names[] = {
    "keyspace", "read",        "write",      "set",         "sortedset", "list",  "hash", "string",
    "bitmap",   "hyperloglog", "geo",        "stream",      "pubsub",    "admin", "fast", "slow",
    "blocking", "dangerous",   "connection", "transaction", "scripting", NULL,
};

/* A container that does nothing by itself is in no category but @slow: its subcommands have their own. */
static bool is_mere_container(const struct command *row)
{
    return row->subcommands != NULL && row->arity < -1;
}

static const struct {
    const char *group;
    uint64_t category;
} group_categories[] = {
    {"generic", ACL_KEYSPACE},
    {"string", ACL_STRING},
    {"list", ACL_LIST},
    {"set", ACL_SET},
    {"sorted-set", ACL_SORTEDSET},
    {"hash", ACL_HASH},
    {"bitmap", ACL_BITMAP},
    {"hyperloglog", ACL_HYPERLOGLOG},
    {"geo", ACL_GEO},
    {"stream", ACL_STREAM},
    {"connection", ACL_CONNECTION},
    {"transactions", ACL_TRANSACTION},
    {"scripting", ACL_SCRIPTING},
};

/* What stands elsewhere than its group says. A container's row counts for its subcommands too. */
static const struct {
    const char *name;
    uint64_t categories; /* instead of the group's */
} category_exceptions[] = {
    {"asking", ACL_CONNECTION},
    {"command", ACL_CONNECTION},
    {"dbsize", ACL_KEYSPACE},
    {"flushall", ACL_KEYSPACE},
    {"flushdb", ACL_KEYSPACE},
    {"lastsave", ACL_ADMIN | ACL_DANGEROUS},
    {"readonly", ACL_CONNECTION},
    {"readwrite", ACL_CONNECTION},
    {"role", ACL_ADMIN | ACL_DANGEROUS},
    {"sort", ACL_SET | ACL_SORTEDSET | ACL_LIST},
    {"sort_ro", ACL_SET | ACL_SORTEDSET | ACL_LIST},
    {"swapdb", ACL_KEYSPACE},
    {"wait", ACL_CONNECTION},
    {"waitaof", ACL_CONNECTION},
};

static uint64_t categories_of_group(const struct command_entry *entry)
{
    const char *name = entry->parent != NULL ? entry->parent->full_name : entry->full_name;
    for (size_t i = 0; i < sizeof(category_exceptions) / sizeof(category_exceptions[0]); i++)
        if (strcmp(category_exceptions[i].name, name) == 0)
            return category_exceptions[i].categories;
    for (size_t i = 0; i < sizeof(group_categories) / sizeof(group_categories[0]); i++)
        if (strcmp(group_categories[i].group, entry->row->group) == 0)
            return group_categories[i].category;
    return 0;
}

static uint64_t categories_of_flags(uint32_t flags, bool scripting)
{
    uint64_t categories = flags & COMMAND_FAST ? ACL_FAST : ACL_SLOW;
    if (flags & COMMAND_WRITE)
        categories |= ACL_WRITE;
    if (flags & COMMAND_READONLY && !scripting)
        categories |= ACL_READ;
    if (flags & COMMAND_ADMIN)
        categories |= ACL_ADMIN | ACL_DANGEROUS;
    if (flags & COMMAND_DANGEROUS)
        categories |= ACL_DANGEROUS;
    if (flags & COMMAND_PUBSUB)
        categories |= ACL_PUBSUB;
    if (flags & COMMAND_BLOCKING)
        categories |= ACL_BLOCKING;
    return categories;
}

static uint64_t entry_categories(const struct command_entry *entry)
{
    if (is_mere_container(entry->row))
        return ACL_SLOW;
    uint64_t of_group = categories_of_group(entry);
    return of_group | categories_of_flags(entry->row->flags, of_group == ACL_SCRIPTING);
}

/* A spec that the legacy triple can say something of: a range from a fixed place. */
static bool spec_is_plain(const struct key_spec *spec)
{
    return spec->first > 0 && spec->keyword == NULL && spec->count_at == 0;
}

/* The triple that Redis had before key specs: one range that covers what it can of the plain specs; what it cannot
 * makes the command's keys movable. Ranges may be joined if they are dense and one begins where the last ended. */
static void derive_legacy_keys(struct command_entry *entry)
{
    const struct command *row = entry->row;
    int first = 0, last = 0;
    bool movable = row->more_keys != NULL, names_channels = false;
    for (int i = 0; i < KEY_SPECS_MAX && row->keys[i].flags != 0; i++) {
        const struct key_spec *spec = &row->keys[i];
        int end = spec->last < 0 ? spec->last : spec->first + spec->last;
        int step = spec->step > 0 ? spec->step : 1;
        names_channels = names_channels || spec->flags & KEY_NOT_KEY;
        entry->takes_out = entry->takes_out || (spec->flags & KEY_ACCESS && spec->flags & KEY_DELETE);
        if (!spec_is_plain(spec)) {
            movable = true;
        } else if (first == 0) {
            first = spec->first;
            last = end;
            entry->key_step = (int16_t)step;
        } else if (step != 1 || entry->key_step != 1 || last != spec->first - 1) {
            movable = true;
        } else {
            last = end;
        }
    }
    entry->first_key = (int16_t)first;
    entry->last_key = (int16_t)last;
    if (movable)
        entry->flags |= COMMAND_MOVABLEKEYS;
    entry->simple_key = first == 1 && last == 1 && !movable && !names_channels && row->other_db == NULL;
}

void command_entry_derive(struct command_entry *entry)
{
    derive_legacy_keys(entry);
    entry->categories = entry_categories(entry);
}
