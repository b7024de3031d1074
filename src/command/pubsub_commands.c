/* SPDX-License-Identifier: BSD-3-Clause */
/* SUBSCRIBE and its kin, PUBLISH, PUBSUB. Confirmations have the shape of messages, one for each name, and are sent
 * whatever CLIENT REPLY says. Shard channels are counted apart from the others. */
#include "base/memory.h"
#include "command/args.h"
#include "command/channels.h"
#include "command/message.h"
#include "command/notify.h"

/* ---- subscribing ---- */

static int64_t confirmed_count(const struct session *session, enum channel_kind kind)
{
    if (kind == CHANNEL_SHARD)
        return channels_count(session, CHANNEL_SHARD);
    return (int64_t)channels_count(session, CHANNEL_PLAIN) + channels_count(session, CHANNEL_PATTERN);
}

/* NULL data: there was nothing to end. */
static void confirm(struct execution *x, const char *word, enum channel_kind kind, struct bytes name)
{
    bool silent = x->reply->silent;
    x->reply->silent = false;
    reply_push(x->reply, 3);
    reply_bulk_text(x->reply, word);
    if (name.data)
        reply_bulk(x->reply, name);
    else
        reply_null(x->reply);
    reply_integer(x->reply, confirmed_count(x->session, kind));
    x->reply->silent = silent;
}

static void subscribe(struct execution *x, const char *word, enum channel_kind kind)
{
    for (size_t i = 1; i < x->argc; i++) {
        channels_subscribe(x->session, kind, x->argv[i]);
        confirm(x, word, kind, x->argv[i]);
    }
}

static void unsubscribe_all(struct execution *x, const char *word, enum channel_kind kind)
{
    struct buffer name = {0};
    if (channels_count(x->session, kind) == 0)
        confirm(x, word, kind, bytes_of(NULL, 0));
    while (channels_unsubscribe_any(x->session, kind, &name))
        confirm(x, word, kind, bytes_of(name.data ? name.data : "", name.length));
    buffer_deinit(&name);
}

static void unsubscribe(struct execution *x, const char *word, enum channel_kind kind)
{
    if (x->argc == 1)
        unsubscribe_all(x, word, kind);
    for (size_t i = 1; i < x->argc; i++) {
        channels_unsubscribe(x->session, kind, x->argv[i]);
        confirm(x, word, kind, x->argv[i]);
    }
}

static void subscribe_command(struct execution *x)
{
    subscribe(x, "subscribe", CHANNEL_PLAIN);
}

static void psubscribe_command(struct execution *x)
{
    subscribe(x, "psubscribe", CHANNEL_PATTERN);
}

static void ssubscribe_command(struct execution *x)
{
    subscribe(x, "ssubscribe", CHANNEL_SHARD);
}

static void unsubscribe_command(struct execution *x)
{
    unsubscribe(x, "unsubscribe", CHANNEL_PLAIN);
}

static void punsubscribe_command(struct execution *x)
{
    unsubscribe(x, "punsubscribe", CHANNEL_PATTERN);
}

static void sunsubscribe_command(struct execution *x)
{
    unsubscribe(x, "sunsubscribe", CHANNEL_SHARD);
}

/* ---- publishing ---- */

/* Inside EXEC keys are held, and an array of replies is being written that no message may come between: the message
 * is counted now and sent when both are through. */
static void publish(struct execution *x, enum channel_kind kind)
{
    uint64_t receivers;
    struct message *message = message_create(kind, x->argv[1], x->argv[2], &receivers);
    if (message && (x->session->flags & SESSION_EXECUTING_MULTI))
        notify_stage_message(x->worker, message);
    else if (message)
        message_send(x->worker, &message);
    reply_integer(x->reply, (int64_t)receivers);
}

static void publish_command(struct execution *x)
{
    publish(x, CHANNEL_PLAIN);
}

static void spublish_command(struct execution *x)
{
    publish(x, CHANNEL_SHARD);
}

/* ---- PUBSUB ---- */

struct name_list {
    struct buffer bytes; /* each name behind its length */
    size_t count;
};

static void name_list_add(void *context, struct bytes name)
{
    struct name_list *list = context;
    buffer_append(&list->bytes, &name.length, sizeof(name.length));
    buffer_append_bytes(&list->bytes, name);
    list->count++;
}

static void reply_name_list(struct execution *x, const struct name_list *list)
{
    const char *place = list->bytes.data;
    reply_array(x->reply, list->count);
    for (size_t i = 0; i < list->count; i++) {
        size_t length;
        memcpy(&length, place, sizeof(length));
        reply_bulk(x->reply, bytes_of(place + sizeof(length), length));
        place += sizeof(length) + length;
    }
}

static void reply_names(struct execution *x, enum channel_kind kind)
{
    if (x->argc > 3) {
        reply_usage_error(x);
        return;
    }
    struct name_list list = {.count = 0};
    channels_each_name(kind, x->argc == 3 ? x->argv[2] : bytes_of(NULL, 0), name_list_add, &list);
    reply_name_list(x, &list);
    buffer_deinit(&list.bytes);
}

static void reply_subscriber_counts(struct execution *x, enum channel_kind kind)
{
    reply_array(x->reply, (x->argc - 2) * 2);
    for (size_t i = 2; i < x->argc; i++) {
        reply_bulk(x->reply, x->argv[i]);
        reply_integer(x->reply, (int64_t)channels_subscribers(kind, x->argv[i]));
    }
}

static void pubsub_channels_command(struct execution *x)
{
    reply_names(x, CHANNEL_PLAIN);
}

static void pubsub_shardchannels_command(struct execution *x)
{
    reply_names(x, CHANNEL_SHARD);
}

static void pubsub_numsub_command(struct execution *x)
{
    reply_subscriber_counts(x, CHANNEL_PLAIN);
}

static void pubsub_shardnumsub_command(struct execution *x)
{
    reply_subscriber_counts(x, CHANNEL_SHARD);
}

static void pubsub_numpat_command(struct execution *x)
{
    reply_integer(x->reply, channels_names(CHANNEL_PATTERN));
}

static void pubsub_command(struct execution *x)
{
    reply_subcommand_error(x);
}

static void pubsub_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    List the channels that have subscribers, and match <pattern> if it is given.",
        "NUMPAT",
        "    Tell how many different patterns are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Tell how many subscribers each channel has, those by pattern not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels that have subscribers.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Tell how many subscribers each shard channel has.",
        NULL,
    };
    reply_help(x, lines);
}

/* ---- the table ---- */

#define SUBSCRIBER_FLAGS (COMMAND_PUBSUB | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define PUBLISHER_FLAGS (COMMAND_PUBSUB | COMMAND_MAY_REPLICATE | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST)
#define ARG_NAMES(n, kind, more)                                                                                       \
    {                                                                                                                  \
        .name = (n), .type = (kind), .flags = ARGUMENT_MULTIPLE | (more)                                               \
    }
#define ARG_ONE_PATTERN                                                                                                \
    {                                                                                                                  \
        .name = "pattern", .type = ARGUMENT_PATTERN, .flags = ARGUMENT_OPTIONAL                                        \
    }
#define SUBCOMMAND(word, handler, words, version)                                                                      \
    .name = (word), .run = (handler), .arity = (words), .group = "pubsub", .since = (version),                         \
    .flags = COMMAND_PUBSUB | COMMAND_LOADING | COMMAND_STALE

static const struct command pubsub_subcommands[] = {
    {
        SUBCOMMAND("CHANNELS", pubsub_channels_command, -2, "2.8.0"),
        .complexity = "O(N), when N is the number of channels with subscribers",
        .summary = "Lists the channels that have subscribers.",
        .arguments = ARGUMENTS(ARG_ONE_PATTERN),
    },
    {
        .name = "HELP",
        .run = pubsub_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "pubsub",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Explains the subcommands.",
    },
    {
        SUBCOMMAND("NUMPAT", pubsub_numpat_command, 2, "2.8.0"),
        .complexity = "O(1)",
        .summary = "Counts the different patterns that are subscribed to.",
    },
    {
        SUBCOMMAND("NUMSUB", pubsub_numsub_command, -2, "2.8.0"),
        .complexity = "O(N), when N is the number of channels named",
        .summary = "Counts the subscribers of channels.",
        .arguments = ARGUMENTS(ARG_NAMES("channel", ARGUMENT_STRING, ARGUMENT_OPTIONAL)),
    },
    {
        SUBCOMMAND("SHARDCHANNELS", pubsub_shardchannels_command, -2, "7.0.0"),
        .complexity = "O(N), when N is the number of shard channels with subscribers",
        .summary = "Lists the shard channels that have subscribers.",
        .arguments = ARGUMENTS(ARG_ONE_PATTERN),
    },
    {
        SUBCOMMAND("SHARDNUMSUB", pubsub_shardnumsub_command, -2, "7.0.0"),
        .complexity = "O(N), when N is the number of shard channels named",
        .summary = "Counts the subscribers of shard channels.",
        .arguments = ARGUMENTS(ARG_NAMES("shardchannel", ARGUMENT_STRING, ARGUMENT_OPTIONAL)),
    },
    {.name = NULL},
};

const struct command pubsub_commands[] = {
    {
        .name = "PSUBSCRIBE",
        .run = psubscribe_command,
        .arity = -2,
        .flags = SUBSCRIBER_FLAGS,
        .group = "pubsub",
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of patterns named",
        .summary = "Subscribes to all channels whose names match patterns.",
        .arguments = ARGUMENTS({.name = "pattern",
                                .type = ARGUMENT_BLOCK,
                                .flags = ARGUMENT_MULTIPLE,
                                .children = ARGUMENTS({.name = "pattern", .type = ARGUMENT_PATTERN})}),
    },
    {
        .name = "PUBLISH",
        .run = publish_command,
        .arity = 3,
        .flags = PUBLISHER_FLAGS,
        .group = "pubsub",
        .since = "2.0.0",
        .complexity = "O(N+M), when N is the number of the channel's subscribers and M that of all patterns",
        .summary = "Sends a message to all who subscribe to a channel.",
        .arguments = ARGUMENTS(ARG_STRING("channel"), ARG_STRING("message")),
    },
    {
        .name = "PUBSUB",
        .run = pubsub_command,
        .arity = -2,
        .group = "pubsub",
        .since = "2.8.0",
        .complexity = "Depends on subcommand.",
        .summary = "Contains the commands that tell who subscribes.",
        .subcommands = pubsub_subcommands,
    },
    {
        .name = "PUNSUBSCRIBE",
        .run = punsubscribe_command,
        .arity = -1,
        .flags = SUBSCRIBER_FLAGS,
        .group = "pubsub",
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of patterns that end",
        .summary = "Ends subscriptions by pattern, all if none is named.",
        .arguments = ARGUMENTS(ARG_NAMES("pattern", ARGUMENT_PATTERN, ARGUMENT_OPTIONAL)),
    },
    {
        .name = "SPUBLISH",
        .run = spublish_command,
        .arity = 3,
        .flags = PUBLISHER_FLAGS,
        .keys = {KEY_ONE(1, KEY_NOT_KEY)},
        .group = "pubsub",
        .since = "7.0.0",
        .complexity = "O(N), when N is the number of the shard channel's subscribers",
        .summary = "Sends a message to all who subscribe to a shard channel.",
        .arguments = ARGUMENTS(ARG_STRING("shardchannel"), ARG_STRING("message")),
    },
    {
        .name = "SSUBSCRIBE",
        .run = ssubscribe_command,
        .arity = -2,
        .flags = SUBSCRIBER_FLAGS,
        .keys = {KEY_RANGE(1, -1, 1, KEY_NOT_KEY)},
        .group = "pubsub",
        .since = "7.0.0",
        .complexity = "O(N), when N is the number of shard channels named",
        .summary = "Subscribes to shard channels.",
        .arguments = ARGUMENTS(ARG_NAMES("shardchannel", ARGUMENT_STRING, 0)),
    },
    {
        .name = "SUBSCRIBE",
        .run = subscribe_command,
        .arity = -2,
        .flags = SUBSCRIBER_FLAGS,
        .group = "pubsub",
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of channels named",
        .summary = "Subscribes to channels.",
        .arguments = ARGUMENTS(ARG_NAMES("channel", ARGUMENT_STRING, 0)),
    },
    {
        .name = "SUNSUBSCRIBE",
        .run = sunsubscribe_command,
        .arity = -1,
        .flags = SUBSCRIBER_FLAGS,
        .keys = {KEY_RANGE(1, -1, 1, KEY_NOT_KEY)},
        .group = "pubsub",
        .since = "7.0.0",
        .complexity = "O(N), when N is the number of shard channels that end",
        .summary = "Ends subscriptions to shard channels, all if none is named.",
        .arguments = ARGUMENTS(ARG_NAMES("shardchannel", ARGUMENT_STRING, ARGUMENT_OPTIONAL)),
    },
    {
        .name = "UNSUBSCRIBE",
        .run = unsubscribe_command,
        .arity = -1,
        .flags = SUBSCRIBER_FLAGS,
        .group = "pubsub",
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of channels that end",
        .summary = "Ends subscriptions to channels, all if none is named.",
        .arguments = ARGUMENTS(ARG_NAMES("channel", ARGUMENT_STRING, ARGUMENT_OPTIONAL)),
    },
    {.name = NULL},
};
