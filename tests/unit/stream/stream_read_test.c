/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream_story.h"

static const int64_t small_ring = 4096, large_ring = 1 << 20;

static void append_value(struct story *story, int number)
{
    char key[32], value[128];
    snprintf(key, sizeof(key), "key:%d", number);
    memset(value, 'a' + number % 26, 100);
    value[100] = 0;
    effect_batch_clear(&story->batch);
    stage(&story->batch, number % 3, "set", key, value);
    stream_append(story->stream, &story->batch);
}

/* Reads all from the offset, 'piece' bytes at a time. */
static struct buffer read_all(struct story *story, uint64_t from, size_t piece)
{
    struct buffer bytes = {0};
    struct stream_reader *reader = stream_reader_create(story->stream, from);
    while (stream_reader_offset(reader) < stream_reached(story->stream, STREAM_WRITTEN))
        assert_true(stream_reader_read(reader, &bytes, piece));
    assert_int_equal(bytes.length, stream_end(story->stream) - from);
    stream_reader_destroy(&reader);
    return bytes;
}

/* The same bytes with references to the ring, which outlive it. */
static void assert_refers_to(struct story *story, uint64_t from, const struct buffer *bytes)
{
    struct output output = {0};
    struct stream_reader *reader = stream_reader_create(story->stream, from);
    assert_true(stream_reader_refer(reader, &output, SIZE_MAX));
    assert_int_equal(stream_reader_offset(reader), from + bytes->length);
    assert_int_equal(output_length(&output), bytes->length);
    assert_true(output.reference_count > 0);
    size_t at = 0, taken = 0;
    for (uint32_t i = 0; i < output.reference_count; i++) {
        const struct output_reference *reference = &output.references[i];
        size_t before = reference->position - taken;
        assert_memory_equal(output.bytes.data + taken, bytes->data + at, before);
        assert_memory_equal(reference->data, bytes->data + at + before, reference->length);
        taken = reference->position;
        at += before + reference->length;
    }
    assert_memory_equal(output.bytes.data + taken, bytes->data + at, bytes->length - at);
    stream_reader_destroy(&reader);
    output_deinit(&output);
}

static void open_without_log(struct story *story)
{
    story->options.durability = DURABILITY_NONE;
    assert_int_equal(story_try_open(story, 1000), STATUS_OK);
}

static void feeding_begins_with_a_select_and_makes_a_node_without_a_log_record(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    append_value(story, 0);
    uint64_t from = stream_feed(story->stream, &large_ring, NULL);
    assert_true(stream_is_recording(story->stream));
    append_value(story, 0);
    struct buffer bytes = read_all(story, from, 7);
    assert_true(bytes.length > 40 && memcmp(bytes.data, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n", 27) == 0);
    buffer_deinit(&bytes);
    from = stream_feed(story->stream, &large_ring, NULL);
    append_value(story, 0);
    bytes = read_all(story, from, 1 << 20);
    assert_memory_equal(bytes.data, "*2\r\n$6\r\nSELECT\r\n", 16);
    buffer_deinit(&bytes);
}

static void the_ring_forgets_the_oldest_but_nothing_that_is_held(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    stream_hold(story->stream, from);
    for (int i = 0; i < 200; i++)
        append_value(story, i);
    assert_true(stream_has_from(story->stream, from));
    struct buffer bytes = read_all(story, from, 1000);
    buffer_deinit(&bytes);
    stream_hold(story->stream, UINT64_MAX);
    append_value(story, 0);
    assert_false(stream_has_from(story->stream, from));
    assert_true(stream_has_from(story->stream, stream_end(story->stream) - 4096));
    assert_true(stream_has_from(story->stream, stream_end(story->stream)));
    assert_false(stream_has_from(story->stream, stream_end(story->stream) + 1));
    struct stream_info info;
    stream_read_info(story->stream, &info);
    assert_in_range(info.backlog_bytes, 4096, 4096 + 2048);
    assert_int_equal(info.backlog_first, info.end - info.backlog_bytes);
    struct stream_reader *reader = stream_reader_create(story->stream, from);
    assert_false(stream_reader_read(reader, &bytes, 100));
    stream_reader_destroy(&reader);
}

/* Each goes on where another one was: before it, behind it, and where what that had read is dropped meanwhile. */
static void readers_at_different_places_do_not_mislead_each_other(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    stream_hold(story->stream, from);
    for (int i = 0; i < 100; i++)
        append_value(story, i);
    struct buffer all = read_all(story, from, 1000), taken = {0};
    struct stream_reader *readers[] = {stream_reader_create(story->stream, from),
                                       stream_reader_create(story->stream, from + 5000),
                                       stream_reader_create(story->stream, from + 9000)};
    for (int round = 0; round < 60; round++) {
        struct stream_reader *reader = readers[round % 3];
        size_t at = (size_t)(stream_reader_offset(reader) - from);
        taken.length = 0;
        assert_true(stream_reader_read(reader, &taken, 37));
        assert_int_equal(taken.length, 37);
        assert_memory_equal(taken.data, all.data + at, taken.length);
    }
    taken.length = 0;
    assert_true(stream_reader_read(readers[0], &taken, 1)); /* the last one to read, of what is about to go */
    stream_hold(story->stream, stream_reader_offset(readers[2]));
    append_value(story, 0);
    assert_false(stream_reader_read(readers[0], &taken, 100));
    taken.length = 0;
    size_t at = (size_t)(stream_reader_offset(readers[2]) - from);
    assert_true(stream_reader_read(readers[2], &taken, 100));
    assert_memory_equal(taken.data, all.data + at, taken.length);
    for (int i = 0; i < 3; i++)
        stream_reader_destroy(&readers[i]);
    buffer_deinit(&taken);
    buffer_deinit(&all);
}

static void what_memory_has_is_referred_to(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &large_ring, NULL);
    char large[10000];
    memset(large, 'l', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    for (int i = 0; i < 2000; i++) {
        append_value(story, i);
        if (i % 100 > 0)
            continue;
        effect_batch_clear(&story->batch);
        stage(&story->batch, 0, "set", "large", large);
        stage(&story->batch, 1, "set", "large", large);
        stream_append(story->stream, &story->batch);
    }
    struct buffer bytes = read_all(story, from, 1000);
    assert_refers_to(story, from, &bytes);
    buffer_deinit(&bytes);
}

static void a_value_larger_than_the_ring_can_be_read(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    stream_hold(story->stream, from);
    struct buffer value = {0};
    memset(buffer_reserve(&value, 100000), 'v', 100000);
    value.length = 100000;
    effect_begin(&story->batch, 0, 3);
    effect_word(&story->batch, BYTES("set"));
    effect_word(&story->batch, BYTES("big"));
    effect_word(&story->batch, buffer_bytes(&value));
    stream_append(story->stream, &story->batch);
    struct buffer bytes = read_all(story, from, 3000);
    assert_memory_equal(bytes.data + bytes.length - 100002, value.data, 100000);
    buffer_deinit(&bytes);
    buffer_deinit(&value);
}

static void a_large_batch_is_read_in_its_place(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    stream_hold(story->stream, from);
    append_value(story, 1);
    for (int i = 0; i < 2; i++) {
        effect_batch_clear(&story->batch);
        stream_batch_begin_large(&story->batch, 0, false);
        stage(&story->batch, 0, "set", "big", "v");
        if (i == 0)
            stream_batch_gather(story->stream, &story->batch);
        stage(&story->batch, 0, "set", "behind", "w");
        stream_append(story->stream, &story->batch);
    }
    append_value(story, 2);
    struct buffer bytes = read_all(story, from, 100);
    static const char once[] =
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nset\r\n$3\r\nbig\r\n$1\r\nv\r\n"
        "*3\r\n$3\r\nset\r\n$6\r\nbehind\r\n$1\r\nw\r\n*1\r\n$4\r\nEXEC\r\n";
    *buffer_reserve(&bytes, 1) = 0;
    const char *found = strstr(bytes.data, once);
    assert_non_null(found);
    assert_memory_equal(found + sizeof(once) - 1, once, sizeof(once) - 1);
    assert_int_equal(bytes.length, stream_end(story->stream) - from);
    buffer_deinit(&bytes);
}

static void a_batch_that_becomes_large_keeps_what_it_has(void **state)
{
    struct story *story = *state;
    open_without_log(story);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    stream_hold(story->stream, from);
    effect_batch_clear(&story->batch);
    stage(&story->batch, 1, "set", "first", "v");
    stage(&story->batch, 0, "set", "second", "v");
    stream_batch_begin_large(&story->batch, 7, true);
    stage(&story->batch, 0, "set", "big", "v");
    stream_batch_keep_room(&story->batch);
    stage(&story->batch, 2, "set", "last", "v");
    stream_batch_gather(story->stream, &story->batch);
    stream_append(story->stream, &story->batch);
    append_value(story, 2);
    struct buffer bytes = read_all(story, from, 100);
    static const char expected[] =
        "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nset\r\n$5\r\nfirst\r\n$1\r\nv\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nset\r\n$6\r\nsecond\r\n$1\r\nv\r\n"
        "*3\r\n$3\r\nset\r\n$3\r\nbig\r\n$1\r\nv\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*3\r\n$3\r\nset\r\n$4\r\nlast\r\n$1\r\nv\r\n*1\r\n$4\r\nEXEC\r\n"
        "*3\r\n$3\r\nset\r\n$5\r\nkey:2\r\n";
    assert_memory_equal(bytes.data, expected, sizeof(expected) - 1);
    assert_int_equal(bytes.length, stream_end(story->stream) - from);
    buffer_deinit(&bytes);
}

/* What is read one way must be what is read the other way. */
static void log_and_ring_give_the_same_bytes(void **state)
{
    struct story *story = *state;
    story->options.segment_bytes = 16 << 10;
    story_open(story);
    for (int i = 0; i < 1000; i++) {
        append_value(story, i);
        if (i % 7 == 0)
            stream_write(story->stream);
        if (i % 100 == 0)
            stream_log_turn(story->stream, clock_monotonic_us());
    }
    stream_write(story->stream);
    struct buffer log = read_all(story, 0, 1 << 20);
    uint64_t from = stream_feed(story->stream, &small_ring, NULL);
    for (int i = 0; i < 300; i++) {
        append_value(story, i);
        stream_write(story->stream);
    }
    struct buffer both = read_all(story, 0, 333), ring = read_all(story, stream_end(story->stream) - 2000, 100);
    assert_memory_equal(both.data, log.data, log.length);
    assert_memory_equal(both.data + both.length - 2000, ring.data, 2000);
    assert_memory_equal(both.data + from, "*2\r\n$6\r\nSELECT\r\n", 16);
    buffer_deinit(&log);
    buffer_deinit(&both);
    buffer_deinit(&ring);
}

static void only_what_is_written_is_given(void **state)
{
    struct story *story = *state;
    story_open(story);
    stream_feed(story->stream, &large_ring, NULL);
    append_value(story, 1);
    struct buffer bytes = {0};
    struct stream_reader *reader = stream_reader_create(story->stream, 0);
    assert_true(stream_reader_read(reader, &bytes, 1000));
    assert_int_equal(bytes.length, 0);
    stream_write(story->stream);
    assert_true(stream_reader_read(reader, &bytes, 1000));
    assert_int_equal(bytes.length, stream_end(story->stream));
    stream_reader_destroy(&reader);
    buffer_deinit(&bytes);
}

static void segments_that_are_held_are_not_dropped(void **state)
{
    struct story *story = *state;
    story->options.segment_bytes = 16 << 10;
    story_open(story);
    for (int i = 0; i < 1000; i++) {
        append_value(story, i);
        stream_write(story->stream);
        stream_log_turn(story->stream, clock_monotonic_us());
    }
    stream_hold(story->stream, 0);
    stream_drop_before(story->stream, stream_end(story->stream));
    assert_true(stream_has_from(story->stream, 0));
    stream_hold(story->stream, 100000);
    stream_drop_before(story->stream, stream_end(story->stream));
    assert_false(stream_has_from(story->stream, 0));
    assert_true(stream_has_from(story->stream, 100000));
    stream_hold(story->stream, UINT64_MAX);
    stream_drop_before(story->stream, stream_end(story->stream));
    assert_false(stream_has_from(story->stream, 100000));
}

static void what_is_recent_is_not_dropped(void **state)
{
    struct story *story = *state;
    int64_t recent_bytes = 100000;
    story->options.segment_bytes = 16 << 10;
    story_open(story);
    stream_keep_recent(story->stream, &recent_bytes);
    stream_drop_before(story->stream, 0);
    for (int i = 0; i < 1000; i++) {
        append_value(story, i);
        stream_write(story->stream);
        stream_log_turn(story->stream, clock_monotonic_us());
    }
    uint64_t end = stream_end(story->stream);
    stream_drop_before(story->stream, end);
    assert_true(stream_has_from(story->stream, end - 100000));
    assert_false(stream_has_from(story->stream, end - 100000 - 2 * (16 << 10)));
    recent_bytes = 1 << 30;
    stream_drop_before(story->stream, end);
    assert_true(stream_has_from(story->stream, end - 100000));
    recent_bytes = 1;
    stream_drop_before(story->stream, end);
    assert_false(stream_has_from(story->stream, end - 100000));
}

static void what_is_no_effect_owns_offsets_and_is_not_replayed(void **state)
{
    struct story *story = *state;
    char expected[256];
    story_open(story);
    uint64_t ping = stream_append_aside(story->stream, BYTES("*1\r\n$4\r\nPING\r\n"));
    assert_int_equal(ping, 14);
    stream_write(story->stream);
    effect_batch_clear(&story->batch);
    stage(&story->batch, 2, "set", "a", "1");
    uint64_t end = stream_append(story->stream, &story->batch);
    stream_append_aside(story->stream, BYTES("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"));
    stream_write(story->stream);
    snprintf(expected, sizeof(expected), "2:set a 1 @%d\n", (int)end);
    struct buffer text = {0};
    assert_int_equal(story_try_replay(story, 0, &text), STATUS_OK);
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.data, expected, text.length);
    buffer_deinit(&text);
}

static void count_letter(struct mail *mail)
{
    (void)mail;
}

static void without_a_log_a_notice_comes_with_the_append(void **state)
{
    struct story *story = *state;
    struct mailbox mailbox;
    mailbox_init(&mailbox, wake_nobody, NULL);
    open_without_log(story);
    stream_feed(story->stream, &large_ring, NULL);
    struct stream_notice notice = {.home = &mailbox, .mail.deliver = count_letter, .beyond = stream_end(story->stream)};
    append_value(story, 1);
    stream_notice_start(story->stream, &notice);
    assert_int_equal(mailbox_drain(&mailbox), 1);
    append_value(story, 2);
    assert_int_equal(mailbox_drain(&mailbox), 0);
    notice.beyond = stream_end(story->stream);
    stream_notice_start(story->stream, &notice);
    assert_int_equal(mailbox_drain(&mailbox), 0);
    stream_append_aside(story->stream, BYTES("*1\r\n$4\r\nPING\r\n"));
    append_value(story, 3);
    assert_int_equal(mailbox_drain(&mailbox), 1);
    assert_false(stream_notice_stop(story->stream));
}

static void a_notice_comes_once_for_all_that_can_be_read(void **state)
{
    struct story *story = *state;
    struct mailbox mailbox;
    mailbox_init(&mailbox, wake_nobody, NULL);
    story_open(story);
    stream_feed(story->stream, &large_ring, NULL);
    struct stream_notice notice = {.home = &mailbox, .mail.deliver = count_letter};
    stream_notice_start(story->stream, &notice);
    append_value(story, 1);
    assert_int_equal(mailbox_drain(&mailbox), 0);
    stream_write(story->stream);
    append_value(story, 2);
    stream_write(story->stream);
    assert_int_equal(mailbox_drain(&mailbox), 1);
    stream_notice_start(story->stream, &notice);
    assert_int_equal(mailbox_drain(&mailbox), 1);
    notice.beyond = stream_end(story->stream);
    stream_notice_start(story->stream, &notice);
    assert_int_equal(mailbox_drain(&mailbox), 0);
    stream_notice_stop(story->stream);
    append_value(story, 3);
    stream_write(story->stream);
    assert_int_equal(mailbox_drain(&mailbox), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(feeding_begins_with_a_select_and_makes_a_node_without_a_log_record),
        TEST(the_ring_forgets_the_oldest_but_nothing_that_is_held),
        TEST(readers_at_different_places_do_not_mislead_each_other),
        TEST(what_memory_has_is_referred_to),
        TEST(a_value_larger_than_the_ring_can_be_read),
        TEST(a_large_batch_is_read_in_its_place),
        TEST(a_batch_that_becomes_large_keeps_what_it_has),
        TEST(log_and_ring_give_the_same_bytes),
        TEST(only_what_is_written_is_given),
        TEST(segments_that_are_held_are_not_dropped),
        TEST(what_is_recent_is_not_dropped),
        TEST(what_is_no_effect_owns_offsets_and_is_not_replayed),
        TEST(without_a_log_a_notice_comes_with_the_append),
        TEST(a_notice_comes_once_for_all_that_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
