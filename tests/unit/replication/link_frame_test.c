/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/link_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buffer noise(size_t length)
{
    struct buffer made = {0};
    uint64_t state = 88172645463325252ull;
    for (size_t i = 0; i < length; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        buffer_append(&made, &state, 1);
    }
    return made;
}

static void assert_taken(struct bytes frames, struct bytes expected, size_t *taken)
{
    struct buffer raw = {0};
    const char *error = NULL;
    assert_int_equal(link_frame_take(frames, &raw, taken, &error), LINK_FRAME_TAKEN);
    assert_int_equal(raw.length, expected.length);
    assert_memory_equal(raw.data, expected.data, expected.length);
    buffer_deinit(&raw);
}

static void assert_refused(struct bytes frame, const char *why)
{
    struct buffer raw = {0};
    const char *error = NULL;
    size_t taken;
    assert_int_equal(link_frame_take(frame, &raw, &taken, &error), LINK_FRAME_BAD);
    assert_string_equal(error, why);
    assert_int_equal(raw.length, 0);
    buffer_deinit(&raw);
}

static void what_repeats_becomes_short_and_comes_back(void **unused)
{
    (void)unused;
    struct buffer raw = {0}, frame = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&raw, "the same again, ");
    size_t taken;
    link_frame_append(&frame, buffer_bytes(&raw));
    assert_true(frame.length < raw.length / 20);
    assert_taken(buffer_bytes(&frame), buffer_bytes(&raw), &taken);
    assert_int_equal(taken, frame.length);
    buffer_deinit(&raw);
    buffer_deinit(&frame);
}

static void what_cannot_be_made_shorter_is_stored_as_it_is(void **unused)
{
    (void)unused;
    struct buffer raw = noise(LINK_FRAME_RAW_MAX), frame = {0};
    size_t taken;
    link_frame_append(&frame, buffer_bytes(&raw));
    assert_int_equal(frame.length, raw.length + LINK_FRAME_HEADER_BYTES);
    assert_taken(buffer_bytes(&frame), buffer_bytes(&raw), &taken);
    frame.length = 0;
    link_frame_append(&frame, bytes_of(raw.data, 1));
    assert_taken(buffer_bytes(&frame), bytes_of(raw.data, 1), &taken);
    buffer_deinit(&raw);
    buffer_deinit(&frame);
}

static void a_frame_that_is_not_all_there_says_how_much_it_needs(void **unused)
{
    (void)unused;
    struct buffer frame = {0}, raw = {0};
    const char *error = NULL;
    size_t wanted;
    link_frame_append(&frame, BYTES("some bytes"));
    for (size_t length = 0; length < frame.length; length++) {
        assert_int_equal(link_frame_take(bytes_of(frame.data, length), &raw, &wanted, &error), LINK_FRAME_MORE);
        assert_int_equal(wanted, length < LINK_FRAME_HEADER_BYTES ? LINK_FRAME_HEADER_BYTES : frame.length);
    }
    assert_int_equal(raw.length, 0);
    buffer_deinit(&frame);
}

static void the_last_frame_is_known_as_such(void **unused)
{
    (void)unused;
    struct buffer frames = {0}, raw = {0};
    const char *error = NULL;
    size_t taken;
    link_frame_append(&frames, BYTES("bytes"));
    link_frame_append_end(&frames);
    assert_taken(buffer_bytes(&frames), BYTES("bytes"), &taken);
    struct bytes rest = bytes_of(frames.data + taken, frames.length - taken);
    assert_int_equal(link_frame_take(rest, &raw, &taken, &error), LINK_FRAME_END);
    assert_int_equal(taken, rest.length);
    buffer_deinit(&frames);
}

static void every_flipped_bit_is_noticed(void **unused)
{
    (void)unused;
    struct buffer frame = {0}, raw = {0};
    const char *error;
    size_t taken;
    link_frame_append(&frame, BYTES("a frame is a frame is a frame is a frame is a frame"));
    for (size_t bit = 0; bit < frame.length * 8; bit++) {
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
        enum link_frame_result result = link_frame_take(buffer_bytes(&frame), &raw, &taken, &error);
        assert_true(result == LINK_FRAME_BAD || result == LINK_FRAME_MORE);
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(raw.length, 0);
    buffer_deinit(&frame);
}

static void impossible_lengths_are_refused_before_anything_is_waited_for(void **unused)
{
    (void)unused;
    static const char impossible[] = "a compressed frame of impossible length";
    uint32_t too_long[4] = {16, (uint32_t)LINK_FRAME_RAW_MAX + 1}, longer_stored[4] = {17, 16}, nothing[4] = {0, 16};
    assert_refused(bytes_of(too_long, sizeof(too_long)), impossible);
    assert_refused(bytes_of(longer_stored, sizeof(longer_stored)), impossible);
    assert_refused(bytes_of(nothing, sizeof(nothing)), impossible);
    uint32_t bad_end[4] = {0};
    assert_refused(bytes_of(bad_end, sizeof(bad_end)), "a compressed frame whose checksum does not fit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_repeats_becomes_short_and_comes_back),
        cmocka_unit_test(what_cannot_be_made_shorter_is_stored_as_it_is),
        cmocka_unit_test(a_frame_that_is_not_all_there_says_how_much_it_needs),
        cmocka_unit_test(the_last_frame_is_known_as_such),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(impossible_lengths_are_refused_before_anything_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
