/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client says about its own connection: who it is, which protocol and database it uses, whether it is there. */
#include "command/args.h"
#include "command/client_commands.h"
#include "command/dispatch.h"
#include "resp/error_text.h"

/* Clients and libraries choose features by this number, so it is that of the server whose behaviour we match. */
#define COMPATIBLE_VERSION "7.2.4"

/* Of the shape of a message. */
static void reply_subscriber_pong(struct execution *x)
{
    reply_array(x->reply, 2);
    reply_bulk_text(x->reply, "pong");
    reply_bulk(x->reply, x->argc == 2 ? x->argv[1] : BYTES(""));
}

static void ping_command(struct execution *x)
{
    if (x->argc > 2)
        reply_arity_error(x);
    else if ((x->session->flags & SESSION_SUBSCRIBER) && x->reply->protocol == 2)
        reply_subscriber_pong(x);
    else if (x->argc == 2)
        reply_bulk(x->reply, x->argv[1]);
    else
        reply_status(x->reply, "PONG");
}

static void echo_command(struct execution *x)
{
    reply_bulk(x->reply, x->argv[1]);
}

static void select_command(struct execution *x)
{
    int64_t db;
    if (!arg_int64(x, x->argv[1], &db))
        return;
    if (db < INT32_MIN || db > INT32_MAX) {
        reply_error(x->reply, "ERR value is out of range, value must between -2147483648 and 2147483647");
    } else if (db < 0 || db >= DATABASE_COUNT) {
        reply_error(x->reply, ERROR_DB_RANGE);
    } else {
        x->session->db = (int16_t)db;
        reply_status(x->reply, "OK");
    }
}

static void quit_command(struct execution *x)
{
    reply_status(x->reply, "OK");
    x->session->flags |= SESSION_CLOSING;
    x->session->transport->close_after_send(x->session->connection);
}

static void reset_command(struct execution *x)
{
    session_reset(x->session);
    if (!(x->session->flags & SESSION_AUTHENTICATED))
        x->session->transport->set_trusted(x->session->connection, false);
    reply_status(x->reply, "RESET");
}

/* ---- authentication ---- */

/* Takes a time that depends on the length of what the client sent and on nothing else. */
static bool password_equals(struct bytes given, struct bytes password)
{
    volatile size_t difference = given.length ^ password.length;
    for (size_t i = 0; i < given.length; i++)
        difference |= (size_t)(uint8_t)(given.data[i] ^ (password.length > 0 ? password.data[i % password.length] : 0));
    return difference == 0;
}

/* There is one user, default; while it has no password any will do. Replies the error on failure. */
static bool authenticate(struct execution *x, struct bytes user, struct bytes password)
{
    struct bytes required = bytes_of_text(engine_password(x->engine));
    bool right = required.length == 0 || password_equals(password, required);
    if (!bytes_equal(user, BYTES("default")) || !right) {
        reply_error(x->reply, ERROR_WRONG_PASS);
        return false;
    }
    x->session->flags |= SESSION_AUTHENTICATED;
    x->session->transport->set_trusted(x->session->connection, true);
    return true;
}

static void auth_command(struct execution *x)
{
    if (x->argc > 3) {
        reply_syntax_error(x);
    } else if (x->argc == 2 && engine_password(x->engine)[0] == '\0') {
        reply_error(x->reply,
                    "ERR AUTH <password> called without any password configured for the default user. Are you "
                    "sure your configuration is correct?");
    } else {
        struct bytes user = x->argc == 3 ? x->argv[1] : BYTES("default"), password = x->argv[x->argc - 1];
        arg_redact(x, x->argc - 1);
        if (authenticate(x, user, password))
            reply_status(x->reply, "OK");
    }
}

/* ---- HELLO ---- */

struct hello {
    int64_t protocol; /* 0: as it is */
    bool has_login, has_name;
    struct bytes user, password, name;
};

static bool hello_parse_protocol(struct execution *x, struct hello *hello)
{
    if (x->argc < 2)
        return true;
    if (!bytes_to_int64(x->argv[1], &hello->protocol))
        reply_error(x->reply, ERROR_PROTO_NOT_INTEGER);
    else if (hello->protocol < 2 || hello->protocol > 3)
        reply_error(x->reply, ERROR_NO_PROTO);
    else
        return true;
    return false;
}

static bool hello_parse(struct execution *x, struct hello *hello)
{
    *hello = (struct hello){0};
    if (!hello_parse_protocol(x, hello))
        return false;
    for (size_t i = 2; i < x->argc; i++) {
        size_t left = x->argc - 1 - i;
        if (left >= 2 && arg_is(x->argv[i], "AUTH")) {
            hello->has_login = true;
            hello->user = x->argv[++i];
            hello->password = x->argv[++i];
            arg_redact(x, i);
        } else if (left >= 1 && arg_is(x->argv[i], "SETNAME")) {
            hello->has_name = true;
            hello->name = x->argv[++i];
            if (!client_name_check(x, hello->name))
                return false;
        } else {
            int shown = reply_quoted(x->argv[i]);
            reply_error_format(x->reply, "ERR Syntax error in HELLO option '%.*s'", shown, x->argv[i].data);
            return false;
        }
    }
    return true;
}

static void reply_pair_text(struct reply *reply, const char *name, const char *text)
{
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, text);
}

static void reply_pair_integer(struct reply *reply, const char *name, int64_t value)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, value);
}

static void hello_reply(struct execution *x)
{
    reply_map(x->reply, 7);
    reply_pair_text(x->reply, "server", "redis");
    reply_pair_text(x->reply, "version", COMPATIBLE_VERSION);
    reply_pair_integer(x->reply, "proto", x->session->reply.protocol);
    reply_pair_integer(x->reply, "id", (int64_t)x->session->id);
    reply_pair_text(x->reply, "mode", "standalone");
    reply_pair_text(x->reply, "role", "master");
    reply_bulk_text(x->reply, "modules");
    reply_array(x->reply, 0);
}

static void hello_command(struct execution *x)
{
    struct hello hello;
    if (!hello_parse(x, &hello) || (hello.has_login && !authenticate(x, hello.user, hello.password)))
        return;
    if (!(x->session->flags & SESSION_AUTHENTICATED)) {
        reply_error(
            x->reply,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            "the same time");
        return;
    }
    if (hello.has_name)
        client_name_set(x->session, hello.name);
    if (hello.protocol != 0)
        x->session->reply.protocol = (uint8_t)hello.protocol;
    hello_reply(x);
}

/* ---- the table ---- */

#define FIRST_WORDS_FLAGS                                                                                              \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_NO_AUTH | COMMAND_ALLOW_BUSY)

const struct command connection_commands[] = {
    {
        .name = "PING",
        .run = ping_command,
        .arity = -1,
        .flags = COMMAND_FAST,
        .group = "connection",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Answers PONG, or what it was given: the server is there.",
        .arguments = ARGUMENTS({.name = "message", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "ECHO",
        .run = echo_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
        .group = "connection",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the given text.",
        .arguments = ARGUMENTS(ARG_STRING("message")),
    },
    {
        .name = "HELLO",
        .run = hello_command,
        .arity = -1,
        .flags = FIRST_WORDS_FLAGS,
        .group = "connection",
        .since = "6.0.0",
        .complexity = "O(1)",
        .summary = "Introduces the client and chooses the protocol.",
        .arguments = ARGUMENTS({
            .name = "arguments",
            .type = ARGUMENT_BLOCK,
            .flags = ARGUMENT_OPTIONAL,
            .children = ARGUMENTS(
                ARG_INTEGER("protover"),
                {.name = "auth",
                 .type = ARGUMENT_BLOCK,
                 .token = "AUTH",
                 .flags = ARGUMENT_OPTIONAL,
                 .children = ARGUMENTS(ARG_STRING("username"), ARG_STRING("password"))},
                {.name = "clientname", .type = ARGUMENT_STRING, .token = "SETNAME", .flags = ARGUMENT_OPTIONAL}),
        }),
        .history =
            HISTORY({"6.2.0", "`protover` made optional; when called without arguments the command reports the current "
                              "connection's context."}),
    },
    {
        .name = "AUTH",
        .run = auth_command,
        .arity = -2,
        .flags = FIRST_WORDS_FLAGS,
        .group = "connection",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of passwords defined for the user",
        .summary = "Proves who the client is.",
        .arguments =
            ARGUMENTS({.name = "username", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL, .since = "6.0.0"},
                      ARG_STRING("password")),
        .history = HISTORY({"6.0.0", "Added ACL style (username and password)."}),
    },
    {
        .name = "SELECT",
        .run = select_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
        .group = "connection",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Changes the database that the connection works on.",
        .arguments = ARGUMENTS(ARG_INTEGER("index")),
    },
    {
        .name = "QUIT",
        .run = quit_command,
        .arity = -1,
        .flags = FIRST_WORDS_FLAGS | COMMAND_IMMEDIATE,
        .group = "connection",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Closes the connection.",
        .deprecated_since = "7.2.0",
        .replaced_by = "just closing the connection",
    },
    {
        .name = "RESET",
        .run = reset_command,
        .arity = 1,
        .flags = FIRST_WORDS_FLAGS | COMMAND_IMMEDIATE,
        .group = "connection",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Puts the connection into the state of a new one.",
    },
    {
        .name = "CLIENT",
        .run = client_command,
        .arity = -2,
        .group = "connection",
        .since = "2.4.0",
        .complexity = "Depends on subcommand.",
        .summary = "Contains the commands about connections.",
        .subcommands = client_subcommands,
    },
    {.name = NULL},
};
