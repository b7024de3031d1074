/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One declarative row a command or subcommand. Dispatch, COMMAND INFO/DOCS/GETKEYS, the ACL categories and
 * docs/COMMANDS.md all come from it; to add a command is to write its function and its row in the table of its family,
 * which ends with a NULL name and which families.c lists. */

struct execution;
struct session;

enum command_flags {
    COMMAND_WRITE = 1 << 0,
    COMMAND_READONLY = 1 << 1,
    COMMAND_DENYOOM = 1 << 2,
    COMMAND_ADMIN = 1 << 3,
    COMMAND_PUBSUB = 1 << 4,
    COMMAND_NOSCRIPT = 1 << 5,
    COMMAND_BLOCKING = 1 << 6,
    COMMAND_LOADING = 1 << 7,
    COMMAND_STALE = 1 << 8,
    COMMAND_SKIP_MONITOR = 1 << 9,
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_ASKING = 1 << 11,
    COMMAND_FAST = 1 << 12,
    COMMAND_NO_AUTH = 1 << 13,
    COMMAND_MAY_REPLICATE = 1 << 14,
    COMMAND_NO_ASYNC_LOADING = 1 << 15,
    COMMAND_NO_MULTI = 1 << 16,
    COMMAND_ALLOW_BUSY = 1 << 17,
    COMMAND_MOVABLEKEYS = 1 << 18,
    COMMAND_NO_MANDATORY_KEYS = 1 << 19, /* a call without keys is well-formed */
    /* Not shown to clients: */
    COMMAND_ALL_KEYS = 1 << 24,  /* cannot know its keys: runs with the gate and every partition held */
    COMMAND_IMMEDIATE = 1 << 25, /* runs at once inside MULTI, not queued (EXEC, DISCARD, WATCH, ...) */
    COMMAND_DANGEROUS = 1 << 26, /* ACL @dangerous beside what admin implies (KEYS, FLUSHALL, SORT, ...) */
    COMMAND_SCRIPT = 1 << 28,    /* uses the interpreter, which one execution at a time may do */
    COMMAND_WALKS = 1 << 27,     /* reads rows in a walk (SCAN, KEYS): locks for itself, or holds all in EXEC */
};

enum key_flags {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE = 1 << 10,
};

/* Where keys stand among the arguments, as Redis's key specifications say it. */
struct key_spec {
    uint16_t flags;      /* 0: no further spec */
    int16_t first;       /* index of the first key, or, with 'keyword', where to begin to look for it */
    const char *keyword; /* NULL, or the word before the first key */
    int16_t last;        /* relative to first: 0 the first only, -1 to the last argument, -2 the last but one */
    int16_t step;
    int16_t limit;    /* with last -1: 2 means the first half of what is left, ... ; 0 and 1 no limit */
    int16_t count_at; /* > 0: 'first' + count_at - 1 holds a number of keys that begin 'keys_at' after first */
    int16_t keys_at;
    const char *notes;
};
#define KEY_SPECS_MAX 3

#define KEY_ONE(position, spec_flags)                                                                                  \
    {                                                                                                                  \
        .flags = (spec_flags), .first = (position), .step = 1                                                          \
    }
#define KEY_RANGE(position, last_key, key_step, spec_flags)                                                            \
    {                                                                                                                  \
        .flags = (spec_flags), .first = (position), .last = (last_key), .step = (key_step)                             \
    }
#define KEY_NUMBERED(position, spec_flags)                                                                             \
    {                                                                                                                  \
        .flags = (spec_flags), .first = (position), .count_at = 1, .keys_at = 1, .step = 1                             \
    }

enum argument_type {
    ARGUMENT_STRING,
    ARGUMENT_INTEGER,
    ARGUMENT_DOUBLE,
    ARGUMENT_KEY,
    ARGUMENT_PATTERN,
    ARGUMENT_UNIX_TIME,
    ARGUMENT_PURE_TOKEN,
    ARGUMENT_ONEOF,
    ARGUMENT_BLOCK,
};
enum argument_flags { ARGUMENT_OPTIONAL = 1, ARGUMENT_MULTIPLE = 2, ARGUMENT_MULTIPLE_TOKEN = 4 };

struct argument {
    const char *name; /* NULL ends a list */
    enum argument_type type;
    const char *token;
    unsigned flags;
    const char *since;
    int key_spec;                    /* of ARGUMENT_KEY: index of its key spec */
    const struct argument *children; /* of ONEOF and BLOCK */
};
#define ARGUMENTS(...) ((const struct argument[]){__VA_ARGS__, {.name = NULL}})
#define ARG_KEY(n)                                                                                                     \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_KEY                                                                              \
    }
#define ARG_STRING(n)                                                                                                  \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_STRING                                                                           \
    }
#define ARG_INTEGER(n)                                                                                                 \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_INTEGER                                                                          \
    }
#define ARG_FLAG(n, t)                                                                                                 \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_PURE_TOKEN, .token = (t), .flags = ARGUMENT_OPTIONAL                             \
    }
#define ARG_TOKEN(n, t)                                                                                                \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_PURE_TOKEN, .token = (t)                                                         \
    }
#define ARG_OPTION(n, t, k, v)                                                                                         \
    {                                                                                                                  \
        .name = (n), .type = (k), .token = (t), .flags = ARGUMENT_OPTIONAL, .since = (v)                               \
    }

struct command_change {
    const char *version, *text; /* NULL version ends a list */
};
#define HISTORY(...) ((const struct command_change[]){__VA_ARGS__, {.version = NULL}})

struct command {
    const char *name; /* upper case as documented: "GET"; a subcommand has its own word only: "ENCODING" */
    void (*run)(struct execution *x);
    int16_t arity; /* words, name included; negative: at least */
    uint32_t flags;
    struct key_spec keys[KEY_SPECS_MAX];
    const char *group; /* string, generic, connection, transactions, server, ... */
    const char *since;
    const char *complexity;
    const char *summary;
    const struct argument *arguments;
    const struct command *subcommands; /* ends with a NULL name; 'run' is then called for no or unknown subcommand */
    const char *deprecated_since, *replaced_by;
    const struct command_change *history;
    /* Keys that specs cannot express (SORT ... STORE): adds them to COMMAND GETKEYS and to what is locked; all of them if a
     * spec is KEY_INCOMPLETE. */
    bool (*more_keys)(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                      void *context);
    /* Of a command with COMMAND_ALL_KEYS: whether this very call cannot know its keys. NULL: none can. */
    bool (*holds_all)(const struct bytes *argv, size_t argc);
    /* The db of the command's last key where that may be another than the session's (COPY ... DB, MOVE); -1 if it is the
     * session's. A command that names one key only means it in both. */
    int (*other_db)(const struct bytes *argv, size_t argc);
    /* Of a spec that is KEY_VARIABLE: what this very call does to its key. */
    uint16_t (*call_flags)(const struct bytes *argv, size_t argc);
};
