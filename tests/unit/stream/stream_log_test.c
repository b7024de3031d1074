/* SPDX-License-Identifier: BSD-3-Clause */
/* The log when devices fail, and its segments. The failing device takes 'room' more bytes and then has no space; its
 * next 'sync_failures' syncs fail. */
#include "stream/stream_private.h"

#include <pthread.h>

#include "base/random.h"
#include "stream_story.h"

static _Atomic int64_t device_room;
static _Atomic int device_sync_failures;
static _Atomic unsigned device_syncs;

static ssize_t device_write_at(int fd, const void *data, size_t length, off_t position)
{
    int64_t room = atomic_load(&device_room);
    if (room <= 0) {
        errno = ENOSPC;
        return -1;
    }
    if ((int64_t)length > room)
        length = (size_t)room;
    atomic_fetch_sub(&device_room, (int64_t)length);
    return pwrite(fd, data, length, position);
}

static int device_sync(int fd)
{
    (void)fd;
    device_syncs++;
    if (atomic_load(&device_sync_failures) <= 0)
        return 0;
    atomic_fetch_sub(&device_sync_failures, 1);
    errno = EIO;
    return -1;
}

static int failing_setup(void **state)
{
    story_setup(state);
    device_room = INT64_MAX / 2;
    device_sync_failures = 0;
    stream_io.write_at = device_write_at;
    stream_io.sync = device_sync;
    return 0;
}

static void turn(struct story *story, int64_t later_us)
{
    stream_log_turn(story->stream, clock_monotonic_us() + later_us);
}

static void assert_reached(struct story *story, uint64_t written, uint64_t synced)
{
    assert_int_equal(stream_reached(story->stream, STREAM_WRITTEN), written);
    assert_int_equal(stream_reached(story->stream, STREAM_SYNCED), synced);
}

/* What a restart finds must be the log up to 'end', whatever was done to it. */
static void assert_restart(struct story *story, uint64_t end, const char *expected)
{
    stream_abandon(&story->stream);
    story_open(story);
    assert_int_equal(stream_end(story->stream), end);
    assert_replay(story, 0, expected);
}

static void a_failed_sync_acknowledges_nothing_before_all_is_written_elsewhere(void **state)
{
    struct story *story = *state;
    char expected[256], path[128];
    story_open(story);
    uint64_t first = story_write(story, "a", 1);
    assert_int_equal(stream_sync_wait(story->stream, first), STATUS_OK);
    uint64_t old_bytes = atomic_load(&story->stream->current->bytes);
    uint64_t second = story_write(story, "b", 1), third = story_write(story, "c", 2);
    device_sync_failures = 1;
    stream_request_sync(story->stream);
    turn(story, 0);
    assert_null(stream_failure(story->stream));
    assert_reached(story, third, third);
    /* The new segment carries all that the failed sync should have, and the old one ends before it. */
    assert_int_equal(story->stream->current->first, first);
    segment_path(story, 0, path);
    assert_int_equal(file_bytes(path), old_bytes);
    uint64_t fourth = story_write(story, "d", 1);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set b 0 @%d\n0:set c 0 @%d\n0:set c 1 @%d\n0:set d 0 @%d\n",
             (int)first, (int)second, (int)third, (int)third, (int)fourth);
    assert_restart(story, fourth, expected);
}

static void what_the_old_segment_has_past_the_new_one_counts_for_nothing(void **state)
{
    struct story *story = *state;
    char path[128], expected[128];
    story_open(story);
    uint64_t first = story_write(story, "a", 1);
    assert_int_equal(stream_sync_wait(story->stream, first), STATUS_OK);
    uint64_t second = story_write(story, "b", 1);
    segment_path(story, 0, path);
    struct buffer content = file_read(path);
    device_sync_failures = 1;
    stream_request_sync(story->stream);
    turn(story, 0);
    /* As if the cut had not reached the device, and the bytes there were lost. */
    content.data[content.length - 3] ^= 1;
    file_write(path, content.data, content.length);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set b 0 @%d\n", (int)first, (int)second);
    assert_restart(story, second, expected);
    buffer_deinit(&content);
}

static void a_failed_write_is_made_good_in_a_new_segment(void **state)
{
    struct story *story = *state;
    char expected[128];
    story_open(story);
    device_room = 20; /* half a frame */
    uint64_t end = story_append(story, "a", 2);
    stream_write(story->stream);
    assert_reached(story, 0, 0);
    stream_write(story->stream);
    assert_reached(story, 0, 0);
    device_room = 1 << 20;
    turn(story, 0);
    assert_reached(story, end, end);
    uint64_t later = story_write(story, "b", 1);
    assert_reached(story, later, end);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set a 1 @%d\n0:set b 0 @%d\n", (int)end, (int)end,
             (int)later);
    assert_restart(story, later, expected);
}

static void a_full_device_refuses_writers_until_there_is_room_again(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    struct waiter written, synced, during, after;
    mailbox_init(&home, wake_nobody, NULL);
    story_open(story);
    uint64_t first = story_write(story, "a", 1);
    assert_int_equal(stream_sync_wait(story->stream, first), STATUS_OK);
    device_room = 60;
    uint64_t second = story_append(story, "b", 3);
    assert_true(waiter_start(&written, story->stream, &home, second, STREAM_WRITTEN));
    assert_true(waiter_start(&synced, story->stream, &home, second, STREAM_SYNCED));
    stream_write(story->stream);
    turn(story, 0);
    mailbox_drain(&home);
    assert_int_equal(written.mailed + synced.mailed, 2);
    assert_reached(story, first, first);
    const char *failure = stream_failure(story->stream);
    assert_non_null(failure);
    assert_memory_equal(failure, "MISCONF the log cannot be written (No space left on device): free space in ", 75);
    assert_non_null(strstr(failure, story->directory));
    assert_true(stream_must_wait(story->stream));
    assert_int_equal(stream_sync_wait(story->stream, second), STATUS_NO_SPACE);

    uint64_t third = story_append(story, "c", 1);
    assert_true(waiter_start(&during, story->stream, &home, third, STREAM_WRITTEN));
    mailbox_drain(&home);
    assert_int_equal(during.mailed, 1);
    for (int i = 1; i < 4; i++) {
        stream_write(story->stream);
        turn(story, i * 10 * RETRY_US);
        assert_reached(story, first, first);
    }
    device_room = 1 << 20;
    turn(story, 0);
    assert_reached(story, first, first); /* not yet time to try again */
    assert_true(waiter_start(&after, story->stream, &home, third, STREAM_WRITTEN));
    turn(story, 50 * RETRY_US);
    assert_null(stream_failure(story->stream));
    assert_false(stream_must_wait(story->stream));
    assert_int_equal(stream_reached(story->stream, STREAM_WRITTEN), third);
    assert_true(stream_reached(story->stream, STREAM_SYNCED) >= second);
    struct buffer text = {0};
    stream_abandon(&story->stream);
    story_open(story);
    assert_int_equal(stream_end(story->stream), third);
    assert_int_equal(story_try_replay(story, first, &text), STATUS_OK);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "set b 2 "));
    assert_non_null(strstr(text.data, "set c 0 "));
    buffer_deinit(&text);
}

static void a_crash_while_the_device_is_full_keeps_what_was_acknowledged(void **state)
{
    struct story *story = *state;
    char expected[128];
    story_open(story);
    uint64_t first = story_write(story, "a", 1);
    uint64_t second = story_write(story, "b", 1); /* written, never synced */
    device_room = 100;
    story_write(story, "c", 5);
    turn(story, 0);
    assert_non_null(stream_failure(story->stream));
    assert_int_equal(stream_reached(story->stream, STREAM_WRITTEN), second);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set b 0 @%d\n", (int)first, (int)second);
    device_room = 1 << 20;
    assert_restart(story, second, expected);
}

static void a_stream_closed_while_it_fails_is_not_marked_clean(void **state)
{
    struct story *story = *state;
    struct stream_info before, after;
    story_open(story);
    stream_read_info(story->stream, &before);
    device_room = 0;
    story_write(story, "a", 1);
    stream_close(&story->stream);
    device_room = 1 << 20;
    story_open(story);
    stream_read_info(story->stream, &after);
    assert_int_equal(after.end, 0);
    assert_string_not_equal(before.replication_id, after.replication_id);
}

static void waits_for_a_sync_share_it(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    struct waiter waiters[50];
    mailbox_init(&home, wake_nobody, NULL);
    story_open(story);
    device_syncs = 0;
    for (int i = 0; i < 50; i++)
        assert_true(waiter_start(&waiters[i], story->stream, &home, story_append(story, "k", 1), STREAM_SYNCED));
    stream_write(story->stream);
    turn(story, 0);
    mailbox_drain(&home);
    for (int i = 0; i < 50; i++)
        assert_int_equal(waiters[i].mailed, 1);
    assert_int_equal(device_syncs, 1);
}

/* Writes, and waits for the sync as a client does. */
static uint64_t write_and_wait(struct story *story, struct mailbox *home, const char *key, unsigned count)
{
    struct waiter waiter;
    uint64_t end = story_write(story, key, count);
    assert_true(waiter_start(&waiter, story->stream, home, end, STREAM_SYNCED));
    turn(story, 0);
    mailbox_drain(home);
    assert_int_equal(waiter.mailed, 1);
    return end;
}

static void zeros_ahead_of_the_log_are_nothing_to_a_restart(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    char path[128], expected[128];
    mailbox_init(&home, wake_nobody, NULL);
    story_open(story);
    segment_path(story, 0, path);
    uint64_t first = write_and_wait(story, &home, "a", 1);
    assert_true(file_bytes(path) > atomic_load(&story->stream->current->bytes));
    uint64_t second = write_and_wait(story, &home, "b", 1);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set b 0 @%d\n", (int)first, (int)second);
    assert_restart(story, second, expected);
    assert_int_equal(file_bytes(path), atomic_load(&story->stream->current->bytes));
    write_and_wait(story, &home, "c", 1);
    uint64_t bytes = atomic_load(&story->stream->current->bytes);
    stream_close(&story->stream);
    assert_int_equal(file_bytes(path), bytes + FRAME_HEADER_BYTES); /* the mark of a clean stop */
}

static void zeros_never_cover_a_frame(void **state)
{
    struct story *story = *state;
    struct mailbox home;
    struct buffer text = {0};
    size_t effects = 0;
    mailbox_init(&home, wake_nobody, NULL);
    story_open(story);
    /* Frames that end before, at and far beyond what is zeroed. */
    for (unsigned count = 1; count < 30000; count *= 3)
        effects += count + (write_and_wait(story, &home, "key", count) == 0);
    stream_abandon(&story->stream);
    story_open(story);
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    for (size_t i = 0; i < text.length; i++)
        effects -= text.data[i] == '\n';
    assert_int_equal(effects, 0);
    buffer_deinit(&text);
}

/* Two clients, each with one request at a time, on a device that takes 10 ms for a sync. */

#define CLIENT_ROUNDS 20

static int device_sync_slowly(int fd)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return device_sync(fd);
}

struct client {
    pthread_t id;
    struct stream *stream;
    struct mailbox home;
};

static void *client_run(void *argument)
{
    struct client *client = argument;
    struct effect_batch batch = {0};
    for (int i = 0; i < CLIENT_ROUNDS; i++) {
        struct waiter waiter;
        effect_batch_clear(&batch);
        stage(&batch, 0, "set", "key", "value");
        uint64_t end = stream_append(client->stream, &batch);
        stream_write(client->stream);
        if (waiter_start(&waiter, client->stream, &client->home, end, STREAM_SYNCED))
            while (mailbox_drain(&client->home) == 0)
                nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    effect_batch_deinit(&batch);
    return NULL;
}

static bool two_clients_share_syncs(struct stream *stream)
{
    struct client clients[2];
    device_syncs = 0;
    for (int i = 0; i < 2; i++) {
        clients[i].stream = stream;
        mailbox_init(&clients[i].home, wake_nobody, NULL);
        pthread_create(&clients[i].id, NULL, client_run, &clients[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(clients[i].id, NULL);
    return device_syncs < 2 * CLIENT_ROUNDS - CLIENT_ROUNDS / 2;
}

/* On a busy machine they may not come back soon. */
static void clients_that_come_back_soon_share_syncs(void **state)
{
    struct story *story = *state;
    int tries = 20;
    stream_io.sync = device_sync_slowly;
    story_open(story);
    stream_start(story->stream);
    while (!two_clients_share_syncs(story->stream))
        assert_true(--tries > 0);
}

static void segments_are_begun_beyond_their_size_and_dropped_below_an_offset(void **state)
{
    struct story *story = *state;
    struct stream_info info;
    uint64_t ends[11] = {0};
    char path[128];
    story->options.segment_bytes = 300;
    story_open(story);
    for (int i = 1; i <= 10; i++) {
        ends[i] = story_write(story, "key", 4);
        turn(story, 0);
        assert_int_equal(story->stream->current->first, ends[i]);
    }
    stream_read_info(story->stream, &info);
    assert_int_equal(info.first, 0);
    assert_int_equal(info.log_bytes, 11 * SEGMENT_HEADER_BYTES + 10 * FRAME_HEADER_BYTES + ends[10]);
    stream_drop_before(story->stream, ends[4] + 1);
    stream_read_info(story->stream, &info);
    assert_int_equal(info.first, ends[4]);
    segment_path(story, ends[3], path);
    assert_int_equal(access(path, F_OK), -1);
    segment_path(story, ends[4], path);
    assert_int_equal(access(path, F_OK), 0);
    stream_drop_before(story->stream, UINT64_MAX);
    stream_read_info(story->stream, &info);
    assert_int_equal(info.first, ends[9]); /* its frame tells what db is selected; the segment after it has none yet */
    stream_close(&story->stream);
    story_open(story);
    assert_int_equal(stream_end(story->stream), ends[10]);
    assert_replay(story, ends[10], "");
    assert_int_equal(stream_db(story->stream), 0);
}

static void a_segment_that_cannot_be_begun_leaves_the_old_one_in_use(void **state)
{
    struct story *story = *state;
    story->options.segment_bytes = 200;
    story_open(story);
    uint64_t end = story_write(story, "key", 4);
    device_room = 50; /* not even a header */
    turn(story, 0);
    assert_null(stream_failure(story->stream));
    assert_int_equal(story->stream->current->first, 0);
    assert_reached(story, end, end);
    device_room = 1 << 20;
    end = story_write(story, "key", 4);
    turn(story, 2 * RETRY_US);
    assert_int_equal(story->stream->current->first, end);
}

/* Threads append and wait while the device fails now and then: no acknowledged offset may be lost. */

#define HAMMERS 3
#define HAMMER_APPENDS 2000

struct hammer {
    pthread_t id;
    struct story *story;
    int number;
    uint64_t acknowledged;
};

static void *hammer_run(void *argument)
{
    struct hammer *hammer = argument;
    struct stream *stream = hammer->story->stream;
    struct effect_batch batch = {0};
    for (int i = 0; i < HAMMER_APPENDS; i++) {
        effect_batch_clear(&batch);
        for (int j = 0; j < 2; j++)
            stage(&batch, hammer->number, "set", "some-key", "some-value");
        uint64_t end = stream_append(stream, &batch);
        stream_write(stream);
        if (i % 5 == 0 && stream_sync_wait(stream, end) == STATUS_OK)
            hammer->acknowledged = end;
        if (stream_failure(stream))
            nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    effect_batch_deinit(&batch);
    return NULL;
}

static void *trouble_run(void *argument)
{
    _Atomic bool *stop = argument;
    struct random random;
    random_init(&random, 7);
    while (!atomic_load(stop)) {
        if (random_below(&random, 2))
            atomic_store(&device_sync_failures, (int)random_below(&random, 2));
        else
            atomic_store(&device_room, (int64_t)random_below(&random, 3000));
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        atomic_store(&device_room, INT64_MAX / 2);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return NULL;
}

static void no_acknowledged_offset_is_lost_while_the_device_fails_now_and_then(void **state)
{
    struct story *story = *state;
    struct hammer hammers[HAMMERS] = {0};
    _Atomic bool stop = false;
    pthread_t trouble;
    story->interval_ms = 1;
    stream_io.retry_us = 500;
    story->options.segment_bytes = 4000;
    story_open(story);
    stream_start(story->stream);
    pthread_create(&trouble, NULL, trouble_run, &stop);
    for (int i = 0; i < HAMMERS; i++) {
        hammers[i] = (struct hammer){.story = story, .number = i};
        pthread_create(&hammers[i].id, NULL, hammer_run, &hammers[i]);
    }
    for (int i = 0; i < HAMMERS; i++)
        pthread_join(hammers[i].id, NULL);
    uint64_t written = stream_reached(story->stream, STREAM_WRITTEN);
    stream_abandon(&story->stream);
    atomic_store(&stop, true);
    pthread_join(trouble, NULL);
    device_sync_failures = 0;

    struct buffer text = {0};
    story_open(story);
    assert_true(stream_end(story->stream) >= written);
    for (int i = 0; i < HAMMERS; i++)
        assert_true(hammers[i].acknowledged > 0 && hammers[i].acknowledged <= written);
    if (story_try_replay(story, 0, &text) != STATUS_OK)
        fail_msg("%s", story->error);
    size_t effects = 0;
    for (size_t i = 0; i < text.length; i++)
        effects += text.data[i] == '\n';
    assert_true(effects % 2 == 0 && effects <= HAMMERS * HAMMER_APPENDS * 2);
    buffer_deinit(&text);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, failing_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        test(a_failed_sync_acknowledges_nothing_before_all_is_written_elsewhere),
        test(what_the_old_segment_has_past_the_new_one_counts_for_nothing),
        test(a_failed_write_is_made_good_in_a_new_segment),
        test(a_full_device_refuses_writers_until_there_is_room_again),
        test(a_crash_while_the_device_is_full_keeps_what_was_acknowledged),
        test(a_stream_closed_while_it_fails_is_not_marked_clean),
        test(waits_for_a_sync_share_it),
        test(zeros_ahead_of_the_log_are_nothing_to_a_restart),
        test(zeros_never_cover_a_frame),
        test(clients_that_come_back_soon_share_syncs),
        test(segments_are_begun_beyond_their_size_and_dropped_below_an_offset),
        test(a_segment_that_cannot_be_begun_leaves_the_old_one_in_use),
        test(no_acknowledged_offset_is_lost_while_the_device_fails_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
