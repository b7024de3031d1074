/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/string_options.h"

#include "command/args.h"
#include "keyspace/entry.h"

enum set_ttl set_ttl_of(struct bytes word, const char *allowed)
{
    static const char *const names[] = {NULL, "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST"};
    for (int ttl = TTL_EX; ttl <= TTL_PERSIST; ttl++)
        if (arg_is(word, names[ttl]) && (ttl != TTL_KEEP || strchr(allowed, 'k')) &&
            (ttl != TTL_PERSIST || strchr(allowed, 'p')))
            return (enum set_ttl)ttl;
    return TTL_NONE;
}

static enum set_condition condition_of_word(struct bytes word, const char *allowed)
{
    if (strchr(allowed, 'c') && (arg_is(word, "NX") || arg_is(word, "XX")))
        return arg_is(word, "NX") ? SET_IF_ABSENT : SET_IF_PRESENT;
    return strchr(allowed, 'e') && arg_is(word, "IFEQ") ? SET_IF_EQUAL : SET_ALWAYS;
}

bool string_options_parse(struct execution *x, size_t first, const char *allowed, struct string_options *options)
{
    *options = (struct string_options){.expire_at_ms = ENTRY_NO_EXPIRE};
    for (size_t i = first; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        enum set_ttl ttl = set_ttl_of(word, allowed);
        enum set_condition condition = condition_of_word(word, allowed);
        bool has_value = (ttl != TTL_NONE && ttl <= TTL_PXAT) || condition == SET_IF_EQUAL;
        bool fits = !has_value || i + 1 < x->argc;
        if (ttl != TTL_NONE && fits && (options->ttl == TTL_NONE || options->ttl == ttl)) {
            options->ttl = ttl;
            if (has_value)
                options->expire = x->argv[++i];
        } else if (condition != SET_ALWAYS && fits &&
                   (options->condition == SET_ALWAYS || options->condition == condition)) {
            options->condition = condition;
            if (has_value)
                options->comparison = x->argv[++i];
        } else if (strchr(allowed, 'g') && arg_is(word, "GET")) {
            options->get = true;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

bool string_options_parse_expire(struct execution *x, struct string_options *options)
{
    bool in_seconds = options->ttl == TTL_EX || options->ttl == TTL_EXAT;
    bool relative = options->ttl == TTL_EX || options->ttl == TTL_PX;
    return !set_has_expire(options) ||
           arg_expire(x, options->expire, in_seconds, relative, true, &options->expire_at_ms);
}
