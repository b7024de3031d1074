/* SPDX-License-Identifier: BSD-3-Clause */
/* What a replica says before it gets the stream: REPLCONF about itself, then PSYNC (or SYNC, of old), after which its
 * connection belongs to the replication thread. What it told is kept with the session until then. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/gates.h"
#include "command/transaction.h"
#include "replication/failover.h"
#include "replication/follower.h"
#include "replication/replication_private.h"
#include "resp/error_text.h"

static struct introduction *introduction_of(struct session *session)
{
    if (!session->names)
        session->names = memory_allocate_zeroed(sizeof(*session->names));
    if (!session->names->introduction)
        session->names->introduction = memory_allocate_zeroed(sizeof(struct introduction));
    return session->names->introduction;
}

/* ---- REPLCONF ---- */

static void learn_capability(struct introduction *about, struct bytes word)
{
    if (arg_is(word, "eof"))
        about->knows_eof = true;
    else if (arg_is(word, "psync2"))
        about->knows_psync2 = true;
    else if (arg_is(word, "forebay-lz4"))
        about->knows_frames = true;
    else if (arg_is(word, "forebay"))
        about->knows_all_types = true;
}

static bool refuse(struct execution *x, const char *error)
{
    reply_error(x->reply, error);
    return false;
}

/* One pair of words; false if an error was replied. */
static bool learn(struct execution *x, struct introduction *about, struct bytes name, struct bytes word)
{
    int64_t number;
    if (arg_is(name, "listening-port")) {
        if (!is_port(word, 0, &number))
            return refuse(x, "ERR REPLCONF listening-port is not a port");
        about->port = (uint16_t)number;
    } else if (arg_is(name, "ip-address")) {
        if (word.length >= sizeof(about->address))
            return refuse(x, "ERR REPLCONF ip-address provided by replica instance is too long");
        if (!is_host_name(word) && word.length > 0)
            return refuse(x, "ERR REPLCONF ip-address is neither an address nor a host name");
        memcpy(about->address, word.data, word.length);
        about->address[word.length] = 0;
    } else if (arg_is(name, "capa")) {
        learn_capability(about, word);
    } else if (arg_is(name, "rdb-only")) {
        if (!arg_int64(x, word, &number))
            return false;
        about->wants_rdb_only = number == 1;
    } else if (arg_is(name, "rdb-filter-only")) {
        about->wants_functions_only = arg_is(word, "functions");
    } else if (!arg_is(name, "version")) {
        reply_error_format(x->reply, "ERR Unrecognized REPLCONF option: %.*s", reply_quoted(name), name.data);
        return false;
    }
    return true;
}

static void replconf_command(struct execution *x)
{
    if (x->argc % 2 == 0) {
        reply_syntax_error(x);
        return;
    }
    if (x->argc > 1 && (arg_is(x->argv[1], "ack") || arg_is(x->argv[1], "getack")))
        return; /* of nobody's replica, or nobody's primary: it gets no reply */
    struct introduction *about = introduction_of(x->session);
    for (size_t i = 1; i < x->argc; i += 2)
        if (!learn(x, about, x->argv[i], x->argv[i + 1]))
            return;
    bool is_asked = x->argc > 2 && arg_is(x->argv[x->argc - 2], "capa") && arg_is(x->argv[x->argc - 1], "forebay");
    reply_status(x->reply, is_asked ? "OK forebay" : "OK"); /* it learns that our stream can be its own */
}

/* ---- PSYNC and SYNC ---- */

static void learn_address(struct introduction *about)
{
    char peer[sizeof(about->peer)];
    memcpy(peer, about->peer, sizeof(peer));
    char *colon = strrchr(peer, ':');
    if (colon)
        *colon = 0;
    const char *begin = peer[0] == '[' ? peer + 1 : peer;
    size_t length = strcspn(begin, "]");
    if (length >= sizeof(about->address))
        length = sizeof(about->address) - 1;
    memcpy(about->address, begin, length);
    about->address[length] = 0;
}

static void leave(struct execution *x, struct introduction *about)
{
    struct session *session = x->session;
    session->transport->describe(session->connection, about->peer, about->local, sizeof(about->peer));
    if (about->address[0] == 0)
        learn_address(about);
    about->client_id = session->id;
    about->created_at_ms = (int64_t)session->created_at_s * 1000;
    about->knows_all_types |= about->wants_rdb_only; /* a file to keep leaves nothing out */
    session->names->introduction = NULL;
    session->flags |= SESSION_CLOSING;
    session->transport->give_to_replication(session->connection, about);
}

/* Whether this client can become a replica at all; an error was replied if not. */
static bool may_follow(struct execution *x)
{
    const char *error = NULL;
    struct follower_view follower;
    follower_read(&follower);
    if (follower.host[0] && !follower.is_up)
        error = "NOMASTERLINK Can't SYNC while not connected with my master";
    else if (!x->session->transport->give_to_replication || !replication_loop())
        error = "ERR replication is not available";
    else if (x->session->flags & (SESSION_SUBSCRIBER | SESSION_MONITOR))
        error = "ERR a client that gets messages cannot become a replica";
    if (error)
        reply_error(x->reply, error);
    return !error;
}

static bool is_id(struct bytes word, const char *id)
{
    return word.length > 0 && word.length == strlen(id) && strncasecmp(word.data, id, word.length) == 0;
}

/* PSYNC id offset FAILOVER: the primary hands over to this node, and follows it from then on. False: an error was replied, or
 * the request starts over when the node leads. One that leads already, and whose history is that of the primary, has been
 * asked before. */
static bool take_over(struct execution *x)
{
    struct stream_info info;
    struct follower_view follower;
    stream_read_info(x->engine->stream, &info);
    bool is_following = engine_is_following(x->engine);
    if (!is_following && is_id(x->argv[1], info.replication_id2))
        return true;
    if (!is_following) {
        reply_error(x->reply, "ERR PSYNC FAILOVER can't be sent to a master.");
        return false;
    }
    follower_read(&follower);
    if (!is_id(x->argv[1], engine_follows_bytes(x->engine) ? info.replication_id : follower.known_id)) {
        reply_error(x->reply, "ERR PSYNC FAILOVER replid must match my replid.");
        return false;
    }
    log_notice("taking over", "from=primary offset=%.*s", (int)x->argv[2].length, x->argv[2].data);
    follower_order_take_over(x->session->id);
    execution_suspend(x, SUSPENDED_JOB);
    return false;
}

/* A crash of this node has lost what the replica still has, which a copy of ours would destroy. Only a Forebay understands
 * that: others take any answer but a copy for the wish that they ask in another way. True: an error was replied. */
static bool has_more(struct execution *x, const struct introduction *about)
{
    struct stream_info info;
    struct stream_former former;
    stream_read_info(x->engine->stream, &info);
    if (!about->knows_all_types || about->wants_rdb_only ||
        !stream_find_former(x->engine->stream, about->id, &former) || !former.is_cut ||
        about->offset - 1 - info.bias <= (int64_t)former.end)
        return false;
    log_warning("a replica has what this node has lost in a crash", "history=%s lost_from=%lld replica_has=%lld",
                former.id, (long long)former.end + info.bias, (long long)about->offset - 1);
    reply_error_format(x->reply, "LOST this node has lost in a crash what you have behind offset %lld",
                       (long long)former.end + info.bias);
    return true;
}

/* One that cannot be any is nobody's; it is shown in the log. */
static void learn_id(struct introduction *about, struct bytes word)
{
    bool is_good = word.length < sizeof(about->id);
    for (size_t i = 0; i < word.length; i++)
        is_good &= isalnum((unsigned char)word.data[i]) || word.data[i] == '?';
    size_t length = is_good ? word.length : 0;
    memcpy(about->id, word.data, length);
    about->id[length] = 0;
}

static void psync_command(struct execution *x)
{
    int64_t offset;
    if (!arg_int64(x, x->argv[2], &offset) || (x->argc > 3 && arg_is(x->argv[3], "FAILOVER") && !take_over(x)) ||
        !may_follow(x))
        return;
    struct introduction *about = introduction_of(x->session);
    learn_id(about, x->argv[1]);
    about->offset = offset;
    about->has_asked = true;
    if (!has_more(x, about))
        leave(x, about);
}

static void sync_command(struct execution *x)
{
    if (!may_follow(x))
        return;
    struct introduction *about = introduction_of(x->session);
    about->has_asked = false;
    leave(x, about);
}

/* ---- ROLE ---- */

struct role_listing {
    struct reply *reply;
    unsigned count;
    struct replica_view views[64];
};

static void note_view(void *context, const struct replica_view *view)
{
    struct role_listing *listing = context;
    if (view->is_online && listing->count < sizeof(listing->views) / sizeof(listing->views[0]))
        listing->views[listing->count++] = *view;
}

static void role_command(struct execution *x)
{
    struct follower_view follower;
    follower_read(&follower);
    if (follower.host[0]) {
        follower_reply_role(&follower, x->reply);
        return;
    }
    char number[BYTES_INTEGER_MAX];
    struct stream_info info;
    struct role_listing listing = {.count = 0};
    stream_read_info(x->engine->stream, &info);
    leader_each(note_view, &listing);
    reply_array(x->reply, 3);
    reply_bulk_text(x->reply, "master");
    reply_integer(x->reply, (int64_t)info.end + info.bias);
    reply_array(x->reply, listing.count);
    for (unsigned i = 0; i < listing.count; i++) {
        const struct replica_view *view = &listing.views[i];
        reply_array(x->reply, 3);
        reply_bulk_text(x->reply, view->address);
        reply_bulk(x->reply, bytes_of(number, bytes_from_int64(number, view->port)));
        reply_bulk(x->reply, bytes_of(number, bytes_from_uint64(number, view->acked)));
    }
}

/* ---- the gate ---- */

bool replication_lacks_replicas(void)
{
    int64_t wanted = __atomic_load_n(&replication_settings.min_replicas, __ATOMIC_RELAXED);
    return __builtin_expect(wanted != 0, 0) && replication_loop() && !engine_is_following(replication_engine()) &&
           leader_count_good() < wanted;
}

/* What a script writes is refused when it writes. */
static enum gate_answer check_replicas(struct execution *x)
{
    if (!replication_lacks_replicas() || !((x->command->flags | transaction_flags(x)) & COMMAND_WRITE))
        return GATE_PASS;
    return gate_refuse(x, ERROR_NO_REPLICAS);
}

const struct gate replicas_gate = {"replicas", 0, check_replicas};

const struct command replication_commands[] = {
    {
        .name = "FAILOVER",
        .run = failover_command,
        .arity = -1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE,
        .group = "server",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Hands over to a replica and follows it, without losing a write.",
        .arguments = ARGUMENTS(
            {.name = "target",
             .token = "TO",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(
                 ARG_STRING("host"), ARG_INTEGER("port"),
                 {.name = "force", .token = "FORCE", .type = ARGUMENT_PURE_TOKEN, .flags = ARGUMENT_OPTIONAL})},
            {.name = "abort", .token = "ABORT", .type = ARGUMENT_PURE_TOKEN, .flags = ARGUMENT_OPTIONAL},
            {.name = "milliseconds", .token = "TIMEOUT", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "PSYNC",
        .run = psync_command,
        .arity = -3,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI,
        .group = "server",
        .since = "2.8.0",
        .summary = "Makes the connection a replica's, from an offset on if that is possible.",
        .arguments = ARGUMENTS(ARG_STRING("replicationid"), ARG_INTEGER("offset")),
    },
    {
        .name = "REPLCONF",
        .run = replconf_command,
        .arity = -1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_ALLOW_BUSY,
        .group = "server",
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "A replica tells of itself before it asks for the stream.",
    },
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
        .name = "SYNC",
        .run = sync_command,
        .arity = 1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI,
        .group = "server",
        .since = "1.0.0",
        .summary = "Makes the connection a replica's, with a full copy first.",
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
