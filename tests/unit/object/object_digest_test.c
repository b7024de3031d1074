/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests of values that are equal in other forms, and of such as are nearly so. */
#include "object/object_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "object/codec.h"
#include "object/hash_object.h"
#include "object/list_object.h"
#include "object/object_limits.h"
#include "object/set_object.h"
#include "object/stream_object.h"
#include "object/string_object.h"
#include "object/zset_object.h"

#define ELEMENTS 40

/* Compact ones, as the directives have them at first, and such as are not from the second element on. */
static struct object_limits wide;
static const struct object_limits narrow = {.list_max_listpack_size = 2, .stream_node_max_entries = 2};

struct made {
    struct object value;
    struct buffer room;
};

static struct bytes text_of(unsigned number, char text[16])
{
    return bytes_of(text, (size_t)snprintf(text, 16, number % 2 ? "%u" : "m%u", number));
}

/* The last element is number 'last', where the others have ELEMENTS - 1 as theirs; with a step of 7 in another order. */
static void make(struct made *made, enum object_type type, const struct object_limits *limits, unsigned step,
                 unsigned last, const char *value)
{
    char text[16];
    object_limits = *limits;
    *made = (struct made){.value = object_empty(type)};
    for (unsigned i = 0; i < ELEMENTS; i++) {
        unsigned number = i * step % ELEMENTS;
        struct bytes word = text_of(number == ELEMENTS - 1 ? last : number, text);
        double score = number;
        if (type == OBJECT_LIST)
            list_object_push(&made->value, &made->room, LIST_TAIL, word);
        else if (type == OBJECT_SET)
            set_object_add(&made->value, &made->room, word);
        else if (type == OBJECT_ZSET)
            zset_update(&made->value, &made->room, word, 0, &score);
        else
            hash_object_set(&made->value, &made->room, word, bytes_of_text(value), false, HASH_AT_ANY_TIME);
    }
}

static uint64_t digest_and_free(struct made *made)
{
    struct buffer payload = {0};
    uint64_t digest = object_digest(&made->value), of_payload;
    codec_encode(&made->value, &payload);
    assert_int_equal(codec_digest(buffer_bytes(&payload), &of_payload), STATUS_OK);
    assert_int_equal(of_payload, digest);
    buffer_deinit(&payload);
    object_release(&made->value);
    buffer_deinit(&made->room);
    return digest;
}

static uint64_t digest_of(enum object_type type, const struct object_limits *limits, unsigned step, unsigned last,
                          const char *value)
{
    struct made made;
    make(&made, type, limits, step, last, value);
    return digest_and_free(&made);
}

static void encodings_and_orders_that_do_not_matter_do_not_count(void **state)
{
    static const enum object_type types[] = {OBJECT_LIST, OBJECT_SET, OBJECT_ZSET, OBJECT_HASH};
    (void)state;
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint64_t digest = digest_of(types[i], &wide, 1, ELEMENTS - 1, "v");
        assert_int_equal(digest_of(types[i], &narrow, 1, ELEMENTS - 1, "v"), digest);
        if (types[i] == OBJECT_LIST)
            assert_int_not_equal(digest_of(types[i], &wide, 7, ELEMENTS - 1, "v"), digest);
        else
            assert_int_equal(digest_of(types[i], &narrow, 7, ELEMENTS - 1, "v"), digest);
        assert_int_not_equal(digest_of(types[i], &wide, 1, ELEMENTS + 1, "v"), digest);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(digest_of(types[k], &wide, 1, ELEMENTS - 1, "v"), digest);
    }
    assert_int_not_equal(digest_of(OBJECT_HASH, &wide, 1, ELEMENTS - 1, "v"),
                         digest_of(OBJECT_HASH, &wide, 1, ELEMENTS - 1, "w"));
}

static void strings_are_their_bytes(void **state)
{
    (void)state;
    struct object number = string_object_from_integer(12345), raw, block;
    char *text = calloc(1, 2 * OBJECT_INLINE_MAX);
    assert_true(string_object_raw_from_bytes(BYTES("12345"), &raw));
    assert_int_equal(object_digest(&raw), object_digest(&number));
    assert_true(string_object_from_bytes(bytes_of(text, 2 * OBJECT_INLINE_MAX), &block));
    uint64_t digest = object_digest(&block);
    object_release(&block);
    text[OBJECT_INLINE_MAX] = 1;
    assert_true(string_object_from_bytes(bytes_of(text, 2 * OBJECT_INLINE_MAX), &block));
    assert_int_not_equal(object_digest(&block), digest);
    object_release(&block);
    free(text);
}

static void scores_and_times_of_fields_count(void **state)
{
    (void)state;
    struct made made;
    double score = 0.5;
    make(&made, OBJECT_ZSET, &wide, 1, ELEMENTS - 1, "");
    zset_update(&made.value, &made.room, BYTES("m2"), 0, &score);
    assert_int_not_equal(digest_and_free(&made), digest_of(OBJECT_ZSET, &wide, 1, ELEMENTS - 1, ""));

    uint64_t timed[2];
    for (unsigned i = 0; i < 2; i++) {
        make(&made, OBJECT_HASH, i ? &narrow : &wide, 1, ELEMENTS - 1, "v");
        hash_object_set_expiry(&made.value, &made.room, BYTES("m2"), 1000); /* long past, and there */
        timed[i] = digest_and_free(&made);
    }
    assert_int_equal(timed[0], timed[1]);
    assert_int_not_equal(timed[0], digest_of(OBJECT_HASH, &wide, 1, ELEMENTS - 1, "v"));
}

/* What of a stream was changed beside its ten entries. */
enum stream_change { NOTHING, DELETED, LAST_ID, GROUP, DELIVERED, SEEN };

static uint64_t digest_of_stream(const struct object_limits *limits, enum stream_change change)
{
    struct made made = {.value = object_empty(OBJECT_STREAM)};
    object_limits = *limits;
    struct xstream *stream = xstream_edit(&made.value);
    for (unsigned i = 1; i <= 10; i++) {
        char text[16];
        const struct bytes words[] = {BYTES("field"), text_of(i, text)};
        assert_true(xstream_append(stream, (struct stream_id){i, 0}, words, 2));
    }
    if (change == DELETED)
        xstream_delete(stream, (struct stream_id){4, 0});
    if (change == LAST_ID)
        xstream_set_last_id(stream, (struct stream_id){20, 0});
    if (change >= GROUP) {
        struct xstream_group *group = xstream_group_create(stream, BYTES("g"), (struct stream_id){2, 0}, 2);
        struct xstream_consumer *consumer = xstream_consumer_create(stream, group, BYTES("c"), 1);
        struct xstream_pending *pending = xstream_pending_give(stream, group, (struct stream_id){1, 0}, consumer);
        pending->deliveries = change == DELIVERED ? 2 : 1;
        consumer->seen_ms = change == SEEN ? 99 : 1;
    }
    return digest_and_free(&made);
}

static void a_stream_is_all_that_commands_show_of_it(void **state)
{
    (void)state;
    uint64_t digest = digest_of_stream(&wide, NOTHING), group = digest_of_stream(&wide, GROUP);
    assert_int_equal(digest_of_stream(&narrow, NOTHING), digest);
    assert_int_equal(digest_of_stream(&narrow, GROUP), group);
    assert_int_not_equal(digest_of_stream(&wide, DELETED), digest);
    assert_int_not_equal(digest_of_stream(&wide, LAST_ID), digest);
    assert_int_not_equal(group, digest);
    assert_int_not_equal(digest_of_stream(&wide, DELIVERED), group);
    assert_int_equal(digest_of_stream(&wide, SEEN), group);
}

static void a_payload_that_is_none_has_no_digest(void **state)
{
    (void)state;
    uint64_t digest;
    assert_int_equal(codec_digest(BYTES(""), &digest), STATUS_CORRUPT);
    assert_int_equal(codec_digest(BYTES("\x02\x02\x01x"), &digest), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_and_orders_that_do_not_matter_do_not_count),
        cmocka_unit_test(strings_are_their_bytes),
        cmocka_unit_test(scores_and_times_of_fields_count),
        cmocka_unit_test(a_stream_is_all_that_commands_show_of_it),
        cmocka_unit_test(a_payload_that_is_none_has_no_digest),
    };
    option_reset(object_limit_options);
    wide = object_limits;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
