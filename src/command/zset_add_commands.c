/* SPDX-License-Identifier: BSD-3-Clause */
/* ZADD and ZINCRBY. The effect is ZADD with the scores that came out; ZADD, which most often stores what it was given, hands
 * the words of the request on. */
#include "command/zset_commands.h"

#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "resp/error_text.h"

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
    for (size_t i = 0; i < zadd->count; i++) {
        if (!arg_double(x, zadd->pairs[i * 2], &zadd->scores[i]))
            return false;
        execution_breathe(x);
    }
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
        execution_breathe(x);
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
    double scores[ZSET_WORDS_INLINE / 2];
    struct bytes words[ZSET_WORDS_INLINE];
    bool is_long = zadd->count * 2 > ZSET_WORDS_INLINE;
    struct bytes *all_words = is_long ? memory_allocate(zadd->count * 2 * sizeof(struct bytes)) : words;
    zadd->scores = is_long ? memory_allocate(zadd->count * sizeof(double)) : scores;
    if (parse_scores(x, zadd))
        zadd_run(x, zadd, all_words);
    if (is_long) {
        memory_free(all_words);
        memory_free(zadd->scores);
    }
    zadd->scores = NULL;
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

/* ---- the table ---- */

const struct command zset_add_commands[] = {
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
    {.name = NULL},
};
