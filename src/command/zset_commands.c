/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: ZREM, questions about single members, and how effects are applied. */
#include "command/zset_commands.h"

#include "base/memory.h"
#include "command/apply.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"

static void zrem_store(struct execution *x, struct entry *entry, const struct object *zset, const struct bytes *words,
                       size_t count)
{
    bool empties = object_count(zset) == 0;
    if (!empties)
        stage_change(x, x->keys, false, "ZREM", words, count, 1);
    store_remainder(x, x->keys, entry, zset);
    notify(x, NOTIFY_ZSET, "zrem", x->keys);
    if (empties)
        notify(x, NOTIFY_GENERIC, "del", x->keys);
}

static void zrem_command(struct execution *x)
{
    struct bytes inline_words[ZSET_WORDS_INLINE], *words = inline_words;
    struct entry *entry;
    struct object zset;
    size_t count = 0;
    if (!zset_lookup_write(x, x->keys, &entry, &zset)) {
        if (!entry)
            reply_integer(x->reply, 0);
        return;
    }
    if (x->argc > ZSET_WORDS_INLINE)
        words = memory_allocate(x->argc * sizeof(*words));
    struct buffer *room = edit_room(x);
    for (size_t i = 2; i < x->argc; i++) {
        if (zset_remove(&zset, room, x->argv[i]))
            words[count++] = x->argv[i];
        execution_breathe(x);
    }
    if (count > 0)
        zrem_store(x, entry, &zset, words, count);
    if (words != inline_words)
        memory_free(words);
    reply_integer(x->reply, (int64_t)count);
}

/* ---- questions about members ---- */

static void zscore_command(struct execution *x)
{
    struct entry *entry;
    struct object zset;
    double score;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (is_zset && zset_score(&zset, x->argv[2], &score))
        reply_double(x->reply, score);
    else if (is_zset || !entry)
        reply_null(x->reply);
}

static void zmscore_command(struct execution *x)
{
    struct entry *entry;
    struct object zset;
    double score;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (!is_zset && entry)
        return;
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        if (is_zset && zset_score(&zset, x->argv[i], &score))
            reply_double(x->reply, score);
        else
            reply_null(x->reply);
}

static void zcard_command(struct execution *x)
{
    struct entry *entry;
    struct object zset;
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (is_zset || !entry)
        reply_integer(x->reply, is_zset ? (int64_t)object_count(&zset) : 0);
}

static void zrank_reply(struct execution *x, const struct object *zset, double score, bool reverse, bool with_score)
{
    const struct score_cut cut = {CUT_BEFORE_MEMBER, score, x->argv[2]};
    size_t rank = zset_cut_rank(zset, &cut, 0);
    if (reverse)
        rank = object_count(zset) - 1 - rank;
    if (with_score)
        reply_array(x->reply, 2);
    reply_integer(x->reply, (int64_t)rank);
    if (with_score)
        reply_double(x->reply, score);
}

static void zrank_generic(struct execution *x, bool reverse)
{
    bool with_score = x->argc == 4;
    struct entry *entry;
    struct object zset;
    double score;
    if (x->argc > 4) {
        reply_arity_error(x);
        return;
    }
    if (with_score && !arg_is(x->argv[3], "WITHSCORE")) {
        reply_syntax_error(x);
        return;
    }
    bool is_zset = zset_lookup_read(x, x->keys, &entry, &zset);
    if (!is_zset && entry)
        return;
    if (is_zset && zset_score(&zset, x->argv[2], &score))
        zrank_reply(x, &zset, score, reverse, with_score);
    else if (with_score)
        reply_null_array(x->reply);
    else
        reply_null(x->reply);
}

static void zrank_command(struct execution *x)
{
    zrank_generic(x, false);
}

static void zrevrank_command(struct execution *x)
{
    zrank_generic(x, true);
}

/* ---- effects ---- */

static bool apply_zadd(struct object *zset, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i + 1 < effect->count; i += 2) {
        double score;
        if (!bytes_to_double(effect->words[i], &score))
            return false;
        zset_update(zset, room, effect->words[i + 1], 0, &score);
    }
    return true;
}

static bool apply_zrem(struct object *zset, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i < effect->count; i++)
        zset_remove(zset, room, effect->words[i]);
    return object_count(zset) > 0;
}

const struct effect_form zset_effects[] = {
    {"ZADD", OBJECT_ZSET, 4, apply_zadd},
    {"ZREM", OBJECT_ZSET, 3, apply_zrem},
    {NULL, 0, 0, NULL},
};

/* ---- the table ---- */

const struct command zset_commands[] = {
    {
        .name = "ZCARD",
        .run = zcard_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Counts the members of a sorted set.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "ZMSCORE",
        .run = zmscore_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "6.2.0",
        .complexity = "O(N) where N is the number of members being requested.",
        .summary = "Returns the scores of several members.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "ZRANK",
        .run = zrank_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(log(N))",
        .summary = "Returns the rank of a member, in ascending order of scores.",
        .history = HISTORY({"7.2.0", "Option `WITHSCORE`."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("member"),
                               {.name = "withscore",
                                .type = ARGUMENT_PURE_TOKEN,
                                .token = "WITHSCORE",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "7.2.0"}),
    },
    {
        .name = "ZREM",
        .run = zrem_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements "
                      "to be removed.",
        .summary = "Removes members from a sorted set.",
        .history = HISTORY({"2.4.0", "Several members at once."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "ZREVRANK",
        .run = zrevrank_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "2.0.0",
        .complexity = "O(log(N))",
        .summary = "Returns the rank of a member, in descending order of scores.",
        .history = HISTORY({"7.2.0", "Option `WITHSCORE`."}),
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("member"),
                               {.name = "withscore",
                                .type = ARGUMENT_PURE_TOKEN,
                                .token = "WITHSCORE",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "7.2.0"}),
    },
    {
        .name = "ZSCORE",
        .run = zscore_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Returns the score of a member.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("member")),
    },
    {.name = NULL},
};
