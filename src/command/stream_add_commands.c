/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries enter a stream, and the oldest leave it. An entry is told to the stream of effects with the id that it got, a trim
 * with the length that it left. */
#include "command/claims.h"
#include "command/stream_commands.h"

#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "object/object_limits.h"
#include "resp/error_text.h"

/* ---- trimming ---- */

/* How many entries an approximate trim takes at most, where nobody says. */
#define LIMIT_NODES 100
#define LIMIT_UNLIMITED_NODES 10000
#define LIMIT_MAX 1000000

/* What XADD and XTRIM have before the id, or to the end. */
struct trim_options {
    bool has_trim, is_no_create, has_limit;
    struct xstream_trim trim;
};

/* Between two looks at the clock. */
#define TRIMMED_AT_ONCE 300

/* Of much that goes, whole nodes first, some at a time; to others it is one change. */
static size_t trim_stream(struct execution *x, struct xstream *stream, const struct xstream_trim *trim)
{
    struct xstream_trim some = *trim;
    size_t trimmed = 0, piece = 0;
    some.is_approximate = true;
    some.limit = TRIMMED_AT_ONCE;
    while (trim->limit == 0 && (piece = xstream_trim(stream, &some)) > 0) {
        trimmed += piece;
        execution_breathe_out(x);
    }
    return trimmed + xstream_trim(stream, trim);
}

static bool parse_threshold(struct execution *x, struct trim_options *options, bool by_length, struct bytes word)
{
    struct xstream_trim *trim = &options->trim;
    int64_t length = 0;
    trim->by = by_length ? XSTREAM_TRIM_LENGTH : XSTREAM_TRIM_ID;
    if (!by_length)
        return arg_stream_id(x, word, 0, &trim->id);
    if (!arg_stream_count(x, word, "ERR The MAXLEN argument must be >= 0.", &length))
        return false;
    trim->length = (uint64_t)length;
    return true;
}

/* [= | ~] threshold, behind the option at *at, which is moved to the last word taken. */
static bool parse_trim(struct execution *x, struct trim_options *options, size_t *at)
{
    bool by_length = arg_is(x->argv[*at], "MAXLEN");
    if (options->has_trim) {
        reply_error(x->reply, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        return false;
    }
    size_t left = x->argc - *at - 1;
    bool is_approximate = left >= 2 && bytes_equal(x->argv[*at + 1], BYTES("~"));
    if (is_approximate || (left >= 2 && bytes_equal(x->argv[*at + 1], BYTES("="))))
        ++*at;
    options->has_trim = true;
    options->trim.is_approximate = is_approximate;
    return parse_threshold(x, options, by_length, x->argv[++*at]);
}

static bool parse_limit(struct execution *x, struct trim_options *options, size_t *at)
{
    int64_t limit;
    if (!arg_stream_count(x, x->argv[++*at], "ERR The LIMIT argument must be >= 0.", &limit))
        return false;
    options->has_limit = true;
    options->trim.limit = (uint64_t)limit;
    return true;
}

static uint64_t default_limit(void)
{
    int64_t entries = object_limits.stream_node_max_entries;
    if (entries <= 0)
        return LIMIT_UNLIMITED_NODES;
    return entries > LIMIT_MAX / LIMIT_NODES ? LIMIT_MAX : (uint64_t)entries * LIMIT_NODES;
}

static bool check_options(struct execution *x, struct trim_options *options, bool needs_trim)
{
    const char *error = NULL;
    if (options->trim.limit > 0 && !options->has_trim)
        error = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    else if (needs_trim && !options->has_trim)
        error = "ERR syntax error, XTRIM must be called with a trimming strategy";
    else if (options->has_limit && !options->trim.is_approximate)
        error = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    if (error)
        reply_error(x->reply, error);
    else if (!options->has_limit && options->trim.is_approximate)
        options->trim.limit = default_limit();
    return !error;
}

/* One option at *at. 'taken' is false if there is none. */
static bool parse_option(struct execution *x, struct trim_options *options, size_t *at, bool *taken)
{
    struct bytes word = x->argv[*at];
    bool has_more = *at + 1 < x->argc;
    *taken = true;
    if (has_more && (arg_is(word, "MAXLEN") || arg_is(word, "MINID")))
        return parse_trim(x, options, at);
    if (has_more && arg_is(word, "LIMIT"))
        return parse_limit(x, options, at);
    *taken = false;
    return true;
}

/* The effect, exact whatever was asked for. */
static void stage_trim(struct execution *x, const struct key *key, const struct xstream *stream)
{
    char digits[BYTES_INTEGER_MAX];
    const struct bytes words[] = {BYTES("MAXLEN"), BYTES("="),
                                  bytes_of(digits, bytes_from_int64(digits, (int64_t)stream->length))};
    stage_change(x, key, false, "XTRIM", words, 3, 3);
    notify(x, NOTIFY_STREAM, "xtrim", key);
}

/* ---- XADD ---- */

/* What stands where an id may: a whole one, one without seq, or nothing. */
struct wanted_id {
    bool has_ms, has_seq;
    struct stream_id id;
};

static bool parse_wanted_id(struct execution *x, struct bytes word, struct wanted_id *wanted)
{
    *wanted = (struct wanted_id){0};
    if (bytes_equal(word, BYTES("*")))
        return true;
    bool is_open = word.length > 2 && memcmp(word.data + word.length - 2, "-*", 2) == 0;
    wanted->has_ms = true;
    wanted->has_seq = !is_open;
    if (!arg_stream_id(x, is_open ? bytes_of(word.data, word.length - 2) : word, 0, &wanted->id))
        return false;
    if (is_open && memchr(word.data, '-', word.length - 2)) {
        reply_error(x->reply, ERROR_STREAM_ID);
        return false;
    }
    return true;
}

/* False if there is no such id behind the last. */
static bool choose_id(const struct xstream *stream, const struct wanted_id *wanted, int64_t now_ms,
                      struct stream_id *id)
{
    *id = stream->last_id;
    if (!wanted->has_ms && (uint64_t)now_ms > id->ms)
        *id = (struct stream_id){(uint64_t)now_ms, 0};
    else if (!wanted->has_ms)
        return stream_id_increment(id);
    else if (wanted->has_seq || wanted->id.ms > id->ms)
        *id = wanted->id;
    else if (wanted->id.ms < id->ms || id->seq == UINT64_MAX)
        return false;
    else
        id->seq++;
    return stream_id_compare(*id, stream->last_id) > 0;
}

static void stage_entry(struct execution *x, const struct key *key, bool creates, struct stream_id id,
                        const struct bytes *words, size_t word_count)
{
    char text[STREAM_ID_TEXT_MAX];
    if (!x->recording)
        return;
    const struct bytes head = stream_id_text(id, text);
    stage_change_with(x, key, creates, "XADD", &head, 1, words, word_count, word_count);
}

static void add_entry(struct execution *x, const struct trim_options *options, struct stream_id id, struct entry *entry,
                      struct object *value, const struct bytes *words, size_t word_count)
{
    const struct key *key = &x->keys[0];
    struct xstream *stream = xstream_edit(value);
    if (!xstream_append(stream, id, words, word_count)) {
        reply_error(x->reply, "ERR Elements are too large to be stored");
        if (!entry)
            object_release(value);
        return;
    }
    size_t trimmed = options->has_trim ? trim_stream(x, stream, &options->trim) : 0;
    store_changed(x, key, entry, value);
    stage_entry(x, key, !entry, id, words, word_count);
    notify(x, NOTIFY_STREAM, "xadd", key);
    if (trimmed > 0)
        stage_trim(x, key, stream);
    reply_stream_id(x->reply, id);
}

/* Everything before the fields; *at is where these begin. */
static bool xadd_parse(struct execution *x, struct trim_options *options, struct wanted_id *wanted, size_t *at)
{
    bool taken = true;
    for (*at = 2; *at < x->argc; ++*at) {
        if (bytes_equal(x->argv[*at], BYTES("*")))
            break;
        if (!parse_option(x, options, at, &taken))
            return false;
        if (!taken && !arg_is(x->argv[*at], "NOMKSTREAM"))
            break;
        options->is_no_create |= !taken;
    }
    struct bytes id = *at < x->argc ? x->argv[*at] : BYTES("*");
    if (!parse_wanted_id(x, id, wanted) || !check_options(x, options, false))
        return false;
    ++*at;
    if (*at + 2 > x->argc || (x->argc - *at) % 2 != 0) {
        reply_arity_error(x);
        return false;
    }
    if (wanted->has_seq && stream_id_compare(wanted->id, STREAM_ID_MIN) == 0) {
        reply_error(x->reply, ERROR_STREAM_ID_ZERO);
        return false;
    }
    return true;
}

static void xadd_command(struct execution *x)
{
    struct trim_options options = {0};
    struct wanted_id wanted;
    struct entry *entry;
    struct object value;
    struct stream_id id;
    size_t at;
    if (!xadd_parse(x, &options, &wanted, &at) || !stream_lookup(x, &x->keys[0], true, &entry, &value))
        return;
    const struct xstream *stream = xstream_of(&value);
    if (!entry && options.is_no_create)
        reply_null(x->reply);
    else if (stream_id_compare(stream->last_id, STREAM_ID_MAX) == 0)
        reply_error(x->reply, "ERR The stream has exhausted the last possible ID, unable to add more items");
    else if (!choose_id(stream, &wanted, x->now_ms, &id))
        reply_error(x->reply, ERROR_STREAM_ID_SMALL);
    else
        add_entry(x, &options, id, entry, &value, x->argv + at, x->argc - at);
}

/* ---- XTRIM ---- */

static void xtrim_command(struct execution *x)
{
    struct trim_options options = {0};
    struct entry *entry;
    struct object value;
    for (size_t at = 2; at < x->argc; at++) {
        bool taken;
        if (!parse_option(x, &options, &at, &taken))
            return;
        if (!taken) {
            reply_syntax_error(x);
            return;
        }
    }
    if (!check_options(x, &options, true) || !stream_lookup(x, &x->keys[0], true, &entry, &value))
        return;
    size_t trimmed = entry ? trim_stream(x, xstream_edit(&value), &options.trim) : 0;
    if (trimmed > 0) {
        store_changed(x, &x->keys[0], entry, &value);
        stage_trim(x, &x->keys[0], xstream_of(&value));
    }
    reply_integer(x->reply, (int64_t)trimmed);
}

/* ---- the table ---- */

const struct command stream_add_commands[] = {
    {
        .name = "XADD",
        .run = xadd_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Appends an entry to a stream, which is created if it does not exist.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "nomkstream",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "NOMKSTREAM",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "6.2.0"},
                      {.name = "trim",
                       .type = ARGUMENT_BLOCK,
                       .flags = ARGUMENT_OPTIONAL,
                       .children = ARGUMENTS(
                           {.name = "strategy",
                            .type = ARGUMENT_ONEOF,
                            .children = ARGUMENTS(
                                ARG_TOKEN("maxlen", "MAXLEN"),
                                {.name = "minid", .type = ARGUMENT_PURE_TOKEN, .token = "MINID", .since = "6.2.0"})},
                           {.name = "operator",
                            .type = ARGUMENT_ONEOF,
                            .flags = ARGUMENT_OPTIONAL,
                            .children = ARGUMENTS(ARG_TOKEN("equal", "="), ARG_TOKEN("approximately", "~"))},
                           ARG_STRING("threshold"),
                           {.name = "count",
                            .type = ARGUMENT_INTEGER,
                            .token = "LIMIT",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "6.2.0"})},
                      {.name = "id_or_auto",
                       .type = ARGUMENT_ONEOF,
                       .children = ARGUMENTS(ARG_TOKEN("auto_id", "*"), ARG_STRING("id"))},
                      {.name = "field_value",
                       .type = ARGUMENT_BLOCK,
                       .flags = ARGUMENT_MULTIPLE,
                       .children = ARGUMENTS(ARG_STRING("field"), ARG_STRING("value"))}),
        .history = HISTORY({"6.2.0", "The options `NOMKSTREAM`, `MINID` and `LIMIT`."},
                           {"7.0.0", "An id of which only the time is given."}),
    },
    {
        .name = "XTRIM",
        .run = xtrim_command,
        .arity = -4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(N)",
        .summary = "Removes entries from the beginning of a stream.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "trim",
                       .type = ARGUMENT_BLOCK,
                       .children = ARGUMENTS(
                           {.name = "strategy",
                            .type = ARGUMENT_ONEOF,
                            .children = ARGUMENTS(
                                ARG_TOKEN("maxlen", "MAXLEN"),
                                {.name = "minid", .type = ARGUMENT_PURE_TOKEN, .token = "MINID", .since = "6.2.0"})},
                           {.name = "operator",
                            .type = ARGUMENT_ONEOF,
                            .flags = ARGUMENT_OPTIONAL,
                            .children = ARGUMENTS(ARG_TOKEN("equal", "="), ARG_TOKEN("approximately", "~"))},
                           ARG_STRING("threshold"),
                           {.name = "count",
                            .type = ARGUMENT_INTEGER,
                            .token = "LIMIT",
                            .flags = ARGUMENT_OPTIONAL,
                            .since = "6.2.0"})}),
        .history = HISTORY({"6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."}),
    },
    {.name = NULL},
};
