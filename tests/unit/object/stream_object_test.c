/* SPDX-License-Identifier: BSD-3-Clause */
/* Random edits of a stream beside a model that keeps all entries in one array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "object/codec.h"
#include "object/object_limits.h"
#include "object/stream_object.h"

#define ENTRIES_MAX 4000
#define WORDS_MAX 8

struct model_entry {
    struct stream_id id;
    size_t word_count;
    uint32_t seed; /* of the words */
    bool is_live;
};

struct model {
    struct model_entry entries[ENTRIES_MAX];
    size_t count, live;
};

struct story {
    struct object object;
    struct model model;
    struct random random;
};

static int set_up(void **state)
{
    static struct story story;
    object_limits.stream_node_max_bytes = 300;
    object_limits.stream_node_max_entries = 10;
    story = (struct story){.object = object_empty(OBJECT_STREAM)};
    random_init(&story.random, 11);
    *state = &story;
    return 0;
}

static int tear_down(void **state)
{
    struct story *story = *state;
    object_release(&story->object);
    return 0;
}

/* Fields a and b, or others; values that are integers, short and long strings. */
static struct bytes word(uint32_t seed, size_t index, char room[64])
{
    size_t length;
    if (index % 2 == 0)
        length = (size_t)snprintf(room, 64, "%c%u", (int)('a' + index), seed % 3 ? 0 : seed % 5);
    else
        length = (size_t)snprintf(room, 64, seed % 2 ? "%u" : "value-%u-of-some-length", seed * 7);
    return bytes_of(room, length);
}

static void append(struct story *story)
{
    struct model *model = &story->model;
    struct model_entry entry = {.seed = (uint32_t)random_below(&story->random, 1000), .is_live = true};
    char rooms[WORDS_MAX][64];
    struct bytes words[WORDS_MAX];
    entry.word_count = 2 * (1 + (size_t)random_below(&story->random, 10) / 8);
    entry.id = model->count ? model->entries[model->count - 1].id : STREAM_ID_MIN;
    entry.id.ms += random_below(&story->random, 3);
    entry.id.seq += 1 + random_below(&story->random, 3);
    for (size_t i = 0; i < entry.word_count; i++)
        words[i] = word(entry.seed, i, rooms[i]);
    assert_true(xstream_append(xstream_edit(&story->object), entry.id, words, entry.word_count));
    model->entries[model->count++] = entry;
    model->live++;
}

static struct model_entry *live_at(struct model *model, size_t rank)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->entries[i].is_live && rank-- == 0)
            return &model->entries[i];
    return NULL;
}

static void delete_one(struct story *story)
{
    struct model_entry *entry = &story->model.entries[random_below(&story->random, story->model.count)];
    assert_int_equal(xstream_has(xstream_of(&story->object), entry->id), entry->is_live);
    assert_int_equal(xstream_delete(xstream_edit(&story->object), entry->id), entry->is_live);
    story->model.live -= entry->is_live;
    entry->is_live = false;
}

static void trim_exactly(struct story *story)
{
    size_t going = (size_t)random_below(&story->random, 5);
    struct model_entry *kept = live_at(&story->model, going);
    struct xstream_trim trim = {.by = XSTREAM_TRIM_LENGTH, .length = kept ? story->model.live - going : 0};
    if (kept && random_below(&story->random, 2))
        trim = (struct xstream_trim){.by = XSTREAM_TRIM_ID, .id = kept->id};
    size_t trimmed = xstream_trim(xstream_edit(&story->object), &trim), expected = 0;
    for (size_t i = 0; i < story->model.count && &story->model.entries[i] != kept; i++) {
        expected += story->model.entries[i].is_live;
        story->model.entries[i].is_live = false;
    }
    assert_int_equal(trimmed, expected);
    story->model.live -= trimmed;
}

/* Some of what may go goes, beginning with the first, and never more. */
static void trim_roughly(struct story *story)
{
    size_t live = story->model.live;
    struct xstream_trim trim = {.by = XSTREAM_TRIM_LENGTH, .length = live / 2, .is_approximate = true, .limit = 15};
    size_t trimmed = xstream_trim(xstream_edit(&story->object), &trim);
    assert_in_range(trimmed, 0, live - live / 2);
    assert_true(trimmed <= 15);
    for (size_t i = 0, left = trimmed; left > 0; i++) {
        left -= story->model.entries[i].is_live;
        story->model.entries[i].is_live = false;
    }
    story->model.live -= trimmed;
}

static void check_entry(struct xstream_cursor *cursor, const struct model_entry *entry)
{
    char digits[2 * BYTES_INTEGER_MAX], room[64];
    struct bytes field, value;
    assert_false(cursor->is_at_end);
    assert_int_equal(stream_id_compare(cursor->id, entry->id), 0);
    assert_int_equal(cursor->fields * 2, entry->word_count);
    for (size_t i = 0; i < entry->word_count; i += 2) {
        assert_true(xstream_next_field(cursor, &field, &value, digits));
        assert_true(bytes_equal(field, word(entry->seed, i, room)));
        assert_true(bytes_equal(value, word(entry->seed, i + 1, room)));
    }
    assert_false(xstream_next_field(cursor, &field, &value, digits));
}

static void check_forward(const struct object *object, const struct model *model, struct stream_id from)
{
    struct xstream_cursor cursor;
    xstream_seek(xstream_of(object), from, false, &cursor);
    for (size_t i = 0; i < model->count; i++) {
        if (!model->entries[i].is_live || stream_id_compare(model->entries[i].id, from) < 0)
            continue;
        check_entry(&cursor, &model->entries[i]);
        xstream_step(&cursor, false);
    }
    assert_true(cursor.is_at_end);
}

static void check_backward(const struct object *object, const struct model *model, struct stream_id from)
{
    struct xstream_cursor cursor;
    xstream_seek(xstream_of(object), from, true, &cursor);
    for (size_t i = model->count; i-- > 0;) {
        if (!model->entries[i].is_live || stream_id_compare(model->entries[i].id, from) > 0)
            continue;
        check_entry(&cursor, &model->entries[i]);
        xstream_step(&cursor, true);
    }
    assert_true(cursor.is_at_end);
}

static void check_all(struct story *story, const struct object *object)
{
    const struct model *model = &story->model;
    struct stream_id middle =
        model->count ? model->entries[random_below(&story->random, model->count)].id : STREAM_ID_MIN;
    check_forward(object, model, STREAM_ID_MIN);
    check_backward(object, model, STREAM_ID_MAX);
    check_forward(object, model, middle);
    check_backward(object, model, middle);
    middle.seq++;
    check_forward(object, model, middle);
    middle.seq -= 2;
    check_backward(object, model, middle);
    assert_int_equal(object_count(object), model->live);
    assert_int_equal(xstream_of(object)->entries_added, model->count);
}

static void edit_at_random(struct story *story, size_t entries_max)
{
    for (unsigned step = 0; story->model.count < entries_max; step++) {
        unsigned kind = (unsigned)random_below(&story->random, 100);
        if (kind < (step / 1000 % 2 ? 40 : 70) || story->model.count == 0)
            append(story);
        else if (kind < 95)
            delete_one(story);
        else if (kind < 98)
            trim_exactly(story);
        else
            trim_roughly(story);
        if (step % 250 == 0)
            check_all(story, &story->object);
    }
    check_all(story, &story->object);
}

static void random_edits_do_as_the_model(void **state)
{
    edit_at_random(*state, ENTRIES_MAX);
}

/* Marks an entry as Redis does, which leaves it where it is. False if it is the last live one of its node. */
static bool mark_deleted(struct xstream *stream, struct stream_id id)
{
    struct id_place place = id_tree_floor(&stream->nodes, id);
    struct xstream_view view = xstream_view_of(xstream_node_bytes(id_place_value(place)), id_place_id(place));
    struct xstream_entry entry;
    uint8_t *counts = (uint8_t *)view.node.data + LISTPACK_HEADER_BYTES;
    assert_true(xstream_view_seek(&view, id, false, &entry));
    assert_int_equal(stream_id_compare(entry.id, id), 0);
    if (entry.is_deleted || counts[0] == 1)
        return false;
    counts[0]--;
    counts[2]++;
    *(uint8_t *)entry.position |= XSTREAM_ENTRY_DELETED;
    stream->length--;
    return true;
}

static void mark_some_deleted(struct story *story, size_t begin)
{
    for (size_t i = begin; i < story->model.count; i++) {
        struct model_entry *entry = &story->model.entries[i];
        if (entry->is_live && random_below(&story->random, 2) &&
            mark_deleted(xstream_edit(&story->object), entry->id)) {
            entry->is_live = false;
            story->model.live--;
        }
    }
}

static void entries_that_are_only_marked_are_passed_over(void **state)
{
    struct story *story = *state;
    struct buffer payload = {0}, scratch = {0};
    for (unsigned round = 1; round <= 10; round++) {
        size_t begin = story->model.count;
        edit_at_random(story, round * 100);
        mark_some_deleted(story, begin);
        check_all(story, &story->object);
    }
    codec_encode(&story->object, &payload);
    object_release(&story->object);
    assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &story->object), STATUS_OK);
    edit_at_random(story, 1500);
    buffer_deinit(&payload);
    buffer_deinit(&scratch);
}

/* An entry may follow where a deleted one stood, once the last id goes back. */
static void going_back_forgets_what_was_deleted_behind(void **state)
{
    struct story *story = *state;
    struct xstream *stream = xstream_edit(&story->object);
    const struct bytes words[] = {BYTES("f"), BYTES("v")};
    for (uint64_t i = 1; i <= 5; i++)
        assert_true(xstream_append(stream, (struct stream_id){i, 0}, words, 2));
    assert_true(mark_deleted(stream, (struct stream_id){4, 0}));
    assert_true(mark_deleted(stream, (struct stream_id){5, 0}));
    xstream_set_last_id(stream, (struct stream_id){3, 0});
    assert_true(xstream_append(stream, (struct stream_id){4, 0}, words, 2));
    assert_true(xstream_has(stream, (struct stream_id){4, 0}));
    assert_false(xstream_has(stream, (struct stream_id){5, 0}));
    assert_int_equal(stream->length, 4);
}

/* ---- groups ---- */

static struct bytes name_of(char room[16], unsigned number)
{
    return bytes_of(room, (size_t)snprintf(room, 16, "n%u", number));
}

static void give_some(struct story *story, struct xstream *stream, struct xstream_group *group, unsigned count)
{
    char room[16];
    for (unsigned i = 0; i < count; i++) {
        struct bytes name = name_of(room, (unsigned)random_below(&story->random, 5));
        struct xstream_consumer *consumer = xstream_consumer_find(group, name);
        if (!consumer)
            consumer = xstream_consumer_create(stream, group, name, 77);
        assert_null(xstream_consumer_create(stream, group, name, 78));
        struct stream_id id = {random_below(&story->random, 300), random_below(&story->random, 2)};
        struct xstream_pending *pending = xstream_pending_give(stream, group, id, consumer);
        xstream_pending_set(stream, group, id, pending, 5, pending->deliveries + 1);
        assert_ptr_equal(xstream_pending_find(group, id), pending);
        assert_ptr_equal(id_tree_find(&consumer->pending, id), pending);
        if (i % 3 == 0) {
            assert_true(xstream_pending_remove(stream, group, id));
            assert_false(xstream_pending_remove(stream, group, id));
        }
    }
}

/* Every pending entry is with exactly one consumer. */
static void check_group(const struct xstream_group *group)
{
    size_t held = 0;
    for (size_t i = 0; i < group->consumer_count; i++) {
        const struct xstream_consumer *consumer = group->consumers[i];
        held += consumer->pending.count;
        assert_true(i == 0 || bytes_compare(group->consumers[i - 1]->name, consumer->name) < 0);
        for (struct id_place place = id_tree_first(&consumer->pending); place.leaf; place = id_place_next(place)) {
            struct xstream_pending *pending = id_place_value(place);
            assert_ptr_equal(pending->consumer, consumer);
            assert_ptr_equal(xstream_pending_find(group, id_place_id(place)), pending);
        }
    }
    assert_int_equal(held, group->pending.count);
}

static void make_groups(struct story *story, unsigned count)
{
    char room[16];
    struct xstream *stream = xstream_edit(&story->object);
    for (unsigned i = 0; i < count; i++) {
        struct xstream_group *group =
            xstream_group_create(stream, name_of(room, i), (struct stream_id){i, 1}, i % 2 ? (int64_t)i : -1);
        assert_non_null(group);
        assert_null(xstream_group_create(stream, name_of(room, i), STREAM_ID_MIN, 0));
        give_some(story, stream, group, 500);
        check_group(group);
    }
}

static void pending_entries_have_one_holder(void **state)
{
    struct story *story = *state;
    char room[16];
    struct xstream *stream = xstream_edit(&story->object);
    size_t before = stream->bytes;
    make_groups(story, 12);
    assert_int_equal(stream->group_count, 12);
    for (unsigned i = 0; i < 12; i++) {
        struct xstream_group *group = xstream_group_find(stream, name_of(room, i));
        while (group->consumer_count > (i % 2 ? 0 : 2)) {
            xstream_consumer_destroy(stream, group, group->consumers[0]);
            check_group(group);
        }
        assert_true(xstream_group_destroy(stream, group->name));
        assert_null(xstream_group_find(stream, name_of(room, i)));
    }
    assert_int_equal(stream->bytes, before);
}

/* ---- copies and payloads ---- */

static void check_same(struct story *story, const struct object *object)
{
    const struct xstream *a = xstream_of(&story->object), *b = xstream_of(object);
    check_all(story, object);
    assert_int_equal(stream_id_compare(a->last_id, b->last_id), 0);
    assert_int_equal(stream_id_compare(a->max_deleted_id, b->max_deleted_id), 0);
    assert_int_equal(a->group_count, b->group_count);
    for (size_t i = 0; i < a->group_count; i++) {
        check_group(b->groups[i]);
        assert_int_equal(a->groups[i]->entries_read, b->groups[i]->entries_read);
        assert_int_equal(a->groups[i]->pending.count, b->groups[i]->pending.count);
        assert_int_equal(a->groups[i]->consumer_count, b->groups[i]->consumer_count);
        assert_int_equal(stream_id_compare(a->groups[i]->last_id, b->groups[i]->last_id), 0);
    }
}

static void fill(struct story *story)
{
    for (unsigned i = 0; i < 100; i++)
        append(story);
    for (unsigned i = 0; i < 30; i++)
        delete_one(story);
    make_groups(story, 3);
}

static void a_copy_is_equal_and_its_own(void **state)
{
    struct story *story = *state;
    fill(story);
    struct object copy = object_copy(&story->object);
    check_same(story, &copy);
    object_release(&story->object);
    story->object = copy;
    append(story);
    check_all(story, &story->object);
}

static void a_payload_reads_back(void **state)
{
    struct story *story = *state;
    struct buffer payload = {0}, again = {0}, scratch = {0};
    struct object object;
    fill(story);
    codec_encode(&story->object, &payload);
    assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &object), STATUS_OK);
    check_same(story, &object);
    codec_encode(&object, &again);
    assert_true(bytes_equal(buffer_bytes(&payload), buffer_bytes(&again)));
    object_release(&object);
    buffer_deinit(&payload);
    buffer_deinit(&again);
    buffer_deinit(&scratch);
}

static enum status decode_with(struct bytes payload, char from, char to, struct object *object)
{
    struct buffer changed = {0}, scratch = {0};
    buffer_append_bytes(&changed, payload);
    for (size_t i = 1; i < changed.length; i++)
        if (changed.data[i] == from && changed.data[i - 1] == 1)
            changed.data[i] = to;
    enum status status = codec_decode(buffer_bytes(&changed), &scratch, object);
    buffer_deinit(&changed);
    buffer_deinit(&scratch);
    return status;
}

static void names_in_a_payload_may_come_in_any_order_but_once(void **state)
{
    struct story *story = *state;
    struct buffer payload = {0};
    struct object object;
    struct xstream *stream = xstream_edit(&story->object);
    xstream_group_create(stream, BYTES("P"), STREAM_ID_MIN, 0);
    struct xstream_group *group = xstream_group_create(stream, BYTES("Q"), STREAM_ID_MIN, 0);
    xstream_consumer_create(stream, group, BYTES("X"), 5);
    xstream_consumer_create(stream, group, BYTES("Y"), 6);
    codec_encode(&story->object, &payload);
    assert_int_equal(decode_with(buffer_bytes(&payload), 'P', 'Q', &object), STATUS_CORRUPT);
    assert_int_equal(decode_with(buffer_bytes(&payload), 'Y', 'X', &object), STATUS_CORRUPT);
    assert_int_equal(decode_with(buffer_bytes(&payload), 'P', 'R', &object), STATUS_OK);
    assert_non_null(xstream_group_find(xstream_of(&object), BYTES("Q")));
    assert_non_null(xstream_group_find(xstream_of(&object), BYTES("R")));
    object_release(&object);
    assert_int_equal(decode_with(buffer_bytes(&payload), 'X', 'Z', &object), STATUS_OK);
    group = xstream_group_find(xstream_of(&object), BYTES("Q"));
    assert_int_equal(xstream_consumer_find(group, BYTES("Z"))->seen_ms, 5);
    assert_int_equal(xstream_consumer_find(group, BYTES("Y"))->seen_ms, 6);
    object_release(&object);
    buffer_deinit(&payload);
}

static void an_empty_stream_is_a_value(void **state)
{
    struct story *story = *state;
    struct buffer payload = {0}, scratch = {0};
    struct object object;
    codec_encode(&story->object, &payload);
    assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &object), STATUS_OK);
    assert_int_equal(object_count(&object), 0);
    object_release(&object);
    buffer_deinit(&payload);
    buffer_deinit(&scratch);
}

/* Whatever is damaged is refused, or reads as some stream that can be walked, written and freed. */
static void try_damaged(struct bytes payload)
{
    struct buffer scratch = {0}, again = {0};
    struct object object;
    if (codec_decode(payload, &scratch, &object) == STATUS_OK) {
        struct xstream_cursor cursor;
        struct bytes field, value;
        char digits[2 * BYTES_INTEGER_MAX];
        size_t seen = 0;
        for (xstream_seek(xstream_of(&object), STREAM_ID_MIN, false, &cursor); !cursor.is_at_end;
             xstream_step(&cursor, false), seen++)
            while (xstream_next_field(&cursor, &field, &value, digits))
                ;
        assert_int_equal(seen, object_count(&object));
        codec_encode(&object, &again);
        object_release(&object);
    }
    buffer_deinit(&scratch);
    buffer_deinit(&again);
}

static void a_damaged_payload_does_no_harm(void **state)
{
    struct story *story = *state;
    struct buffer payload = {0};
    for (unsigned i = 0; i < 12; i++)
        append(story);
    delete_one(story);
    struct xstream *stream = xstream_edit(&story->object);
    struct xstream_group *group = xstream_group_create(stream, BYTES("group"), stream->last_id, 12);
    give_some(story, stream, group, 6);
    codec_encode(&story->object, &payload);
    for (size_t i = 1; i < payload.length; i++) {
        /* A copy of exactly this length, so that the sanitizer sees a read beyond it. */
        char *cut = memory_allocate(i);
        memcpy(cut, payload.data, i);
        try_damaged(bytes_of(cut, i));
        memory_free(cut);
        for (int bit = 0; bit < 8; bit++) {
            payload.data[i] ^= (char)(1 << bit);
            try_damaged(buffer_bytes(&payload));
            payload.data[i] ^= (char)(1 << bit);
        }
    }
    buffer_deinit(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_edits_do_as_the_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_that_are_only_marked_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(going_back_forgets_what_was_deleted_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pending_entries_have_one_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_is_equal_and_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_payload_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_in_a_payload_may_come_in_any_order_but_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_stream_is_a_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_payload_does_no_harm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
