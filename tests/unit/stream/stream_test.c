/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/stream.h"

#include <pthread.h>

#include "stream_story.h"

static void offsets_count_exactly_the_bytes_of_resp(void **state)
{
    struct story *story = *state;
    story_open(story);
    struct effect_batch batch = {0};
    stage(&batch, 0, "set", "a", "1");
    uint64_t single = batch.bytes.length, selected = sizeof("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n") - 1;
    uint64_t end = selected + single;
    assert_int_equal(stream_append(story->stream, &batch), end);
    end += single;
    assert_int_equal(stream_append(story->stream, &batch), end);
    stage(&batch, 0, "set", "a", "1");
    end += 2 * single + sizeof("*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n") - 1;
    assert_int_equal(stream_append(story->stream, &batch), end);
    effect_batch_clear(&batch);
    assert_int_equal(stream_append(story->stream, &batch), end);
    stage(&batch, 5, "set", "a", "1");
    end += selected + single;
    assert_int_equal(stream_append(story->stream, &batch), end);
    assert_int_equal(stream_end(story->stream), end);
    effect_batch_deinit(&batch);
}

static void replay_hands_over_effects_with_their_db_and_bracket_end(void **state)
{
    struct story *story = *state;
    story_open(story);
    struct effect_batch batch = {0};
    char expected[256];
    stage(&batch, 2, "set", "a", "1");
    uint64_t first = stream_append(story->stream, &batch);
    stage(&batch, 7, "SET", "b", "2");
    uint64_t second = stream_append(story->stream, &batch);
    effect_batch_clear(&batch);
    stream_write(story->stream);
    stage(&batch, 7, "SET", "MULTI", "EXEC");
    uint64_t third = stream_append(story->stream, &batch);
    stream_write(story->stream);
    snprintf(expected, sizeof(expected), "2:set a 1 @%d\n2:set a 1 @%d\n7:SET b 2 @%d\n7:SET MULTI EXEC @%d\n",
             (int)first, (int)second, (int)second, (int)third);
    assert_replay(story, 0, expected);
    assert_replay(story, first, strchr(expected, '\n') + 1);
    assert_replay(story, second, strrchr(expected, ':') - 1);
    assert_replay(story, third, "");
    effect_batch_deinit(&batch);
}

static void without_a_log_the_offset_advances_and_nothing_is_kept(void **state)
{
    struct story *story = *state;
    story->options.durability = DURABILITY_NONE;
    assert_int_equal(story_try_open(story, 1000), STATUS_OK);
    stream_start(story->stream);
    assert_false(stream_is_recording(story->stream));
    uint64_t end = story_append(story, "a", 2);
    assert_true(end > 1000);
    assert_int_equal(stream_reached(story->stream, STREAM_WRITTEN), end);
    assert_int_equal(stream_reached(story->stream, STREAM_SYNCED), end);
    stream_write(story->stream);
    assert_int_equal(stream_sync_wait(story->stream, end), STATUS_OK);
    assert_false(stream_must_wait(story->stream));
    stream_request_sync(story->stream);
    stream_drop_before(story->stream, end);
    assert_replay(story, 0, "");
    stream_close(&story->stream);
    bool has;
    assert_int_equal(stream_directory_has_log(story->directory, &has), STATUS_OK);
    assert_false(has);
}

static void a_directory_has_a_log_once_something_was_appended(void **state)
{
    struct story *story = *state;
    bool has = true;
    assert_int_equal(stream_directory_has_log("/tmp/no/such/directory", &has), STATUS_OK);
    assert_false(has);
    story_open(story);
    stream_close(&story->stream);
    assert_int_equal(stream_directory_has_log(story->directory, &has), STATUS_OK);
    assert_false(has);
    story_open(story);
    story_write(story, "a", 1);
    stream_abandon(&story->stream);
    assert_int_equal(stream_directory_has_log(story->directory, &has), STATUS_OK);
    assert_true(has);
}

static void a_value_larger_than_all_bounds_fits_and_its_memory_is_given_back(void **state)
{
    struct story *story = *state;
    size_t length = 24 << 20;
    story->options.unwritten_bytes_max = 1 << 20;
    story_open(story);
    struct buffer value = {0};
    memset(buffer_reserve(&value, length), 'v', length);
    value.length = length;
    effect_begin(&story->batch, 0, 3);
    effect_word(&story->batch, BYTES("set"));
    effect_word(&story->batch, BYTES("big"));
    effect_word(&story->batch, buffer_bytes(&value));
    uint64_t end = stream_append(story->stream, &story->batch);
    assert_true(stream_must_wait(story->stream));
    assert_int_equal(stream_sync_wait(story->stream, end), STATUS_OK);
    assert_false(stream_must_wait(story->stream));
    struct stream_info info;
    stream_read_info(story->stream, &info);
    assert_true(info.ring_bytes < 1 << 20);
    assert_int_equal(info.synced, end);
    struct buffer text = {0};
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    assert_true(text.length > length && memcmp(text.data, "0:set big vvv", 13) == 0);
    buffer_deinit(&text);
    buffer_deinit(&value);
}

/* Begins the story's batch as a large one with "restore KEY v"; then "DEL gone". */
static void stage_large(struct story *story, int32_t db, const char *key)
{
    effect_batch_clear(&story->batch);
    stream_batch_begin_large(&story->batch, db, false);
    stage(&story->batch, db, "restore", key, "v");
    stream_batch_gather(story->stream, &story->batch);
    effect_begin(&story->batch, db, 2);
    effect_word(&story->batch, BYTES("DEL"));
    effect_word(&story->batch, BYTES("gone"));
}

static void a_large_batch_stands_between_what_was_appended_before_and_after(void **state)
{
    struct story *story = *state;
    char expected[256];
    story_open(story);
    uint64_t first = story_append(story, "a", 1);
    stage_large(story, 3, "big");
    uint64_t second = stream_append(story->stream, &story->batch);
    stage_large(story, 11, "bigger");
    uint64_t third = stream_append(story->stream, &story->batch);
    uint64_t fourth = story_append(story, "b", 1);
    assert_int_equal(stream_end(story->stream), fourth);
    stream_write(story->stream);
    assert_int_equal(stream_reached(story->stream, STREAM_WRITTEN), fourth);
    snprintf(
        expected, sizeof(expected),
        "0:set a 0 @%d\n3:restore big v @%d\n3:DEL gone @%d\n11:restore bigger v @%d\n11:DEL gone @%d\n0:set b 0 @%d\n",
        (int)first, (int)second, (int)second, (int)third, (int)third, (int)fourth);
    assert_replay(story, 0, expected);
    stream_abandon(&story->stream);
    story_open(story);
    assert_replay(story, 0, expected);
}

static void an_effect_that_was_to_be_alone_may_have_followers(void **state)
{
    struct story *story = *state;
    char expected[256];
    story_open(story);
    effect_batch_clear(&story->batch);
    stream_batch_begin_large(&story->batch, 3, true);
    stage(&story->batch, 3, "restore", "big", "v");
    uint64_t first = stream_append(story->stream, &story->batch);
    effect_batch_clear(&story->batch);
    stream_batch_begin_large(&story->batch, 3, true);
    stage(&story->batch, 3, "restore", "big", "v");
    stream_batch_gather(story->stream, &story->batch);
    stage(&story->batch, 4, "set", "a", "0");
    uint64_t second = stream_append(story->stream, &story->batch);
    snprintf(expected, sizeof(expected), "3:restore big v @%d\n3:restore big v @%d\n4:set a 0 @%d\n", (int)first,
             (int)second, (int)second);
    stream_write(story->stream);
    assert_replay(story, 0, expected);
}

static void a_large_batch_that_was_not_written_is_written_in_the_end(void **state)
{
    struct story *story = *state;
    story_open(story);
    story_append(story, "a", 1);
    stage_large(story, 0, "big");
    stream_append(story->stream, &story->batch);
    stream_close(&story->stream);
    story_open(story);
    struct buffer text = {0};
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    *buffer_reserve(&text, 1) = 0;
    assert_non_null(strstr(text.data, "0:restore big v"));
    buffer_deinit(&text);
}

static void a_large_batch_that_is_not_appended_leaves_nothing(void **state)
{
    struct story *story = *state;
    static const int64_t ring = 1 << 20;
    story_open(story);
    stream_feed(story->stream, &ring, NULL);
    uint64_t end = stream_end(story->stream);
    stage_large(story, 0, "big");
    effect_batch_clear(&story->batch);
    assert_int_equal(stream_append(story->stream, &story->batch), end);
    assert_true(story_append(story, "a", 1) > end);
}

static void waits_are_mailed_at_their_level_and_not_before(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    struct waiter written[2], synced[2];
    mailbox_init(&home, wake_nobody, NULL);
    story_open(story);
    uint64_t first = story_append(story, "a", 1), second = story_append(story, "b", 1);
    assert_false(waiter_start(&written[0], story->stream, &home, second, STREAM_APPENDED));
    /* In the wrong order on purpose. */
    assert_true(waiter_start(&written[1], story->stream, &home, second, STREAM_WRITTEN));
    assert_true(waiter_start(&written[0], story->stream, &home, first, STREAM_WRITTEN));
    assert_true(waiter_start(&synced[0], story->stream, &home, first, STREAM_SYNCED));
    mailbox_drain(&home);
    assert_int_equal(written[0].mailed + written[1].mailed + synced[0].mailed, 0);
    stream_write(story->stream);
    mailbox_drain(&home);
    assert_int_equal(written[0].mailed, 1);
    assert_int_equal(written[1].mailed, 1);
    assert_int_equal(synced[0].mailed, 0);
    assert_false(waiter_start(&written[0], story->stream, &home, second, STREAM_WRITTEN));
    stream_log_turn(story->stream, clock_monotonic_us());
    mailbox_drain(&home);
    assert_int_equal(synced[0].mailed, 1);
    assert_false(waiter_start(&synced[1], story->stream, &home, second, STREAM_SYNCED));
    uint64_t third = story_write(story, "c", 1);
    assert_true(waiter_start(&synced[1], story->stream, &home, third, STREAM_SYNCED));
    stream_close(&story->stream);
    mailbox_drain(&home);
    assert_int_equal(synced[1].mailed, 1);
}

static void what_nobody_waits_for_is_synced_at_the_interval(void **state)
{
    struct story *story = *state;
    story->interval_ms = 1000;
    story_open(story);
    int64_t start_us = clock_monotonic_us();
    story->stream->synced_at_us = start_us;
    uint64_t end = story_write(story, "a", 1);
    stream_log_turn(story->stream, start_us + 999000);
    assert_int_equal(stream_reached(story->stream, STREAM_SYNCED), 0);
    stream_log_turn(story->stream, start_us + 1000000);
    assert_int_equal(stream_reached(story->stream, STREAM_SYNCED), end);
}

static void writers_wait_for_room_until_the_log_is_synced(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    struct waiter waiter = {.wait = {.home = &home, .mail = {.deliver = waiter_deliver}}};
    mailbox_init(&home, wake_nobody, NULL);
    story->options.unwritten_bytes_max = 200;
    story_open(story);
    assert_false(stream_wait_room(story->stream, &waiter.wait));
    for (int i = 0; i < 10; i++)
        story_write(story, "key", 1);
    assert_true(stream_must_wait(story->stream));
    assert_true(stream_wait_room(story->stream, &waiter.wait));
    stream_log_turn(story->stream, clock_monotonic_us());
    mailbox_drain(&home);
    assert_int_equal(waiter.mailed, 1);
    assert_false(stream_must_wait(story->stream));
}

static void writers_wait_while_more_of_the_log_is_needed_than_its_bound(void **state)
{
    struct story *story = *state;
    const int64_t bytes_max = 500;
    story->options.log_bytes_max = &bytes_max;
    story_open(story);
    uint64_t end = 0;
    while (end <= 500) {
        assert_false(stream_is_full(story->stream));
        end = story_append(story, "key", 1);
    }
    assert_int_equal(stream_sync_wait(story->stream, end), STATUS_OK);
    assert_true(stream_is_full(story->stream));
    assert_true(stream_must_wait(story->stream));
    assert_null(stream_failure(story->stream));
    stream_drop_before(story->stream, end - 500);
    assert_false(stream_must_wait(story->stream));
    struct stream_info info;
    stream_read_info(story->stream, &info);
    assert_int_equal(info.needed_bytes, 500);
    assert_int_equal(info.needed_bytes_max, 500);
}

/* Several threads append, write and wait as workers do; then every thread's brackets are whole and in its order. */

#define APPENDERS 4
#define APPENDS 400

struct appender {
    pthread_t id;
    struct story *story;
    int number;
    unsigned seen, in_bracket;
    uint64_t bracket_end;
};

static void *appender_run(void *argument)
{
    struct appender *appender = argument;
    struct stream *stream = appender->story->stream;
    struct effect_batch batch = {0};
    uint64_t previous = 0;
    for (int i = 0; i < APPENDS; i++) {
        effect_batch_clear(&batch);
        for (int j = 0; j <= i % 3; j++) {
            effect_begin(&batch, appender->number + j, 4);
            effect_word(&batch, BYTES("SET"));
            effect_word_integer(&batch, appender->number);
            effect_word_integer(&batch, i);
            effect_word_integer(&batch, j);
        }
        uint64_t end = stream_append(stream, &batch);
        check(end > previous);
        previous = end;
        stream_write(stream);
        if (i % 100 == 99)
            check(stream_sync_wait(stream, end) == STATUS_OK);
    }
    effect_batch_deinit(&batch);
    return NULL;
}

static void check_order(void *context, const struct effect *effect, uint64_t end_offset)
{
    struct appender *appenders = context;
    int64_t number = 0, turn = 0, part = 0;
    assert_true(bytes_to_int64(effect->words[1], &number) && bytes_to_int64(effect->words[2], &turn) &&
                bytes_to_int64(effect->words[3], &part));
    struct appender *appender = &appenders[number];
    assert_int_equal(turn, appender->seen);
    assert_int_equal(part, appender->in_bracket);
    assert_int_equal(effect->db, number + part);
    if (part > 0)
        assert_int_equal(end_offset, appender->bracket_end);
    appender->bracket_end = end_offset;
    appender->in_bracket++;
    if (part == turn % 3) {
        appender->seen++;
        appender->in_bracket = 0;
    }
}

static void appends_of_many_threads_keep_their_order_and_their_brackets(void **state)
{
    struct story *story = *state;
    struct appender appenders[APPENDERS] = {0};
    story->interval_ms = 5;
    story->options.segment_bytes = 20000;
    story_open(story);
    stream_start(story->stream);
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i].story = story;
        appenders[i].number = i;
        pthread_create(&appenders[i].id, NULL, appender_run, &appenders[i]);
    }
    for (int i = 0; i < APPENDERS; i++)
        pthread_join(appenders[i].id, NULL);
    uint64_t end = stream_end(story->stream);
    assert_int_equal(stream_sync_wait(story->stream, end), STATUS_OK);
    stream_abandon(&story->stream);

    story_open(story);
    assert_int_equal(stream_end(story->stream), end);
    struct stream_info info;
    stream_read_info(story->stream, &info);
    assert_int_equal(stream_replay(story->stream, 0, check_order, appenders, story->error, sizeof(story->error)),
                     STATUS_OK);
    for (int i = 0; i < APPENDERS; i++) {
        assert_int_equal(appenders[i].seen, APPENDS);
        assert_int_equal(appenders[i].in_bracket, 0);
    }
}

static void what_is_appended_is_written_without_anyone_waiting(void **state)
{
    struct story *story = *state;
    struct appender appenders[2] = {0};
    story_open(story);
    stream_start(story->stream);
    for (int i = 0; i < 2; i++) {
        appenders[i].story = story;
        appenders[i].number = i;
        pthread_create(&appenders[i].id, NULL, appender_run, &appenders[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(appenders[i].id, NULL);
    /* Whoever lost the claim left its bytes to its holder, which may have left them to the log thread. */
    while (stream_reached(story->stream, STREAM_WRITTEN) != stream_end(story->stream))
        sched_yield();
    stream_close(&story->stream);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        test(offsets_count_exactly_the_bytes_of_resp),
        test(replay_hands_over_effects_with_their_db_and_bracket_end),
        test(without_a_log_the_offset_advances_and_nothing_is_kept),
        test(a_directory_has_a_log_once_something_was_appended),
        test(a_value_larger_than_all_bounds_fits_and_its_memory_is_given_back),
        test(a_large_batch_stands_between_what_was_appended_before_and_after),
        test(an_effect_that_was_to_be_alone_may_have_followers),
        test(a_large_batch_that_was_not_written_is_written_in_the_end),
        test(a_large_batch_that_is_not_appended_leaves_nothing),
        test(waits_are_mailed_at_their_level_and_not_before),
        test(what_nobody_waits_for_is_synced_at_the_interval),
        test(writers_wait_for_room_until_the_log_is_synced),
        test(writers_wait_while_more_of_the_log_is_needed_than_its_bound),
        test(appends_of_many_threads_keep_their_order_and_their_brackets),
        test(what_is_appended_is_written_without_anyone_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
