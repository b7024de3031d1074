/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/args.h"
#include "replication/follower.h"
#include "replication/replication_private.h"

static void role_command(struct execution *x)
{
    struct follower_view view;
    follower_read(&view);
    if (view.host[0]) {
        follower_reply_role(&view, x->reply);
        return;
    }
    reply_array(x->reply, 3);
    reply_bulk_text(x->reply, "master");
    reply_integer(x->reply, (int64_t)stream_end(x->engine->stream));
    reply_array(x->reply, 0);
}

const struct command replication_commands[] = {
    {
        .name = "ROLE",
        .run = role_command,
        .arity = 1,
        .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
        .group = "server",
        .since = "2.8.12",
        .complexity = "O(1)",
        .summary = "Returns the server's part in replication.",
    },
    {
        .name = "WAIT",
        .run = wait_command,
        .arity = 3,
        .flags = COMMAND_BLOCKING,
        .group = "generic",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Waits until replicas have the connection's writes; tells how many do.",
        .arguments = ARGUMENTS(ARG_INTEGER("numreplicas"), ARG_INTEGER("timeout")),
    },
    {
        .name = "WAITAOF",
        .run = waitaof_command,
        .arity = 4,
        .flags = COMMAND_BLOCKING,
        .group = "generic",
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Waits until the connection's writes are synced to disk, here and on replicas.",
        .arguments = ARGUMENTS(ARG_INTEGER("numlocal"), ARG_INTEGER("numreplicas"), ARG_INTEGER("timeout")),
    },
    {.name = NULL},
};
