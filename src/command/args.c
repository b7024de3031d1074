/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/args.h"

#include "resp/error_text.h"

bool arg_int64(struct execution *x, struct bytes word, int64_t *value)
{
    if (bytes_to_int64(word, value))
        return true;
    reply_error(x->reply, "ERR value is not an integer or out of range");
    return false;
}

bool arg_int64_in(struct execution *x, struct bytes word, int64_t minimum, int64_t maximum, const char *error,
                  int64_t *value)
{
    if (bytes_to_int64(word, value) && *value >= minimum && *value <= maximum)
        return true;
    reply_error(x->reply, error ? error : "ERR value is out of range");
    return false;
}

bool arg_double(struct execution *x, struct bytes word, double *value)
{
    if (bytes_to_double(word, value))
        return true;
    reply_error(x->reply, "ERR value is not a valid float");
    return false;
}

bool arg_long_double(struct execution *x, struct bytes word, long double *value)
{
    if (bytes_to_long_double(word, value))
        return true;
    reply_error(x->reply, "ERR value is not a valid float");
    return false;
}

void reply_syntax_error(struct execution *x)
{
    reply_error(x->reply, "ERR syntax error");
}

void reply_arity_error(struct execution *x)
{
    const char *name = x->command->full_name;
    bool aborts = strcmp(name, "exec") == 0;
    reply_error_format(x->reply, "%s wrong number of arguments for '%s' command",
                       aborts ? "EXECABORT Transaction discarded because of:" : "ERR", name);
}

void reply_subcommand_error(struct execution *x)
{
    struct bytes word = x->argc > 1 ? x->argv[1] : BYTES("");
    int shown = word.length > 128 ? 128 : (int)word.length;
    reply_error_format(x->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", shown, word.data,
                       x->command->row->name);
}

void reply_usage_error(struct execution *x)
{
    reply_error_format(x->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                       (int)x->argv[1].length, x->argv[1].data, x->command->parent->row->name);
}

void reply_help(struct execution *x, const char *const *lines)
{
    size_t count = 0;
    while (lines[count])
        count++;
    reply_array(x->reply, count + 3);
    struct buffer head = {0};
    buffer_append_text(&head, x->command->parent ? x->command->parent->row->name : x->command->row->name);
    buffer_append_text(&head, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply_status_bytes(x->reply, buffer_bytes(&head));
    buffer_deinit(&head);
    for (size_t i = 0; i < count; i++)
        reply_status(x->reply, lines[i]);
    reply_status(x->reply, "HELP");
    reply_status(x->reply, "    Print this help.");
}

bool arg_on_off(struct execution *x, struct bytes word, bool *on)
{
    *on = arg_is(word, "ON");
    if (*on || arg_is(word, "OFF"))
        return true;
    reply_syntax_error(x);
    return false;
}

bool arg_expire(struct execution *x, struct bytes word, bool in_seconds, bool relative, bool positive,
                int64_t *expire_at_ms)
{
    int64_t value;
    if (!arg_int64(x, word, &value))
        return false;
    bool fits = !(positive && value <= 0);
    if (fits && in_seconds)
        fits = !__builtin_mul_overflow(value, INT64_C(1000), &value);
    if (fits && relative)
        fits = !__builtin_add_overflow(value, x->now_ms, &value);
    if (!fits) {
        reply_error_format(x->reply, "ERR invalid expire time in '%s' command", x->command->full_name);
        return false;
    }
    *expire_at_ms = value;
    return true;
}

/* The words belong to the request or to the transaction's queue, and nobody reads them after the handler but the log. */
void arg_redact(struct execution *x, size_t index)
{
    ((struct bytes *)x->argv)[index] = BYTES("(redacted)");
}
