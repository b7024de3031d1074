/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int64_t threads, maxmemory, anything;
static bool appendonly;
static char *directory;
static int policy;
static int special_sum;

static const char *const policies[] = {"noeviction", "allkeys-lru", "allkeys-lfu", NULL};

static bool special_parse(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    int64_t value;
    if (!bytes_to_int64(text, &value)) {
        snprintf(error, error_size, "no number");
        return false;
    }
    special_sum += (int)value;
    return true;
}

static void special_print(const struct option *option, struct buffer *out)
{
    (void)option;
    buffer_append_int64(out, special_sum);
}

static const struct option table[] = {
    {.name = "threads", .type = OPTION_INTEGER, .value = &threads, .initial = "4", .minimum = 1, .maximum = 64},
    {.name = "maxmemory", .type = OPTION_BYTES, .value = &maxmemory, .initial = "64mb", .maximum = INT64_MAX},
    {.name = "anything", .type = OPTION_INTEGER, .value = &anything, .initial = "-5"},
    {.name = "appendonly", .type = OPTION_BOOL, .value = &appendonly, .initial = "no"},
    {.name = "dir", .type = OPTION_TEXT, .value = &directory, .initial = "./data"},
    {.name = "maxmemory-policy", .type = OPTION_ENUM, .value = &policy, .initial = "noeviction", .names = policies},
    {.name = "special", .type = OPTION_SPECIAL, .initial = "3", .parse = special_parse, .print = special_print},
    {.name = NULL},
};

enum { THREADS, MAXMEMORY, ANYTHING, APPENDONLY, DIRECTORY, POLICY, SPECIAL };

static int reset(void **state)
{
    (void)state;
    special_sum = 0;
    option_reset(table);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    /* More than are kept for late readers, so that the leak checker sees what is not freed. */
    for (int i = 0; i < 200; i++) {
        char text[16], error[64];
        snprintf(text, sizeof(text), "d%d", i);
        option_set(&table[DIRECTORY], bytes_of_text(text), error, sizeof(error));
    }
    return 0;
}

static void assert_set(int row, const char *text)
{
    char error[128] = "";
    if (!option_set(&table[row], bytes_of_text(text), error, sizeof(error)))
        fail_msg("%s \"%s\": %s", table[row].name, text, error);
}

static void assert_refused(int row, const char *text, const char *why)
{
    char error[128] = "";
    struct buffer before = {0}, after = {0};
    option_print(&table[row], &before);
    assert_false(option_set(&table[row], bytes_of_text(text), error, sizeof(error)));
    assert_string_equal(error, why);
    option_print(&table[row], &after);
    assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
    buffer_deinit(&before);
    buffer_deinit(&after);
}

static void assert_printed(int row, const char *text)
{
    struct buffer out = {0};
    option_print(&table[row], &out);
    assert_true(bytes_equal(buffer_bytes(&out), bytes_of_text(text)));
    buffer_deinit(&out);
}

static void defaults_are_set_from_their_texts(void **state)
{
    (void)state;
    assert_int_equal(threads, 4);
    assert_int_equal(maxmemory, 64 << 20);
    assert_int_equal(anything, -5);
    assert_false(appendonly);
    assert_string_equal(directory, "./data");
    assert_int_equal(policy, 0);
    assert_int_equal(special_sum, 3);
}

static void a_number_out_of_bounds_changes_nothing(void **state)
{
    (void)state;
    assert_refused(THREADS, "0", "argument must be between 1 and 64 inclusive");
    assert_refused(THREADS, "65", "argument must be between 1 and 64 inclusive");
    assert_refused(THREADS, "4x", "argument couldn't be parsed into an integer");
    assert_refused(MAXMEMORY, "-1", "argument must be between 0 and 9223372036854775807 inclusive");
    assert_set(THREADS, "64");
    assert_int_equal(threads, 64);
}

static void sizes_have_decimal_and_binary_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"", 0},          {"0", 0},           {"100", 100},       {"7b", 7},
                 {"1k", 1000},     {"1kb", 1024},      {"1K", 1000},       {"2M", 2000000},
                 {"2Mb", 2 << 20}, {"1g", 1000000000}, {"3GB", 3LL << 30}, {"1tb", 1LL << 40}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_set(MAXMEMORY, cases[i].text);
        assert_true(maxmemory == cases[i].bytes);
    }
    static const char *const refused[] = {"k", "1kib", "1 k", "1.5g", "9999999999999gb", "-", "x1"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_refused(MAXMEMORY, refused[i], "argument must be a memory value");
    assert_set(MAXMEMORY, "1kb");
    assert_printed(MAXMEMORY, "1024");
}

static void a_bool_is_yes_or_no(void **state)
{
    (void)state;
    assert_set(APPENDONLY, "YES");
    assert_true(appendonly);
    assert_printed(APPENDONLY, "yes");
    assert_refused(APPENDONLY, "true", "argument must be 'yes' or 'no'");
}

static void an_enum_is_one_of_its_names(void **state)
{
    (void)state;
    assert_set(POLICY, "AllKeys-LFU");
    assert_int_equal(policy, 2);
    assert_printed(POLICY, "allkeys-lfu");
    assert_refused(POLICY, "lru", "argument(s) must be one of the following: noeviction, allkeys-lru, allkeys-lfu");
}

static void a_replaced_text_stays_readable_for_a_while(void **state)
{
    (void)state;
    const char *seen_by_a_reader = directory;
    for (int i = 0; i < 32; i++)
        assert_set(DIRECTORY, i & 1 ? "/a" : "/b");
    assert_string_equal(seen_by_a_reader, "./data");
    assert_string_equal(directory, "/a");
    assert_set(DIRECTORY, "");
    assert_printed(DIRECTORY, "");
    char error[64];
    assert_false(option_set(&table[DIRECTORY], bytes_of("a\0b", 3), error, sizeof(error)));
}

static void a_special_option_parses_itself(void **state)
{
    (void)state;
    assert_set(SPECIAL, "4");
    assert_printed(SPECIAL, "7");
    assert_refused(SPECIAL, "x", "no number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_set_from_their_texts, reset),
        cmocka_unit_test_setup(a_number_out_of_bounds_changes_nothing, reset),
        cmocka_unit_test_setup(sizes_have_decimal_and_binary_units, reset),
        cmocka_unit_test_setup(a_bool_is_yes_or_no, reset),
        cmocka_unit_test_setup(an_enum_is_one_of_its_names, reset),
        cmocka_unit_test_setup(a_replaced_text_stays_readable_for_a_while, reset),
        cmocka_unit_test_setup(a_special_option_parses_itself, reset),
    };
    return cmocka_run_group_tests(tests, NULL, drop);
}
