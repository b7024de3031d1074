/* SPDX-License-Identifier: BSD-3-Clause */
/* What COMMAND INFO says of a command, in the shapes of Redis 7.2 in both protocols: lists without order are sets in RESP3, an
 * entry's subcommands are an array (an empty set where there are none). */
#include "command/command_commands.h"

void reply_flag_names(struct reply *reply, uint64_t flags, const char *const *names, const char *prefix)
{
    size_t count = 0;
    for (unsigned bit = 0; names[bit] != NULL; bit++)
        count += flags >> bit & 1 && names[bit][0] != '\0';
    reply_set(reply, count);
    for (unsigned bit = 0; names[bit] != NULL; bit++) {
        if (!(flags >> bit & 1) || names[bit][0] == '\0')
            continue;
        struct buffer name = {0};
        buffer_append_text(&name, prefix);
        buffer_append_text(&name, names[bit]);
        reply_status_bytes(reply, buffer_bytes(&name));
        buffer_deinit(&name);
    }
}

/* In the order of enum command_flags. Redis does not show may_replicate. */
static const char *const command_flag_names[] = {
    "write",
    "readonly",
    "denyoom",
    "admin",
    "pubsub",
    "noscript",
    "blocking",
    "loading",
    "stale",
    "skip_monitor",
    "skip_slowlog",
    "asking",
    "fast",
    "no_auth",
    "",
    "no_async_loading",
    "no_multi",
    "allow_busy",
    "movablekeys",
    "no_mandatory_keys",
    NULL,
};

const char *const key_flag_names[] = {
    "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags", NULL,
};

/* A spec without a place says only that there may be more keys. */
static bool spec_is_unknown(const struct key_spec *spec)
{
    return spec->first == 0 && spec->keyword == NULL;
}

static void reply_begin_search(struct reply *reply, const struct key_spec *spec)
{
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, spec->keyword != NULL ? "keyword" : spec_is_unknown(spec) ? "unknown" : "index");
    reply_bulk_text(reply, "spec");
    if (spec->keyword != NULL) {
        reply_map(reply, 2);
        reply_bulk_text(reply, "keyword");
        reply_bulk_text(reply, spec->keyword);
        reply_bulk_text(reply, "startfrom");
        reply_integer(reply, spec->first);
    } else if (spec_is_unknown(spec)) {
        reply_map(reply, 0);
    } else {
        reply_map(reply, 1);
        reply_bulk_text(reply, "index");
        reply_integer(reply, spec->first);
    }
}

static void reply_three_numbers(struct reply *reply, const char *const names[3], const int16_t numbers[3])
{
    reply_map(reply, 3);
    for (int i = 0; i < 3; i++) {
        reply_bulk_text(reply, names[i]);
        reply_integer(reply, numbers[i]);
    }
}

static void reply_find_keys(struct reply *reply, const struct key_spec *spec)
{
    static const char *const range_names[] = {"lastkey", "keystep", "limit"};
    static const char *const number_names[] = {"keynumidx", "firstkey", "keystep"};
    int16_t step = spec->step > 0 ? spec->step : 1;
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, spec_is_unknown(spec) ? "unknown" : spec->count_at > 0 ? "keynum" : "range");
    reply_bulk_text(reply, "spec");
    if (spec_is_unknown(spec))
        reply_map(reply, 0);
    else if (spec->count_at > 0)
        reply_three_numbers(reply, number_names, (int16_t[]){(int16_t)(spec->count_at - 1), spec->keys_at, step});
    else
        reply_three_numbers(reply, range_names, (int16_t[]){spec->last, step, spec->limit});
}

size_t command_spec_count(const struct command *row)
{
    size_t count = 0;
    while (count < KEY_SPECS_MAX && row->keys[count].flags != 0)
        count++;
    return count;
}

static void reply_key_specs(struct reply *reply, const struct command *row)
{
    size_t count = command_spec_count(row);
    reply_set(reply, count);
    for (const struct key_spec *spec = row->keys; spec < row->keys + count; spec++) {
        reply_map(reply, spec->notes != NULL ? 4 : 3);
        if (spec->notes != NULL) {
            reply_bulk_text(reply, "notes");
            reply_bulk_text(reply, spec->notes);
        }
        reply_bulk_text(reply, "flags");
        reply_flag_names(reply, spec->flags, key_flag_names, "");
        reply_bulk_text(reply, "begin_search");
        reply_begin_search(reply, spec);
        reply_bulk_text(reply, "find_keys");
        reply_find_keys(reply, spec);
    }
}

size_t command_subcommand_count(const struct command_entry *entry)
{
    size_t count = 0;
    while (entry->subcommands != NULL && entry->subcommands[count] != NULL)
        count++;
    return count;
}

void reply_command_info(struct reply *reply, const struct command_entry *entry)
{
    if (entry == NULL) {
        reply_null(reply);
        return;
    }
    reply_array(reply, 10);
    reply_bulk_text(reply, entry->full_name);
    reply_integer(reply, entry->arity);
    reply_flag_names(reply, entry->flags, command_flag_names, "");
    reply_integer(reply, entry->first_key);
    reply_integer(reply, entry->last_key);
    reply_integer(reply, entry->key_step);
    reply_flag_names(reply, entry->categories, acl_category_names, "@");
    reply_command_tips(reply, entry);
    reply_key_specs(reply, entry->row);
    size_t count = command_subcommand_count(entry);
    if (count == 0)
        reply_set(reply, 0);
    else
        reply_array(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_command_info(reply, entry->subcommands[i]);
}
