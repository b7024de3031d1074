/* SPDX-License-Identifier: BSD-3-Clause */
#include "resp/resp_parse.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct resp_limits LIMITS = {
    .bulk_bytes_max = 512 * 1024 * 1024, .args_max = 1024 * 1024, .inline_bytes_max = 64 * 1024};
static const struct resp_limits LIMITS_BEFORE_AUTH = {
    .bulk_bytes_max = 16384, .args_max = 10, .inline_bytes_max = 64 * 1024, .unauthenticated = true};

/* One parse of a stream in pieces: what came out last, and with how many bytes. */
struct reading {
    struct resp_parser parser;
    struct resp_args args;
    enum resp_result result;
    size_t consumed;
    const char *error;
};

static void reading_deinit(struct reading *reading)
{
    resp_parser_reset(&reading->parser);
    resp_args_deinit(&reading->args);
}

/* Gives the parser a copy of exactly these bytes, so that a read past their end is seen by the sanitizer. The
 * copy stays until the next call. */
static void reading_give(struct reading *reading, struct bytes input, const struct resp_limits *limits)
{
    static char *copy;
    free(copy);
    copy = input.length > 0 ? malloc(input.length) : NULL;
    if (copy)
        memcpy(copy, input.data, input.length);
    reading->error = NULL;
    reading->result = resp_parse(&reading->parser, limits, bytes_of(copy, input.length), &reading->args,
                                 &reading->consumed, &reading->error);
}

static void expect_error(struct bytes input, const struct resp_limits *limits, const char *error)
{
    struct reading reading = {0};
    reading_give(&reading, input, limits);
    assert_int_equal(reading.result, RESP_ERROR);
    assert_string_equal(reading.error, error);
    assert_null(reading.parser.offsets);
    /* the same, a byte at a time */
    for (size_t length = 1; length <= input.length; length++) {
        reading_give(&reading, bytes_of(input.data, length), limits);
        if (reading.result != RESP_INCOMPLETE)
            break;
    }
    assert_int_equal(reading.result, RESP_ERROR);
    assert_string_equal(reading.error, error);
    reading_deinit(&reading);
}

static void expect_args(struct bytes input, size_t count, const struct bytes *args)
{
    struct reading reading = {0};
    reading_give(&reading, input, &LIMITS);
    assert_int_equal(reading.result, RESP_COMPLETE);
    assert_int_equal(reading.consumed, input.length);
    assert_int_equal(reading.args.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(bytes_equal(reading.args.values[i], args[i]));
    reading_deinit(&reading);
}

#define EXPECT_WORDS(line, ...)                                                                                        \
    do {                                                                                                               \
        const struct bytes words[] = {__VA_ARGS__};                                                                    \
        expect_args(BYTES(line), sizeof(words) / sizeof(words[0]), words);                                             \
    } while (0)

static void a_request_yields_its_arguments_and_its_length(void **state)
{
    (void)state;
    struct reading reading = {0};
    reading_give(&reading, BYTES("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\nPING\r\n"), &LIMITS);
    assert_int_equal(reading.result, RESP_COMPLETE);
    assert_int_equal(reading.consumed, 4 + 9 + 7 + 5 + 14);
    assert_int_equal(reading.args.count, 3);
    assert_true(bytes_equal(reading.args.values[0], BYTES("SET")));
    assert_true(bytes_equal(reading.args.values[2], BYTES("hello\r\nworld")));
    reading_deinit(&reading);
}

static void an_empty_bulk_is_an_empty_argument(void **state)
{
    (void)state;
    const struct bytes args[] = {BYTES("ECHO"), BYTES("")};
    expect_args(BYTES("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"), 2, args);
}

static void a_request_cut_at_every_two_bytes_equals_the_whole(void **state)
{
    (void)state;
    struct bytes input = BYTES("*4\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n$2\r\nPX\r\n*1\r\n");
    struct reading whole = {0};
    reading_give(&whole, input, &LIMITS);
    size_t length = whole.consumed;
    for (size_t first = 0; first < length; first++) {
        for (size_t second = first; second < length; second++) {
            struct reading reading = {0};
            reading_give(&reading, bytes_of(input.data, first), &LIMITS);
            assert_int_equal(reading.result, RESP_INCOMPLETE);
            assert_in_range(resp_parser_wanted(&reading.parser), 1, length);
            reading_give(&reading, bytes_of(input.data, second), &LIMITS);
            assert_int_equal(reading.result, RESP_INCOMPLETE);
            reading_give(&reading, input, &LIMITS);
            assert_int_equal(reading.result, RESP_COMPLETE);
            assert_int_equal(reading.consumed, length);
            assert_int_equal(reading.args.count, 4);
            assert_true(bytes_equal(reading.args.values[2], BYTES("hello\r\nworld")));
            assert_true(bytes_equal(reading.args.values[3], BYTES("PX")));
            assert_null(reading.parser.offsets);
            assert_int_equal(reading.parser.position, 0);
            reading_deinit(&reading);
        }
    }
    reading_deinit(&whole);
}

static void a_long_bulk_tells_how_many_bytes_are_wanted(void **state)
{
    (void)state;
    struct reading reading = {0};
    reading_give(&reading, BYTES("*2\r\n$4\r\nECHO\r\n$1000000\r\nabc"), &LIMITS);
    assert_int_equal(reading.result, RESP_INCOMPLETE);
    assert_int_equal(resp_parser_wanted(&reading.parser), 4 + 10 + 10 + 1000000 + 2);
    reading_deinit(&reading);
}

static void nothing_to_do_is_complete_without_arguments(void **state)
{
    (void)state;
    expect_args(BYTES("\r\n"), 0, NULL);
    expect_args(BYTES("\n"), 0, NULL);
    expect_args(BYTES("  \t \r\n"), 0, NULL);
    expect_args(BYTES("*0\r\n"), 0, NULL);
    expect_args(BYTES("*-1\r\n"), 0, NULL);
    expect_args(BYTES("*-17\r\n"), 0, NULL);
}

static void an_empty_request_may_come_before_a_malformed_one(void **state)
{
    (void)state;
    struct reading reading = {0};
    reading_give(&reading, BYTES("*0\r\n*x\r\n"), &LIMITS);
    assert_int_equal(reading.consumed, 4);
    reading_give(&reading, BYTES("*x\r\n"), &LIMITS);
    assert_int_equal(reading.result, RESP_ERROR);
    reading_give(&reading, BYTES("*1\r\n$4\r\nPING\r\n"), &LIMITS);
    assert_int_equal(reading.result, RESP_COMPLETE);
    reading_deinit(&reading);
}

static void counts_and_lengths_must_be_canonical_and_in_bounds(void **state)
{
    (void)state;
    expect_error(BYTES("*x\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*+1\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*01\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("* 1\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*1048577\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*2147483648\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*99999999999999999999\r\n"), &LIMITS, "invalid multibulk length");
    expect_error(BYTES("*1\r\n$\r\n"), &LIMITS, "invalid bulk length");
    expect_error(BYTES("*1\r\n$-1\r\n"), &LIMITS, "invalid bulk length");
    expect_error(BYTES("*1\r\n$04\r\nPING\r\n"), &LIMITS, "invalid bulk length");
    expect_error(BYTES("*1\r\n$blabla\r\n"), &LIMITS, "invalid bulk length");
    expect_error(BYTES("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n"), &LIMITS, "invalid bulk length");
    expect_error(BYTES("*1\r\n$9223372036854775808\r\n"), &LIMITS, "invalid bulk length");
}

static void before_authentication_the_limits_and_errors_are_others(void **state)
{
    (void)state;
    expect_error(BYTES("*11\r\n"), &LIMITS_BEFORE_AUTH, "unauthenticated multibulk length");
    expect_error(BYTES("*1\r\n$16385\r\n"), &LIMITS_BEFORE_AUTH, "unauthenticated bulk length");
    expect_error(BYTES("*1\r\n$-1\r\n"), &LIMITS_BEFORE_AUTH, "invalid bulk length");
    expect_error(BYTES("*x\r\n"), &LIMITS_BEFORE_AUTH, "invalid multibulk length");
}

static void what_is_no_bulk_is_named_in_the_error(void **state)
{
    (void)state;
    expect_error(BYTES("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"), &LIMITS, "expected '$', got 'f'");
    expect_error(BYTES("*1\r\n:5\r\n"), &LIMITS, "expected '$', got ':'");
}

static void endless_lines_are_refused_wherever_they_are_cut(void **state)
{
    (void)state;
    static char line[70 * 1024];
    memset(line, '1', sizeof(line));
    expect_error(bytes_of(line, sizeof(line)), &LIMITS, "too big inline request");
    line[sizeof(line) - 1] = '\n';
    expect_error(bytes_of(line, sizeof(line)), &LIMITS, "too big inline request");
    line[0] = '*';
    expect_error(bytes_of(line, sizeof(line)), &LIMITS, "too big mbulk count string");
    memcpy(line, "*1\r\n$", 5);
    expect_error(bytes_of(line, sizeof(line)), &LIMITS, "too big bulk count string");
}

static void announcements_allocate_nothing(void **state)
{
    (void)state;
    struct reading reading = {0};
    reading_give(&reading, BYTES("*1048576\r\n"), &LIMITS);
    assert_int_equal(reading.result, RESP_INCOMPLETE);
    assert_null(reading.parser.offsets);
    reading_give(&reading, BYTES("*1048576\r\n$536870912\r\n"), &LIMITS);
    assert_int_equal(reading.result, RESP_INCOMPLETE);
    assert_null(reading.parser.offsets);
    assert_in_range(reading.args.capacity, 0, RESP_ARGS_INLINE);
    reading_deinit(&reading);
}

static void many_arguments_a_byte_at_a_time_take_linear_work(void **state)
{
    (void)state;
    const size_t count = 20000;
    struct buffer input = {0};
    buffer_append_format(&input, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&input, "$5\r\n%05zu\r\n", i);
    struct reading reading = {0};
    /* quadratic work would take minutes here */
    for (size_t length = 1; length <= input.length; length++)
        reading.result = resp_parse(&reading.parser, &LIMITS, bytes_of(input.data, length), &reading.args,
                                    &reading.consumed, &reading.error);
    assert_int_equal(reading.result, RESP_COMPLETE);
    assert_int_equal(reading.consumed, input.length);
    assert_int_equal(reading.args.count, count);
    assert_true(bytes_equal(reading.args.values[count - 1], BYTES("19999")));
    reading_deinit(&reading);
    buffer_deinit(&input);
}

static void inline_words_are_split_and_unquoted_as_in_redis(void **state)
{
    (void)state;
    EXPECT_WORDS("PING\r\n", BYTES("PING"));
    EXPECT_WORDS("PING\n", BYTES("PING"));
    EXPECT_WORDS("  set\tkey   value \r\n", BYTES("set"), BYTES("key"), BYTES("value"));
    EXPECT_WORDS("set k \"a b\"\r\n", BYTES("set"), BYTES("k"), BYTES("a b"));
    EXPECT_WORDS("set k \"\"\n", BYTES("set"), BYTES("k"), BYTES(""));
    EXPECT_WORDS("set k ''\n", BYTES("set"), BYTES("k"), BYTES(""));
    EXPECT_WORDS("e \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n", BYTES("e"), BYTES("\n\r\t\b\a\\\"q"));
    EXPECT_WORDS("e \"\\x00\\xfF\\x4a\"\n", BYTES("e"), BYTES("\x00\xff\x4a"));
    EXPECT_WORDS("e \"\\xg0\"\n", BYTES("e"), BYTES("xg0"));
    EXPECT_WORDS("e 'it\\'s \\n'\n", BYTES("e"), BYTES("it's \\n"));
    EXPECT_WORDS("e foo\"bar baz\"\n", BYTES("e"), BYTES("foobar baz"));
    EXPECT_WORDS("e \\x41\n", BYTES("e"), BYTES("\\x41"));
    EXPECT_WORDS("e a\v\n", BYTES("e"), BYTES("a\v"));
}

static void unbalanced_quotes_are_refused(void **state)
{
    (void)state;
    expect_error(BYTES("set k \"abc\r\n"), &LIMITS, "unbalanced quotes in request");
    expect_error(BYTES("set k 'abc\r\n"), &LIMITS, "unbalanced quotes in request");
    expect_error(BYTES("set \"\"\"test-key\"\"\" v\r\n"), &LIMITS, "unbalanced quotes in request");
    expect_error(BYTES("set k \"abc\\\"\r\n"), &LIMITS, "unbalanced quotes in request");
    expect_error(BYTES("set k \"abc\\"
                       "\r\n"),
                 &LIMITS, "unbalanced quotes in request");
}

static void an_inline_command_cut_at_every_byte_equals_the_whole(void **state)
{
    (void)state;
    struct bytes input = BYTES("set \"k\\x41\" 'v v'\r\n");
    for (size_t cut = 0; cut < input.length; cut++) {
        struct reading reading = {0};
        reading_give(&reading, bytes_of(input.data, cut), &LIMITS);
        assert_int_equal(reading.result, RESP_INCOMPLETE);
        reading_give(&reading, input, &LIMITS);
        assert_int_equal(reading.result, RESP_COMPLETE);
        assert_int_equal(reading.args.count, 3);
        assert_true(bytes_equal(reading.args.values[1], BYTES("kA")));
        assert_int_equal(reading.parser.line_scanned, 0);
        reading_deinit(&reading);
    }
}

static void after_a_first_request_the_fast_path_allocates_nothing(void **state)
{
    (void)state;
    struct reading reading = {0};
    reading_give(&reading, BYTES("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"), &LIMITS);
    struct bytes *values = reading.args.values;
    reading_give(&reading, BYTES("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), &LIMITS);
    assert_ptr_equal(reading.args.values, values);
    assert_null(reading.parser.offsets);
    reading_deinit(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_yields_its_arguments_and_its_length),
        cmocka_unit_test(an_empty_bulk_is_an_empty_argument),
        cmocka_unit_test(a_request_cut_at_every_two_bytes_equals_the_whole),
        cmocka_unit_test(a_long_bulk_tells_how_many_bytes_are_wanted),
        cmocka_unit_test(nothing_to_do_is_complete_without_arguments),
        cmocka_unit_test(an_empty_request_may_come_before_a_malformed_one),
        cmocka_unit_test(counts_and_lengths_must_be_canonical_and_in_bounds),
        cmocka_unit_test(before_authentication_the_limits_and_errors_are_others),
        cmocka_unit_test(what_is_no_bulk_is_named_in_the_error),
        cmocka_unit_test(endless_lines_are_refused_wherever_they_are_cut),
        cmocka_unit_test(announcements_allocate_nothing),
        cmocka_unit_test(many_arguments_a_byte_at_a_time_take_linear_work),
        cmocka_unit_test(inline_words_are_split_and_unquoted_as_in_redis),
        cmocka_unit_test(unbalanced_quotes_are_refused),
        cmocka_unit_test(an_inline_command_cut_at_every_byte_equals_the_whole),
        cmocka_unit_test(after_a_first_request_the_fast_path_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
