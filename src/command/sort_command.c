/* SPDX-License-Identifier: BSD-3-Clause */
/* SORT and SORT_RO: the options, and what they come to for a key that holds nothing that could be sorted. A key that is
 * missing is an empty collection, which STORE keeps as Redis keeps all empty collections: by deleting the destination. */
#include "command/key_commands.h"

#include "command/args.h"
#include "command/effects.h"
#include "resp/error_text.h"

/* How many words follow the option's; 0 if it is none that takes any. */
static size_t sort_option_words(struct bytes word, bool readonly)
{
    if (arg_is(word, "LIMIT"))
        return 2;
    return arg_is(word, "BY") || arg_is(word, "GET") || (!readonly && arg_is(word, "STORE"));
}

bool sort_more_keys(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                    void *context)
{
    size_t destination = 0;
    for (size_t i = 2; i < argc; i++) {
        size_t words = sort_option_words(argv[i], false);
        if (arg_is(argv[i], "STORE") && i + 1 < argc)
            destination = i + 1;
        i += words;
    }
    if (destination > 0)
        add(context, destination, KEY_OW | KEY_UPDATE);
    return true;
}

static bool is_sort_flag(struct bytes word)
{
    return arg_is(word, "ASC") || arg_is(word, "DESC") || arg_is(word, "ALPHA");
}

/* Replies and returns false if the options are not well-formed. */
static bool sort_parse(struct execution *x, bool readonly, bool *stores)
{
    *stores = false;
    for (size_t i = 2; i < x->argc; i++) {
        struct bytes option = x->argv[i];
        size_t words = sort_option_words(option, readonly);
        int64_t first, count;
        if ((words == 0 && !is_sort_flag(option)) || i + words >= x->argc) {
            reply_syntax_error(x);
            return false;
        }
        if (words == 2 && (!arg_int64(x, x->argv[i + 1], &first) || !arg_int64(x, x->argv[i + 2], &count)))
            return false;
        *stores |= arg_is(option, "STORE");
        i += words;
    }
    return true;
}

static void sort_generic(struct execution *x, bool readonly)
{
    bool stores;
    if (!sort_parse(x, readonly, &stores))
        return;
    if (lookup_read(x, &x->keys[0])) {
        reply_error(x->reply, ERROR_WRONG_TYPE);
        return;
    }
    if (!stores) {
        reply_array(x->reply, 0);
        return;
    }
    const struct key *destination = &x->keys[x->key_count - 1];
    struct entry *old = lookup_write(x, destination);
    if (old)
        delete_key(x, destination, old);
    reply_integer(x->reply, 0);
}

void sort_command(struct execution *x)
{
    sort_generic(x, false);
}

void sort_ro_command(struct execution *x)
{
    sort_generic(x, true);
}
