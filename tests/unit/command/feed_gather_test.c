/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a primary's stream is gathered to be executed in parallel, and what is left to one thread. */
#include "command/feed_gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct story {
    struct keyspace *keyspace;
    struct buffer input;
    struct gathered gathered;
};

static int set_up(void **state)
{
    struct story *story = test_calloc(1, sizeof(*story));
    story->keyspace = keyspace_create(1);
    *state = story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    gathered_deinit(&story->gathered);
    buffer_deinit(&story->input);
    keyspace_destroy(&story->keyspace);
    test_free(story);
    return 0;
}

/* Appends a request, its words parted by blanks; returns where it ends. */
static size_t say(struct story *story, const char *text)
{
    char copy[256];
    char *words[16], *rest = NULL;
    size_t count = 0;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    buffer_append_format(&story->input, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&story->input, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    return story->input.length;
}

static bool gather(struct story *story, int db, uint32_t least)
{
    return gather_effects(&story->gathered, story->keyspace, buffer_bytes(&story->input), db, least);
}

static void assert_effect(struct story *story, uint32_t index, const char *name, const char *key, int db)
{
    const struct gathered_effect *effect = &story->gathered.effects[index];
    const struct bytes *words = story->gathered.words + effect->first_word;
    assert_true(bytes_equal_text(words[0], name) && bytes_equal_text(words[1], key));
    assert_true(bytes_equal(effect->key.name, words[1]));
    assert_true(words[1].data > story->gathered.bytes.data &&
                words[1].data < story->gathered.bytes.data + story->gathered.bytes.length);
    assert_int_equal(effect->key.db, db);
}

static void effects_of_one_key_are_gathered_with_their_db(void **state)
{
    struct story *story = *state;
    size_t first = say(story, "set a 1");
    say(story, "SELECT 3");
    say(story, "DEL a");
    say(story, "RPUSH l x y z");
    size_t end = say(story, "SELECT 0");
    assert_true(gather(story, 5, 3));
    assert_int_equal(story->gathered.count, 3);
    assert_int_equal(story->gathered.bytes.length, end);
    assert_int_equal(story->gathered.effects[0].end, first);
    assert_int_equal(story->gathered.db, 0);
    memset(story->input.data, 'x', story->input.length); /* it was copied */
    assert_effect(story, 0, "set", "a", 5);
    assert_effect(story, 1, "del", "a", 3);
    assert_effect(story, 2, "rpush", "l", 3);
    assert_int_equal(story->gathered.effects[2].word_count, 5);
}

static void whatever_is_more_than_one_key_ends_it(void **state)
{
    static const char *const others[] = {
        "MULTI",     "EXEC", "DEL a b", "FLUSHALL", "SWAPDB 0 1",     "PING hello", "REPLCONF GETACK *",
        "SELECT 16", "PING", "GET a",   "nonsense", "FUNCTION FLUSH", "select 1",   "MSET a 1 b 2"};
    struct story *story = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        story->input.length = 0;
        say(story, "SET a 1");
        size_t end = say(story, "SET b 1");
        say(story, others[i]);
        say(story, "SET c 1");
        assert_true(gather(story, 0, 2));
        assert_int_equal(story->gathered.count, 2);
        assert_int_equal(story->gathered.bytes.length, end);
    }
}

static void what_is_cut_or_has_another_form_ends_it(void **state)
{
    struct story *story = *state;
    size_t end = say(story, "SET a 1");
    say(story, "SET b 2");
    story->input.length--;
    assert_true(gather(story, 0, 1));
    assert_int_equal(story->gathered.bytes.length, end);
    story->input.length = end;
    buffer_append_text(&story->input, "\n");
    say(story, "SET b 2");
    assert_true(gather(story, 0, 1));
    assert_int_equal(story->gathered.bytes.length, end);
    story->input.length = end;
    buffer_append_text(&story->input, "*3\r\n$03\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_true(gather(story, 0, 1));
    assert_int_equal(story->gathered.bytes.length, end);
}

static void fewer_than_wanted_are_not_gathered(void **state)
{
    struct story *story = *state;
    assert_false(gather(story, 0, 1));
    say(story, "SELECT 2");
    assert_false(gather(story, 0, 0));
    say(story, "SET a 1");
    assert_false(gather(story, 0, 2));
}

static void one_batch_has_a_bound(void **state)
{
    struct story *story = *state;
    char text[64];
    for (int i = 0; i < GATHERED_EFFECTS_MAX + 10; i++) {
        snprintf(text, sizeof(text), "SET key:%d %d", i, i);
        say(story, text);
    }
    assert_true(gather(story, 0, 1));
    assert_int_equal(story->gathered.count, GATHERED_EFFECTS_MAX);
    story->input.length = 0;
    for (int i = 0; i < 8; i++) {
        buffer_append_format(&story->input, "*3\r\n$3\r\nSET\r\n$1\r\n%d\r\n$50000\r\n", i);
        memset(buffer_reserve(&story->input, 50000), 'x', 50000);
        story->input.length += 50000;
        buffer_append_text(&story->input, "\r\n");
    }
    assert_true(gather(story, 0, 1));
    assert_int_equal(story->gathered.count, 5);
    assert_true(story->gathered.bytes.length <= GATHERED_BYTES_MAX);
}

static void each_partitions_effects_keep_their_order(void **state)
{
    struct story *story = *state;
    struct gathered *gathered = &story->gathered;
    char text[64];
    uint32_t seen = 0;
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof(text), "SET key:%d %d", i * 7 % 500, i);
        say(story, text);
    }
    assert_true(gather(story, 0, 1));
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++)
        for (uint32_t i = gathered->begins[partition]; i < gathered->begins[partition + 1]; i++) {
            assert_int_equal(key_partition(&gathered->effects[gathered->order[i]].key), partition);
            assert_true(i == gathered->begins[partition] || gathered->order[i - 1] < gathered->order[i]);
            seen++;
        }
    assert_int_equal(seen, 2000);
}

static void the_next_stretch_is_found_behind_brackets(void **state)
{
    struct story *story = *state;
    say(story, "MULTI");
    say(story, "SET a 1");
    say(story, "SET b 1");
    say(story, "SET c 1");
    say(story, "EXEC");
    say(story, "SET a 1");
    size_t begin = say(story, "DEL a b");
    say(story, "SET a 1");
    say(story, "SELECT 2");
    say(story, "SET b 1");
    struct bytes input = buffer_bytes(&story->input);
    assert_int_equal(gather_begin(input, 2), begin);
    assert_int_equal(gather_begin(input, 3), input.length);
    assert_int_equal(gather_begin(bytes_of(input.data, begin - 1), 2), begin - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(effects_of_one_key_are_gathered_with_their_db, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whatever_is_more_than_one_key_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_cut_or_has_another_form_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fewer_than_wanted_are_not_gathered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_batch_has_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_partitions_effects_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_stretch_is_found_behind_brackets, set_up, tear_down),
    };
    command_table_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
