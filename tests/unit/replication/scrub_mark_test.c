/* SPDX-License-Identifier: BSD-3-Clause */
/* What a primary says of a scrub is read as it was written, and nothing else is taken for it. */
#include "replication/scrub_mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stream/effect.h"

/* The message of what was written, which must be a PING. */
static struct bytes message_of(const char *text, size_t length, struct effect *effect)
{
    size_t consumed;
    assert_true(effect_decode(bytes_of(text, length), effect, &consumed));
    assert_int_equal(consumed, length);
    assert_int_equal(effect->count, 2);
    assert_true(bytes_equal_text(effect->words[0], "PING"));
    return effect->words[1];
}

static void marks_are_read_as_they_were_written(void **state)
{
    static const struct scrub_question questions[] = {
        {1, {0, 0, 1}}, {UINT64_MAX, {15, 255, 64}}, {7, {3, 16383, 1}}, {9, {5, 0, 0}}};
    static const struct scrub_answer answers[] = {{1, {0, 0}}, {UINT64_MAX, {UINT64_MAX, UINT64_MAX}}};
    struct effect effect;
    char text[SCRUB_MARK_MAX];
    (void)state;
    effect_init(&effect);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        struct scrub_question question;
        struct scrub_answer answer;
        struct bytes message = message_of(text, scrub_write_question(text, &questions[i]), &effect);
        assert_int_equal(scrub_read_mark(message, &question, &answer), SCRUB_QUESTION);
        assert_int_equal(question.id, questions[i].id);
        assert_int_equal(question.group.db, questions[i].group.db);
        assert_int_equal(question.group.first, questions[i].group.first);
        assert_int_equal(question.group.count, questions[i].group.count);
    }
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct scrub_question question;
        struct scrub_answer answer;
        struct bytes message = message_of(text, scrub_write_answer(text, &answers[i]), &effect);
        assert_int_equal(scrub_read_mark(message, &question, &answer), SCRUB_ANSWER);
        assert_int_equal(answer.id, answers[i].id);
        assert_int_equal(answer.held.sum, answers[i].held.sum);
        assert_int_equal(answer.held.keys, answers[i].held.keys);
        message = message_of(text, scrub_write_functions(text, &answers[i]), &effect);
        assert_int_equal(scrub_read_mark(message, &question, &answer), SCRUB_FUNCTIONS);
        assert_int_equal(answer.id, answers[i].id);
        assert_int_equal(answer.held.sum, answers[i].held.sum);
        assert_int_equal(answer.held.keys, answers[i].held.keys);
    }
    effect_deinit(&effect);
}

static void what_is_none_is_taken_for_none(void **state)
{
    static const char *const messages[] = {
        "",
        "scrub",
        "scrub ",
        "scrub 1 2 3",
        "scrub 1 0 0 1 1",
        "scrub 1 0 0 1 ",
        "scrub  1 0 0 1",
        "scrub -1 0 0 1",
        "scrub 18446744073709551616 0 0 1",
        "scrub 1 16 0 1",
        "scrub 1 0 16384 1",
        "scrub 1 0 0 65",
        "scrub 1 0 256 64",
        "scrub 1 0 16383 2",
        "scrub 1 0 0 18446744073709551615",
        "scrubbed 1 2",
        "scrubbed 1 2 3 4",
        "scrubbed x 2 3",
        "scrubbed 1 2 3 4 5 6 7 8 9",
        "scrub-functions",
        "scrub-functions 1 2",
        "scrub-functions 1 2 3 4",
        "scrub-functions 1 2 -3",
        "scrub-of-a-later-version 1 2 3",
        "hello",
    };
    struct scrub_question question;
    struct scrub_answer answer;
    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        assert_int_equal(scrub_read_mark(bytes_of_text(messages[i]), &question, &answer), SCRUB_NO_MARK);
    assert_int_equal(scrub_read_mark(BYTES("scrub 1 0 0 1\0"), &question, &answer), SCRUB_NO_MARK);
}

static void a_sum_does_not_depend_on_the_order_but_on_all_of_a_key(void **state)
{
    struct scrub_sum one = {0}, other = {0}, another[3] = {{0}};
    (void)state;
    scrub_sum_add(&one, BYTES("a"), -1, 5);
    scrub_sum_add(&one, BYTES("b"), 77, 6);
    scrub_sum_add(&other, BYTES("b"), 77, 6);
    scrub_sum_add(&other, BYTES("a"), -1, 5);
    assert_int_equal(one.sum, other.sum);
    assert_int_equal(one.keys, 2);
    scrub_sum_add(&another[0], BYTES("a"), -1, 6);
    scrub_sum_add(&another[0], BYTES("b"), 77, 5);
    scrub_sum_add(&another[1], BYTES("a"), 77, 5);
    scrub_sum_add(&another[1], BYTES("b"), -1, 6);
    scrub_sum_add(&another[2], BYTES("b"), -1, 5);
    scrub_sum_add(&another[2], BYTES("a"), 77, 6);
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(another[i].sum, one.sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_read_as_they_were_written),
        cmocka_unit_test(what_is_none_is_taken_for_none),
        cmocka_unit_test(a_sum_does_not_depend_on_the_order_but_on_all_of_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
