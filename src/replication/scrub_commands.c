/* SPDX-License-Identifier: BSD-3-Clause */
/* REPLICATION SCRUB: a pass now, whose outcome is the reply. */
#include "command/args.h"
#include "command/dispatch.h"
#include "command/server_commands.h"
#include "command/transaction.h"
#include "replication/replication_private.h"
#include "replication/scrub.h"

struct scrubbing {
    struct offload offload;
    bool was_free;
    struct scrub_outcome outcome;
};

static bool must_end(void *context)
{
    return offload_must_end(context);
}

static void run_pass(struct offload *offload)
{
    struct scrubbing *scrubbing = (struct scrubbing *)offload;
    scrubbing->was_free = scrub_pass(offload->engine, false, must_end, offload, &scrubbing->outcome);
}

static void reply_number(struct reply *reply, const char *name, uint64_t number)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, (int64_t)number);
}

static void reply_outcome(struct reply *reply, const struct scrub_outcome *outcome)
{
    reply_map(reply, 6);
    reply_number(reply, "ranges", outcome->ranges);
    reply_number(reply, "keys", outcome->keys);
    reply_number(reply, "skipped", outcome->skipped);
    reply_number(reply, "mismatches", outcome->mismatches);
    reply_number(reply, "replicas", outcome->replicas);
    reply_bulk_text(reply, "ended");
    reply_bulk_text(reply, outcome->failure ? outcome->failure : "complete");
}

/* A pass that has found nobody is no pass. */
static void reply_end(struct reply *reply, const struct scrubbing *scrubbing)
{
    const struct scrub_outcome *outcome = &scrubbing->outcome;
    bool found_nobody = outcome->failure && outcome->ranges == 0 && outcome->mismatches == 0 && outcome->replicas == 0;
    if (!scrubbing->was_free)
        reply_error(reply, "ERR a scrub is under way");
    else if (found_nobody)
        reply_error_format(reply, "ERR %s", outcome->failure);
    else
        reply_outcome(reply, outcome);
}

static void scrub_command(struct execution *x)
{
    struct offload *offload = offload_finished(x, run_pass);
    if (offload) {
        reply_end(x->reply, (struct scrubbing *)offload);
        offload_end(x, &offload);
    } else if (engine_is_following(x->engine)) {
        reply_error(x->reply, "ERR only a primary begins a scrub");
    } else if (x->session->flags & SESSION_EXECUTING_MULTI) {
        reply_error(x->reply, "ERR everybody would have to wait for replicas: call it outside of transactions");
    } else if (leader_scrub_refusal()) {
        reply_error(x->reply, leader_scrub_refusal());
    } else if (scrub_is_running() || !offload_has_room_apart()) {
        reply_error(x->reply, "ERR a scrub is under way");
    } else {
        offload_run_apart(x, offload_create(x, sizeof(struct scrubbing), run_pass, NULL));
        x->session->transport->block(x->session->connection);
    }
}

static void replication_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "SCRUB",
        "    Compare all keys with those of the replicas, and answer when that is done.",
        NULL,
    };
    reply_help(x, lines);
}

static const struct command replication_subcommands[] = {
    {
        .name = "HELP",
        .run = replication_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        .name = "SCRUB",
        .run = scrub_command,
        .arity = 2,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_BLOCKING,
        .group = "server",
        .since = "7.2.0",
        .complexity = "O(N) when N is the number of keys, on a thread of its own",
        .summary = "Compares all keys with those of the replicas. Forebay's own.",
    },
    {.name = NULL},
};

const struct command scrub_commands[] = {
    {
        .name = "REPLICATION",
        .arity = -2,
        .group = "server",
        .since = "7.2.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about replicas. Forebay's own.",
        .run = reply_subcommand_error,
        .subcommands = replication_subcommands,
    },
    {.name = NULL},
};
