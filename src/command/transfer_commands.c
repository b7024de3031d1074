/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that go to another key or another db: RENAME, COPY, MOVE.
 *
 * To the stream a transfer is what it does to each key: a SET (or RESTORE) of the destination, a DEL of the source. A
 * time to live goes with its value. */
#include "command/dispatch.h"

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "resp/error_text.h"

#include <limits.h>

/* What was at the destination is replaced, not changed: the key is a new one. */
static void note_replaced(struct execution *x, struct entry *old, const struct key *to)
{
    if (old)
        notify(x, NOTIFY_CREATED, "new", to);
}

static void transfer_away(struct execution *x, struct entry *source, struct entry *old, const char *from_event,
                          const char *to_event)
{
    move_value(x, &x->keys[0], source, &x->keys[1], old);
    note_replaced(x, old, &x->keys[1]);
    notify(x, NOTIFY_GENERIC, from_event, &x->keys[0]);
    notify(x, NOTIFY_GENERIC, to_event, &x->keys[1]);
}

/* ---- within a db ---- */

/* Looks both up; false (and replied) if there is no source. With both names the same, 'old' is the source. */
static bool rename_lookup(struct execution *x, struct entry **source, struct entry **old)
{
    *source = lookup_write(x, &x->keys[0]);
    if (!*source) {
        reply_error(x->reply, ERROR_NO_SUCH_KEY);
        return false;
    }
    *old = bytes_equal(x->keys[0].name, x->keys[1].name) ? *source : lookup_write(x, &x->keys[1]);
    return true;
}

static void rename_command(struct execution *x)
{
    struct entry *source, *old;
    if (!rename_lookup(x, &source, &old))
        return;
    if (old != source)
        transfer_away(x, source, old, "rename_from", "rename_to");
    reply_status(x->reply, "OK");
}

static void renamenx_command(struct execution *x)
{
    struct entry *source, *old;
    if (!rename_lookup(x, &source, &old))
        return;
    if (!old)
        transfer_away(x, source, NULL, "rename_from", "rename_to");
    reply_integer(x->reply, old ? 0 : 1);
}

/* ---- between dbs ---- */

static bool arg_db(struct execution *x, struct bytes word, int *db)
{
    int64_t value;
    if (!arg_int64(x, word, &value))
        return false;
    if (value < INT_MIN || value > INT_MAX) {
        reply_error_format(x->reply, "ERR value is out of range, value must between %d and %d", INT_MIN, INT_MAX);
        return false;
    }
    if (value < 0 || value >= DATABASE_COUNT) {
        reply_error(x->reply, ERROR_DB_RANGE);
        return false;
    }
    *db = (int)value;
    return true;
}

/* The db that the word names, -1 if it names none: the handler says what is wrong with it. */
static int db_of_word(struct bytes word)
{
    int64_t value;
    return bytes_to_int64(word, &value) && value >= 0 && value < DATABASE_COUNT ? (int)value : -1;
}

static int move_other_db(const struct bytes *argv, size_t argc)
{
    return argc > 2 ? db_of_word(argv[2]) : -1;
}

static int copy_other_db(const struct bytes *argv, size_t argc)
{
    int db = -1;
    for (size_t i = 3; i + 1 < argc; i++)
        if (arg_is(argv[i], "DB"))
            db = db_of_word(argv[++i]);
    return db;
}

static void move_command(struct execution *x)
{
    int db;
    if (!arg_db(x, x->argv[2], &db))
        return;
    if (db == x->db) {
        reply_error(x->reply, ERROR_SAME_OBJECT);
        return;
    }
    struct entry *source = lookup_write(x, &x->keys[0]);
    bool moves = source && !lookup_write(x, &x->keys[1]);
    if (moves)
        transfer_away(x, source, NULL, "move_from", "move_to");
    reply_integer(x->reply, moves);
}

static bool copy_parse_options(struct execution *x, int *db, bool *replace)
{
    for (size_t i = 3; i < x->argc; i++) {
        if (arg_is(x->argv[i], "REPLACE")) {
            *replace = true;
        } else if (arg_is(x->argv[i], "DB") && i + 1 < x->argc) {
            if (!arg_db(x, x->argv[++i], db))
                return false;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

static void copy_command(struct execution *x)
{
    int db = x->db;
    bool replace = false;
    if (!copy_parse_options(x, &db, &replace))
        return;
    if (db == x->db && bytes_equal(x->keys[0].name, x->keys[1].name)) {
        reply_error(x->reply, ERROR_SAME_OBJECT);
        return;
    }
    struct entry *source = lookup_read(x, &x->keys[0]);
    struct entry *old = source ? lookup_write(x, &x->keys[1]) : NULL;
    bool copies = source && (!old || replace);
    if (copies) {
        struct object value = entry_object(source);
        execution_let_go(x, claims_work_of(&value));
        struct object copy = object_copy(&value);
        execution_hold_again(x);
        store(x, &x->keys[1], old, &copy, entry_expire_at_ms(source));
        note_replaced(x, old, &x->keys[1]);
        notify(x, NOTIFY_GENERIC, "copy_to", &x->keys[1]);
    }
    reply_integer(x->reply, copies);
}

/* ---- the table ---- */

#define ARG_SECOND_KEY(n)                                                                                              \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_KEY, .key_spec = 1                                                               \
    }
#define RENAME_HISTORY HISTORY({"3.2.0", "Source and destination may be the same."})

const struct command transfer_commands[] = {
    {
        .name = "COPY",
        .run = copy_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "6.2.0",
        .complexity = "O(1) for strings, O(N) for collections of N elements",
        .summary = "Copies a value and its time to live to another key.",
        .arguments =
            ARGUMENTS(ARG_KEY("source"), ARG_SECOND_KEY("destination"),
                      ARG_OPTION("destination-db", "DB", ARGUMENT_INTEGER, NULL), ARG_FLAG("replace", "REPLACE")),
        .other_db = copy_other_db,
    },
    {
        .name = "MOVE",
        .run = move_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves a key to another database, unless it exists there.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("db")),
        .other_db = move_other_db,
    },
    {
        .name = "RENAME",
        .run = rename_command,
        .arity = 3,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name; what had that name is replaced.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
    },
    {
        .name = "RENAMENX",
        .run = renamenx_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_INSERT)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name, unless something has that name.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
    },
    {.name = NULL},
};
