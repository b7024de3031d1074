/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT: who the client is, and how it wants to be treated. LIST and KILL, which concern other clients, are in
 * client_others.c; their rows are here with the rest. */
#include "command/client_commands.h"

#include "base/memory.h"
#include "command/args.h"
#include "command/blocked.h"
#include "command/client_line.h"
#include "command/pause.h"
#include "resp/error_text.h"

/* ---- names ---- */

static bool is_printable_word(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    return true;
}

static struct session_names *names_of(struct session *session)
{
    if (session->names == NULL)
        session->names = memory_allocate_zeroed(sizeof(*session->names));
    return session->names;
}

static void text_replace(char **place, struct bytes text)
{
    memory_free(*place);
    *place = NULL;
    if (text.length == 0)
        return;
    *place = memory_allocate(text.length + 1);
    memcpy(*place, text.data, text.length);
    (*place)[text.length] = '\0';
}

bool client_name_check(struct execution *x, struct bytes name)
{
    if (is_printable_word(name))
        return true;
    reply_error(x->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

void client_name_set(struct session *session, struct bytes name)
{
    text_replace(&names_of(session)->name, name);
}

static void client_setname_command(struct execution *x)
{
    if (!client_name_check(x, x->argv[2]))
        return;
    client_name_set(x->session, x->argv[2]);
    reply_status(x->reply, "OK");
}

static void client_getname_command(struct execution *x)
{
    if (x->session->names != NULL && x->session->names->name != NULL)
        reply_bulk_text(x->reply, x->session->names->name);
    else
        reply_null(x->reply);
}

static void client_setinfo_command(struct execution *x)
{
    bool is_name = arg_is(x->argv[2], "LIB-NAME");
    int shown = reply_quoted(x->argv[2]);
    if (!is_name && !arg_is(x->argv[2], "LIB-VER")) {
        reply_error_format(x->reply, "ERR Unrecognized option '%.*s'", shown, x->argv[2].data);
    } else if (!is_printable_word(x->argv[3])) {
        reply_error_format(x->reply, "ERR %.*s cannot contain spaces, newlines or special characters.", shown,
                           x->argv[2].data);
    } else {
        struct session_names *names = names_of(x->session);
        text_replace(is_name ? &names->library_name : &names->library_version, x->argv[3]);
        reply_status(x->reply, "OK");
    }
}

/* ---- INFO, ID ---- */

static void client_id_command(struct execution *x)
{
    reply_integer(x->reply, (int64_t)x->session->id);
}

static void client_info_command(struct execution *x)
{
    struct buffer line = {0};
    client_line_of_session(x->session, x->now_ms, &line);
    reply_verbatim(x->reply, "txt", buffer_bytes(&line));
    buffer_deinit(&line);
}

/* ---- PAUSE ---- */

static bool pause_parse(struct execution *x, int64_t *until_ms, bool *writes_only)
{
    *writes_only = x->argc == 4 && arg_is(x->argv[3], "WRITE");
    int64_t timeout_ms;
    if (x->argc > 4)
        reply_usage_error(x);
    else if (x->argc == 4 && !*writes_only && !arg_is(x->argv[3], "ALL"))
        reply_error(x->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    else if (!bytes_to_int64(x->argv[2], &timeout_ms))
        reply_error(x->reply, ERROR_TIMEOUT_NOT_INTEGER);
    else if (timeout_ms < 0)
        reply_error(x->reply, ERROR_TIMEOUT_NEGATIVE);
    else if (__builtin_add_overflow(timeout_ms, x->now_ms, until_ms))
        reply_error(x->reply, ERROR_TIMEOUT_RANGE);
    else
        return true;
    return false;
}

/* A pause that is still on is neither shortened nor relaxed by another. */
static void client_pause_command(struct execution *x)
{
    int64_t until_ms;
    bool writes_only;
    if (!pause_parse(x, &until_ms, &writes_only))
        return;
    int64_t present_ms = atomic_load_explicit(&x->engine->pause_until_ms, memory_order_relaxed);
    if (present_ms > x->now_ms) {
        writes_only = writes_only && atomic_load_explicit(&x->engine->pause_writes_only, memory_order_relaxed);
        until_ms = until_ms > present_ms ? until_ms : present_ms;
    }
    atomic_store_explicit(&x->engine->pause_writes_only, writes_only, memory_order_relaxed);
    atomic_store_explicit(&x->engine->pause_until_ms, until_ms, memory_order_relaxed);
    reply_status(x->reply, "OK");
}

static void client_unpause_command(struct execution *x)
{
    atomic_store_explicit(&x->engine->pause_until_ms, 0, memory_order_relaxed);
    pause_wake_everybody(x->engine);
    reply_status(x->reply, "OK");
}

/* ---- how a client wants to be treated ---- */

static void switch_flag(struct execution *x, enum session_flags flag)
{
    bool on;
    if (!arg_on_off(x, x->argv[2], &on))
        return;
    if (on)
        x->session->flags |= flag;
    else
        x->session->flags &= ~(uint32_t)flag;
    reply_status(x->reply, "OK");
}

static void client_no_evict_command(struct execution *x)
{
    switch_flag(x, SESSION_NO_EVICT);
}

static void client_no_touch_command(struct execution *x)
{
    switch_flag(x, SESSION_NO_TOUCH);
}

static void client_import_source_command(struct execution *x)
{
    if (__atomic_load_n(&x->engine->import_mode, __ATOMIC_RELAXED))
        switch_flag(x, SESSION_IMPORT_SOURCE);
    else
        reply_error(x->reply, "ERR Server is not in import mode");
}

/* OFF and SKIP have no reply themselves. */
static void client_reply_command(struct execution *x)
{
    uint32_t *flags = &x->session->flags;
    if (arg_is(x->argv[2], "ON")) {
        *flags &= ~(uint32_t)(SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT);
        x->reply->silent = false;
        reply_status(x->reply, "OK");
    } else if (arg_is(x->argv[2], "OFF")) {
        *flags |= SESSION_REPLY_OFF;
    } else if (arg_is(x->argv[2], "SKIP")) {
        if (!(*flags & SESSION_REPLY_OFF))
            *flags |= SESSION_REPLY_SKIP_NEXT;
    } else {
        reply_syntax_error(x);
    }
}

/* Capabilities that we do not know are ignored, so that newer clients may name theirs. */
static void client_capa_command(struct execution *x)
{
    reply_status(x->reply, "OK");
}

static void client_unblock_command(struct execution *x)
{
    int64_t id;
    if (x->argc > 4)
        reply_usage_error(x);
    else if (x->argc == 4 && !arg_is(x->argv[3], "TIMEOUT") && !arg_is(x->argv[3], "ERROR"))
        reply_error(x->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (arg_int64(x, x->argv[2], &id)) {
        bool with_error = x->argc == 4 && arg_is(x->argv[3], "ERROR");
        reply_integer(x->reply,
                      blocked_unblock((uint64_t)id, with_error) || pause_end_wait(x->engine, (uint64_t)id, with_error));
    }
}

/* ---- the container ---- */

void client_command(struct execution *x)
{
    reply_subcommand_error(x);
}

static void client_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
        "CAPA <option> [options...]",
        "    The client claims its capabilities.",
        "GETREDIR",
        "    Return the client ID we are redirecting to when tracking is enabled.",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made from the specified address",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made to specified local address",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Kill connections by type.",
        "    * USER <username>",
        "      Kill connections authenticated by <username>.",
        "    * SKIPME (YES|NO)",
        "      Skip killing current connection (default: yes).",
        "    * ID <client-id>",
        "      Kill connections by client id.",
        "    * MAXAGE <maxage>",
        "      Kill connections older than the specified age.",
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
        "    * ID <client-id> [<client-id> ...]",
        "      Return clients of specified IDs only.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "SETINFO <option> <value>",
        "    Set client meta attr. Options are:",
        "    * LIB-NAME: the client lib name.",
        "    * LIB-VER: the client lib version.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Unblock the specified blocked client.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Control server assisted client side caching.",
        "TRACKINGINFO",
        "    Report tracking status for the current connection.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        "NO-TOUCH (ON|OFF)",
        "    Will not touch LRU/LFU stats when this mode is on.",
        "IMPORT-SOURCE (ON|OFF)",
        "    Mark this connection as an import source: it sees expired keys while import-mode is on.",
        NULL,
    };
    reply_help(x, lines);
}

/* ---- the table ---- */

#define SUBCOMMAND(word, handler, words, version)                                                                      \
    .name = (word), .run = (handler), .arity = (words), .group = "connection", .since = (version),                     \
    .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE
#define ADMIN_SUBCOMMAND(word, handler, words, version)                                                                \
    .name = (word), .run = (handler), .arity = (words), .group = "connection", .since = (version),                     \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE
#define ONE_OF(word, ...)                                                                                              \
    {                                                                                                                  \
        .name = (word), .type = ARGUMENT_ONEOF, .children = ARGUMENTS(__VA_ARGS__)                                     \
    }
#define OPTION(word, kind, its_token)                                                                                  \
    {                                                                                                                  \
        .name = (word), .type = (kind), .token = (its_token), .flags = ARGUMENT_OPTIONAL                               \
    }

const struct command client_subcommands[] = {
    {
        SUBCOMMAND("CACHING", client_caching_command, 3, "6.0.0"),
        .complexity = "O(1)",
        .summary = "Says whether the keys of the next command are tracked.",
        .arguments = ARGUMENTS(ONE_OF("mode", ARG_TOKEN("yes", "YES"), ARG_TOKEN("no", "NO"))),
    },
    {
        SUBCOMMAND("CAPA", client_capa_command, -3, "8.0.0"),
        .complexity = "O(1)",
        .summary = "Tells the server what the client is capable of.",
        .arguments = ARGUMENTS({.name = "capability", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        SUBCOMMAND("GETNAME", client_getname_command, 2, "2.6.9"),
        .complexity = "O(1)",
        .summary = "Returns the name of the connection.",
    },
    {
        SUBCOMMAND("GETREDIR", client_getredir_command, 2, "6.0.0"),
        .complexity = "O(1)",
        .summary = "Returns the client that tracking notifications are redirected to.",
    },
    {
        .name = "HELP",
        .run = client_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "connection",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        SUBCOMMAND("ID", client_id_command, 2, "5.0.0"),
        .complexity = "O(1)",
        .summary = "Returns the unique number of the connection.",
    },
    {
        SUBCOMMAND("INFO", client_info_command, 2, "6.2.0"),
        .complexity = "O(1)",
        .summary = "Describes the connection in one line.",
    },
    {
        ADMIN_SUBCOMMAND("KILL", client_kill_command, -3, "2.4.0"),
        .complexity = "O(N) where N is the number of client connections",
        .summary = "Closes connections.",
        .arguments = ARGUMENTS(
            ONE_OF("filter", ARG_STRING("old-format"),
                   {
                       .name = "new-format",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_MULTIPLE,
                       .children = ARGUMENTS(
                           {.name = "client-id",
                            .type = ARGUMENT_INTEGER,
                            .token = "ID",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "2.8.12"},
                           {.name = "client-type",
                            .type = ARGUMENT_ONEOF,
                            .token = "TYPE",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "2.8.12",
                            .children = ARGUMENTS(
                                ARG_TOKEN("normal", "NORMAL"),
                                {.name = "master", .type = ARGUMENT_PURE_TOKEN, .token = "MASTER", .since = "3.2.0"},
                                ARG_TOKEN("slave", "SLAVE"),
                                {.name = "replica", .type = ARGUMENT_PURE_TOKEN, .token = "REPLICA", .since = "5.0.0"},
                                ARG_TOKEN("pubsub", "PUBSUB"))},
                           OPTION("username", ARGUMENT_STRING, "USER"), OPTION("addr", ARGUMENT_STRING, "ADDR"),
                           {.name = "laddr",
                            .type = ARGUMENT_STRING,
                            .token = "LADDR",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "6.2.0"},
                           {.name = "skipme",
                            .type = ARGUMENT_ONEOF,
                            .token = "SKIPME",
                            .flags = ARGUMENT_OPTIONAL,
                            .children = ARGUMENTS(ARG_TOKEN("yes", "YES"), ARG_TOKEN("no", "NO"))},
                           {.name = "maxage",
                            .type = ARGUMENT_INTEGER,
                            .token = "MAXAGE",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "7.4.0"}),
                   })),
        .history = HISTORY(
            {"2.8.12", "Added new filter format."}, {"2.8.12", "`ID` option."},
            {"3.2.0", "Added `master` type in for `TYPE` option."},
            {"5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."},
            {"6.2.0", "`LADDR` option."}, {"7.4.0", "`MAXAGE` option."}),
    },
    {
        ADMIN_SUBCOMMAND("LIST", client_list_command, -2, "2.4.0"),
        .complexity = "O(N) where N is the number of client connections",
        .summary = "Describes all connections, a line each.",
        .arguments = ARGUMENTS({.name = "client-type",
                                .type = ARGUMENT_ONEOF,
                                .token = "TYPE",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "5.0.0",
                                .children = ARGUMENTS(ARG_TOKEN("normal", "NORMAL"), ARG_TOKEN("master", "MASTER"),
                                                      ARG_TOKEN("replica", "REPLICA"), ARG_TOKEN("pubsub", "PUBSUB"))},
                               {.name = "client-id",
                                .type = ARGUMENT_INTEGER,
                                .token = "ID",
                                .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE,
                                .since = "6.2.0"}),
        .history = HISTORY({"2.8.12", "Added unique client `id` field."}, {"5.0.0", "Added optional `TYPE` filter."},
                           {"6.0.0", "Added `user` field."},
                           {"6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` "
                                     "filter."},
                           {"7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."},
                           {"7.0.3", "Added `ssub` field."}, {"7.2.0", "Added `lib-name` and `lib-ver` fields."}),
    },
    {
        SUBCOMMAND("IMPORT-SOURCE", client_import_source_command, 3, "8.1.0"),
        .complexity = "O(1)",
        .summary = "Lets the connection see keys that have expired, while the server is in import mode.",
        .arguments = ARGUMENTS(ONE_OF("enabled", ARG_TOKEN("on", "ON"), ARG_TOKEN("off", "OFF"))),
    },
    {
        ADMIN_SUBCOMMAND("NO-EVICT", client_no_evict_command, 3, "7.0.0"),
        .complexity = "O(1)",
        .summary = "Keeps the connection when others are closed to save memory.",
        .arguments = ARGUMENTS(ONE_OF("enabled", ARG_TOKEN("on", "ON"), ARG_TOKEN("off", "OFF"))),
    },
    {
        SUBCOMMAND("NO-TOUCH", client_no_touch_command, 3, "7.2.0"),
        .complexity = "O(1)",
        .summary = "Says whether the connection's commands count as use of their keys.",
        .arguments = ARGUMENTS(ONE_OF("enabled", ARG_TOKEN("on", "ON"), ARG_TOKEN("off", "OFF"))),
    },
    {
        ADMIN_SUBCOMMAND("PAUSE", client_pause_command, -3, "3.0.0"),
        .complexity = "O(1)",
        .summary = "Lets commands wait for some time.",
        .arguments = ARGUMENTS(ARG_INTEGER("timeout"),
                               {.name = "mode",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "6.2.0",
                                .children = ARGUMENTS(ARG_TOKEN("write", "WRITE"), ARG_TOKEN("all", "ALL"))}),
        .history = HISTORY({"6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option."}),
    },
    {
        SUBCOMMAND("REPLY", client_reply_command, 3, "3.2.0"),
        .complexity = "O(1)",
        .summary = "Says whether the connection wants replies.",
        .arguments =
            ARGUMENTS(ONE_OF("action", ARG_TOKEN("on", "ON"), ARG_TOKEN("off", "OFF"), ARG_TOKEN("skip", "SKIP"))),
    },
    {
        SUBCOMMAND("SETINFO", client_setinfo_command, 4, "7.2.0"),
        .complexity = "O(1)",
        .summary = "Tells the server which library the client uses.",
        .arguments = ARGUMENTS(ONE_OF("attr", {.name = "libname", .type = ARGUMENT_STRING, .token = "LIB-NAME"},
                                      {.name = "libver", .type = ARGUMENT_STRING, .token = "LIB-VER"})),
    },
    {
        SUBCOMMAND("SETNAME", client_setname_command, 3, "2.6.9"),
        .complexity = "O(1)",
        .summary = "Gives the connection a name.",
        .arguments = ARGUMENTS(ARG_STRING("connection-name")),
    },
    {
        SUBCOMMAND("TRACKING", client_tracking_command, -3, "6.0.0"),
        .complexity = "O(1). Some options may introduce additional complexity.",
        .summary = "Controls server-assisted client-side caching.",
        .arguments = ARGUMENTS(ONE_OF("status", ARG_TOKEN("on", "ON"), ARG_TOKEN("off", "OFF")),
                               OPTION("client-id", ARGUMENT_INTEGER, "REDIRECT"),
                               {.name = "prefix",
                                .type = ARGUMENT_STRING,
                                .token = "PREFIX",
                                .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN},
                               ARG_FLAG("bcast", "BCAST"), ARG_FLAG("optin", "OPTIN"), ARG_FLAG("optout", "OPTOUT"),
                               ARG_FLAG("noloop", "NOLOOP")),
    },
    {
        SUBCOMMAND("TRACKINGINFO", client_trackinginfo_command, 2, "6.2.0"),
        .complexity = "O(1)",
        .summary = "Tells how client-side caching is set for the connection.",
    },
    {
        ADMIN_SUBCOMMAND("UNBLOCK", client_unblock_command, -3, "5.0.0"),
        .complexity = "O(log N) where N is the number of client connections",
        .summary = "Ends the wait of a client in a blocking command.",
        .arguments = ARGUMENTS(ARG_INTEGER("client-id"),
                               {.name = "unblock-type",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_TOKEN("timeout", "TIMEOUT"), ARG_TOKEN("error", "ERROR"))}),
    },
    {
        ADMIN_SUBCOMMAND("UNPAUSE", client_unpause_command, 2, "6.2.0"),
        .complexity = "O(N) where N is the number of paused clients",
        .summary = "Ends CLIENT PAUSE.",
    },
    {.name = NULL},
};
