/* SPDX-License-Identifier: BSD-3-Clause */
/* MIGRATE. The values are copied under the keys' locks, sent without, and deleted, again under the locks, if they still are
 * what was sent: nobody but the caller waits for the other server. A key that was changed meanwhile is sent again, over the
 * copy that is there already; so what the other server has at the end is what was here when the key was deleted.
 *
 *   call -> copy, suspend -> talk (a thread) -> call -> all unchanged? -> delete, reply
 *                                  ^------------- send what changed -'
 *
 * A key that changes faster than it can be sent stays here, and the caller is told. */
#include "base/memory.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/pause.h"
#include "object/codec.h"
#include "replication/migrate_options.h"
#include "replication/migrate_talk.h"
#include "replication/replication_private.h"
#include "resp/error_text.h"

#include <stdio.h>

#define ROUNDS_MAX 16
/* Between two looks for room among those who wait for other servers. */
#define ROOM_LOOK_MS 5

enum migrated_state { MIGRATED_ABSENT, MIGRATED_UNSENT, MIGRATED_SENT, MIGRATED_CHANGED, MIGRATED_REFUSED };

struct migrated {
    enum migrated_state state;
    int64_t expire_at_ms;
    struct buffer payload;
};

struct migration {
    struct offload offload;
    char *host;
    struct buffer hello, requests;
    size_t hello_count, sending_count;
    int port;
    bool own_db; /* the target's is the caller's, should the target be this server */
    int64_t timeout_ms;
    unsigned rounds;
    char error[256];       /* of the talk, or the first of a key; empty: none */
    struct migrated *keys; /* in the command's order */
    size_t count;
    size_t *sending; /* indexes of those in 'requests' */
};

/* ---- what is sent ---- */

static void say_word(struct buffer *to, struct bytes word)
{
    buffer_append_format(to, "$%zu\r\n", word.length);
    buffer_append_bytes(to, word);
    buffer_append_text(to, "\r\n");
}

static void say_hello(struct migration *migration, const struct migrate_options *options)
{
    char db[BYTES_INTEGER_MAX];
    if (options->password.data) {
        buffer_append_format(&migration->hello, "*%d\r\n", options->user.data ? 3 : 2);
        say_word(&migration->hello, BYTES("AUTH"));
        if (options->user.data)
            say_word(&migration->hello, options->user);
        say_word(&migration->hello, options->password);
        migration->hello_count++;
    }
    buffer_append_text(&migration->hello, "*2\r\n");
    say_word(&migration->hello, BYTES("SELECT"));
    say_word(&migration->hello, bytes_of(db, bytes_from_int64(db, options->db)));
    migration->hello_count++;
}

static void say_restore(struct execution *x, struct migration *migration, size_t index, bool replace)
{
    struct migrated *migrated = &migration->keys[index];
    char ttl[BYTES_INTEGER_MAX];
    int64_t ttl_ms = migrated->expire_at_ms == ENTRY_NO_EXPIRE ? 0 : migrated->expire_at_ms - x->now_ms;
    buffer_append_format(&migration->requests, "*%d\r\n", replace ? 5 : 4);
    say_word(&migration->requests, BYTES("RESTORE"));
    say_word(&migration->requests, x->keys[index].name);
    say_word(&migration->requests, bytes_of(ttl, bytes_from_int64(ttl, ttl_ms)));
    say_word(&migration->requests, buffer_bytes(&migrated->payload));
    if (replace)
        say_word(&migration->requests, BYTES("REPLACE"));
    migration->sending[migration->sending_count++] = index;
}

/* The live value, NULL if there is none. Nothing expires here: a request that is going to be suspended changes nothing. */
static struct entry *find_live(struct execution *x, const struct key *key)
{
    struct entry *entry = keyspace_find(x->keyspace, key);
    return entry && !entry_is_expired(entry, x->now_ms) ? entry : NULL;
}

/* Copies what is to be sent; true if it is something else than the copy that was there. */
static bool copy_value(struct migrated *migrated, struct entry *entry)
{
    struct object value = entry_object(entry);
    struct buffer payload = {0};
    codec_dump(&value, &payload);
    bool is_same = migrated->expire_at_ms == entry_expire_at_ms(entry) &&
                   bytes_equal(buffer_bytes(&payload), buffer_bytes(&migrated->payload));
    buffer_deinit(&migrated->payload);
    migrated->payload = payload;
    migrated->expire_at_ms = entry_expire_at_ms(entry);
    return !is_same;
}

/* ---- the talk ---- */

static void hear(void *context, size_t index, bool is_error, struct bytes text)
{
    struct migration *migration = context;
    struct migrated *migrated = &migration->keys[migration->sending[index]];
    migrated->state = is_error ? MIGRATED_REFUSED : MIGRATED_SENT;
    if (is_error && migration->error[0] == '\0')
        snprintf(migration->error, sizeof(migration->error), "ERR Target instance replied with error: %.*s",
                 (int)(text.length < 200 ? text.length : 200), text.data);
}

static bool nobody_waits(void *context)
{
    return offload_must_end(context);
}

static void run_talk(struct offload *offload)
{
    struct migration *migration = (struct migration *)offload;
    struct migrate_talk talk = {
        .host = migration->host,
        .port = migration->port,
        .timeout_ms = migration->timeout_ms,
        .forbidden_port = migration->own_db ? replication_port() : 0,
        .hello = buffer_bytes(&migration->hello),
        .hello_count = migration->hello_count,
        .requests = buffer_bytes(&migration->requests),
        .request_count = migration->sending_count,
        .heard = hear,
        .must_end = nobody_waits,
        .context = migration,
    };
    char error[sizeof(migration->error)] = "";
    if (!migrate_talk(&talk, error, sizeof(error)) && migration->error[0] == '\0')
        memcpy(migration->error, error, sizeof(error));
}

static void destroy_migration(struct offload *offload)
{
    struct migration *migration = (struct migration *)offload;
    for (size_t i = 0; i < migration->count; i++)
        buffer_deinit(&migration->keys[i].payload);
    memory_free(migration->keys);
    memory_free(migration->sending);
    memory_free(migration->host);
    buffer_deinit(&migration->hello);
    buffer_deinit(&migration->requests);
}

/* ---- the command ---- */

static struct migration *create(struct execution *x, const struct migrate_options *options)
{
    struct migration *migration =
        (struct migration *)offload_create(x, sizeof(*migration), run_talk, destroy_migration);
    struct bytes host = x->argv[1];
    migration->host = memory_allocate_zeroed(host.length + 1);
    memcpy(migration->host, host.data, host.length);
    migration->port = (int)options->port;
    migration->own_db = options->db == x->db;
    migration->timeout_ms = options->timeout_ms;
    migration->count = x->key_count;
    migration->keys = memory_allocate_zeroed(x->key_count * sizeof(*migration->keys));
    migration->sending = memory_allocate(x->key_count * sizeof(*migration->sending));
    say_hello(migration, options);
    return migration;
}

static bool any_is_live(struct execution *x)
{
    for (size_t i = 0; i < x->key_count; i++)
        if (find_live(x, &x->keys[i]))
            return true;
    return false;
}

/* A caller that goes away meanwhile ends the talk; what the other server has taken by then is in both. */
static void talk(struct execution *x, struct migration *migration)
{
    offload_run_apart(x, &migration->offload);
    x->session->transport->block(x->session->connection);
}

static void begin(struct execution *x, const struct migrate_options *options)
{
    if (!offload_has_room_apart()) {
        execution_pause(x, x->now_ms + ROOM_LOOK_MS);
        return;
    }
    struct migration *migration = create(x, options);
    for (size_t i = 0; i < x->key_count; i++) {
        struct entry *entry = find_live(x, &x->keys[i]);
        if (!entry)
            continue;
        migration->keys[i].state = MIGRATED_UNSENT;
        copy_value(&migration->keys[i], entry);
        say_restore(x, migration, i, options->replace);
    }
    talk(x, migration);
}

/* Finds what was changed since it was sent; true if there is something of the kind. */
static bool find_changed(struct execution *x, struct migration *migration)
{
    bool any = false;
    for (size_t i = 0; i < migration->count; i++) {
        struct migrated *migrated = &migration->keys[i];
        struct entry *entry = migrated->state == MIGRATED_SENT ? find_live(x, &x->keys[i]) : NULL;
        if (entry && copy_value(migrated, entry)) {
            migrated->state = MIGRATED_CHANGED;
            any = true;
        }
    }
    return any;
}

/* Over the copies that the other server has. */
static void send_changed(struct execution *x, struct migration *migration)
{
    migration->requests.length = 0;
    migration->sending_count = 0;
    for (size_t i = 0; i < migration->count; i++)
        if (migration->keys[i].state == MIGRATED_CHANGED)
            say_restore(x, migration, i, true);
    talk(x, migration);
}

/* Under the same hold as find_changed: what is SENT still is what was sent. */
static void delete_sent(struct execution *x, struct migration *migration)
{
    for (size_t i = 0; i < migration->count; i++) {
        struct entry *entry = migration->keys[i].state == MIGRATED_SENT ? lookup_write(x, &x->keys[i]) : NULL;
        if (!entry)
            continue;
        delete_key(x, &x->keys[i], entry);
        notify(x, NOTIFY_GENERIC, "del", &x->keys[i]);
    }
}

static void finish(struct execution *x, struct migration *migration, bool copy)
{
    bool is_changed = !copy && find_changed(x, migration);
    if (is_changed && migration->error[0] == '\0' && ++migration->rounds < ROUNDS_MAX) {
        send_changed(x, migration);
        return;
    }
    if (!copy)
        delete_sent(x, migration);
    if (migration->error[0])
        reply_error(x->reply, migration->error);
    else if (is_changed)
        reply_error(x->reply,
                    "ERR a key was changed faster than it could be sent: it stays here, and the target has an "
                    "older copy");
    else
        reply_status(x->reply, "OK");
    offload_end(x, &(struct offload *){&migration->offload});
}

static void migrate_command(struct execution *x)
{
    struct migrate_options options;
    if (!migrate_read_options(x, &options))
        return;
    if (x->session->flags & SESSION_EXECUTING_MULTI) {
        reply_error(x->reply, "ERR MIGRATE would have everybody wait for another server here: call it outside of "
                              "transactions and scripts");
        return;
    }
    struct migration *migration = (struct migration *)offload_finished(x, run_talk);
    if (migration)
        finish(x, migration, options.copy);
    else if (any_is_live(x))
        begin(x, &options);
    else
        reply_status(x->reply, "NOKEY");
}

const struct command migrate_commands[] = {
    {
        .name = "MIGRATE",
        .run = migrate_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_MOVABLEKEYS | COMMAND_DANGEROUS,
        .keys = {KEY_ONE(3, KEY_RW | KEY_ACCESS | KEY_DELETE),
                 {.flags = KEY_RW | KEY_ACCESS | KEY_DELETE | KEY_INCOMPLETE,
                  .first = -2,
                  .keyword = "KEYS",
                  .last = -1,
                  .step = 1}},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(N), when N is the size of the values",
        .summary = "Moves keys to another server.",
        .arguments = ARGUMENTS(
            ARG_STRING("host"), ARG_INTEGER("port"),
            {.name = "key-selector",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(ARG_KEY("key"), {.name = "empty-string", .type = ARGUMENT_PURE_TOKEN, .token = ""})},
            ARG_INTEGER("destination-db"), ARG_INTEGER("timeout"),
            ARG_OPTION("copy", "COPY", ARGUMENT_PURE_TOKEN, "3.0.0"),
            ARG_OPTION("replace", "REPLACE", ARGUMENT_PURE_TOKEN, "3.0.0"),
            {.name = "authentication",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_OPTION("auth", "AUTH", ARGUMENT_STRING, "4.0.7"),
                                   {.name = "auth2",
                                    .type = ARGUMENT_BLOCK,
                                    .token = "AUTH2",
                                    .since = "6.0.0",
                                    .children = ARGUMENTS(ARG_STRING("username"), ARG_STRING("password"))})},
            {.name = "keys",
             .type = ARGUMENT_KEY,
             .token = "KEYS",
             .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE,
             .since = "3.0.6",
             .key_spec = 1}),
        .history = HISTORY({"3.0.0", "Options `COPY` and `REPLACE`."}, {"3.0.6", "Option `KEYS`."},
                           {"4.0.7", "Option `AUTH`."}, {"6.0.0", "Option `AUTH2`."}),
        .more_keys = migrate_more_keys,
    },
    {.name = NULL},
};
