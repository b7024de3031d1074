/* SPDX-License-Identifier: BSD-3-Clause */
/* What cluster clients say to a node that is in no cluster: the answer tells them so, as Redis does. */
#include "command/dispatch.h"
#include "resp/reply.h"

static void cluster_disabled_command(struct execution *x)
{
    reply_error(x->reply, "ERR This instance has cluster support disabled");
}

const struct command standalone_commands[] = {
    {
        .name = "ASKING",
        .run = cluster_disabled_command,
        .arity = 1,
        .flags = COMMAND_FAST,
        .group = "cluster",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Lets the next command use a slot that is being imported.",
    },
    {
        .name = "CLUSTER",
        .run = cluster_disabled_command,
        .arity = -2,
        .group = "cluster",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "A container for cluster commands.",
    },
    {
        .name = "READONLY",
        .run = cluster_disabled_command,
        .arity = 1,
        .flags = COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE,
        .group = "cluster",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Lets this connection read from a replica.",
    },
    {
        .name = "READWRITE",
        .run = cluster_disabled_command,
        .arity = 1,
        .flags = COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE,
        .group = "cluster",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Ends what READONLY began.",
    },
    {.name = NULL},
};
