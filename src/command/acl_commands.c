/* SPDX-License-Identifier: BSD-3-Clause */
/* ACL as far as there are users: one, default, who may do everything. */
#include "base/random.h"
#include "command/args.h"
#include "command/server_commands.h"

#define PASSWORD_BITS_DEFAULT 256
#define PASSWORD_BITS_MAX 4096

static void acl_whoami_command(struct execution *x)
{
    reply_bulk_text(x->reply, "default");
}

static void acl_users_command(struct execution *x)
{
    reply_array(x->reply, 1);
    reply_bulk_text(x->reply, "default");
}

/* ---- CAT ---- */

static void reply_category(struct execution *x, uint64_t category)
{
    size_t count = 0, handle = reply_deferred_begin(x->reply);
    for (uint32_t id = 0; id < command_count(); id++) {
        if (!(command_by_id(id)->categories & category))
            continue;
        reply_bulk_text(x->reply, command_by_id(id)->full_name);
        count++;
    }
    reply_deferred_array(x->reply, handle, count);
}

static void reply_categories(struct execution *x)
{
    size_t count = 0;
    while (acl_category_names[count])
        count++;
    reply_array(x->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(x->reply, acl_category_names[i]);
}

static void acl_cat_command(struct execution *x)
{
    if (x->argc > 3) {
        reply_usage(x);
        return;
    }
    if (x->argc == 2) {
        reply_categories(x);
        return;
    }
    for (unsigned i = 0; acl_category_names[i]; i++)
        if (bytes_equal_text(x->argv[2], acl_category_names[i])) {
            reply_category(x, UINT64_C(1) << i);
            return;
        }
    int shown = reply_quoted(x->argv[2]);
    reply_error_format(x->reply, "ERR Unknown category '%.*s'", shown, x->argv[2].data);
}

/* ---- GENPASS, HELP ---- */

static void acl_genpass_command(struct execution *x)
{
    int64_t bits = PASSWORD_BITS_DEFAULT;
    char password[PASSWORD_BITS_MAX / 4 + 1];
    if (x->argc > 3) {
        reply_usage(x);
        return;
    }
    if (x->argc == 3 && !arg_int64(x, x->argv[2], &bits))
        return;
    if (bits < 1 || bits > PASSWORD_BITS_MAX) {
        reply_error(x->reply, "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
                              "number up to 4096");
        return;
    }
    size_t digits = (size_t)(bits + 3) / 4;
    random_hex(password, digits);
    reply_bulk(x->reply, bytes_of(password, digits));
}

static void acl_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
        NULL,
    };
    reply_help(x, lines);
}

#define ACL_ROW(word, handler, words)                                                                                  \
    .name = (word), .run = (handler), .arity = (words), .group = "server", .since = "6.0.0"
#define ACL_FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)

const struct command acl_subcommands[] = {
    {
        ACL_ROW("CAT", acl_cat_command, -2),
        .flags = ACL_FLAGS,
        .complexity = "O(1) since the categories and commands are a fixed set.",
        .summary = "Returns the categories of commands, or the commands of one.",
        .arguments = ARGUMENTS({.name = "category", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL}),
    },
    {
        ACL_ROW("GENPASS", acl_genpass_command, -2),
        .flags = ACL_FLAGS,
        .complexity = "O(1)",
        .summary = "Makes a random password.",
        .arguments = ARGUMENTS({.name = "bits", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL}),
    },
    {
        ACL_ROW("HELP", acl_help_command, 2),
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        ACL_ROW("USERS", acl_users_command, 2),
        .flags = ACL_FLAGS | COMMAND_ADMIN,
        .complexity = "O(N). Where N is the number of configured users.",
        .summary = "Returns the names of all users.",
    },
    {
        ACL_ROW("WHOAMI", acl_whoami_command, 2),
        .flags = ACL_FLAGS,
        .complexity = "O(1)",
        .summary = "Returns the name of the user that the connection is authenticated as.",
    },
    {.name = NULL},
};
