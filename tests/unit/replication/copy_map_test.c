/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the stream goes to who has a copy that was made meanwhile. */
#include "replication/copy_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream/effect.h"

struct story {
    struct keyspace *keyspace;
    struct copy_map map;
    struct copy_filter filter;
    struct buffer stream, out;
};

static int story_setup(void **state)
{
    struct story *story = calloc(1, sizeof(*story));
    story->keyspace = keyspace_create(1);
    story->filter = (struct copy_filter){.map = &story->map, .keyspace = story->keyspace, .offset = 1000, .db = -1};
    *state = story;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *story = *state;
    keyspace_destroy(&story->keyspace);
    copy_map_deinit(&story->map);
    buffer_deinit(&story->filter.waiting);
    buffer_deinit(&story->stream);
    buffer_deinit(&story->out);
    free(story);
    return 0;
}

static uint64_t stream_offset(const struct story *story)
{
    return 1000 + story->stream.length;
}

/* Appends a command of words that are parted by blanks. */
static uint64_t say(struct story *story, const char *text)
{
    struct effect_batch batch = {0};
    uint32_t count = 1;
    for (const char *at = text; *at; at++)
        count += *at == ' ';
    effect_begin(&batch, 0, count);
    for (const char *at = text; count > 0; count--) {
        size_t length = strcspn(at, " ");
        effect_word(&batch, bytes_of(at, length));
        at += length + 1;
    }
    buffer_append_bytes(&story->stream, buffer_bytes(&batch.bytes));
    effect_batch_deinit(&batch);
    return stream_offset(story);
}

static uint64_t position_of(const struct story *story, const char *name, int db)
{
    struct key key = keyspace_key(story->keyspace, bytes_of_text(name), db);
    return copy_position(db, key.slot, key.hash);
}

/* Passes all of the stream in pieces and checks that nothing is longer or shorter for it. */
static bool pass_all(struct story *story, size_t piece)
{
    bool passed = true;
    for (size_t at = 0; at < story->stream.length && passed; at += piece) {
        size_t left = story->stream.length - at;
        passed = copy_filter_pass(&story->filter, bytes_of(story->stream.data + at, left < piece ? left : piece),
                                  &story->out);
    }
    if (passed) {
        assert_int_equal(story->out.length, story->stream.length);
        assert_int_equal(story->filter.offset, stream_offset(story));
    }
    return passed;
}

/* Whether the bytes from..to of the stream went on as they were; false: as empty lines. */
static bool went_on(const struct story *story, uint64_t from, uint64_t to)
{
    const char *out = story->out.data + (from - 1000), *in = story->stream.data + (from - 1000);
    size_t length = (size_t)(to - from);
    if (memcmp(out, in, length) == 0)
        return true;
    for (size_t i = 0; i < length; i++)
        assert_int_equal(out[i], '\n');
    return false;
}

static void an_effect_that_the_copy_has_becomes_empty_lines(void **state)
{
    struct story *story = *state;
    uint64_t begin = say(story, "SELECT 0"), first = say(story, "set a 1"), second = say(story, "APPEND a 23");
    copy_map_add(&story->map, UINT64_MAX, first);
    uint64_t third = say(story, "APPEND a 4");
    assert_true(pass_all(story, 1));
    assert_true(went_on(story, 1000, begin));
    assert_false(went_on(story, begin, first));
    assert_true(went_on(story, first, second));
    assert_true(went_on(story, second, third));
    assert_int_equal(story->filter.filled, 1);
}

static void each_range_has_an_offset_of_its_own(void **state)
{
    struct story *story = *state;
    const char *low = "a", *high = "b";
    if (position_of(story, low, 0) > position_of(story, high, 0)) {
        low = "b";
        high = "a";
    }
    char set_low[] = "set x 1", set_high[] = "set x 1";
    set_low[4] = low[0];
    set_high[4] = high[0];
    uint64_t begin = say(story, "SELECT 0"), first = say(story, set_low), second = say(story, set_high);
    uint64_t third = say(story, set_low), fourth = say(story, set_high);
    copy_map_add(&story->map, position_of(story, low, 0), first);
    copy_map_add(&story->map, UINT64_MAX, third);
    assert_true(pass_all(story, 1000000));
    assert_false(went_on(story, begin, first));
    assert_false(went_on(story, first, second));
    assert_true(went_on(story, second, third));
    assert_true(went_on(story, third, fourth));
}

static void keys_are_of_the_database_that_is_selected(void **state)
{
    struct story *story = *state;
    uint64_t zero = say(story, "SELECT 0"), first = say(story, "set a 1");
    uint64_t one = say(story, "SELECT 1"), second = say(story, "set a 1");
    copy_map_add(&story->map, copy_position(0, SLOT_COUNT - 1, UINT64_MAX), 1000);
    copy_map_add(&story->map, copy_position(1, SLOT_COUNT - 1, UINT64_MAX), second);
    assert_true(pass_all(story, 13));
    assert_true(went_on(story, zero, first));
    assert_true(went_on(story, first, one));
    assert_false(went_on(story, one, second));
}

static void brackets_pings_and_what_has_no_key_go_on(void **state)
{
    struct story *story = *state;
    say(story, "SELECT 0");
    uint64_t before = say(story, "MULTI"), first = say(story, "set a 1");
    say(story, "EXEC");
    say(story, "PING");
    uint64_t after = say(story, "REPLCONF GETACK *");
    copy_map_add(&story->map, UINT64_MAX, after);
    assert_true(pass_all(story, 5));
    assert_true(went_on(story, 1000, before));
    assert_false(went_on(story, before, first));
    assert_true(went_on(story, first, after));
}

static void a_groups_key_follows_the_subcommand(void **state)
{
    struct story *story = *state;
    copy_map_add(&story->map, position_of(story, "key", 0), 1000000);
    copy_map_add(&story->map, UINT64_MAX, 1);
    uint64_t begin = say(story, "SELECT 0"), end = say(story, "XGROUP SETID key group 0 ENTRIESREAD 0");
    assert_true(pass_all(story, 100));
    assert_false(went_on(story, begin, end));
}

static void functions_have_an_offset_of_their_own(void **state)
{
    struct story *story = *state;
    uint64_t begin = say(story, "SELECT 0"), first = say(story, "FUNCTION FLUSH"),
             second = say(story, "FUNCTION FLUSH");
    copy_map_add(&story->map, UINT64_MAX, second);
    story->filter.functions_offset = first;
    assert_true(pass_all(story, 100));
    assert_false(went_on(story, begin, first));
    assert_true(went_on(story, first, second));
}

static void a_flush_in_the_middle_makes_the_copy_void(void **state)
{
    struct story *story = *state;
    uint64_t begin = say(story, "SELECT 0"), early = say(story, "FLUSHALL"), late = say(story, "set a 1");
    copy_map_add(&story->map, 1, early);
    copy_map_add(&story->map, UINT64_MAX, late);
    say(story, "FLUSHDB");
    assert_true(pass_all(story, 100));
    assert_false(went_on(story, begin, early));
    assert_true(went_on(story, late, stream_offset(story)));
    copy_map_add(&story->map, UINT64_MAX, stream_offset(story));
    copy_map_add(&story->map, UINT64_MAX, stream_offset(story) + 100);
    struct buffer more = {0};
    uint64_t before = story->stream.length;
    say(story, "SWAPDB 0 1");
    struct bytes swap = bytes_of(story->stream.data + before, story->stream.length - before);
    assert_false(copy_filter_pass(&story->filter, swap, &more));
    assert_true(story->filter.is_over);
    buffer_deinit(&more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_effect_that_the_copy_has_becomes_empty_lines),
        TEST(each_range_has_an_offset_of_its_own),
        TEST(keys_are_of_the_database_that_is_selected),
        TEST(brackets_pings_and_what_has_no_key_go_on),
        TEST(a_groups_key_follows_the_subcommand),
        TEST(functions_have_an_offset_of_their_own),
        TEST(a_flush_in_the_middle_makes_the_copy_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
