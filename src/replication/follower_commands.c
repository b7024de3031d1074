/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients may ask of a node that follows, and what they may tell it: REPLICAOF, directives, INFO, ROLE, and the gate. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "command/args.h"
#include "command/feed_apply.h"
#include "command/feed_gather.h"
#include "command/gates.h"
#include "command/info.h"
#include "command/transaction.h"
#include "net/loop.h"
#include "replication/failover.h"
#include "replication/follower_private.h"
#include "replication/replication_private.h"
#include "resp/error_text.h"

static void replicaof_command(struct execution *x);

static const char loading[] = "LOADING Redis is loading the dataset in memory";

struct order {
    struct mail mail;
    uint64_t session_id; /* who waits for it; 0: nobody */
    bool takes_over;     /* from the primary, which asked for it */
    bool goes_apart;     /* follower_go_apart */
    int port;
    char host[256]; /* empty: nobody is to be followed */
};
static void give_order(struct order order);

/* ---- the gate ---- */

/* What EXEC runs counts as well. */
static bool writes(const struct execution *x)
{
    return (x->command->flags | transaction_flags(x)) & COMMAND_WRITE;
}

static bool is_allowed(const struct execution *x, uint32_t flag)
{
    uint32_t all = x->command->flags;
    return all & flag && (!transaction_is_executed(x) || x->session->transaction == NULL);
}

/* What a script will do is not known before. */
static bool may_write(const struct execution *x)
{
    uint32_t all = x->command->flags | transaction_flags(x);
    return (all & (COMMAND_SCRIPT | COMMAND_READONLY)) == COMMAND_SCRIPT;
}

/* With replica-read-only no: the request starts over when the node's history is its own. */
static enum gate_answer part_first(struct execution *x, unsigned refusals)
{
    if (refusals & REFUSE_WRITES)
        return gate_refuse(x, "ERR a history of this node's own cannot be written; see the log");
    if (!follower_is_whole())
        return gate_refuse(x, loading);
    give_order((struct order){.session_id = x->session->id, .goes_apart = true});
    execution_suspend(x, SUSPENDED_JOB);
    return GATE_SUSPEND;
}

/* A part of a copy may be all that there is for long, if the primary is gone: then somebody must be able to say what the node
 * shall follow instead. */
static enum gate_answer ask_role(struct execution *x)
{
    if (__builtin_expect(!engine_is_following(x->engine), 1))
        return GATE_PASS;
    unsigned refusals = atomic_load_explicit(&follower_refusals, memory_order_relaxed);
    bool is_read_only = __atomic_load_n(&following_settings.read_only, __ATOMIC_RELAXED);
    if (is_read_only && writes(x))
        return gate_refuse(x, ERROR_READONLY);
    if (refusals & REFUSE_LOADING && !is_allowed(x, COMMAND_LOADING) && x->command->row->run != replicaof_command)
        return gate_refuse(x, loading);
    if (refusals & REFUSE_STALE && !__atomic_load_n(&follower_settings.serves_stale_data, __ATOMIC_RELAXED) &&
        !is_allowed(x, COMMAND_STALE))
        return gate_refuse(x, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    if (refusals & PART_FIRST && (writes(x) || (may_write(x) && !is_read_only)))
        return part_first(x, refusals);
    return GATE_PASS;
}

void follower_register_gate(void)
{
    static const struct gate role = {"role", 0, ask_role};
    gate_register(&role);
}

/* ---- REPLICAOF ---- */

static void order_done(struct session *session, int64_t argument)
{
    (void)argument;
    session_resume(session);
}

static void obey(struct mail *mail)
{
    struct order *order = (struct order *)mail;
    if (order->goes_apart)
        follower_go_apart();
    else if (order->host[0]) {
        follower_announced();
        follower_follow(order->host, order->port);
    } else if (order->takes_over)
        follower_take_over();
    else
        follower_lead();
    if (order->session_id)
        session_act(order->session_id, order_done, 0);
    memory_free(order);
}

static void give_order(struct order order)
{
    struct order *posted = memory_allocate(sizeof(*posted));
    *posted = order;
    posted->mail.deliver = obey;
    mailbox_post(loop_mailbox(replication_loop()), &posted->mail);
}

void follower_order_take_over(uint64_t session_id)
{
    give_order((struct order){.session_id = session_id, .takes_over = true});
}

/* The answer waits until clients may write; the request starts over then. */
static void lead(struct execution *x)
{
    bool waits = !(x->session->flags & SESSION_EXECUTING_MULTI);
    if (engine_is_following(x->engine)) {
        give_order((struct order){.session_id = waits ? x->session->id : 0});
        if (waits) {
            execution_suspend(x, SUSPENDED_JOB);
            return;
        }
    }
    reply_status(x->reply, "OK");
}

static void replicaof_command(struct execution *x)
{
    struct follower_view view;
    int64_t port;
    if (failover_is_on()) {
        reply_error(x->reply, "ERR REPLICAOF not allowed while failing over.");
        return;
    }
    if (arg_is(x->argv[1], "NO") && arg_is(x->argv[2], "ONE")) {
        lead(x);
        return;
    }
    if (!is_port(x->argv[2], 1, &port)) {
        reply_error(x->reply, "ERR Invalid master port");
        return;
    }
    if (!is_host_name(x->argv[1])) {
        reply_error(x->reply, "ERR Invalid master host");
        return;
    }
    follower_read(&view);
    if (view.port == port && bytes_equal_text(x->argv[1], view.host)) {
        reply_status(x->reply, "OK Already connected to specified master");
        return;
    }
    int nobody = FOLLOWS_NOBODY; /* from now on nothing is decided here */
    atomic_compare_exchange_strong(&x->engine->following, &nobody, FOLLOWS_COMMANDS);
    struct order order = {.port = (int)port};
    memcpy(order.host, x->argv[1].data, x->argv[1].length);
    follower_announce(order.host, order.port);
    give_order(order);
    reply_status(x->reply, "OK");
}

#define REPLICAOF_ROW(word, version)                                                                                   \
    .name = (word), .run = replicaof_command, .arity = 3,                                                              \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_ASYNC_LOADING, .group = "server",           \
    .since = (version), .complexity = "O(1)",                                                                          \
    .summary = "Makes the server follow another one, or nobody: then it is a primary.",                                \
    .arguments =                                                                                                       \
        ARGUMENTS({.name = "args",                                                                                     \
                   .type = ARGUMENT_ONEOF,                                                                             \
                   .children = ARGUMENTS({.name = "host-port",                                                         \
                                          .type = ARGUMENT_BLOCK,                                                      \
                                          .children = ARGUMENTS(ARG_STRING("host"), ARG_INTEGER("port"))},             \
                                         {.name = "no-one",                                                            \
                                          .type = ARGUMENT_BLOCK,                                                      \
                                          .children = ARGUMENTS(ARG_TOKEN("no", "NO"), ARG_TOKEN("one", "ONE"))})})

const struct command follower_commands[] = {
    {REPLICAOF_ROW("REPLICAOF", "5.0.0")},
    {REPLICAOF_ROW("SLAVEOF", "1.0.0"), .deprecated_since = "5.0.0", .replaced_by = "`REPLICAOF`"},
    {.name = NULL},
};

/* ---- what is told ---- */

void follower_print(const struct follower_view *view, int64_t now_ms, struct buffer *out)
{
    if (!view->host[0])
        return;
    info_text(out, "master_host", view->host);
    info_integer(out, "master_port", view->port);
    info_text(out, "master_link_status", view->is_up ? "up" : "down");
    info_integer(out, "master_last_io_seconds_ago", view->is_up ? (now_ms - view->io_at_ms) / 1000 : -1);
    info_integer(out, "master_sync_in_progress", view->is_copying);
    info_integer(out, "slave_read_repl_offset", (int64_t)view->offset);
    info_integer(out, "slave_repl_offset", (int64_t)view->offset);
    if (view->is_copying) {
        uint64_t total = copy_progress_bytes_total(&view->copy), read = view->copy.bytes;
        info_integer(out, "master_sync_total_bytes", (int64_t)total);
        info_integer(out, "master_sync_read_bytes", (int64_t)read);
        info_integer(out, "master_sync_left_bytes", total > read ? (int64_t)(total - read) : 0);
        info_format(out, "master_sync_perc", "%.2f", copy_progress_percent(&view->copy));
        info_integer(out, "master_sync_last_io_seconds_ago", (now_ms - view->io_at_ms) / 1000);
    }
    if (!view->is_up)
        info_integer(out, "master_link_down_since_seconds",
                     view->down_since_ms ? (now_ms - view->down_since_ms) / 1000 : -1);
    if (!view->is_up && view->down_reason[0])
        info_text(out, "master_link_down_reason", view->down_reason);
    if (view->primary_has_lost)
        info_integer(out, "master_has_lost_writes", 1);
    info_integer(out, "slave_priority", 100);
    info_integer(out, "slave_read_only", following_settings.read_only);
    info_integer(out, "replica_announced", 1);
}

void follower_reply_role(const struct follower_view *view, struct reply *reply)
{
    reply_array(reply, 5);
    reply_bulk_text(reply, "slave");
    reply_bulk_text(reply, view->host);
    reply_integer(reply, view->port);
    reply_bulk_text(reply, view->state);
    reply_integer(reply, view->is_up ? (int64_t)view->offset : -1);
}

/* ---- directives ---- */

static bool parse_primary(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    int64_t port;
    if (text.length == 0 || bytes_equal_text(text, "no one")) {
        follower_settings.host[0] = '\0';
        return true;
    }
    const char *blank = memchr(text.data, ' ', text.length);
    size_t length = blank ? (size_t)(blank - text.data) : 0, skipped = length;
    while (skipped < text.length && text.data[skipped] == ' ')
        skipped++;
    if (!is_host_name(bytes_of(text.data, length)) ||
        !is_port(bytes_of(text.data + skipped, text.length - skipped), 1, &port)) {
        snprintf(error, error_size, "must be a host's name or address and a port, 1 to 65535");
        return false;
    }
    memcpy(follower_settings.host, text.data, length);
    follower_settings.host[length] = '\0';
    follower_settings.port = (int)port;
    return true;
}

static void print_primary(const struct option *option, struct buffer *out)
{
    (void)option;
    struct follower_view view;
    follower_read(&view);
    if (view.host[0])
        buffer_append_format(out, "%s %d", view.host, view.port);
}

static void retry_delivered(struct mail *mail)
{
    memory_free(mail);
    follower_connect_now();
}

/* What the primary is asked for has changed. */
static bool retry(const struct option *option, char *error, size_t error_size)
{
    (void)option, (void)error, (void)error_size;
    struct loop *loop = replication_loop();
    if (!loop)
        return true;
    struct mail *mail = memory_allocate_zeroed(sizeof(*mail));
    mail->deliver = retry_delivered;
    mailbox_post(loop_mailbox(loop), mail);
    return true;
}

#define PRIMARY_ROW(word, more_flags)                                                                                  \
    {                                                                                                                  \
        .name = (word), .type = OPTION_SPECIAL, .flags = OPTION_STARTUP | (more_flags), .initial = "",                 \
        .help = "host and port of the primary that is followed", .parse = parse_primary, .print = print_primary        \
    }

const struct option follower_options[] = {
    PRIMARY_ROW("replicaof", 0),
    PRIMARY_ROW("slaveof", OPTION_HIDDEN),
    {.name = "masteruser",
     .type = OPTION_TEXT,
     .value = &follower_settings.user,
     .initial = "",
     .help = "user that the primary knows this node by; the default user if empty"},
    {.name = "masterauth",
     .type = OPTION_TEXT,
     .flags = OPTION_SENSITIVE,
     .value = &follower_settings.password,
     .initial = "",
     .help = "password that the primary wants"},
    {.name = "replica-read-only",
     .type = OPTION_BOOL,
     .value = &following_settings.read_only,
     .initial = "yes",
     .help = "refuse writes while another node is followed"},
    {.name = "replica-serve-stale-data",
     .type = OPTION_BOOL,
     .value = &follower_settings.serves_stale_data,
     .initial = "yes",
     .help = "answer while the link to the primary is down"},
    {.name = "replica-skip-modules",
     .type = OPTION_BOOL,
     .value = &follower_settings.skips_modules,
     .initial = "no",
     .help = "leave out a primary's values of modules, instead of refusing its data"},
    {.name = "replica-discard-longer-history",
     .type = OPTION_BOOL,
     .value = &follower_settings.discards_longer_history,
     .apply = retry,
     .initial = "no",
     .help = "copy a primary that has lost in a crash what this node still has"},
    {.name = "replica-ignore-maxmemory",
     .type = OPTION_BOOL,
     .value = &following_settings.ignores_maxmemory,
     .initial = "yes",
     .help = "with tier no, leave it to the primary which keys are evicted"},
    {.name = "replica-apply-threads",
     .type = OPTION_INTEGER,
     .value = &following_settings.apply_threads,
     .initial = "0",
     .minimum = 0,
     .maximum = APPLY_THREADS_MAX,
     .help =
         "threads that execute what a primary that is a Forebay sends, by the keys' partitions; 1: that of the link "
         "does; 0: half of the processors, at most four"},
    {.name = "replica-apply-min-effects",
     .type = OPTION_INTEGER,
     .value = &following_settings.apply_min_effects,
     .initial = "64",
     .minimum = 1,
     .maximum = GATHERED_EFFECTS_MAX,
     .help =
         "what waits of a primary's stream is executed by one thread if it has fewer effects of single keys in a row"},
    {.name = NULL},
};
