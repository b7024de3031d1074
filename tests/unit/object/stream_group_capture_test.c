/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups of a stream that is captured while they change: what is written is what they were at the begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "object/codec.h"
#include "object/object_capture.h"
#include "object/object_limits.h"
#include "object/stream_object.h"

#define GROUPS 4
#define CONSUMERS 6
#define IDS 3000

/* A stream, its capture, and what it was at the begin. */
struct story {
    struct random random;
    struct object object;
    struct xstream *stream;
    struct object_capture *capture;
    struct buffer before, captured;
};

static size_t below(struct story *story, size_t bound)
{
    return random_below(&story->random, bound);
}

static struct bytes name_of(char text[16], char kind, size_t number)
{
    return bytes_of(text, (size_t)snprintf(text, 16, "%c%zu", kind, number));
}

static struct xstream_group *group_of(struct story *story, size_t number)
{
    char text[16];
    struct bytes name = name_of(text, 'g', number);
    struct xstream_group *group = xstream_group_find(story->stream, name);
    return group ? group : xstream_group_create(story->stream, name, STREAM_ID_MIN, (int64_t)number);
}

static struct xstream_consumer *consumer_of(struct story *story, struct xstream_group *group, size_t number)
{
    char text[16];
    struct bytes name = name_of(text, 'c', number);
    struct xstream_consumer *consumer = xstream_consumer_find(group, name);
    return consumer ? consumer : xstream_consumer_create(story->stream, group, name, (int64_t)below(story, 1000));
}

static struct stream_id random_id(struct story *story)
{
    return (struct stream_id){below(story, IDS), below(story, 3)};
}

static void give(struct story *story, struct xstream_group *group, size_t consumer, struct stream_id id)
{
    struct xstream_pending *pending =
        xstream_pending_give(story->stream, group, id, consumer_of(story, group, consumer));
    xstream_pending_set(story->stream, group, id, pending, (int64_t)below(story, 100000), below(story, 100));
}

/* As who reads his history does, without asking by the id. */
static void redeliver(struct story *story, struct xstream_group *group, size_t consumer)
{
    struct id_place place = id_tree_ceiling(&consumer_of(story, group, consumer)->pending, random_id(story));
    if (place.leaf)
        xstream_pending_set(story->stream, group, id_place_id(place), id_place_value(place),
                            (int64_t)below(story, 100000), 200);
}

/* Ids that are there are changed or taken from whoever has them, others come in the middle. */
static void edit(struct story *story)
{
    struct xstream_group *group = group_of(story, below(story, GROUPS));
    char text[16];
    size_t consumer = below(story, CONSUMERS);
    switch (below(story, 3000)) {
    case 0:
        assert_true(xstream_group_destroy(story->stream, group->name));
        break;
    case 1:
    case 2:
        xstream_consumer_destroy(story->stream, group, consumer_of(story, group, consumer));
        break;
    case 3:
        xstream_consumer_forget(story->stream, group, consumer_of(story, group, consumer), below(story, 200));
        break;
    case 4:
        name_of(text, 'x', below(story, 1000));
        xstream_consumer_create(story->stream, group, bytes_of(text, strlen(text)), 5);
        break;
    case 5:
        xstream_group_set_position(story->stream, group, random_id(story), group->entries_read + 1);
        break;
    default:
        if (below(story, 4) > 0)
            give(story, group, consumer, random_id(story));
        else if (below(story, 3) == 0)
            redeliver(story, group, consumer);
        else if (below(story, 3) > 0)
            xstream_pending_remove(story->stream, group, random_id(story));
        else
            xstream_consumer_seen(story->stream, group, consumer_of(story, group, consumer),
                                  (int64_t)below(story, 100000));
    }
}

static void edit_many(struct story *story, size_t times)
{
    for (size_t i = 0; i < times; i++)
        edit(story);
}

/* ---- a capture and what it wrote ---- */

static void capture_begin(struct story *story)
{
    story->before.length = story->captured.length = 0;
    codec_encode(&story->object, &story->before);
    assert_true(object_capture_suits(&story->object));
    story->capture = object_capture_begin(&story->object, &story->captured);
    object_capture_move(&story->object, story);
}

static bool capture_step(struct story *story, size_t bytes)
{
    return object_capture_step(story->capture, bytes, &story->captured);
}

/* As it is written in one piece: groups and consumers that have left stand elsewhere in what was captured. */
static void encode_anew(struct buffer *payload)
{
    struct object object;
    struct buffer scratch = {0};
    assert_int_equal(codec_decode(buffer_bytes(payload), &scratch, &object), STATUS_OK);
    payload->length = 0;
    codec_encode(&object, payload);
    object_release(&object);
    buffer_deinit(&scratch);
}

static void capture_end(struct story *story)
{
    while (capture_step(story, 3000))
        ;
    object_capture_end(story->capture);
    assert_int_equal(story->captured.length, story->before.length);
    encode_anew(&story->captured);
    assert_true(bytes_equal(buffer_bytes(&story->captured), buffer_bytes(&story->before)));
}

static void assert_nothing_is_captured(const struct story *story)
{
    for (size_t i = 0; i < story->stream->group_count; i++) {
        const struct xstream_group *group = story->stream->groups[i];
        assert_null(group->captured);
        for (size_t j = 0; j < group->consumer_count; j++)
            assert_null(group->consumers[j]->captured);
    }
}

static void grow(struct story *story)
{
    *story = (struct story){0};
    random_init(&story->random, 23);
    object_limits = (struct object_limits){.stream_node_max_entries = 20};
    story->object = object_empty(OBJECT_STREAM);
    story->stream = xstream_edit(&story->object);
    const struct bytes words[2] = {BYTES("field"), BYTES("value")};
    for (uint64_t i = 1; i <= 500; i++)
        assert_true(xstream_append(story->stream, (struct stream_id){i, 0}, words, 2));
    edit_many(story, 20000);
}

static void finish(struct story *story)
{
    if (story->object.body)
        object_release(&story->object);
    buffer_deinit(&story->before);
    buffer_deinit(&story->captured);
}

/* ---- stories ---- */

static void groups_are_written_as_they_were_at_the_begin(void **state)
{
    (void)state;
    struct story story;
    grow(&story);
    for (size_t round = 0; round < 60; round++) {
        capture_begin(&story);
        edit_many(&story, round);
        while (capture_step(&story, 1 + below(&story, round % 2 ? 300 : 6000)))
            edit_many(&story, below(&story, 1 + round));
        capture_end(&story);
        assert_nothing_is_captured(&story);
        edit_many(&story, 1000);
    }
    finish(&story);
}

/* False: it came to its end before so many. */
static bool capture_steps(struct story *story, size_t steps)
{
    bool goes_on = true;
    for (size_t i = 0; i < steps && goes_on; i++)
        goes_on = capture_step(story, 2000);
    return goes_on;
}

static void end_and_finish(struct story *story, bool goes_on)
{
    if (goes_on)
        capture_end(story);
    else
        object_capture_end(story->capture);
    assert_nothing_is_captured(story);
    finish(story);
}

/* Every step of it in turn is the last before everything goes. */
static void all_groups_may_go_at_any_step(void **state)
{
    (void)state;
    struct story story;
    for (size_t steps = 0, goes_on = 1; goes_on; steps += 7) {
        grow(&story);
        size_t of_groups = 0;
        for (size_t i = 0; i < story.stream->group_count; i++)
            of_groups += story.stream->groups[i]->bytes;
        size_t others = story.stream->bytes - of_groups;
        capture_begin(&story);
        goes_on = capture_steps(&story, steps);
        while (story.stream->group_count > 0)
            assert_true(xstream_group_destroy(story.stream, story.stream->groups[0]->name));
        assert_int_equal(story.stream->bytes, others);
        for (size_t i = 0; i < GROUPS; i++)
            give(&story, group_of(&story, i), 1, (struct stream_id){i, 0});
        end_and_finish(&story, goes_on);
    }
}

static void all_consumers_may_go_and_come_again_at_any_step(void **state)
{
    (void)state;
    struct story story;
    for (size_t steps = 0, goes_on = 1; goes_on; steps += 7) {
        grow(&story);
        capture_begin(&story);
        goes_on = capture_steps(&story, steps);
        for (size_t i = 0; i < GROUPS * CONSUMERS; i++) {
            struct xstream_group *group = group_of(&story, i % GROUPS);
            xstream_consumer_destroy(story.stream, group, consumer_of(&story, group, i / GROUPS));
            give(&story, group, i / GROUPS, random_id(&story));
        }
        end_and_finish(&story, goes_on);
    }
}

/* None of it is looked at before it is its turn. */
static void many_groups_of_many_consumers_come_and_go(void **state)
{
    (void)state;
    struct story story;
    grow(&story);
    for (size_t i = 0; i < 3000; i++)
        give(&story, group_of(&story, i), i % 3, random_id(&story));
    for (size_t i = 0; i < 3000; i++)
        give(&story, group_of(&story, 1), i, random_id(&story));
    capture_begin(&story);
    do {
        struct xstream_group *first = group_of(&story, 1), *other = group_of(&story, below(&story, 4000));
        give(&story, other, below(&story, 4), random_id(&story));
        xstream_consumer_destroy(story.stream, first, consumer_of(&story, first, below(&story, 4000)));
        assert_true(xstream_group_destroy(story.stream, group_of(&story, 2 + below(&story, 4000))->name));
        give(&story, group_of(&story, 1), below(&story, 6000), random_id(&story));
    } while (capture_step(&story, 400));
    object_capture_end(story.capture);
    encode_anew(&story.captured);
    assert_true(bytes_equal(buffer_bytes(&story.captured), buffer_bytes(&story.before)));
    assert_nothing_is_captured(&story);
    finish(&story);
}

static void a_stream_that_is_deleted_is_written_to_its_end(void **state)
{
    (void)state;
    struct story story;
    grow(&story);
    capture_begin(&story);
    for (int i = 0; i < 30; i++)
        assert_true(capture_step(&story, 2000));
    edit_many(&story, 1000);
    object_release(&story.object);
    assert_null(object_capture_home(story.capture));
    capture_end(&story);
    story.object.body = NULL;
    finish(&story);
}

/* What a step writes is bounded, whatever it is made of. */
static void a_step_is_as_long_as_asked_for(void **state)
{
    (void)state;
    struct story story;
    grow(&story);
    for (size_t i = 0; i < 5000; i++)
        give(&story, group_of(&story, 0), 0, (struct stream_id){i, 5});
    capture_begin(&story);
    bool goes_on;
    do {
        size_t before = story.captured.length;
        goes_on = capture_step(&story, 2000);
        assert_true(story.captured.length - before < 2000 + 2048 * 16 + 100);
    } while (goes_on);
    capture_end(&story);
    finish(&story);
}

static void bytes_are_those_of_what_is_there(void **state)
{
    (void)state;
    struct story story;
    grow(&story);
    edit_many(&story, 5000);
    size_t sum = 0;
    for (size_t i = 0; i < story.stream->group_count; i++)
        sum += story.stream->groups[i]->bytes;
    size_t others = story.stream->bytes - sum;
    while (story.stream->group_count > 0)
        assert_true(xstream_group_destroy(story.stream, story.stream->groups[0]->name));
    assert_int_equal(story.stream->bytes, others);
    size_t empty = group_of(&story, 0)->bytes;
    for (size_t i = 0; i < 1000; i++)
        give(&story, group_of(&story, 0), i % CONSUMERS, random_id(&story));
    assert_true(group_of(&story, 0)->bytes > empty + 1000 * sizeof(struct xstream_pending));
    while (group_of(&story, 0)->consumer_count > 0)
        xstream_consumer_destroy(story.stream, group_of(&story, 0), group_of(&story, 0)->consumers[0]);
    assert_int_equal(group_of(&story, 0)->bytes, empty);
    assert_int_equal(story.stream->bytes, others + empty);
    finish(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_written_as_they_were_at_the_begin),
        cmocka_unit_test(all_groups_may_go_at_any_step),
        cmocka_unit_test(all_consumers_may_go_and_come_again_at_any_step),
        cmocka_unit_test(many_groups_of_many_consumers_come_and_go),
        cmocka_unit_test(a_stream_that_is_deleted_is_written_to_its_end),
        cmocka_unit_test(a_step_is_as_long_as_asked_for),
        cmocka_unit_test(bytes_are_those_of_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
