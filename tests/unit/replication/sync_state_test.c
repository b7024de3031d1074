/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/sync_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "1111111111111111111111111111111111111111"
#define MARK "abcdefghijabcdefghijabcdefghijabcdefghij"

static const struct sync_settings open_primary = {"", "", 7000, false}, closed_primary = {"me", "secret", 7000, false},
                                  near_primary = {"", "", 7000, true};

struct talk {
    struct sync_state state;
    struct buffer send;
    const struct sync_settings *settings;
};

static enum sync_action hear(struct talk *talk, const char *line)
{
    talk->send.length = 0;
    return sync_line(&talk->state, talk->settings, bytes_of_text(line), &talk->send);
}

static void assert_said(struct talk *talk, const char *text)
{
    assert_int_equal(talk->send.length, strlen(text));
    assert_memory_equal(talk->send.data, text, strlen(text));
}

/* Up to the answer to PSYNC. */
static struct talk talk_to(const struct sync_settings *settings, const char *id, uint64_t offset)
{
    struct talk talk = {.settings = settings};
    sync_begin(&talk.state, id, offset, &talk.send);
    assert_said(&talk, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(hear(&talk, settings->password[0] ? "-NOAUTH Authentication required." : "+PONG"), SYNC_WAIT);
    if (settings->password[0]) {
        assert_said(&talk, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n");
        assert_int_equal(hear(&talk, "+OK"), SYNC_WAIT);
    }
    assert_said(&talk, "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7000\r\n");
    assert_int_equal(hear(&talk, "+OK"), SYNC_WAIT);
    assert_int_equal(hear(&talk, "-ERR an old primary does not know these words"), SYNC_WAIT);
    return talk;
}

static void talk_end(struct talk *talk)
{
    buffer_deinit(&talk->send);
}

static void a_forebay_says_that_it_is_one_and_is_asked_to_take_over_once_told_so(void **unused)
{
    (void)unused;
    struct talk talk = {.settings = &open_primary};
    sync_begin(&talk.state, ID, 41, &talk.send);
    talk.state.takes_over = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(hear(&talk, "+OK"), SYNC_WAIT);
    assert_false(talk.state.is_forebay);
    assert_int_equal(hear(&talk, "+OK forebay"), SYNC_WAIT);
    assert_true(talk.state.is_forebay);
    assert_said(&talk, "*4\r\n$5\r\nPSYNC\r\n$40\r\n" ID "\r\n$2\r\n42\r\n$8\r\nFAILOVER\r\n");
    talk_end(&talk);
}

static void who_has_nothing_asks_for_everything(void **unused)
{
    (void)unused;
    struct talk talk = talk_to(&open_primary, NULL, 0);
    assert_said(&talk, "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
    assert_int_equal(hear(&talk, ""), SYNC_WAIT);
    assert_int_equal(hear(&talk, "+FULLRESYNC " ID " 1234"), SYNC_EMPTY);
    assert_string_equal(talk.state.id, ID);
    assert_int_equal(talk.state.offset, 1234);
    assert_int_equal(hear(&talk, ""), SYNC_WAIT);
    assert_int_equal(hear(&talk, "$99"), SYNC_RECEIVE);
    assert_false(talk.state.has_mark);
    assert_int_equal(talk.state.copy_bytes, 99);
    talk_end(&talk);
}

static void a_copy_of_unknown_length_ends_with_a_mark(void **unused)
{
    (void)unused;
    struct talk talk = talk_to(&closed_primary, NULL, 0);
    assert_int_equal(hear(&talk, "+FULLRESYNC " ID " 0"), SYNC_EMPTY);
    assert_int_equal(hear(&talk, "$EOF:" MARK), SYNC_RECEIVE);
    assert_true(talk.state.has_mark);
    assert_memory_equal(talk.state.mark, MARK, SYNC_MARK_LENGTH);
    talk_end(&talk);
}

static void frames_come_only_to_whom_has_offered_to_take_them(void **unused)
{
    (void)unused;
    struct talk talk = {.settings = &near_primary};
    sync_begin(&talk.state, NULL, 0, &talk.send);
    hear(&talk, "+PONG");
    hear(&talk, "+OK");
    assert_said(&talk, "*9\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n"
                       "$4\r\ncapa\r\n$11\r\nforebay-lz4\r\n$4\r\ncapa\r\n$7\r\nforebay\r\n");
    hear(&talk, "+OK forebay");
    assert_int_equal(hear(&talk, "+FULLRESYNC " ID " 0"), SYNC_EMPTY);
    assert_int_equal(hear(&talk, "$LZ4:1"), SYNC_RECEIVE);
    assert_true(talk.state.in_frames);
    assert_false(talk.state.has_mark);
    talk_end(&talk);
}

static void who_has_a_part_asks_for_the_byte_after_it(void **unused)
{
    (void)unused;
    struct talk talk = talk_to(&open_primary, ID, 41);
    assert_said(&talk, "*3\r\n$5\r\nPSYNC\r\n$40\r\n" ID "\r\n$2\r\n42\r\n");
    assert_int_equal(hear(&talk, "+CONTINUE"), SYNC_CONTINUE);
    assert_string_equal(talk.state.id, "");
    talk_end(&talk);
    talk = talk_to(&open_primary, ID, 41);
    assert_int_equal(hear(&talk, "+CONTINUE 2222222222222222222222222222222222222222"), SYNC_CONTINUE);
    assert_string_equal(talk.state.id, "2222222222222222222222222222222222222222");
    talk_end(&talk);
}

static void refusals_say_why(void **unused)
{
    (void)unused;
    static const struct {
        const char *line;
        enum sync_action action;
    } cases[] = {
        {"-NOMASTERLINK Can't SYNC while not connected with my master", SYNC_RETRY},
        {"-LOADING Redis is loading the dataset in memory", SYNC_RETRY},
        {"-ERR unknown command 'PSYNC'", SYNC_REFUSED},
        {"+FULLRESYNC short 12", SYNC_REFUSED},
        {"+FULLRESYNC " ID " -5", SYNC_REFUSED},
        {"+FULLRESYNC " ID, SYNC_REFUSED},
        {"+FULLRESYNC " ID " 9223372036854775807", SYNC_REFUSED},
        {"+FULLRESYNC " ID " 4611686018427387905", SYNC_REFUSED},
        {"+FULLRESYNC " ID " 99999999999999999999", SYNC_REFUSED},
        {"+FULLRESYNC ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN 1", SYNC_REFUSED},
        {"+CONTINUE short", SYNC_REFUSED},
        {"+CONTINUE", SYNC_REFUSED},
        {"+CONTINUE " ID, SYNC_REFUSED},
        {"+CONTINUE ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN", SYNC_REFUSED},
        {"+CONTINUE " ID "1", SYNC_REFUSED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct talk talk = talk_to(&open_primary, NULL, 0);
        assert_int_equal(hear(&talk, cases[i].line), cases[i].action);
        assert_non_null(strstr(talk.state.error, cases[i].line));
        talk_end(&talk);
    }
}

static void an_offset_that_a_stream_may_reach_is_taken(void **unused)
{
    (void)unused;
    struct talk talk = talk_to(&open_primary, NULL, 0);
    assert_int_equal(hear(&talk, "+FULLRESYNC " ID " 4611686018427387904"), SYNC_EMPTY);
    assert_true(talk.state.offset == SYNC_OFFSET_MAX);
    talk_end(&talk);
}

static void what_a_primary_says_is_printable_in_an_error(void **unused)
{
    (void)unused;
    struct talk talk = talk_to(&open_primary, NULL, 0);
    assert_int_equal(hear(&talk, "-ERR a\r\x1b[31m\xff \"b"), SYNC_REFUSED);
    assert_non_null(strstr(talk.state.error, "-ERR a??[31m? ?b"));
    talk_end(&talk);
}

static void a_frame_that_is_none_is_refused(void **unused)
{
    (void)unused;
    static const char *const frames[] = {"-ERR no", "$", "$-1", "$12x", "$EOF:short", "99", "$LZ4:1"};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct talk talk = talk_to(&open_primary, NULL, 0);
        hear(&talk, "+FULLRESYNC " ID " 0");
        assert_int_equal(hear(&talk, frames[i]), SYNC_RETRY);
        talk_end(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_nothing_asks_for_everything),
        cmocka_unit_test(a_forebay_says_that_it_is_one_and_is_asked_to_take_over_once_told_so),
        cmocka_unit_test(a_copy_of_unknown_length_ends_with_a_mark),
        cmocka_unit_test(frames_come_only_to_whom_has_offered_to_take_them),
        cmocka_unit_test(who_has_a_part_asks_for_the_byte_after_it),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(an_offset_that_a_stream_may_reach_is_taken),
        cmocka_unit_test(what_a_primary_says_is_printable_in_an_error),
        cmocka_unit_test(a_frame_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
