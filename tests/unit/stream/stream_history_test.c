/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/stream_private.h"

#include "stream_story.h"

#define THEIR_ID "1111111111111111111111111111111111111111"
#define NEW_ID "2222222222222222222222222222222222222222"

static struct stream_info info_of(struct story *story)
{
    struct stream_info info;
    stream_read_info(story->stream, &info);
    return info;
}

static uint64_t append_verbatim(struct story *story, const char *text, int32_t db)
{
    uint64_t end = stream_append_verbatim(story->stream, bytes_of_text(text), db);
    stream_write(story->stream);
    return end;
}

static void what_a_primary_sends_is_replayed_with_all_that_means_nothing_in_between(void **state)
{
    struct story *story = *state;
    story_open(story);
    append_verbatim(story, "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", 3);
    append_verbatim(story, "*1\r\n$4\r\nPING\r\n\n\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\n1\r\n", 3);
    append_verbatim(story, "*1\r\n$5\r\nMULTI\r\n\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n2\r\n\n*1\r\n$4\r\nEXEC\r\n", 3);
    append_verbatim(story, "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n", 3);
    uint64_t end = append_verbatim(story, "\n", 3);
    stream_abandon(&story->stream);
    story_open(story);
    assert_int_equal(stream_end(story->stream), end);
    assert_replay(story, 0, "3:set k 1 @66\n3:SET k 2 @124\n");
    assert_int_equal(stream_db(story->stream), 3);
}

static void the_selected_db_is_known_after_a_restart_with_nothing_to_replay(void **state)
{
    struct story *story = *state;
    story_open(story);
    uint64_t end = append_verbatim(story, "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n", 5);
    stream_close(&story->stream);
    story_open(story);
    assert_replay(story, end, "");
    assert_int_equal(stream_db(story->stream), 5);
}

static void what_is_selected_is_known_though_the_next_append_selects(void **state)
{
    struct story *story = *state;
    int64_t ring_bytes_max = 1000;
    int32_t db;
    story_open(story);
    append_verbatim(story, "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n", 5);
    assert_int_equal(stream_continue_history(story->stream, NULL), STATUS_OK);
    stream_feed(story->stream, &ring_bytes_max, NULL);
    assert_int_equal(stream_db(story->stream), 5);
    stream_feed(story->stream, &ring_bytes_max, &db);
    assert_int_equal(db, 5);
    stream_append_aside(story->stream, BYTES("*1\r\n$4\r\nPING\r\n"));
    stream_write(story->stream);
    for (int restarts = 0; restarts < 2; restarts++) {
        uint64_t end = stream_end(story->stream);
        stream_close(&story->stream);
        story_open(story);
        assert_replay(story, end, "");
        assert_int_equal(stream_db(story->stream), 5);
    }
    assert_int_equal(stream_begin_history(story->stream, THEIR_ID, 7, 0, -1), STATUS_OK);
    assert_int_equal(stream_db(story->stream), -1);
}

static void a_history_that_is_taken_over_keeps_our_offsets_growing(void **state)
{
    struct story *story = *state;
    story_open(story);
    uint64_t end = story_write(story, "own", 3);
    assert_int_equal(stream_forget_history(story->stream), STATUS_OK);
    assert_int_equal(stream_begin_history(story->stream, THEIR_ID, 7, 0, 0), STATUS_OK);
    assert_int_equal(stream_reached(story->stream, STREAM_SYNCED), end);
    stream_close(&story->stream);
    story_open(story);
    struct stream_info info = info_of(story);
    assert_string_equal(info.replication_id, THEIR_ID);
    assert_int_equal(info.end + (uint64_t)info.bias, 7);
    assert_int_equal(info.history_first, end);
    assert_true(info.backlog_first >= end);
    assert_false(info.is_partial);
    assert_int_equal(stream_end(story->stream), end);
}

static void a_copy_that_is_ahead_of_its_offset_is_of_no_history_before_it_is_caught_up_with(void **state)
{
    struct story *story = *state;
    story_open(story);
    uint64_t end = story_write(story, "copied", 3);
    assert_int_equal(stream_begin_history(story->stream, THEIR_ID, 7, 14, 0), STATUS_OK);
    for (int restarts = 0; restarts < 2; restarts++) {
        struct stream_info info = info_of(story);
        assert_int_equal(info.history_first, end + 14);
        assert_int_equal(info.end, end);
        assert_int_equal(info.backlog_first, end);
        stream_close(&story->stream);
        story_open(story);
    }
    append_verbatim(story, "*1\r\n$4\r\nPING\r\n", 0);
    struct stream_info info = info_of(story);
    assert_int_equal(info.end, info.history_first);
}

static void who_crashes_in_a_copy_knows_that_it_has_no_history(void **state)
{
    struct story *story = *state;
    story_open(story);
    char before[41];
    strcpy(before, info_of(story).replication_id);
    story_write(story, "own", 1);
    assert_int_equal(stream_forget_history(story->stream), STATUS_OK);
    story_write(story, "copied", 1);
    stream_abandon(&story->stream);
    story_open(story);
    struct stream_info info = info_of(story);
    assert_true(info.is_partial);
    assert_string_not_equal(info.replication_id, before);
    assert_string_not_equal(info.replication_id2, before);
}

static void an_unclean_end_of_a_follower_leaves_the_primarys_id_as_the_second(void **state)
{
    struct story *story = *state;
    story_open(story);
    assert_int_equal(stream_begin_history(story->stream, THEIR_ID, 100, 0, 0), STATUS_OK);
    uint64_t end = append_verbatim(story, "*1\r\n$4\r\nPING\r\n", 0);
    stream_abandon(&story->stream);
    story_open(story);
    struct stream_info info = info_of(story);
    assert_string_equal(info.replication_id2, THEIR_ID);
    assert_int_equal(info.id2_offset, end);
    assert_int_equal(info.id2_offset + (uint64_t)info.bias, 114);
    assert_int_equal(stream_continue_history(story->stream, THEIR_ID), STATUS_OK);
    info = info_of(story);
    assert_string_equal(info.replication_id, THEIR_ID);
    assert_string_not_equal(info.replication_id2, THEIR_ID);
}

static void a_new_id_leaves_the_old_one_valid_up_to_here(void **state)
{
    struct story *story = *state;
    story_open(story);
    assert_int_equal(stream_begin_history(story->stream, THEIR_ID, 0, 0, 0), STATUS_OK);
    uint64_t end = story_write(story, "k", 1);
    assert_int_equal(stream_continue_history(story->stream, NEW_ID), STATUS_OK);
    struct stream_info info = info_of(story);
    assert_string_equal(info.replication_id, NEW_ID);
    assert_string_equal(info.replication_id2, THEIR_ID);
    assert_int_equal(info.id2_offset, end);
    assert_int_equal(stream_continue_history(story->stream, NULL), STATUS_OK);
    info = info_of(story);
    assert_string_not_equal(info.replication_id, NEW_ID);
    assert_string_equal(info.replication_id2, THEIR_ID); /* nothing was appended under the one between */
}

static void a_history_that_is_inherited_goes_on_from_its_end_alone(void **state)
{
    struct story *story = *state;
    story_open(story);
    uint64_t end = story_write(story, "k", 2);
    assert_int_equal(stream_inherit_history(story->stream, THEIR_ID, 1000), STATUS_OK);
    for (int restarts = 0; restarts < 2; restarts++) {
        struct stream_info info = info_of(story);
        assert_string_equal(info.replication_id2, THEIR_ID);
        assert_string_not_equal(info.replication_id, THEIR_ID);
        assert_int_equal(info.id2_offset, end);
        assert_int_equal(info.history_first, end);
        assert_int_equal(info.end + (uint64_t)info.bias, 1000);
        stream_close(&story->stream);
        story_open(story);
    }
}

static void a_crash_is_remembered_for_those_who_may_have_more(void **state)
{
    struct story *story = *state;
    struct stream_former former;
    char first[41], second[41];
    story_open(story);
    strcpy(first, info_of(story).replication_id);
    assert_false(stream_find_former(story->stream, first, &former));
    uint64_t end = story_write(story, "a", 1);
    stream_abandon(&story->stream);
    story_open(story);
    strcpy(second, info_of(story).replication_id);
    uint64_t later = story_write(story, "b", 1);
    assert_int_equal(stream_continue_history(story->stream, NULL), STATUS_OK);
    /* Whether the node is closed or crashes: nothing was appended since. */
    for (int restarts = 0; restarts < 2; restarts++) {
        assert_true(stream_find_former(story->stream, first, &former));
        assert_int_equal(former.end, end);
        assert_true(former.is_cut);
        assert_true(stream_find_former(story->stream, second, &former));
        assert_int_equal(former.end, later);
        assert_false(former.is_cut);
        assert_false(stream_find_former(story->stream, THEIR_ID, &former));
        if (restarts == 0)
            stream_abandon(&story->stream);
        else
            stream_close(&story->stream);
        story_open(story);
    }
}

/* Others may have what was appended under it, and was lost here. */
static void a_history_of_which_nothing_is_left_is_remembered(void **state)
{
    struct story *story = *state;
    struct stream_former former;
    char first[41], lost[41];
    story_open(story);
    strcpy(first, info_of(story).replication_id);
    uint64_t end = story_write(story, "k", 1);
    stream_abandon(&story->stream);
    story_open(story);
    strcpy(lost, info_of(story).replication_id);
    for (int crashes = 0; crashes < 2; crashes++) {
        stream_abandon(&story->stream);
        story_open(story);
        assert_string_equal(info_of(story).replication_id2, first);
        assert_true(stream_find_former(story->stream, lost, &former));
        assert_int_equal(former.end, end);
        assert_true(former.is_cut);
    }
    /* A follower goes on with what its primary knows, and asks for that after the next crash. */
    assert_int_equal(stream_continue_history(story->stream, first), STATUS_OK);
    assert_false(stream_find_former(story->stream, lost, &former));
    stream_abandon(&story->stream);
    story_open(story);
    assert_string_equal(info_of(story).replication_id2, first);
    assert_int_equal(info_of(story).id2_offset, end);
}

static void the_oldest_histories_are_forgotten(void **state)
{
    struct story *story = *state;
    struct stream_former former;
    char ids[STREAM_FORMER_MAX + 1][41];
    story_open(story);
    for (int i = 0; i <= STREAM_FORMER_MAX; i++) {
        strcpy(ids[i], info_of(story).replication_id);
        story_write(story, "k", 1);
        assert_int_equal(stream_continue_history(story->stream, NULL), STATUS_OK);
    }
    stream_close(&story->stream);
    story_open(story);
    assert_false(stream_find_former(story->stream, ids[0], &former));
    for (int i = 1; i <= STREAM_FORMER_MAX; i++)
        assert_true(stream_find_former(story->stream, ids[i], &former));
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
    const struct CMUnitTest tests[] = {
        test(what_a_primary_sends_is_replayed_with_all_that_means_nothing_in_between),
        test(the_selected_db_is_known_after_a_restart_with_nothing_to_replay),
        test(what_is_selected_is_known_though_the_next_append_selects),
        test(a_history_that_is_taken_over_keeps_our_offsets_growing),
        test(a_copy_that_is_ahead_of_its_offset_is_of_no_history_before_it_is_caught_up_with),
        test(who_crashes_in_a_copy_knows_that_it_has_no_history),
        test(an_unclean_end_of_a_follower_leaves_the_primarys_id_as_the_second),
        test(a_new_id_leaves_the_old_one_valid_up_to_here),
        test(a_history_that_is_inherited_goes_on_from_its_end_alone),
        test(a_crash_is_remembered_for_those_who_may_have_more),
        test(a_history_of_which_nothing_is_left_is_remembered),
        test(the_oldest_histories_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
