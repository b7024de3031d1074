/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void release(void *owner)
{
    ++*(int *)owner;
}

static void references_keep_their_place_among_the_bytes(void **state)
{
    (void)state;
    struct output output = {0};
    int released[10] = {0};
    for (int i = 0; i < 10; i++) {
        buffer_append_text(&output.bytes, "$5\r\n");
        output_append_reference(&output, BYTES("large"), release, &released[i]);
        buffer_append_text(&output.bytes, "\r\n");
    }
    assert_int_equal(output_length(&output), 10 * 11);
    for (unsigned i = 0; i < output.reference_count; i++)
        assert_int_equal(output.references[i].position, 4 + 6 * i);
    output_deinit(&output);
    for (int i = 0; i < 10; i++)
        assert_int_equal(released[i], 1);
    assert_int_equal(output_length(&output), 0);
}

static void what_lies_between_marks_gives_way_to_other_bytes(void **state)
{
    (void)state;
    struct output output = {0};
    int released[3] = {0};
    struct output_mark marks[4] = {output_mark(&output)};
    for (int i = 0; i < 3; i++) {
        buffer_append_text(&output.bytes, "$5\r\n");
        output_append_reference(&output, BYTES("large"), release, &released[i]);
        buffer_append_text(&output.bytes, "\r\n");
        marks[i + 1] = output_mark(&output);
    }
    output_replace(&output, marks[1], marks[2], BYTES("-ERR a longer text than before\r\n"));
    assert_int_equal(released[0] + released[2], 0);
    assert_int_equal(released[1], 1);
    assert_int_equal(output.reference_count, 2);
    assert_int_equal(output.references[1].position, 6 + 32 + 4);
    assert_int_equal(output_length(&output), 11 + 32 + 11);
    output_replace(&output, marks[0], marks[1], BYTES(""));
    assert_int_equal(released[0], 1);
    assert_int_equal(output.references[0].position, 32 + 4);
    assert_memory_equal(output.bytes.data, "-ERR a longer text than before\r\n$5\r\n\r\n", 32 + 6);
    output_deinit(&output);
    assert_int_equal(released[2], 1);
}

static void a_rewind_forgets_what_came_after_the_mark(void **state)
{
    (void)state;
    struct output output = {0};
    int before = 0, after = 0;
    buffer_append_text(&output.bytes, "+OK\r\n");
    output_append_reference(&output, BYTES("abc"), release, &before);
    struct output_mark mark = output_mark(&output);
    buffer_append_text(&output.bytes, "*2\r\n");
    output_append_reference(&output, BYTES("defg"), release, &after);
    output_rewind(&output, mark);
    assert_int_equal(output_length(&output), 8);
    assert_int_equal(before, 0);
    assert_int_equal(after, 1);
    output_rewind(&output, mark);
    assert_int_equal(after, 1);
    output_deinit(&output);
    assert_int_equal(before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_keep_their_place_among_the_bytes),
        cmocka_unit_test(what_lies_between_marks_gives_way_to_other_bytes),
        cmocka_unit_test(a_rewind_forgets_what_came_after_the_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
