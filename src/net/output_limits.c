/* SPDX-License-Identifier: BSD-3-Clause */
/* client-output-buffer-limit: groups of four words, a class and its three numbers. A class that is not named keeps what it
 * has; classes are read one number at a time, so a connection may for a moment see the hard limit of the new setting and
 * the soft one of the old. */
#include "net/connection.h"
#include "net/net_private.h"

#include <stdio.h>

static const char *const class_names[CONNECTION_CLASS_COUNT] = {"normal", "slave", "pubsub"};

static int class_of(struct bytes word)
{
    for (int class = 0; class < CONNECTION_CLASS_COUNT; class ++)
        if (bytes_equal_text(word, class_names[class]))
            return class;
    return bytes_equal_text(word, "replica") ? CONNECTION_REPLICA : -1;
}

/* A size as options write it: 64mb. */
static bool parse_size(struct bytes word, int64_t *size)
{
    char ignored[128];
    const struct option option = {
        .name = "size", .type = OPTION_BYTES, .value = size, .minimum = 0, .maximum = INT64_MAX};
    return option_set(&option, word, ignored, sizeof(ignored));
}

/* One group; NULL, or what is wrong with it. */
static const char *parse_group(struct bytes *text, struct output_limit *limits)
{
    int class = class_of(bytes_take_word(text));
    struct bytes hard = bytes_take_word(text), soft = bytes_take_word(text), seconds = bytes_take_word(text);
    if (seconds.length == 0)
        return "Wrong number of arguments in buffer limit configuration.";
    if (class < 0)
        return "Invalid client class specified in buffer limit configuration.";
    struct output_limit limit;
    if (!parse_size(hard, &limit.hard_bytes) || !parse_size(soft, &limit.soft_bytes) ||
        !bytes_to_int64(seconds, &limit.soft_seconds) || limit.soft_seconds < 0)
        return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    limits[class] = limit;
    return NULL;
}

static void limits_read(struct output_limit *limits)
{
    for (int class = 0; class < CONNECTION_CLASS_COUNT; class ++) {
        const struct output_limit *limit = &connection_limits.output[class];
        limits[class].hard_bytes = limit_read(&limit->hard_bytes);
        limits[class].soft_bytes = limit_read(&limit->soft_bytes);
        limits[class].soft_seconds = limit_read(&limit->soft_seconds);
    }
}

static void limits_write(const struct output_limit *limits)
{
    for (int class = 0; class < CONNECTION_CLASS_COUNT; class ++) {
        struct output_limit *limit = &connection_limits.output[class];
        __atomic_store_n(&limit->hard_bytes, limits[class].hard_bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&limit->soft_bytes, limits[class].soft_bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&limit->soft_seconds, limits[class].soft_seconds, __ATOMIC_RELAXED);
    }
}

static bool limits_parse(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    struct output_limit limits[CONNECTION_CLASS_COUNT];
    const char *wrong = NULL;
    limits_read(limits);
    for (bytes_skip_blanks(&text); text.length > 0 && !wrong; bytes_skip_blanks(&text))
        wrong = parse_group(&text, limits);
    if (wrong)
        snprintf(error, error_size, "%s", wrong);
    else
        limits_write(limits);
    return !wrong;
}

static void limits_print(const struct option *option, struct buffer *out)
{
    (void)option;
    struct output_limit limits[CONNECTION_CLASS_COUNT];
    limits_read(limits);
    for (int class = 0; class < CONNECTION_CLASS_COUNT; class ++)
        buffer_append_format(out, "%s%s %lld %lld %lld", class > 0 ? " " : "", class_names[class],
                             (long long)limits[class].hard_bytes, (long long)limits[class].soft_bytes,
                             (long long)limits[class].soft_seconds);
}

const struct option connection_options[] = {
    {.name = "client-output-buffer-limit",
     .type = OPTION_SPECIAL,
     .initial = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
     .help =
         "bytes that may wait for a client, by its class: CLASS HARD SOFT SECONDS ...; it is closed beyond HARD, or "
         "after SECONDS beyond SOFT",
     .parse = limits_parse,
     .print = limits_print},
    {.name = NULL},
};
