/* SPDX-License-Identifier: BSD-3-Clause */
/* What a capture writes of a value that changes all the time is what the value was at its begin. */
#define _GNU_SOURCE
#include "object/object_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "object/codec.h"
#include "object/hash_object.h"
#include "object/list_object.h"
#include "object/object_limits.h"
#include "object/set_object.h"
#include "object/stream_object.h"
#include "object/zset_object.h"

#define NAMES 12000
#define ROUNDS 12

static struct random random_source;

static int setup(void **state)
{
    (void)state;
    random_init(&random_source, 11);
    object_limits = (struct object_limits){.list_max_listpack_size = -2, .stream_node_max_entries = 20};
    return 0;
}

static struct bytes name_of(char text[40], uint64_t number)
{
    return bytes_of(text, (size_t)snprintf(text, 40, "name:%llu", (unsigned long long)number));
}

static struct bytes random_name(char text[40])
{
    return name_of(text, random_below(&random_source, NAMES));
}

/* ---- edits ---- */

static void set_edit(struct object *set, struct buffer *room)
{
    char text[40];
    if (random_below(&random_source, 2))
        set_object_add(set, room, random_name(text));
    else
        set_object_remove(set, room, random_name(text));
}

static void hash_edit(struct object *hash, struct buffer *room)
{
    char text[40], value[40];
    struct bytes field = random_name(text);
    switch (random_below(&random_source, 4)) {
    case 0:
        hash_object_remove(hash, room, field, 0);
        break;
    case 1:
        hash_object_set(hash, room, field, bytes_of("same length", 11), false, 0);
        hash_object_set(hash, room, field, bytes_of("length same", 11), true, 0);
        break;
    case 2:
        hash_object_set(hash, room, field, random_name(value), random_below(&random_source, 2), 0);
        break;
    default:
        hash_object_set(hash, room, field, random_name(value), false, 0);
        hash_object_set_expiry(hash, room, field, (int64_t)random_below(&random_source, 1000000) + 1);
        hash_object_set_expiry(hash, room, field, (int64_t)random_below(&random_source, 1000000) + 1);
    }
}

static void plain_hash_edit(struct object *hash, struct buffer *room)
{
    char text[40], value[40];
    if (random_below(&random_source, 3))
        hash_object_set(hash, room, random_name(text), random_name(value), false, 0);
    else
        hash_object_remove(hash, room, random_name(text), 0);
}

static void zset_edit(struct object *zset, struct buffer *room)
{
    char text[40];
    double score = (double)random_below(&random_source, 1000) / 8;
    if (random_below(&random_source, 3))
        zset_update(zset, room, random_name(text), 0, &score);
    else if (random_below(&random_source, 50))
        zset_remove(zset, room, random_name(text));
    else if (object_count(zset) > 20)
        zset_remove_ranks(zset, room, random_below(&random_source, object_count(zset) - 10), 10);
}

static void list_edit(struct object *list, struct buffer *room)
{
    char text[40], other[40];
    size_t length = list_object_length(list);
    int64_t index = (int64_t)random_below(&random_source, length);
    enum list_end end = random_below(&random_source, 2) ? LIST_HEAD : LIST_TAIL;
    switch (random_below(&random_source, 20)) {
    case 0:
        if (length > NAMES / 2)
            list_object_drop(list, room, end, random_below(&random_source, length / 30));
        break;
    case 1:
        list_object_remove(list, room, random_below(&random_source, 2) ? 3 : -3, random_name(text));
        break;
    case 2:
        list_object_insert(list, room, random_name(text), random_below(&random_source, 2), name_of(other, 1));
        break;
    case 3:
        list_object_drop(list, room, end, 1);
        break;
    case 4:
    case 5:
    case 6:
        list_object_set(list, room, index, random_name(text));
        break;
    default:
        list_object_push(list, room, end, random_name(text));
    }
}

static void stream_edit(struct object *object, struct buffer *room)
{
    struct xstream *stream = xstream_edit(object);
    char text[40];
    const struct bytes words[2] = {bytes_of("field", 5), random_name(text)};
    struct stream_id id = {stream->last_id.ms + 1, 0}, deleted = {random_below(&random_source, id.ms + 1), 0};
    (void)room;
    switch (random_below(&random_source, 40)) {
    case 0:
        xstream_trim(stream, &(struct xstream_trim){.by = XSTREAM_TRIM_LENGTH, .length = NAMES});
        break;
    case 1:
        /* The last node goes, and its id comes again. */
        if (id_tree_last(&stream->nodes).leaf)
            xstream_set_last_id(stream, (struct stream_id){id_place_id(id_tree_last(&stream->nodes)).ms - 1, 0});
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        xstream_delete(stream, deleted);
        break;
    default:
        assert_true(xstream_append(stream, id, words, 2));
    }
}

static const struct kind {
    const char *name;
    enum object_type type;
    void (*edit)(struct object *object, struct buffer *room);
} kinds[] = {
    {"set", OBJECT_SET, set_edit},
    {"hash", OBJECT_HASH, plain_hash_edit},
    {"hash with times", OBJECT_HASH, hash_edit},
    {"zset", OBJECT_ZSET, zset_edit},
    {"stream", OBJECT_STREAM, stream_edit},
    {"list", OBJECT_LIST, list_edit},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static void edit_many(const struct kind *kind, struct object *object, struct buffer *room, size_t times)
{
    for (size_t i = 0; i < times; i++)
        kind->edit(object, room);
}

static void grow(const struct kind *kind, struct object *object, struct buffer *room)
{
    *object = object_empty(kind->type);
    if (kind->type == OBJECT_LIST)
        for (int i = 0; i < NAMES; i++)
            list_object_push(object, room, LIST_TAIL, bytes_of("an element of some length", 25));
    edit_many(kind, object, room, NAMES * 2);
}

/* ---- comparing ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What members or fields there are, sorted: tables have some of them in any order. */
static char **texts_of(const struct object *object, size_t *count)
{
    char **texts = calloc(object_count(object) + 1, sizeof(*texts));
    struct hash_walk hash;
    struct set_walk set;
    struct bytes member;
    *count = 0;
    if (object->type == OBJECT_HASH)
        for (hash_walk_begin(&hash, object, HASH_AT_ANY_TIME); hash_walk_next(&hash);)
            assert_true(asprintf(&texts[(*count)++], "%.*s=%.*s until %lld", (int)hash.field.length, hash.field.data,
                                 (int)hash.value.length, hash.value.data, (long long)hash.expire_at_ms) > 0);
    else
        for (set_walk_begin(&set, object); set_walk_next(&set, &member);)
            texts[(*count)++] = strndup(member.data, member.length);
    qsort(texts, *count, sizeof(*texts), compare_texts);
    return texts;
}

static void assert_same_members(const struct object *one, const struct object *other)
{
    size_t count, other_count;
    char **texts = texts_of(one, &count), **others = texts_of(other, &other_count);
    assert_int_equal(count, other_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(texts[i], others[i]);
        free(texts[i]);
        free(others[i]);
    }
    free(texts);
    free(others);
}

static void assert_same_bytes(const struct object *one, const struct object *other)
{
    struct buffer bytes = {0}, others = {0};
    codec_encode(one, &bytes);
    codec_encode(other, &others);
    assert_true(bytes_equal(buffer_bytes(&bytes), buffer_bytes(&others)));
    buffer_deinit(&bytes);
    buffer_deinit(&others);
}

/* Both payloads are of the same value. */
static void assert_same_value(const struct buffer *payload, const struct buffer *other)
{
    struct object values[2];
    struct buffer scratch[2] = {{0}};
    assert_int_equal(codec_decode(buffer_bytes(payload), &scratch[0], &values[0]), STATUS_OK);
    assert_int_equal(codec_decode(buffer_bytes(other), &scratch[1], &values[1]), STATUS_OK);
    if (values[0].type == OBJECT_HASH || values[0].type == OBJECT_SET)
        assert_same_members(&values[0], &values[1]);
    else
        assert_same_bytes(&values[0], &values[1]);
    for (int i = 0; i < 2; i++) {
        object_release(&values[i]);
        buffer_deinit(&scratch[i]);
    }
}

static void capture_under_edits(const struct kind *kind, struct object *object, struct buffer *room, size_t edits)
{
    struct buffer before = {0}, captured = {0};
    codec_encode(object, &before);
    assert_true(object_capture_suits(object));
    struct object_capture *capture = object_capture_begin(object, &captured);
    object_capture_move(object, room);
    assert_false(object_capture_suits(object));
    edit_many(kind, object, room, edits);
    while (object_capture_step(capture, 1 + random_below(&random_source, 4000), &captured))
        edit_many(kind, object, room, edits);
    object_capture_end(capture);
    assert_same_value(&captured, &before);
    buffer_deinit(&before);
    buffer_deinit(&captured);
}

static void a_capture_is_the_value_of_its_begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct object object;
        struct buffer room = {0};
        grow(&kinds[i], &object, &room);
        for (size_t round = 0; round < ROUNDS; round++)
            capture_under_edits(&kinds[i], &object, &room, round * 10);
        object_release(&object);
        buffer_deinit(&room);
    }
}

/* Leaves of the table merge behind the capture's back, and it starts to grow again. */
static void a_set_may_be_emptied_and_filled_meanwhile(void **state)
{
    (void)state;
    struct object set = object_empty(OBJECT_SET);
    struct buffer room = {0}, before = {0}, captured = {0};
    char text[40];
    for (uint64_t i = 0; i < NAMES; i++)
        set_object_add(&set, &room, name_of(text, i));
    codec_encode(&set, &before);
    struct object_capture *capture = object_capture_begin(&set, &captured);
    object_capture_move(&set, &room);
    for (int i = 0; i < 20; i++)
        assert_true(object_capture_step(capture, 2000, &captured));
    for (uint64_t i = 0; i < NAMES; i += 1 + (i % 37 != 0))
        set_object_remove(&set, &room, name_of(text, i));
    assert_true(object_capture_step(capture, 2000, &captured));
    for (uint64_t i = 0; i < NAMES; i++)
        set_object_remove(&set, &room, name_of(text, i));
    for (uint64_t i = 0; i < NAMES / 2; i++)
        set_object_add(&set, &room, name_of(text, i));
    while (object_capture_step(capture, 2000, &captured))
        ;
    object_capture_end(capture);
    assert_same_value(&captured, &before);
    object_release(&set);
    buffer_deinit(&room);
    buffer_deinit(&before);
    buffer_deinit(&captured);
}

static void a_list_may_be_emptied_meanwhile(void **state)
{
    (void)state;
    for (int end = LIST_HEAD; end <= LIST_TAIL; end++) {
        struct object list;
        struct buffer room = {0}, before = {0}, captured = {0};
        grow(&kinds[KIND_COUNT - 1], &list, &room);
        codec_encode(&list, &before);
        struct object_capture *capture = object_capture_begin(&list, &captured);
        object_capture_move(&list, &room);
        assert_true(object_capture_step(capture, 20000, &captured));
        list_object_drop(&list, &room, (enum list_end)end, list_object_length(&list));
        assert_int_equal(list_object_length(&list), 0);
        list_object_push(&list, &room, LIST_HEAD, bytes_of("new", 3));
        while (object_capture_step(capture, 2000, &captured))
            ;
        object_capture_end(capture);
        assert_same_value(&captured, &before);
        object_release(&list);
        buffer_deinit(&room);
        buffer_deinit(&before);
        buffer_deinit(&captured);
    }
}

static void what_is_released_is_kept_until_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct object object;
        struct buffer room = {0}, before = {0}, captured = {0};
        grow(&kinds[i], &object, &room);
        codec_encode(&object, &before);
        struct object_capture *capture = object_capture_begin(&object, &captured);
        object_capture_move(&object, &room);
        assert_true(object_capture_step(capture, 1000, &captured));
        assert_ptr_equal(object_capture_home(capture), &room);
        object_release(&object);
        assert_null(object_capture_home(capture));
        while (object_capture_step(capture, 1000, &captured))
            ;
        object_capture_end(capture);
        assert_same_value(&captured, &before);
        buffer_deinit(&room);
        buffer_deinit(&before);
        buffer_deinit(&captured);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_capture_is_the_value_of_its_begin, setup),
        cmocka_unit_test_setup(a_set_may_be_emptied_and_filled_meanwhile, setup),
        cmocka_unit_test_setup(a_list_may_be_emptied_meanwhile, setup),
        cmocka_unit_test_setup(what_is_released_is_kept_until_the_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
