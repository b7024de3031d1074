/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/stream_private.h"

#include "stream_story.h"

/* A log of six frames of one bracket each, left by a killed process; the first three were synced. */
#define FRAMES 6
#define FRAMES_SYNCED 3
struct six_frames {
    uint64_t offset[FRAMES + 1];   /* [i]: end of the first i frames */
    uint64_t position[FRAMES + 1]; /* the same in the file */
    char path[128];
    struct buffer content;
};

static void write_six_frames(struct story *story, struct six_frames *log)
{
    *log = (struct six_frames){.position = {SEGMENT_HEADER_BYTES}};
    story_open(story);
    for (unsigned i = 0; i < FRAMES; i++) {
        log->offset[i + 1] = story_write(story, "k", 1 + i % 3);
        log->position[i + 1] = log->position[i] + FRAME_HEADER_BYTES + log->offset[i + 1] - log->offset[i];
        if (i + 1 == FRAMES_SYNCED)
            assert_int_equal(stream_sync_wait(story->stream, log->offset[i + 1]), STATUS_OK);
    }
    stream_abandon(&story->stream);
    segment_path(story, 0, log->path);
    assert_int_equal(file_bytes(log->path), log->position[FRAMES]);
    log->content = file_read(log->path);
}

/* The log must open and hold exactly the first 'frames' frames, now and after more was appended. */
static void assert_recovers(struct story *story, const struct six_frames *log, unsigned frames)
{
    struct buffer text = {0};
    story_open(story);
    if (stream_end(story->stream) != log->offset[frames])
        fail_msg("ends at %d, not at %d", (int)stream_end(story->stream), (int)log->offset[frames]);
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    size_t effects = 0, expected = 0;
    for (size_t i = 0; i < text.length; i++)
        effects += text.data[i] == '\n';
    for (unsigned i = 0; i < frames; i++)
        expected += 1 + i % 3;
    assert_int_equal(effects, expected);
    buffer_deinit(&text);
    uint64_t end = story_write(story, "after", 1);
    stream_abandon(&story->stream);
    story_open(story);
    assert_int_equal(stream_end(story->stream), end);
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "0:set after 0 @"));
    buffer_deinit(&text);
    stream_abandon(&story->stream);
}

static void a_log_cut_at_any_byte_keeps_the_whole_brackets_before_it(void **state)
{
    struct story *story = *state;
    struct six_frames log;
    write_six_frames(story, &log);
    unsigned frames = 0;
    for (uint64_t length = SEGMENT_HEADER_BYTES; length <= log.content.length; length++) {
        while (frames < FRAMES && log.position[frames + 1] <= length)
            frames++;
        file_write(log.path, log.content.data, length);
        assert_recovers(story, &log, frames);
    }
    buffer_deinit(&log.content);
}

static void a_bit_flipped_in_the_tail_costs_what_follows_it_and_no_more(void **state)
{
    struct story *story = *state;
    struct six_frames log;
    write_six_frames(story, &log);
    unsigned frames = FRAMES_SYNCED;
    for (uint64_t at = log.position[FRAMES_SYNCED]; at < log.content.length; at++) {
        while (log.position[frames + 1] <= at)
            frames++;
        file_write(log.path, log.content.data, log.content.length);
        file_flip(log.path, at, (unsigned char)(1 << at % 8));
        assert_recovers(story, &log, frames);
    }
    buffer_deinit(&log.content);
}

static void a_tail_that_reached_the_device_in_another_order_is_cut(void **state)
{
    struct story *story = *state;
    struct six_frames log;
    write_six_frames(story, &log);
    memset(log.content.data + log.position[4], 0, log.position[5] - log.position[4]);
    file_write(log.path, log.content.data, log.content.length);
    assert_recovers(story, &log, 4);
    /* And one that was only ever zeros. */
    memset(log.content.data + log.position[4], 0, log.content.length - log.position[4]);
    file_write(log.path, log.content.data, log.content.length);
    assert_recovers(story, &log, 4);
    buffer_deinit(&log.content);
}

static void damage_in_what_was_synced_is_refused_and_nothing_is_changed(void **state)
{
    struct story *story = *state;
    struct six_frames log;
    write_six_frames(story, &log);
    for (uint64_t at = log.position[1]; at < log.position[3]; at++) {
        char expected[64];
        uint64_t damaged = at < log.position[2] ? log.position[1] : log.position[2];
        file_write(log.path, log.content.data, log.content.length);
        file_flip(log.path, at, 0x10);
        assert_int_equal(story_try_open(story, 0), STATUS_CORRUPT);
        snprintf(expected, sizeof(expected), "damaged at byte %d ", (int)damaged);
        assert_non_null(strstr(story->error, expected));
        assert_non_null(strstr(story->error, log.path));
        assert_int_equal(file_bytes(log.path), log.content.length);
    }
    buffer_deinit(&log.content);
}

/* Leaves a log whose second, damaged frame has a value that looks like a later frame which knows of a sync. */
static uint64_t write_posing_value(struct story *story, uint64_t salt_error)
{
    char fake[2 * FRAME_HEADER_BYTES] = {0}, path[128];
    story_open(story);
    uint64_t end = story_write(story, "a", 1);
    struct frame claim = {.offset = end + 20, .synced = end + 10, .payload = bytes_of(fake, FRAME_HEADER_BYTES)};
    frame_seal(fake, story->stream->salt + salt_error, &claim);
    effect_batch_clear(&story->batch);
    effect_begin(&story->batch, 0, 3);
    effect_word(&story->batch, BYTES("set"));
    effect_word_integer(&story->batch, INT64_MAX);
    effect_word(&story->batch, bytes_of(fake, sizeof(fake)));
    stream_append(story->stream, &story->batch);
    stream_write(story->stream);
    stream_abandon(&story->stream);
    segment_path(story, 0, path);
    file_flip(path, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + end + 1, 1);
    return end;
}

static void a_value_cannot_pose_as_a_witness_without_the_salt(void **state)
{
    struct story *story = *state;
    uint64_t end = write_posing_value(story, 1);
    story_open(story);
    assert_int_equal(stream_end(story->stream), end);
    stream_abandon(&story->stream);
    directory_clear(story->directory);
    write_posing_value(story, 0);
    assert_int_equal(story_try_open(story, 0), STATUS_CORRUPT);
}

static void a_clean_restart_goes_on_with_the_same_history(void **state)
{
    struct story *story = *state;
    struct stream_info before, after;
    story_open(story);
    uint64_t end = story_append(story, "a", 2);
    stream_read_info(story->stream, &before);
    stream_close(&story->stream);
    for (int i = 0; i < 3; i++) {
        story_open(story);
        stream_read_info(story->stream, &after);
        assert_string_equal(after.replication_id, before.replication_id);
        assert_string_equal(after.replication_id2, "0000000000000000000000000000000000000000");
        assert_int_equal(after.end, end);
        assert_int_equal(after.synced, end);
        end = story_append(story, "b", 1);
        stream_close(&story->stream);
    }
}

static void an_unclean_end_begins_a_new_replication_id(void **state)
{
    struct story *story = *state;
    struct stream_info first, second, third, fourth;
    story_open(story);
    stream_read_info(story->stream, &first);
    uint64_t end = story_write(story, "a", 1);
    stream_abandon(&story->stream);

    story_open(story);
    stream_read_info(story->stream, &second);
    assert_string_not_equal(second.replication_id, first.replication_id);
    assert_string_equal(second.replication_id2, first.replication_id);
    assert_int_equal(second.id2_offset, end);
    assert_int_equal(second.end, end);
    stream_abandon(&story->stream);

    /* Nothing was appended under the second: others still know the first. */
    story_open(story);
    stream_read_info(story->stream, &third);
    assert_string_not_equal(third.replication_id, second.replication_id);
    assert_string_equal(third.replication_id2, first.replication_id);
    end = story_write(story, "b", 1);
    stream_abandon(&story->stream);

    story_open(story);
    stream_read_info(story->stream, &fourth);
    assert_string_equal(fourth.replication_id2, third.replication_id);
    assert_int_equal(fourth.id2_offset, end);
}

static void a_crash_after_a_clean_restart_is_an_unclean_end(void **state)
{
    struct story *story = *state;
    struct stream_info before, after;
    story_open(story);
    story_append(story, "a", 1);
    stream_read_info(story->stream, &before);
    stream_close(&story->stream);
    story_open(story);
    stream_abandon(&story->stream);
    story_open(story);
    stream_read_info(story->stream, &after);
    assert_string_not_equal(after.replication_id, before.replication_id);
}

static void the_stream_never_restarts_below_the_largest_row(void **state)
{
    struct story *story = *state;
    struct stream_info before, after;
    char expected[128];
    story_open(story);
    uint64_t end = story_append(story, "a", 1);
    stream_read_info(story->stream, &before);
    stream_close(&story->stream);

    assert_int_equal(story_try_open(story, end), STATUS_OK);
    assert_int_equal(stream_end(story->stream), end);
    stream_close(&story->stream);

    assert_int_equal(story_try_open(story, 5000), STATUS_OK);
    stream_read_info(story->stream, &after);
    assert_int_equal(after.end, 5000);
    assert_string_not_equal(after.replication_id, before.replication_id);
    assert_string_equal(after.replication_id2, before.replication_id);
    assert_int_equal(after.id2_offset, end);
    uint64_t later = story_append(story, "b", 1);
    stream_close(&story->stream);

    assert_int_equal(story_try_open(story, 5000), STATUS_OK);
    assert_int_equal(stream_end(story->stream), later);
    snprintf(expected, sizeof(expected), "0:set a 0 @%d\n0:set b 0 @%d\n", (int)end, (int)later);
    assert_replay(story, 0, expected);
    stream_close(&story->stream);

    directory_clear(story->directory);
    assert_int_equal(story_try_open(story, 7000), STATUS_OK);
    assert_int_equal(stream_end(story->stream), 7000);
    assert_replay(story, 7000, "");
}

static void a_missing_or_damaged_segment_in_the_middle_is_refused(void **state)
{
    struct story *story = *state;
    char path[128];
    struct buffer text = {0};
    uint64_t begins[4] = {0};
    story->options.segment_bytes = 100;
    story_open(story);
    for (int i = 1; i < 4; i++) {
        begins[i] = story_write(story, "a", 2);
        stream_log_turn(story->stream, clock_monotonic_us());
    }
    stream_close(&story->stream);

    segment_path(story, begins[1], path);
    struct buffer content = file_read(path);
    for (uint64_t at = 0; at < content.length; at += 7) {
        file_flip(path, at, 4);
        if (story_try_open(story, 0) == STATUS_OK) {
            assert_int_equal(story_try_replay(story, 0, &text), STATUS_CORRUPT);
            assert_int_equal(story_try_replay(story, begins[2], &text), STATUS_OK);
            stream_close(&story->stream);
        }
        assert_non_null(strstr(story->error[0] ? story->error : path, path));
        file_write(path, content.data, content.length);
    }
    file_write(path, content.data, content.length - 1);
    story_open(story);
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_CORRUPT);
    assert_non_null(strstr(story->error, path));
    stream_close(&story->stream);
    unlink(path);
    story_open(story);
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_CORRUPT);
    stream_close(&story->stream);
    /* What is needed from the checkpoint on is all there, or begins too late. */
    segment_path(story, 0, path);
    unlink(path);
    story_open(story);
    assert_int_equal(story_try_replay(story, begins[2], &text), STATUS_OK);
    assert_int_equal(story_try_replay(story, begins[1], &text), STATUS_CORRUPT);
    assert_int_equal(story_try_replay(story, stream_end(story->stream) + 1, &text), STATUS_CORRUPT);
    buffer_deinit(&content);
    buffer_deinit(&text);
}

static void a_file_that_is_no_segment_of_ours_is_refused(void **state)
{
    struct story *story = *state;
    char path[128], zeros[SEGMENT_HEADER_BYTES] = {0};
    segment_path(story, 0, path);
    file_write(path, zeros, sizeof(zeros));
    assert_int_equal(story_try_open(story, 0), STATUS_INVALID);
    assert_non_null(strstr(story->error, path));
    file_write(path, zeros, 10);
    assert_int_equal(story_try_open(story, 0), STATUS_CORRUPT);
}

static void a_directory_serves_one_log_at_a_time(void **state)
{
    struct story *story = *state;
    struct stream *other = NULL;
    story_open(story);
    assert_int_equal(stream_open(&other, &story->options, 0, story->error, sizeof(story->error)), STATUS_BUSY);
    assert_null(other);
    assert_non_null(strstr(story->error, story->directory));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        test(a_log_cut_at_any_byte_keeps_the_whole_brackets_before_it),
        test(a_bit_flipped_in_the_tail_costs_what_follows_it_and_no_more),
        test(a_tail_that_reached_the_device_in_another_order_is_cut),
        test(damage_in_what_was_synced_is_refused_and_nothing_is_changed),
        test(a_value_cannot_pose_as_a_witness_without_the_salt),
        test(a_clean_restart_goes_on_with_the_same_history),
        test(an_unclean_end_begins_a_new_replication_id),
        test(a_crash_after_a_clean_restart_is_an_unclean_end),
        test(the_stream_never_restarts_below_the_largest_row),
        test(a_missing_or_damaged_segment_in_the_middle_is_refused),
        test(a_file_that_is_no_segment_of_ours_is_refused),
        test(a_directory_serves_one_log_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
