/* SPDX-License-Identifier: BSD-3-Clause */
/* INCREX: a counter with bounds and a lifetime, as rate limits have it. A step that would leave the bounds is not taken, or
 * with SATURATE only as far as they allow; the reply says how far it went. */
#include <math.h>

#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/string_options.h"
#include "object/string_object.h"

/* One of the two is in use: an integer in 128 bits, so that no sum overflows, or a fraction as INCRBYFLOAT has it. */
struct number {
    __int128 integer;
    long double fraction;
};

struct step {
    bool by_fraction, saturates, only_without_lifetime;
    struct number amount, lower, upper;
    bool has_amount, has_lower, has_upper;
    struct string_options lifetime; /* its time to live alone */
    struct bytes amount_word, lower_word, upper_word;
};

/* ---- arguments ---- */

/* One kind of time, once. */
static bool take_lifetime(struct execution *x, size_t *at, struct string_options *lifetime)
{
    enum set_ttl ttl = set_ttl_of(x->argv[*at], "p");
    if (ttl == TTL_NONE || lifetime->ttl != TTL_NONE || (ttl != TTL_PERSIST && *at + 1 >= x->argc))
        return false;
    lifetime->ttl = ttl;
    if (ttl != TTL_PERSIST)
        lifetime->expire = x->argv[++*at];
    return true;
}

/* A token with a value that may come once. */
static bool take_value(struct execution *x, size_t *at, const char *token, bool *has, struct bytes *value)
{
    if (*has || !arg_is(x->argv[*at], token) || *at + 1 >= x->argc)
        return false;
    *has = true;
    *value = x->argv[++*at];
    return true;
}

static bool take_amount(struct execution *x, size_t *at, struct step *step)
{
    bool by_fraction = arg_is(x->argv[*at], "BYFLOAT");
    if (!take_value(x, at, by_fraction ? "BYFLOAT" : "BYINT", &step->has_amount, &step->amount_word))
        return false;
    step->by_fraction = by_fraction;
    return true;
}

static bool take_flag(struct bytes word, const char *token, bool *flag)
{
    if (*flag || !arg_is(word, token))
        return false;
    return *flag = true;
}

static bool parse_words(struct execution *x, struct step *step)
{
    for (size_t at = 2; at < x->argc; at++) {
        bool taken = take_amount(x, &at, step) || take_value(x, &at, "LBOUND", &step->has_lower, &step->lower_word) ||
                     take_value(x, &at, "UBOUND", &step->has_upper, &step->upper_word) ||
                     take_flag(x->argv[at], "SATURATE", &step->saturates) ||
                     take_flag(x->argv[at], "ENX", &step->only_without_lifetime) ||
                     take_lifetime(x, &at, &step->lifetime);
        if (!taken) {
            reply_syntax_error(x);
            return false;
        }
    }
    if (step->only_without_lifetime && !set_has_expire(&step->lifetime)) {
        reply_error(x->reply, "ERR ENX needs one of EX, PX, EXAT and PXAT");
        return false;
    }
    return string_options_parse_expire(x, &step->lifetime);
}

static bool parse_number(struct execution *x, const struct step *step, struct bytes word, struct number *number)
{
    int64_t integer = 0;
    if (step->by_fraction)
        return arg_long_double(x, word, &number->fraction);
    if (!arg_int64(x, word, &integer))
        return false;
    number->integer = integer;
    return true;
}

static bool is_below(const struct step *step, const struct number *a, const struct number *b)
{
    return step->by_fraction ? a->fraction < b->fraction : a->integer < b->integer;
}

static bool parse_step(struct execution *x, struct step *step)
{
    *step = (struct step){.amount = {1, 1}, .lower = {INT64_MIN, -INFINITY}, .upper = {INT64_MAX, INFINITY}};
    if (!parse_words(x, step) || (step->has_amount && !parse_number(x, step, step->amount_word, &step->amount)) ||
        (step->has_lower && !parse_number(x, step, step->lower_word, &step->lower)) ||
        (step->has_upper && !parse_number(x, step, step->upper_word, &step->upper)))
        return false;
    if (!is_below(step, &step->upper, &step->lower))
        return true;
    reply_error(x->reply, "ERR LBOUND is above UBOUND");
    return false;
}

/* ---- counting ---- */

static bool read_value(struct execution *x, const struct step *step, struct entry *entry, struct number *value)
{
    char digits[BYTES_INTEGER_MAX];
    *value = (struct number){0, 0};
    if (!entry)
        return true;
    struct object object = entry_object(entry);
    return parse_number(x, step, string_object_bytes(&object, digits), value);
}

static struct number add(const struct number *a, const struct number *b, int sign)
{
    return (struct number){a->integer + sign * b->integer, a->fraction + (long double)sign * b->fraction};
}

/* The next value; false if the step is not to be taken. */
static bool next_value(const struct step *step, const struct number *value, struct number *next)
{
    *next = add(value, &step->amount, 1);
    bool too_low = is_below(step, next, &step->lower), too_high = is_below(step, &step->upper, next);
    if (too_low || too_high)
        *next = too_low ? step->lower : step->upper;
    return step->saturates || !(too_low || too_high);
}

static void reply_number(struct execution *x, const struct step *step, const struct number *number)
{
    char text[BYTES_LONG_DOUBLE_MAX];
    if (!step->by_fraction)
        reply_integer(x->reply, number->integer > INT64_MAX   ? INT64_MAX
                                : number->integer < INT64_MIN ? INT64_MIN
                                                              : (int64_t)number->integer);
    else if (x->reply->protocol == 3)
        reply_double(x->reply, (double)number->fraction);
    else
        reply_bulk(x->reply, bytes_of(text, bytes_from_long_double(text, sizeof(text), number->fraction)));
}

static int64_t new_expiry(const struct step *step, struct entry *entry)
{
    int64_t old = entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE;
    if (step->lifetime.ttl == TTL_PERSIST)
        return ENTRY_NO_EXPIRE;
    bool keeps = step->lifetime.ttl == TTL_NONE || (step->only_without_lifetime && old != ENTRY_NO_EXPIRE);
    return keeps ? old : step->lifetime.expire_at_ms;
}

static void store_number(struct execution *x, const struct step *step, struct entry *entry, const struct number *number)
{
    char text[BYTES_LONG_DOUBLE_MAX];
    struct object object = string_object_from_integer((int64_t)number->integer);
    if (step->by_fraction) {
        struct bytes bytes = bytes_of(text, bytes_from_long_double(text, sizeof(text), number->fraction));
        object = (struct object){.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = bytes};
        if (bytes.length <= OBJECT_EMBSTR_MAX)
            object.encoding = ENCODING_EMBSTR;
    }
    int64_t old = entry ? entry_expire_at_ms(entry) : ENTRY_NO_EXPIRE, expire_at_ms = new_expiry(step, entry);
    bool born_dead = expire_at_ms != ENTRY_NO_EXPIRE && expire_at_ms <= x->now_ms;
    if (!born_dead)
        store(x, x->keys, entry, &object, expire_at_ms);
    else if (entry)
        delete_key(x, x->keys, entry);
    notify(x, NOTIFY_STRING, step->by_fraction ? "incrbyfloat" : "incrby", x->keys);
    if (expire_at_ms != old)
        notify(x, NOTIFY_GENERIC, expire_at_ms == ENTRY_NO_EXPIRE ? "persist" : "expire", x->keys);
    if (born_dead)
        notify(x, NOTIFY_EXPIRED, "expired", x->keys);
}

/* INCREX key [BYINT n | BYFLOAT n] [LBOUND n] [UBOUND n] [SATURATE] [EX s | PX ms | EXAT t | PXAT t | PERSIST] [ENX] */
static void increx_command(struct execution *x)
{
    struct step step;
    struct number value, next, taken;
    if (!parse_step(x, &step))
        return;
    struct entry *entry = lookup_write(x, x->keys);
    if (!require_type(x, entry, OBJECT_STRING) || !read_value(x, &step, entry, &value))
        return;
    if (!next_value(&step, &value, &next)) {
        next = value;
    } else if (step.by_fraction && (isnan(next.fraction) || isinf(next.fraction))) {
        reply_error(x->reply, "ERR increment would produce NaN or Infinity");
        return;
    } else {
        store_number(x, &step, entry, &next);
    }
    taken = add(&next, &value, -1);
    reply_array(x->reply, 2);
    reply_number(x, &step, &next);
    reply_number(x, &step, &taken);
}

const struct command increx_commands[] = {
    {
        .name = "INCREX",
        .run = increx_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "string",
        .since = "8.8.0",
        .complexity = "O(1)",
        .summary = "Adds to a number within bounds and sets its time to live; a missing key counts as 0.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "increment",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_OPTIONAL,
                       .children = ARGUMENTS({.name = "float", .type = ARGUMENT_DOUBLE, .token = "BYFLOAT"},
                                             {.name = "integer", .type = ARGUMENT_INTEGER, .token = "BYINT"})},
                      {.name = "lowerbound", .type = ARGUMENT_STRING, .token = "LBOUND", .flags = ARGUMENT_OPTIONAL},
                      {.name = "upperbound", .type = ARGUMENT_STRING, .token = "UBOUND", .flags = ARGUMENT_OPTIONAL},
                      ARG_FLAG("saturate", "SATURATE"),
                      {.name = "expiration",
                       .type = ARGUMENT_ONEOF,
                       .flags = ARGUMENT_OPTIONAL,
                       .children = ARGUMENTS(EXPIRY_CHOICES, ARG_TOKEN("persist", "PERSIST"))},
                      ARG_FLAG("enx", "ENX")),
    },
    {.name = NULL},
};
