/* SPDX-License-Identifier: BSD-3-Clause */
/* Bits of strings. A bit is written as the byte it stands in, by string_piece.c, so that a large bitmap is neither copied
 * nor logged whole; what changes no bit and no length leaves no trace. Offsets are checked before they are multiplied. */
#include "base/memory.h"
#include "command/args.h"
#include "command/bitfield.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/string_piece.h"
#include "object/bitmap.h"
#include "object/string_object.h"

/* Bits that are as much to look at as an element of a collection; bytes of one operand that are as much to combine. */
#define BITS_AN_ELEMENT 8192
#define BYTES_AN_ELEMENT 128

/* ---- single bits ---- */

static void getbit_command(struct execution *x)
{
    uint64_t offset;
    if (!arg_bit_offset(x, x->argv[2], 0, &offset))
        return;
    struct entry *entry = lookup_read(x, x->keys);
    if (!require_type(x, entry, OBJECT_STRING))
        return;
    struct string_view view;
    string_view_of(entry, &view);
    bool inside = offset / 8 < view.bytes.length;
    reply_integer(x->reply, inside && bitmap_count(view.bytes, offset, offset) > 0);
}

static void setbit_command(struct execution *x)
{
    uint64_t offset;
    int64_t bit;
    if (!arg_bit_offset(x, x->argv[2], 0, &offset) ||
        !arg_int64_in(x, x->argv[3], 0, 1, "ERR bit is not an integer or out of range", &bit))
        return;
    struct entry *entry = lookup_write(x, x->keys);
    if (!require_type(x, entry, OBJECT_STRING))
        return;
    struct string_view view;
    string_view_of(entry, &view);
    bool inside = offset / 8 < view.bytes.length;
    uint8_t mask = (uint8_t)(0x80 >> (offset % 8)), old = inside ? (uint8_t)view.bytes.data[offset / 8] : 0;
    uint8_t new = bit ? old | mask : old &(uint8_t)~mask;
    if (!inside || new != old || !string_make_raw(entry)) {
        if (!string_write_piece(x, x->keys, entry, (size_t)(offset / 8), bytes_of(&new, 1)))
            return;
        notify(x, NOTIFY_STRING, "setbit", x->keys);
    }
    reply_integer(x->reply, (old & mask) != 0);
}

/* ---- ranges ---- */

/* A range as the client gave it, and as it is: bits, both ends included. */
struct range {
    int64_t start, end;
    bool in_bits;
    bool is_empty;
    uint64_t first, last;
};

static bool arg_unit(struct execution *x, struct bytes word, bool *in_bits)
{
    *in_bits = arg_is(word, "BIT");
    if (*in_bits || arg_is(word, "BYTE"))
        return true;
    reply_syntax_error(x);
    return false;
}

/* Counts negative ends from the string's end and cuts the range to the string. */
static void range_settle(struct range *range, size_t length)
{
    int64_t total = (int64_t)length * (range->in_bits ? 8 : 1);
    int64_t start = range->start < 0 ? range->start + total : range->start;
    int64_t end = range->end < 0 ? range->end + total : range->end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end >= total ? total - 1 : end;
    range->is_empty = total == 0 || start > end;
    range->first = (uint64_t)start * (range->in_bits ? 1 : 8);
    range->last = range->in_bits ? (uint64_t)end : (uint64_t)end * 8 + 7;
}

static void let_go_for(struct execution *x, const struct range *range)
{
    execution_let_go(x, range->is_empty ? 0 : (range->last - range->first) / BITS_AN_ELEMENT);
}

static void bitcount_command(struct execution *x)
{
    struct entry *entry = lookup_read(x, x->keys);
    if (!require_type(x, entry, OBJECT_STRING))
        return;
    struct range range = {.start = 0, .end = -1};
    struct string_view view;
    string_view_of(entry, &view);
    if (!entry) {
        reply_integer(x->reply, 0);
        return;
    }
    if (x->argc == 3 || x->argc > 5) {
        reply_syntax_error(x);
        return;
    }
    if (x->argc > 3 && (!arg_int64(x, x->argv[2], &range.start) || !arg_int64(x, x->argv[3], &range.end)))
        return;
    bool is_reversed = range.start < 0 && range.end < 0 && range.start > range.end;
    if (!is_reversed && x->argc == 5 && !arg_unit(x, x->argv[4], &range.in_bits))
        return;
    range_settle(&range, view.bytes.length);
    bool is_empty = is_reversed || range.is_empty;
    let_go_for(x, &range);
    reply_integer(x->reply, is_empty ? 0 : (int64_t)bitmap_count(view.bytes, range.first, range.last));
}

static bool bitpos_parse(struct execution *x, struct range *range)
{
    *range = (struct range){.start = 0, .end = -1};
    if (x->argc > 6) {
        reply_syntax_error(x);
        return false;
    }
    return (x->argc < 4 || arg_int64(x, x->argv[3], &range->start)) &&
           (x->argc < 6 || arg_unit(x, x->argv[5], &range->in_bits)) &&
           (x->argc < 5 || arg_int64(x, x->argv[4], &range->end));
}

static void bitpos_command(struct execution *x)
{
    int64_t bit;
    struct range range;
    struct string_view view;
    if (!arg_int64(x, x->argv[2], &bit))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(x->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    struct entry *entry = lookup_read(x, x->keys);
    if (!require_type(x, entry, OBJECT_STRING))
        return;
    string_view_of(entry, &view);
    if (!entry) {
        reply_integer(x->reply, bit ? -1 : 0);
        return;
    }
    if (!bitpos_parse(x, &range))
        return;
    range_settle(&range, view.bytes.length);
    let_go_for(x, &range);
    int64_t position = range.is_empty ? -1 : bitmap_find(view.bytes, bit, range.first, range.last);
    /* Without an end the string goes on with zeros. */
    if (position < 0 && bit == 0 && !range.is_empty && x->argc < 5)
        position = (int64_t)view.bytes.length * 8;
    reply_integer(x->reply, position);
}

/* ---- BITOP ---- */

static bool arg_operation(struct execution *x, enum bitmap_operation *operation)
{
    static const char *const names[] = {"AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"};
    for (int i = BITMAP_AND; i <= BITMAP_ONE; i++) {
        if (!arg_is(x->argv[1], names[i]))
            continue;
        *operation = (enum bitmap_operation)i;
        bool needs_two = i == BITMAP_DIFF || i == BITMAP_DIFF1 || i == BITMAP_ANDOR;
        if (i == BITMAP_NOT && x->argc != 4)
            reply_error(x->reply, "ERR BITOP NOT must be called with a single source key.");
        else if (needs_two && x->argc < 5)
            reply_error_format(x->reply, "ERR BITOP %s must be called with at least two source keys.", names[i]);
        else
            return true;
        return false;
    }
    reply_syntax_error(x);
    return false;
}

/* Views of the sources, keys[1] on; false if one is no string, and that is replied. */
static bool view_sources(struct execution *x, struct string_view *views, struct bytes *sources, size_t *longest)
{
    *longest = 0;
    for (size_t i = 0; i + 1 < x->key_count; i++) {
        struct entry *entry = lookup_read(x, &x->keys[i + 1]);
        if (!require_type(x, entry, OBJECT_STRING))
            return false;
        string_view_of(entry, &views[i]);
        sources[i] = views[i].bytes;
        if (sources[i].length > *longest)
            *longest = sources[i].length;
    }
    return true;
}

/* Stores the block's bytes, or deletes the key if there are none; takes the block over. */
static void store_result(struct execution *x, struct block *block)
{
    struct entry *old = lookup_write(x, x->keys);
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = block};
    bool is_inline = block->length <= OBJECT_INLINE_MAX;
    if (is_inline) {
        value.encoding = ENCODING_RAW;
        value.bytes = bytes_of(block->data, block->length);
    }
    int64_t length = (int64_t)block->length;
    if (length > 0) {
        store(x, x->keys, old, &value, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_STRING, "set", x->keys);
    } else if (old) {
        delete_key(x, x->keys, old);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
    }
    if (is_inline)
        block_release(block);
    reply_integer(x->reply, length);
}

static void bitop_command(struct execution *x)
{
    enum bitmap_operation operation;
    size_t longest, count = x->key_count - 1;
    if (!arg_operation(x, &operation))
        return;
    struct string_view *views = memory_allocate(count * sizeof(*views));
    struct bytes *sources = memory_allocate(count * sizeof(*sources));
    if (view_sources(x, views, sources, &longest)) {
        execution_let_go(x, longest / BYTES_AN_ELEMENT * count);
        struct block *block = block_create(longest, longest);
        if (block) {
            bitmap_combine(operation, sources, count, block->data, longest);
            execution_hold_again(x);
            store_result(x, block);
        } else {
            reply_error(x->reply, "OOM the value does not fit in memory");
        }
    }
    memory_free(sources);
    memory_free(views);
}

/* ---- the table ---- */

#define ARG_UNIT                                                                                                       \
    {                                                                                                                  \
        .name = "unit", .type = ARGUMENT_ONEOF, .flags = ARGUMENT_OPTIONAL, .since = "7.0.0",                          \
        .children = ARGUMENTS(ARG_TOKEN("byte", "BYTE"), ARG_TOKEN("bit", "BIT"))                                      \
    }
#define ENCODING_AND_OFFSET ARG_STRING("encoding"), ARG_INTEGER("offset")

static const struct command_change unit_history[] = {{"7.0.0", "Added the `BYTE|BIT` option."}, {NULL, NULL}};

const struct command bitmap_commands[] = {
    {
        .name = "BITCOUNT",
        .run = bitcount_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "bitmap",
        .since = "2.6.0",
        .complexity = "O(N), with N the length of the range",
        .summary = "Counts the bits of a string that are set.",
        .history = unit_history,
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "range",
                                       .type = ARGUMENT_BLOCK,
                                       .flags = ARGUMENT_OPTIONAL,
                                       .children = ARGUMENTS(ARG_INTEGER("start"), ARG_INTEGER("end"), ARG_UNIT)}),
    },
    {
        .name = "BITFIELD",
        .run = bitfield_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE,
                  .first = 1,
                  .step = 1,
                  .notes = "This command allows both access and modification of the key"}},
        .group = "bitmap",
        .since = "3.2.0",
        .complexity = "O(1) for each operation",
        .summary = "Reads, sets and increments integers of any width at any bit of a string.",
        .call_flags = bitfield_call_flags,
        .arguments = ARGUMENTS(
            ARG_KEY("key"),
            {.name = "operation",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE,
             .children = ARGUMENTS(
                 {.name = "get-block",
                  .type = ARGUMENT_BLOCK,
                  .token = "GET",
                  .children = ARGUMENTS(ENCODING_AND_OFFSET)},
                 {.name = "write",
                  .type = ARGUMENT_BLOCK,
                  .children = ARGUMENTS(
                      {.name = "overflow-block",
                       .type = ARGUMENT_ONEOF,
                       .token = "OVERFLOW",
                       .flags = ARGUMENT_OPTIONAL,
                       .children =
                           ARGUMENTS(ARG_TOKEN("wrap", "WRAP"), ARG_TOKEN("sat", "SAT"), ARG_TOKEN("fail", "FAIL"))},
                      {.name = "write-operation",
                       .type = ARGUMENT_ONEOF,
                       .children =
                           ARGUMENTS({.name = "set-block",
                                      .type = ARGUMENT_BLOCK,
                                      .token = "SET",
                                      .children = ARGUMENTS(ENCODING_AND_OFFSET, ARG_INTEGER("value"))},
                                     {.name = "incrby-block",
                                      .type = ARGUMENT_BLOCK,
                                      .token = "INCRBY",
                                      .children = ARGUMENTS(ENCODING_AND_OFFSET, ARG_INTEGER("increment"))})})})}),
    },
    {
        .name = "BITFIELD_RO",
        .run = bitfield_ro_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "bitmap",
        .since = "6.0.0",
        .complexity = "O(1) for each operation",
        .summary = "Reads integers of any width at any bit of a string.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "get-block",
                                       .type = ARGUMENT_BLOCK,
                                       .token = "GET",
                                       .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN,
                                       .children = ARGUMENTS(ENCODING_AND_OFFSET)}),
    },
    {
        .name = "BITOP",
        .run = bitop_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(2, KEY_OW | KEY_UPDATE), KEY_RANGE(3, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "bitmap",
        .since = "2.6.0",
        .complexity = "O(N), with N the sum of the lengths",
        .summary = "Combines strings bit by bit and stores the result.",
        .history = HISTORY({"8.2.0", "Added `DIFF`, `DIFF1`, `ANDOR` and `ONE`."}),
        .arguments = ARGUMENTS(
            {.name = "operation",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(ARG_TOKEN("and", "AND"), ARG_TOKEN("or", "OR"), ARG_TOKEN("xor", "XOR"),
                                   ARG_TOKEN("not", "NOT"), ARG_TOKEN("diff", "DIFF"), ARG_TOKEN("diff1", "DIFF1"),
                                   ARG_TOKEN("andor", "ANDOR"), ARG_TOKEN("one", "ONE"))},
            ARG_KEY("destkey"), {.name = "key", .type = ARGUMENT_KEY, .key_spec = 1, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "BITPOS",
        .run = bitpos_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "bitmap",
        .since = "2.8.7",
        .complexity = "O(N), with N the length of the range",
        .summary = "Finds the first bit of a string that is set, or clear.",
        .history = unit_history,
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_INTEGER("bit"),
            {.name = "range",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_INTEGER("start"), {.name = "end-unit-block",
                                                          .type = ARGUMENT_BLOCK,
                                                          .flags = ARGUMENT_OPTIONAL,
                                                          .children = ARGUMENTS(ARG_INTEGER("end"), ARG_UNIT)})}),
    },
    {
        .name = "GETBIT",
        .run = getbit_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "bitmap",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Returns a bit of a string; bits behind its end are clear.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("offset")),
    },
    {
        .name = "SETBIT",
        .run = setbit_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "bitmap",
        .since = "2.2.0",
        .complexity = "O(1), but for a string that must grow",
        .summary = "Sets or clears a bit of a string, and returns what it was.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("offset"), ARG_INTEGER("value")),
    },
    {.name = NULL},
};
