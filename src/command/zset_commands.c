/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: members one by one. Effects are ZADD with the scores that came out, and ZREM; ZADD, which most often stores
 * what it was given, hands the words of the request on. */
#include "command/zset_commands.h"

#include "base/memory.h"
#include "command/apply.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "resp/error_text.h"

/* Words of effects that need no allocation. */
#define WORDS_INLINE 64

/* ---- for the family ---- */

static bool take_zset(struct execution *x, struct entry *entry, struct object *zset)
{
    if (!entry || !require_type(x, entry, OBJECT_ZSET))
        return false;
    *zset = entry_object(entry);
    return true;
}

bool zset_lookup_read(struct execution *x, const struct key *key, struct entry **entry, struct object *zset)
{
    *entry = lookup_read(x, key);
    return take_zset(x, *entry, zset);
}

bool zset_lookup_write(struct execution *x, const struct key *key, struct entry **entry, struct object *zset)
{
    *entry = lookup_write(x, key);
    return take_zset(x, *entry, zset);
}

void zset_store_result(struct execution *x, const struct key *key, struct object *zset, const char *event)
{
    size_t count = object_count(zset);
    struct entry *old = lookup_write(x, key);
    if (count > 0) {
        store(x, key, old, zset, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_ZSET, event, key);
    } else if (old) {
        delete_key(x, key, old);
        notify(x, NOTIFY_GENERIC, "del", key);
    }
    if (count == 0)
        object_release(zset);
    reply_integer(x->reply, (int64_t)count);
}

void zset_reply_members(struct execution *x, size_t count, bool with_scores)
{
    reply_array(x->reply, with_scores && x->reply->protocol < 3 ? count * 2 : count);
}

void zset_reply_member(struct execution *x, struct bytes member, double score, bool with_scores)
{
    if (with_scores && x->reply->protocol >= 3)
        reply_array(x->reply, 2);
    reply_bulk(x->reply, member);
    if (with_scores)
        reply_double(x->reply, score);
}

/* Names of small sets that are integers have no bytes of their own until they are printed. */
static void stage_removal(struct execution *x, const struct key *key, const struct object *zset, size_t first,
                          size_t count)
{
    struct bytes words[WORDS_INLINE];
    struct buffer copies = {0};
    struct zset_cursor cursor;
    zset_seek(zset, first, &cursor);
    while (count > 0) {
        size_t piece = count < WORDS_INLINE ? count : WORDS_INLINE, at = 0;
        copies.length = 0;
        for (size_t i = 0; i < piece; i++, zset_step(&cursor, false)) {
            words[i].length = cursor.member.length;
            buffer_append_bytes(&copies, cursor.member);
        }
        for (size_t i = 0; i < piece; at += words[i++].length)
            words[i].data = copies.data + at;
        stage_change(x, key, false, "ZREM", words, piece, 1);
        count -= piece;
    }
    buffer_deinit(&copies);
}

void zset_remove_range(struct execution *x, const struct key *key, struct entry *entry, struct object *zset,
                       size_t first, size_t count, const char *event)
{
    bool empties = count == object_count(zset);
    if (empties) {
        delete_key(x, key, entry);
    } else {
        stage_removal(x, key, zset, first, count);
        zset_remove_ranks(zset, edit_room(x), first, count);
        store_changed(x, key, entry, zset);
    }
    notify(x, NOTIFY_ZSET, event, key);
    if (empties)
        notify(x, NOTIFY_GENERIC, "del", key);
}

/* ---- ZADD and ZINCRBY ---- */

struct zadd {
    unsigned conditions;
    bool tell_changes;
    const struct bytes *pairs; /* score, member, ... */
    size_t count;
    double *scores;
};

static unsigned condition_of_word(struct bytes word)
{
    static const char *const names[] = {"NX", "XX", "GT", "LT", "INCR"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (arg_is(word, names[i]))
            return 1u << i;
    return 0;
}

static const char *conditions_error(unsigned conditions, size_t count)
{
    bool nx = conditions & ZSET_IF_ABSENT, gt = conditions & ZSET_IF_GREATER, lt = conditions & ZSET_IF_LESS;
    if (nx && conditions & ZSET_IF_PRESENT)
        return ERROR_XX_AND_NX;
    if ((gt && nx) || (lt && nx) || (gt && lt))
        return ERROR_GT_LT_NX;
    return conditions & ZSET_INCREMENT && count > 1 ? ERROR_INCR_SINGLE : NULL;
}

/* Replies and returns false if the words are not well-formed. */
static bool zadd_parse(struct execution *x, struct zadd *zadd)
{
    size_t first = 2;
    *zadd = (struct zadd){0};
    for (; first < x->argc; first++) {
        unsigned condition = condition_of_word(x->argv[first]);
        bool tell_changes = arg_is(x->argv[first], "CH");
        if (!condition && !tell_changes)
            break;
        zadd->conditions |= condition;
        zadd->tell_changes |= tell_changes;
    }
    zadd->pairs = x->argv + first;
    zadd->count = (x->argc - first) / 2;
    if ((x->argc - first) % 2 != 0 || zadd->count == 0) {
        reply_syntax_error(x);
        return false;
    }
    const char *error = conditions_error(zadd->conditions, zadd->count);
    if (error)
        reply_error(x->reply, error);
    return !error;
}

static bool parse_scores(struct execution *x, const struct zadd *zadd)
{
    for (size_t i = 0; i < zadd->count; i++)
        if (!arg_double(x, zadd->pairs[i * 2], &zadd->scores[i]))
            return false;
    return true;
}

/* What came of a ZADD. Words of the pairs that took effect stand in a row. */
struct zadd_result {
    size_t added, changed, refused;
    struct bytes *words;
    size_t word_count;
    bool not_a_number;
};

static void zadd_change(struct execution *x, const struct zadd *zadd, struct object *zset, struct zadd_result *result)
{
    struct buffer *room = edit_room(x);
    for (size_t i = 0; i < zadd->count && !result->not_a_number; i++) {
        struct bytes member = zadd->pairs[i * 2 + 1];
        enum zset_outcome outcome = zset_update(zset, room, member, zadd->conditions, &zadd->scores[i]);
        result->added += outcome == ZSET_ADDED;
        result->changed += outcome == ZSET_CHANGED;
        result->refused += outcome == ZSET_REFUSED;
        result->not_a_number = outcome == ZSET_NOT_A_NUMBER;
        if (outcome == ZSET_ADDED || outcome == ZSET_CHANGED) {
            result->words[result->word_count++] = zadd->pairs[i * 2];
            result->words[result->word_count++] = member;
        }
    }
}

static void zadd_store(struct execution *x, const struct zadd *zadd, struct entry *entry, const struct object *zset,
                       struct zadd_result *result)
{
    char text[ZSET_SCORE_TEXT_MAX];
    bool increments = zadd->conditions & ZSET_INCREMENT;
    if (result->word_count == 0)
        return;
    if (increments)
        result->words[0] = zset_score_text(zadd->scores[0], text);
    stage_change(x, x->keys, entry == NULL, "ZADD", result->words, result->word_count, 2);
    store_changed(x, x->keys, entry, zset);
    notify(x, NOTIFY_ZSET, increments ? "zincr" : "zadd", x->keys);
}

static void zadd_reply(struct execution *x, const struct zadd *zadd, const struct zadd_result *result)
{
    if (result->not_a_number)
        reply_error(x->reply, ERROR_SCORE_NAN);
    else if (!(zadd->conditions & ZSET_INCREMENT))
        reply_integer(x->reply, (int64_t)(result->added + (zadd->tell_changes ? result->changed : 0)));
    else if (result->refused)
        reply_null(x->reply);
    else
        reply_double(x->reply, zadd->scores[0]);
}

static void zadd_run(struct execution *x, const struct zadd *zadd, struct bytes *words)
{
    struct zadd_result result = {.words = words};
    struct entry *entry;
    struct object zset;
    if (!zset_lookup_write(x, x->keys, &entry, &zset)) {
        if (entry)
            return;
        zset = object_empty(OBJECT_ZSET);
        if (zadd->conditions & ZSET_IF_PRESENT)
            result.refused = 1;
    }
    if (entry || !result.refused)
        zadd_change(x, zadd, &zset, &result);
    zadd_store(x, zadd, entry, &zset, &result);
    zadd_reply(x, zadd, &result);
}

static void zadd_generic(struct execution *x, struct zadd *zadd)
{
    double scores[WORDS_INLINE / 2];
    struct bytes words[WORDS_INLINE];
    bool is_long = zadd->count * 2 > WORDS_INLINE;
    struct bytes *all_words = is_long ? memory_allocate(zadd->count * 2 * sizeof(struct bytes)) : words;
    zadd->scores = is_long ? memory_allocate(zadd->count * sizeof(double)) : scores;
    if (parse_scores(x, zadd))
        zadd_run(x, zadd, all_words);
    if (is_long) {
        memory_free(all_words);
        memory_free(zadd->scores);
    }
}

static void zadd_command(struct execution *x)
{
    struct zadd zadd;
    if (zadd_parse(x, &zadd))
        zadd_generic(x, &zadd);
}

void zadd_words(struct execution *x, const struct bytes *words, size_t count)
{
    const struct bytes *argv = x->argv;
    size_t argc = x->argc;
    x->argv = words;
    x->argc = count;
    zadd_command(x);
    x->argv = argv;
    x->argc = argc;
}

static void zincrby_command(struct execution *x)
{
    struct zadd zadd = {.conditions = ZSET_INCREMENT, .pairs = x->argv + 2, .count = 1};
    zadd_generic(x, &zadd);
}

/* ---- ZREM ---- */

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
    struct bytes inline_words[WORDS_INLINE], *words = inline_words;
    struct entry *entry;
    struct object zset;
    size_t count = 0;
    if (!zset_lookup_write(x, x->keys, &entry, &zset)) {
        if (!entry)
            reply_integer(x->reply, 0);
        return;
    }
    if (x->argc > WORDS_INLINE)
        words = memory_allocate(x->argc * sizeof(*words));
    struct buffer *room = edit_room(x);
    for (size_t i = 2; i < x->argc; i++)
        if (zset_remove(&zset, room, x->argv[i]))
            words[count++] = x->argv[i];
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
        .name = "ZADD",
        .run = zadd_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        .summary = "Adds members to a sorted set, or gives them other scores.",
        .history = HISTORY({"2.4.0", "Several members at once."}, {"3.0.2", "Options `XX`, `NX`, `CH` and `INCR`."},
                           {"6.2.0", "Options `GT` and `LT`."}),
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "condition",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "3.0.2",
                       .children = ARGUMENTS(ARG_TOKEN("nx", "NX"), ARG_TOKEN("xx", "XX"))},
                      {.name = "comparison",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "6.2.0",
                       .children = ARGUMENTS(ARG_TOKEN("gt", "GT"), ARG_TOKEN("lt", "LT"))},
                      {.name = "change",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "CH",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "3.0.2"},
                      {.name = "increment",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "INCR",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "3.0.2"},
                      {.name = "score_member",
                       .type = ARGUMENT_BLOCK,
                       .flags = ARGUMENT_MULTIPLE,
                       .children = ARGUMENTS({.name = "score", .type = ARGUMENT_DOUBLE}, ARG_STRING("member"))}),
    },
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
        .name = "ZINCRBY",
        .run = zincrby_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "sorted-set",
        .since = "1.2.0",
        .complexity = "O(log(N)) where N is the number of elements in the sorted set.",
        .summary = "Adds to the score of a member.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("increment"), ARG_STRING("member")),
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
