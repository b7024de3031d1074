/* SPDX-License-Identifier: BSD-3-Clause */
/* BITFIELD reads all its operations before it does the first; they then run one after the other, each on what the one before
 * left. The string grows once, before them. Replies are written when nothing can fail any more. */
#include "command/bitfield.h"

#include "base/memory.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/string_piece.h"
#include "object/bitmap.h"

#define ERROR_OFFSET "ERR bit offset is not an integer or out of range"

bool arg_bit_offset(struct execution *x, struct bytes word, uint8_t bits, uint64_t *offset)
{
    bool in_fields = bits > 0 && word.length > 0 && word.data[0] == '#';
    int64_t value;
    if (in_fields)
        word = bytes_of(word.data + 1, word.length - 1);
    if (bytes_to_int64(word, &value) && value >= 0 &&
        !(in_fields && __builtin_mul_overflow(value, (int64_t)bits, &value)) && value / 8 < x->engine->bulk_bytes_max) {
        *offset = (uint64_t)value;
        return true;
    }
    reply_error(x->reply, ERROR_OFFSET);
    return false;
}

enum field_action { FIELD_GET, FIELD_SET, FIELD_INCREMENT };

struct field_operation {
    enum field_action action;
    enum bitfield_overflow overflow;
    struct bitfield field;
    int64_t argument;
    bool failed; /* overflow, or memory is out */
    uint64_t result;
};

struct field_plan {
    struct field_operation *operations;
    size_t count;
    bool writes;
    size_t length_min; /* of the string after the writes */
};

static bool arg_overflow(struct execution *x, struct bytes word, enum bitfield_overflow *overflow)
{
    if (arg_is(word, "WRAP"))
        *overflow = BITFIELD_WRAP;
    else if (arg_is(word, "SAT"))
        *overflow = BITFIELD_SATURATE;
    else if (arg_is(word, "FAIL"))
        *overflow = BITFIELD_FAIL;
    else {
        reply_error(x->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

static bool arg_field_type(struct execution *x, struct bytes word, struct bitfield *field)
{
    int64_t bits;
    field->is_signed = word.length > 0 && word.data[0] == 'i';
    if (word.length > 1 && (field->is_signed || word.data[0] == 'u') &&
        bytes_to_int64(bytes_of(word.data + 1, word.length - 1), &bits) && bits >= 1 &&
        bits <= (field->is_signed ? 64 : 63)) {
        field->bits = (uint8_t)bits;
        return true;
    }
    reply_error(x->reply,
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 "
                "is.");
    return false;
}

static bool action_of_word(struct bytes word, size_t words_left, enum field_action *action)
{
    static const char *const names[] = {"GET", "SET", "INCRBY"};
    for (int i = FIELD_GET; i <= FIELD_INCREMENT; i++) {
        if (!arg_is(word, names[i]) || words_left < (i == FIELD_GET ? 2u : 3u))
            continue;
        *action = (enum field_action)i;
        return true;
    }
    return false;
}

static void plan_write(struct field_plan *plan, const struct bitfield *field)
{
    size_t end = bitfield_end_byte(field);
    plan->writes = true;
    if (end > plan->length_min)
        plan->length_min = end;
}

/* Reads one operation at argv[*i] and moves *i to its last word. */
static bool plan_operation(struct execution *x, struct field_plan *plan, size_t *i, enum bitfield_overflow overflow)
{
    struct field_operation *operation = &plan->operations[plan->count];
    *operation = (struct field_operation){.overflow = overflow};
    if (!action_of_word(x->argv[*i], x->argc - *i - 1, &operation->action)) {
        reply_syntax_error(x);
        return false;
    }
    if (!arg_field_type(x, x->argv[*i + 1], &operation->field) ||
        !arg_bit_offset(x, x->argv[*i + 2], operation->field.bits, &operation->field.offset))
        return false;
    bool writes = operation->action != FIELD_GET;
    if (writes && !arg_int64(x, x->argv[*i + 3], &operation->argument))
        return false;
    if (writes)
        plan_write(plan, &operation->field);
    *i += writes ? 3 : 2;
    plan->count++;
    return true;
}

static bool plan_parse(struct execution *x, struct field_plan *plan)
{
    enum bitfield_overflow overflow = BITFIELD_WRAP;
    for (size_t i = 2; i < x->argc; i++) {
        if (arg_is(x->argv[i], "OVERFLOW") && i + 1 < x->argc) {
            if (!arg_overflow(x, x->argv[++i], &overflow))
                return false;
        } else if (!plan_operation(x, plan, &i, overflow)) {
            return false;
        }
    }
    /* A field that is written must end within what a string may hold. */
    if (plan->length_min <= (uint64_t)x->engine->bulk_bytes_max)
        return true;
    reply_error(x->reply, ERROR_OFFSET);
    return false;
}

/* Computes an operation's result and its field's bytes. True if they are to be written. */
static bool field_run(struct field_operation *operation, struct bytes bytes, uint8_t window[BITFIELD_BYTES_MAX])
{
    uint64_t new;
    bool increments = operation->action == FIELD_INCREMENT;
    bitfield_load(&operation->field, bytes, window);
    operation->result = bitfield_get(&operation->field, window);
    if (operation->action == FIELD_GET)
        return false;
    uint64_t base = increments ? operation->result : (uint64_t)operation->argument;
    if (!bitfield_add(&operation->field, base, increments ? operation->argument : 0, operation->overflow, &new)) {
        operation->failed = true;
        return false;
    }
    if (increments)
        operation->result = new;
    bitfield_set(&operation->field, window, new);
    return true;
}

/* Gives the string the length that the writes need, and the form that is changed in place. NULL (an error is replied) when
 * memory is out. */
static struct entry *plan_prepare(struct execution *x, const struct field_plan *plan, struct entry *entry)
{
    struct string_view view;
    string_view_of(entry, &view);
    if (view.bytes.length >= plan->length_min && string_make_raw(entry))
        return entry;
    size_t last = plan->length_min - 1;
    char byte = last < view.bytes.length ? view.bytes.data[last] : 0;
    return string_write_piece(x, x->keys, entry, last, bytes_of(&byte, 1));
}

/* Runs all operations. False (an error is replied) when memory is out. */
static bool plan_run(struct execution *x, struct field_plan *plan, struct entry *entry)
{
    uint8_t window[BITFIELD_BYTES_MAX];
    bool changed = plan->writes && string_entry_length(entry) < plan->length_min;
    if (plan->writes && !(entry = plan_prepare(x, plan, entry)))
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        struct field_operation *operation = &plan->operations[i];
        struct string_view view;
        string_view_of(entry, &view);
        if (!field_run(operation, view.bytes, window))
            continue;
        size_t first = bitfield_first_byte(&operation->field), end = bitfield_end_byte(&operation->field);
        if (memcmp(view.bytes.data + first, window, end - first) == 0)
            continue;
        changed = true;
        entry = string_write_piece(x, x->keys, entry, first, bytes_of(window, end - first));
        if (!entry)
            return false;
    }
    if (changed)
        notify(x, NOTIFY_STRING, "setbit", x->keys);
    return true;
}

static void plan_reply(struct execution *x, const struct field_plan *plan)
{
    reply_array(x->reply, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->operations[i].failed)
            reply_null(x->reply);
        else
            reply_integer(x->reply, (int64_t)plan->operations[i].result);
    }
}

static void plan_execute(struct execution *x, struct field_plan *plan)
{
    struct entry *entry = plan->writes ? lookup_write(x, x->keys) : lookup_read(x, x->keys);
    if (require_type(x, entry, OBJECT_STRING) && plan_run(x, plan, entry))
        plan_reply(x, plan);
}

static void bitfield(struct execution *x, bool reads_only)
{
    struct field_plan plan = {0};
    plan.operations = memory_allocate(x->argc * sizeof(*plan.operations));
    if (plan_parse(x, &plan)) {
        if (plan.writes && reads_only)
            reply_error(x->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        else
            plan_execute(x, &plan);
    }
    memory_free(plan.operations);
}

void bitfield_command(struct execution *x)
{
    bitfield(x, false);
}

void bitfield_ro_command(struct execution *x)
{
    bitfield(x, true);
}

uint16_t bitfield_call_flags(const struct bytes *argv, size_t argc)
{
    for (size_t i = 2; i < argc; i++)
        if (arg_is(argv[i], "SET") || arg_is(argv[i], "INCRBY"))
            return KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return KEY_RO | KEY_ACCESS;
}
