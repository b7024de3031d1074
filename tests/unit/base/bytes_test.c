/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

static void a_prefix_orders_before_what_it_begins(void **state)
{
    (void)state;
    assert_true(bytes_compare(BYTES("ab"), BYTES("abc")) < 0);
    assert_true(bytes_compare(BYTES("b"), BYTES("abc")) > 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_int_equal(bytes_compare(BYTES(""), bytes_of(NULL, 0)), 0);
}

static void equality_without_case_touches_letters_only(void **state)
{
    (void)state;
    assert_true(bytes_equal_text(BYTES("GeT"), "gEt"));
    assert_false(bytes_equal_text(BYTES("get"), "gets"));
    assert_false(bytes_equal_nocase(BYTES("@"), BYTES("`")));
    assert_false(bytes_equal_nocase(BYTES("["), BYTES("{")));
}

static void an_integer_has_one_spelling(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "1a", "0x10", "--1", "1e3", "\n", "18446744073709551616"};
    int64_t value;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (bytes_to_int64(bytes_of_text(refused[i]), &value))
            fail_msg("accepted \"%s\"", refused[i]);
    assert_true(bytes_to_int64(BYTES("0"), &value) && value == 0);
    assert_true(bytes_to_int64(BYTES("-1"), &value) && value == -1);
    assert_false(bytes_to_int64(BYTES("1\0"), &value));
}

static void integers_reach_their_limits_and_no_further(void **state)
{
    (void)state;
    int64_t value;
    uint64_t whole;
    assert_true(bytes_to_int64(BYTES("9223372036854775807"), &value) && value == INT64_MAX);
    assert_true(bytes_to_int64(BYTES("-9223372036854775808"), &value) && value == INT64_MIN);
    assert_false(bytes_to_int64(BYTES("9223372036854775808"), &value));
    assert_false(bytes_to_int64(BYTES("-9223372036854775809"), &value));
    assert_false(bytes_to_int64(BYTES("99999999999999999999"), &value));
    assert_true(bytes_to_uint64(BYTES("18446744073709551615"), &whole) && whole == UINT64_MAX);
    assert_false(bytes_to_uint64(BYTES("18446744073709551616"), &whole));
    assert_false(bytes_to_uint64(BYTES("184467440737095516150"), &whole));
    assert_false(bytes_to_uint64(BYTES("-1"), &whole));
}

static void integers_survive_their_text(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    for (int i = 0; i < 200000; i++) {
        int64_t value = (int64_t)(random_next(&random) >> random_below(&random, 64)), parsed;
        if (i & 1)
            value = -value;
        char text[BYTES_INTEGER_MAX], expected[32];
        size_t length = bytes_from_int64(text, value);
        assert_int_equal(length, snprintf(expected, sizeof(expected), "%lld", (long long)value));
        assert_memory_equal(text, expected, length);
        assert_true(bytes_to_int64(bytes_of(text, length), &parsed) && parsed == value);
    }
    char text[BYTES_INTEGER_MAX];
    assert_int_equal(bytes_from_int64(text, INT64_MIN), 20);
    assert_memory_equal(text, "-9223372036854775808", 20);
    assert_int_equal(bytes_from_uint64(text, UINT64_MAX), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
}

static void floats_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    static const char *const accepted[] = {"0",     "-0",    "1.5",    ".5",   "5.",     "+3",
                                           "1e5",   "0x10",  "inf",    "-inf", "+inf",   "Infinity",
                                           "1e308", "1e-10", "0.1",    "3.0",  "-2.25",  "123456789012345678",
                                           "00012", "1E+2",  "0x1p-3", "INF",  "0.0000", "999999999999999.9"};
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        double value, expected = strtod(accepted[i], NULL);
        if (!bytes_to_double(bytes_of_text(accepted[i]), &value))
            fail_msg("refused \"%s\"", accepted[i]);
        assert_memory_equal(&value, &expected, sizeof(value));
    }
}

static void floats_with_blanks_nan_or_trailing_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {"",    " 1", "1 ",   "nan", "-nan", "NaN(1)", "1.5x",
                                          ".",   "-",  "-.",   "abc", "--1",  "1e",     "1..2",
                                          "1,5", "+",  "infi", "\t1", "e5",   "0x",     "1.2.3"};
    double value;
    long double precise;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (bytes_to_double(bytes_of_text(refused[i]), &value))
            fail_msg("accepted \"%s\"", refused[i]);
        if (bytes_to_long_double(bytes_of_text(refused[i]), &precise))
            fail_msg("accepted \"%s\" as a long double", refused[i]);
    }
    assert_false(bytes_to_double(bytes_of("1\0002", 3), &value));
}

static void floats_out_of_range_are_refused(void **state)
{
    (void)state;
    double value;
    long double precise;
    assert_false(bytes_to_double(BYTES("1e400"), &value));
    assert_false(bytes_to_double(BYTES("-1e400"), &value));
    assert_false(bytes_to_double(BYTES("1e-400"), &value));
    assert_true(bytes_to_double(BYTES("1e-310"), &value) && value > 0);
    assert_true(bytes_to_long_double(BYTES("1e400"), &precise) && precise > 1e308L);
    assert_false(bytes_to_long_double(BYTES("1e5000"), &precise));
    assert_false(bytes_to_long_double(BYTES("1e-5000"), &precise));
}

static void the_short_way_rounds_like_the_long_one(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 11);
    for (int i = 0; i < 100000; i++) {
        char text[40];
        int whole = (int)random_below(&random, 8), behind = (int)random_below(&random, 10);
        int length = snprintf(text, sizeof(text), "%s%lld.%0*lld", i & 1 ? "-" : "",
                              (long long)random_below(&random, (uint64_t)pow(10, whole)), behind,
                              (long long)random_below(&random, (uint64_t)pow(10, behind)));
        double value, expected = strtod(text, NULL);
        assert_true(bytes_to_double(bytes_of(text, (size_t)length), &value));
        assert_memory_equal(&value, &expected, sizeof(value));
    }
}

static void a_float_of_many_digits_has_a_limit(void **state)
{
    (void)state;
    char *text = memory_allocate(6000);
    double value;
    memset(text, '0', 6000);
    text[1] = '.';
    text[999] = '1';
    assert_false(bytes_to_double(bytes_of(text, 1000), &value)); /* underflows */
    text[3] = '5';
    assert_true(bytes_to_double(bytes_of(text, 5000), &value) && value == 0.05);
    assert_false(bytes_to_double(bytes_of(text, 6000), &value));
    memory_free(text);
}

static void assert_match(const char *pattern, const char *text, bool expected)
{
    if (bytes_match(bytes_of_text(pattern), bytes_of_text(text), false) != expected)
        fail_msg("pattern \"%s\", text \"%s\": not %s", pattern, text, expected ? "matched" : "refused");
}

static void patterns_match_as_documented(void **state)
{
    (void)state;
    assert_match("*", "anything", true);
    assert_match("", "", true);
    assert_match("", "a", false);
    assert_match("h?llo", "hello", true);
    assert_match("h?llo", "hllo", false);
    assert_match("h*llo", "heeeello", true);
    assert_match("h[ae]llo", "hallo", true);
    assert_match("h[ae]llo", "hillo", false);
    assert_match("h[^e]llo", "hallo", true);
    assert_match("h[^e]llo", "hello", false);
    assert_match("h[a-b]llo", "hbllo", true);
    assert_match("h[b-a]llo", "hallo", true);
    assert_match("user:*:name", "user:1:2:name", true);
    assert_match("user:*:name", "user:1:names", false);
    assert_match("a**b***c", "a12b34c", true);
    assert_match("*abc", "ababc", true);
    assert_match("a*", "a", true);
    assert_match("a?", "a", false);
    assert_match("*a*b*", "xxaxxbxx", true);
}

static void patterns_escape_and_end_as_in_redis(void **state)
{
    (void)state;
    assert_match("a\\*b", "a*b", true);
    assert_match("a\\*b", "axb", false);
    assert_match("a\\?b", "a?b", true);
    assert_match("[\\]]", "]", true);
    assert_match("[a\\-z]", "-", true);
    assert_match("[a\\-z]", "m", false);
    assert_match("a\\", "a\\", true);
    assert_match("[abc", "c", true);
    assert_match("[abc", "d", false);
    assert_match("[", "a", false);
    assert_match("[^", "a", true);
    assert_match("[]", "]", false);
    /* A range may end with the bracket, which then closes nothing. */
    assert_match("[a-]", "^", true);
    assert_match("[a-]", "-", false);
    assert_match("a]", "a]", true);
}

static void patterns_ignore_case_when_asked(void **state)
{
    (void)state;
    assert_true(bytes_match(BYTES("MAX*[A-C]"), BYTES("maxmemoryB"), true));
    assert_false(bytes_match(BYTES("MAX*"), BYTES("maxmemory"), false));
    assert_true(bytes_match(BYTES("[A-C]"), BYTES("b"), true));
}

static void a_hostile_pattern_ends_soon(void **state)
{
    (void)state;
    struct buffer text = {0}, pattern = {0};
    for (int i = 0; i < 50000; i++)
        buffer_append(&text, "a", 1);
    for (int i = 0; i < 5000; i++)
        buffer_append_text(&pattern, "a*");
    buffer_append_text(&pattern, "b");
    int64_t start = clock_monotonic_us();
    assert_false(bytes_match(buffer_bytes(&pattern), buffer_bytes(&text), false));
    for (size_t i = 1; i < pattern.length; i++)
        pattern.data[i] = "a["[i % 100 == 0];
    pattern.data[0] = '*';
    assert_false(bytes_match(buffer_bytes(&pattern), buffer_bytes(&text), false));
    assert_true(clock_monotonic_us() - start < 60000000); /* what it guards against would take years */
    buffer_deinit(&text);
    buffer_deinit(&pattern);
}

static void a_long_text_is_not_given_up_on(void **state)
{
    (void)state;
    size_t length = 8 << 20;
    char *text = memory_allocate(length);
    memset(text, 'a', length);
    text[length - 1] = 'b';
    assert_true(bytes_match(BYTES("*a?b"), bytes_of(text, length), false));
    memory_free(text);
}

static void a_buffer_grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 10000; i++) {
        buffer_append_int64(&buffer, i);
        buffer_append_text(&buffer, ",");
    }
    assert_true(buffer.capacity >= buffer.length);
    assert_memory_equal(buffer.data + buffer.length - 10, "9998,9999,", 10);
    buffer_consume(&buffer, buffer.length - 10);
    assert_int_equal(buffer.length, 10);
    assert_memory_equal(buffer.data, "9998,9999,", 10);
    buffer_consume(&buffer, 10);
    buffer_deinit(&buffer);
    assert_null(buffer.data);
    buffer_append(&buffer, NULL, 0);
    buffer_deinit(&buffer);
}

static void formatting_fits_whatever_its_length(void **state)
{
    (void)state;
    for (int width = 0; width < 200; width++) {
        struct buffer buffer = {0};
        buffer_append_text(&buffer, "<");
        buffer_append_format(&buffer, "%*s>", width, "");
        assert_int_equal(buffer.length, width + 2);
        assert_int_equal(buffer.data[buffer.length - 1], '>');
        buffer_deinit(&buffer);
    }
}

static void words_are_parted_by_any_number_of_blanks(void **state)
{
    (void)state;
    struct bytes text = BYTES("  one two   ");
    assert_true(bytes_equal(bytes_take_word(&text), BYTES("one")));
    assert_true(bytes_equal(bytes_take_word(&text), BYTES("two")));
    assert_int_equal(text.length, 3);
    assert_int_equal(bytes_take_word(&text).length, 0);
    assert_int_equal(text.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_orders_before_what_it_begins),
        cmocka_unit_test(equality_without_case_touches_letters_only),
        cmocka_unit_test(an_integer_has_one_spelling),
        cmocka_unit_test(integers_reach_their_limits_and_no_further),
        cmocka_unit_test(integers_survive_their_text),
        cmocka_unit_test(floats_are_read_as_strtod_reads_them),
        cmocka_unit_test(floats_with_blanks_nan_or_trailing_bytes_are_refused),
        cmocka_unit_test(floats_out_of_range_are_refused),
        cmocka_unit_test(the_short_way_rounds_like_the_long_one),
        cmocka_unit_test(a_float_of_many_digits_has_a_limit),
        cmocka_unit_test(patterns_match_as_documented),
        cmocka_unit_test(patterns_escape_and_end_as_in_redis),
        cmocka_unit_test(patterns_ignore_case_when_asked),
        cmocka_unit_test(a_hostile_pattern_ends_soon),
        cmocka_unit_test(a_long_text_is_not_given_up_on),
        cmocka_unit_test(a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(formatting_fits_whatever_its_length),
        cmocka_unit_test(words_are_parted_by_any_number_of_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
