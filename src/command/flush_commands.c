/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on whole databases. They hold every partition, so the offset at which their effect ends is known to be above
 * that of every row captured before; rows below it are dead. */
#include "command/args.h"
#include "command/blocked.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/server_commands.h"
#include "resp/error_text.h"

/* ASYNC and SYNC mean the same: what was flushed is always freed in the background. */
static bool flush_parse(struct execution *x)
{
    if (x->argc == 1 || (x->argc == 2 && (arg_is(x->argv[1], "ASYNC") || arg_is(x->argv[1], "SYNC"))))
        return true;
    reply_syntax_error(x);
    return false;
}

void flushdb_command(struct execution *x)
{
    if (!flush_parse(x))
        return;
    stage_node_effect(x, "FLUSHDB", NULL, 0);
    keyspace_flush(x->keyspace, x->db, stream_end(x->engine->stream) + 1);
    notify_flushed(x);
    blocked_note_all(x);
    reply_status(x->reply, "OK");
}

void flushall_command(struct execution *x)
{
    if (!flush_parse(x))
        return;
    stage_node_effect(x, "FLUSHALL", NULL, 0);
    for (int db = 0; db < DATABASE_COUNT; db++)
        keyspace_flush(x->keyspace, db, stream_end(x->engine->stream) + 1);
    notify_flushed(x);
    blocked_note_all(x);
    reply_status(x->reply, "OK");
}

static bool swap_parse(struct execution *x, struct bytes word, const char *error, int64_t *db)
{
    return arg_int64_in(x, word, INT32_MIN, INT32_MAX, error, db);
}

void swapdb_command(struct execution *x)
{
    int64_t dbs[2];
    if (!swap_parse(x, x->argv[1], "ERR invalid first DB index", &dbs[0]) ||
        !swap_parse(x, x->argv[2], "ERR invalid second DB index", &dbs[1]))
        return;
    for (int i = 0; i < 2; i++)
        if (dbs[i] < 0 || dbs[i] >= DATABASE_COUNT) {
            reply_error(x->reply, ERROR_DB_RANGE);
            return;
        }
    if (dbs[0] != dbs[1]) {
        stage_node_effect(x, "SWAPDB", dbs, 2);
        keyspace_swap(x->keyspace, (int)dbs[0], (int)dbs[1]);
        blocked_note_all(x);
    }
    reply_status(x->reply, "OK");
}

void dbsize_command(struct execution *x)
{
    reply_integer(x->reply, (int64_t)keyspace_counts(x->keyspace, x->db).keys);
}
