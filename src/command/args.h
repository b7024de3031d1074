/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Reads arguments; on failure the fitting error has been replied and false is returned. */
bool arg_int64(struct execution *x, struct bytes word, int64_t *value);
bool arg_int64_in(struct execution *x, struct bytes word, int64_t minimum, int64_t maximum, const char *error,
                  int64_t *value);
bool arg_double(struct execution *x, struct bytes word, double *value);
bool arg_long_double(struct execution *x, struct bytes word, long double *value);

static inline bool arg_is(struct bytes word, const char *token)
{
    return bytes_equal_text(word, token);
}

/* ON or OFF. */
bool arg_on_off(struct execution *x, struct bytes word, bool *on);

/* "syntax error". */
void reply_syntax_error(struct execution *x);
/* "unknown subcommand or wrong number of arguments for 'x'. Try OBJECT HELP." */
void reply_subcommand_error(struct execution *x);
/* The same from a subcommand whose arity fits and whose arguments do not. */
void reply_usage_error(struct execution *x);
/* HELP of a container: an array of status lines, framed as Redis frames them. */
void reply_help(struct execution *x, const char *const *lines);

/* An expiry given in unit seconds or milliseconds, relative or absolute, made absolute; replies "invalid expire time in
 * 'set' command" on overflow, and with 'positive' on values <= 0 too. */
bool arg_expire(struct execution *x, struct bytes word, bool in_seconds, bool relative, bool positive,
                int64_t *expire_at_ms);

/* Hides a password from the slow log: the argument's word is replaced once the handler has read it. */
void arg_redact(struct execution *x, size_t index);
