/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/lzf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Exactly as large as needed, so that a sanitizer sees the first byte beyond. */
static bool expands(struct bytes input, const char *expected, size_t length)
{
    char *copy = malloc(input.length + !input.length), *output = malloc(length + !length);
    memcpy(copy, input.data, input.length);
    bool good = lzf_decompress(bytes_of(copy, input.length), output, length);
    if (good && expected != NULL)
        assert_memory_equal(output, expected, length);
    free(copy);
    free(output);
    return good;
}

static void literals_and_references_expand(void **state)
{
    (void)state;
    assert_true(expands(BYTES("\x02"
                              "abc"),
                        "abc", 3));
    assert_true(expands(BYTES("\x02"
                              "abc"
                              "\x20\x02"),
                        "abcabc", 6));
    assert_true(expands(BYTES("\x02"
                              "abc"
                              "\xe0\x00\x02"),
                        "abcabcabcabc", 12));
    assert_true(expands(bytes_of("", 0), "", 0));
}

static void reference_that_overlaps_repeats(void **state)
{
    (void)state;
    char run[1 + 264];
    memset(run, 'z', sizeof(run));
    assert_true(expands(BYTES("\x00"
                              "z"
                              "\xe0\xff\x00"),
                        run, sizeof(run)));
    assert_true(expands(BYTES("\x01"
                              "xy"
                              "\x60\x01"),
                        "xyxyxyx", 7));
}

static void reference_before_the_beginning_is_refused(void **state)
{
    (void)state;
    assert_false(expands(BYTES("\x20\x00"), NULL, 3));
    assert_false(expands(BYTES("\x02"
                               "abc"
                               "\x20\x03"),
                         NULL, 6));
    assert_false(expands(BYTES("\x02"
                               "abc"
                               "\x3f\xff"),
                         NULL, 6));
}

static void input_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct bytes whole = BYTES("\x02"
                               "abc"
                               "\xe0\x00\x02"
                               "\x00"
                               "!"
                               "\x20\x04");
    assert_true(expands(whole, NULL, 16));
    for (size_t length = 0; length < whole.length; length++)
        assert_false(expands(bytes_of(whole.data, length), NULL, 16));
}

static void any_other_length_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < 30; length++)
        assert_int_equal(expands(BYTES("\x02"
                                       "abc"
                                       "\xe0\x00\x02"),
                                 NULL, length),
                         length == 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_and_references_expand),
        cmocka_unit_test(reference_that_overlaps_repeats),
        cmocka_unit_test(reference_before_the_beginning_is_refused),
        cmocka_unit_test(input_cut_anywhere_is_refused),
        cmocka_unit_test(any_other_length_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
