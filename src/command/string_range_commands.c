/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of strings, and how long they are; string_piece.c makes the changes. */
#include "command/string_commands.h"

#include "command/args.h"
#include "command/lcs.h"
#include "command/string_piece.h"

static void strlen_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = string_lookup_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    struct object value;
    if (entry)
        value = entry_object(entry);
    reply_integer(x->reply, entry ? (int64_t)string_object_length(&value) : 0);
}

static void getrange_command(struct execution *x)
{
    int64_t start, end;
    bool wrong_type;
    if (!arg_int64(x, x->argv[2], &start) || !arg_int64(x, x->argv[3], &end))
        return;
    struct entry *entry = string_lookup_read(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    char digits[BYTES_INTEGER_MAX];
    struct object value;
    struct bytes bytes = {"", 0};
    if (entry) {
        value = entry_object(entry);
        bytes = string_object_bytes(&value, digits);
    }
    int64_t length = (int64_t)bytes.length;
    if (start < 0 && end < 0 && start > end)
        length = 0;
    if (start < 0)
        start = start + length < 0 ? 0 : start + length;
    if (end < 0)
        end = end + length < 0 ? 0 : end + length;
    if (end >= length)
        end = length - 1;
    if (length == 0 || start > end) {
        reply_bulk(x->reply, BYTES(""));
        return;
    }
    struct bytes part = bytes_of(bytes.data + start, (size_t)(end - start + 1));
    if (value.encoding == ENCODING_BLOCK && part.length >= REPLY_REFERENCE_MIN)
        reply_bulk_reference(x->reply, part, block_release, block_acquire(value.block));
    else
        reply_bulk(x->reply, part);
}

static void append_command(struct execution *x)
{
    bool wrong_type;
    struct entry *entry = string_lookup_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    size_t length = string_entry_length(entry);
    struct bytes suffix = x->argv[2];
    if (!string_length_allowed(x, (uint64_t)length + suffix.length))
        return;
    /* A new key is stored as SET would: integer or embstr where it is one. */
    bool stored = entry ? string_write_piece(x, x->keys, entry, length, suffix) != NULL
                        : string_store(x, x->keys, NULL, suffix, ENTRY_NO_EXPIRE);
    if (!stored)
        return;
    notify(x, NOTIFY_STRING, "append", x->keys);
    reply_integer(x->reply, (int64_t)(length + suffix.length));
}

static void setrange_command(struct execution *x)
{
    int64_t offset;
    bool wrong_type;
    if (!arg_int64(x, x->argv[2], &offset))
        return;
    if (offset < 0) {
        reply_error(x->reply, "ERR offset is out of range");
        return;
    }
    struct entry *entry = string_lookup_write(x, x->keys, &wrong_type);
    if (wrong_type)
        return;
    struct bytes piece = x->argv[3];
    size_t length = string_entry_length(entry);
    if (piece.length > 0) {
        if (!string_length_allowed(x, (uint64_t)offset + piece.length) ||
            !string_write_piece(x, x->keys, entry, (size_t)offset, piece))
            return;
        notify(x, NOTIFY_STRING, "setrange", x->keys);
        if ((size_t)offset + piece.length > length)
            length = (size_t)offset + piece.length;
    }
    reply_integer(x->reply, (int64_t)length);
}

/* ---- the table ---- */

const struct command string_range_commands[] = {
    {
        .name = "APPEND",
        .run = append_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "string",
        .since = "2.0.0",
        .complexity = "O(1) amortized, as the room of a growing string doubles",
        .summary = "Adds text to the end of a string; creates the key if it is missing.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("value")),
    },
    {
        .name = "GETRANGE",
        .run = getrange_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "2.4.0",
        .complexity = "O(N), when N is the length of the part returned",
        .summary = "Returns a part of the string at a key.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("end")),
    },
    {
        .name = "LCS",
        .run = lcs_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_RANGE(1, 1, 1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "7.0.0",
        .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        .summary = "Finds the longest common subsequence of two strings.",
        .arguments = ARGUMENTS(
            ARG_KEY("key1"), ARG_KEY("key2"), ARG_FLAG("len", "LEN"), ARG_FLAG("idx", "IDX"),
            {.name = "min-match-len", .type = ARGUMENT_INTEGER, .token = "MINMATCHLEN", .flags = ARGUMENT_OPTIONAL},
            ARG_FLAG("withmatchlen", "WITHMATCHLEN")),
    },
    {
        .name = "SETRANGE",
        .run = setrange_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "string",
        .since = "2.2.0",
        .complexity = "O(M), with M the length of the value, when the string must grow or is shared; else O(1)",
        .summary = "Overwrites a part of a string from an offset on; fills with zeros up to it.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("offset"), ARG_STRING("value")),
    },
    {
        .name = "STRLEN",
        .run = strlen_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "string",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Returns the length of a string.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "SUBSTR",
        .run = getrange_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "string",
        .since = "1.0.0",
        .complexity = "O(N), when N is the length of the part returned",
        .summary = "Returns a part of the string at a key.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("end")),
        .deprecated_since = "2.0.0",
        .replaced_by = "`GETRANGE`",
    },
    {.name = NULL},
};
