/* SPDX-License-Identifier: BSD-3-Clause */
/* Random edits beside arrays of values and times, through both encodings, and payloads old, new and hostile. */
#include "object/hash_object.h"

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
#include "object/object_limits.h"

#define NAMES 700

static const struct object_limits default_limits = {.hash_max_listpack_entries = 128, .hash_max_listpack_value = 64};

struct model {
    struct object hash;
    struct buffer room;
    uint32_t values[NAMES]; /* 0: no such field */
    int64_t times[NAMES];
    size_t count;
};

static struct bytes name_of(size_t index, char text[100])
{
    return bytes_of(text, (size_t)snprintf(text, 100, "%0*zu", index < NAMES / 2 ? 1 : 30, index));
}

static struct bytes value_of(uint32_t value, char text[100])
{
    return bytes_of(text, (size_t)snprintf(text, 100, value % 3 ? "%u" : "value %*u", value % 50, value));
}

static void model_init(struct model *model)
{
    *model = (struct model){.hash = object_empty(OBJECT_HASH)};
    for (size_t i = 0; i < NAMES; i++)
        model->times[i] = HASH_NO_EXPIRE;
}

static void model_deinit(struct model *model)
{
    object_release(&model->hash);
    buffer_deinit(&model->room);
}

static void set(struct model *model, size_t index, uint32_t value, bool keeps_expiry)
{
    char name[100], text[100];
    bool is_new = hash_object_set(&model->hash, &model->room, name_of(index, name), value_of(value, text), keeps_expiry,
                                  HASH_AT_ANY_TIME);
    assert_int_equal(is_new, model->values[index] == 0);
    model->count += is_new;
    model->values[index] = value;
    if (!keeps_expiry)
        model->times[index] = HASH_NO_EXPIRE;
}

static void drop(struct model *model, size_t index)
{
    char name[100];
    bool was_there = hash_object_remove(&model->hash, &model->room, name_of(index, name), HASH_AT_ANY_TIME);
    assert_int_equal(was_there, model->values[index] != 0);
    model->count -= was_there;
    model->values[index] = 0;
    model->times[index] = HASH_NO_EXPIRE;
}

static void set_time(struct model *model, size_t index, int64_t expire_at_ms)
{
    char name[100];
    if (model->values[index] == 0)
        return;
    hash_object_set_expiry(&model->hash, &model->room, name_of(index, name), expire_at_ms);
    model->times[index] = expire_at_ms;
}

static void assert_holds(const struct model *model, const struct object *hash)
{
    struct hash_walk walk, at;
    size_t met = 0;
    assert_int_equal(object_count(hash), model->count);
    for (size_t i = 0; i < NAMES; i++) {
        char name[100], text[100];
        struct hash_value value;
        assert_int_equal(hash_object_get(hash, name_of(i, name), HASH_AT_ANY_TIME, &value), model->values[i] != 0);
        if (model->values[i] == 0)
            continue;
        assert_true(bytes_equal(value.bytes, value_of(model->values[i], text)));
        assert_int_equal(value.expire_at_ms, model->times[i]);
    }
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        hash_walk_at(&at, hash, met++);
        assert_true(bytes_equal(at.field, walk.field) && bytes_equal(at.value, walk.value));
        assert_int_equal(at.expire_at_ms, walk.expire_at_ms);
    }
    assert_int_equal(met, model->count);
}

static void assert_survives_codec(const struct model *model)
{
    struct buffer payload = {0}, scratch = {0};
    struct object decoded;
    codec_encode(&model->hash, &payload);
    assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &decoded), STATUS_OK);
    assert_holds(model, &decoded);
    object_release(&decoded);
    for (size_t length = 0; length < payload.length; length += 1 + payload.length / 50)
        assert_int_equal(codec_decode(bytes_of(payload.data, length), &scratch, &decoded), STATUS_CORRUPT);
    buffer_deinit(&payload);
    buffer_deinit(&scratch);
}

static void edit(struct model *model, struct random *random, bool with_times)
{
    size_t index = random_below(random, NAMES);
    switch (random_below(random, with_times ? 5 : 3)) {
    case 0:
        drop(model, index);
        break;
    case 3:
    case 4:
        set_time(model, index, random_below(random, 4) ? 1 + (int64_t)random_below(random, 1000) : HASH_NO_EXPIRE);
        break;
    default:
        set(model, index, 1 + (uint32_t)random_below(random, 100000), random_below(random, 2));
    }
}

static void random_edits_agree_with_a_model(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 31);
    unsigned seen = 0;
    for (int round = 0; round < 60; round++) {
        struct model model;
        model_init(&model);
        size_t steps = random_below(&random, 1500) + 1;
        for (size_t i = 0; i < steps; i++)
            edit(&model, &random, round % 3 == 0);
        seen |= 1u << model.hash.encoding;
        assert_holds(&model, &model.hash);
        if (model.count > 0)
            assert_survives_codec(&model);
        struct object copy = object_copy(&model.hash);
        assert_holds(&model, &copy);
        if (!object_is_inline(&copy))
            object_release(&copy);
        model_deinit(&model);
    }
    assert_int_equal(seen, 1u << ENCODING_LISTPACK | 1u << ENCODING_LISTPACK_EXPIRY | 1u << ENCODING_TABLE);
}

static void note_swept(void *context, struct bytes field)
{
    struct model *model = context;
    int64_t index;
    char text[100];
    memcpy(text, field.data, field.length);
    text[field.length] = '\0';
    index = strtol(text, NULL, 10);
    assert_true(model->values[index] != 0 && model->times[index] != HASH_NO_EXPIRE);
    model->values[index] = 0;
    model->times[index] = HASH_NO_EXPIRE;
    model->count--;
}

/* The first time of all; OBJECT_NEVER_DUE without any. */
static int64_t first_time(const struct model *model)
{
    int64_t first_ms = OBJECT_NEVER_DUE;
    for (size_t i = 0; i < NAMES; i++)
        if (model->times[i] != HASH_NO_EXPIRE && model->times[i] < first_ms)
            first_ms = model->times[i];
    return first_ms;
}

static void sweep_until_all_is_gone(size_t names, size_t max)
{
    struct model model;
    model_init(&model);
    for (size_t i = 0; i < names; i++)
        set(&model, i, 7, false);
    for (size_t i = 0; i < names; i++)
        set_time(&model, i, 1 + (int64_t)(i * 37 % 101));
    for (int64_t now_ms = 0; model.count > 0; now_ms += 10) {
        while (hash_object_due_ms(&model.hash) <= now_ms) {
            size_t before = model.count;
            size_t swept = hash_object_sweep(&model.hash, &model.room, now_ms, max, note_swept, &model);
            assert_true(swept > 0 && swept <= max && model.count + swept == before);
        }
        assert_holds(&model, &model.hash);
        assert_int_equal(hash_object_due_ms(&model.hash), first_time(&model));
        assert_true(first_time(&model) > now_ms);
    }
    assert_int_equal(hash_object_sweep(&model.hash, &model.room, 1000, max, note_swept, &model), 0);
    model_deinit(&model);
}

static void a_sweep_removes_what_has_expired_and_nothing_else(void **state)
{
    (void)state;
    sweep_until_all_is_gone(90, 4);
    sweep_until_all_is_gone(90, SIZE_MAX);
    sweep_until_all_is_gone(NAMES, 50);
}

static void small_hashes_with_times_stay_compact(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    set(&model, 1, 5, false);
    set(&model, 2, 6, false);
    set_time(&model, 2, 100);
    assert_string_equal(object_encoding_name(&model.hash), "listpackex");
    assert_survives_codec(&model);
    set_time(&model, 2, HASH_NO_EXPIRE);
    assert_int_equal(hash_object_due_ms(&model.hash), OBJECT_NEVER_DUE);
    assert_survives_codec(&model);
    for (size_t i = 3; i < 600; i++)
        set(&model, i, 5, false);
    set_time(&model, 400, 100);
    assert_string_equal(object_encoding_name(&model.hash), "hashtable");
    assert_survives_codec(&model);
    model_deinit(&model);
}

static void an_expired_field_is_not_there_before_a_sweep(void **state)
{
    (void)state;
    struct model model;
    struct hash_value value;
    char name[100];
    model_init(&model);
    set(&model, 1, 5, false);
    set(&model, 2, 6, false);
    set_time(&model, 1, 100);
    assert_true(hash_object_get(&model.hash, name_of(1, name), 99, &value));
    assert_false(hash_object_get(&model.hash, name_of(1, name), 100, &value));
    assert_false(hash_object_remove(&model.hash, &model.room, name_of(1, name), 100));
    assert_true(hash_object_set(&model.hash, &model.room, name_of(1, name), BYTES("again"), true, 100));
    assert_true(hash_object_get(&model.hash, name_of(1, name), 1000, &value));
    assert_int_equal(value.expire_at_ms, HASH_NO_EXPIRE);
    model_deinit(&model);
}

static void no_limit_makes_an_entry_too_large(void **state)
{
    (void)state;
    struct model model;
    object_limits.hash_max_listpack_entries = object_limits.hash_max_listpack_value = INT64_MAX;
    model_init(&model);
    for (size_t i = 0; i < NAMES; i++) {
        set(&model, i, 48, false);
        assert_true(!object_is_inline(&model.hash) || model.hash.bytes.length <= OBJECT_INLINE_MAX);
    }
    assert_int_equal(model.hash.encoding, ENCODING_TABLE);
    model_deinit(&model);
    object_limits = default_limits;
}

static void every_form_of_payload_is_read(void **state)
{
    (void)state;
    static const struct bytes payloads[] = {
        BYTES("\x04\x01\x01"
              "a\x01"
              "b"),
        BYTES("\x09\x09\x01\x01"
              "a\x01\x02"
              "b..\xff"), /* a zipmap with two bytes to spare */
        BYTES("\x10\x0d\x0d\x00\x00\x00\x02\x00\x81"
              "a\x02\x81"
              "b\x02\xff"),
        BYTES("\x16\x01\x01"
              "a\x01"
              "b\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\x17\x0f\x0f\x00\x00\x00\x03\x00\x81"
              "a\x02\x81"
              "b\x02\x00\x01\xff"),
        BYTES("\x18\x05\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"
              "a\x01"
              "b"),
        BYTES("\x19\x05\x00\x00\x00\x00\x00\x00\x00\x0f\x0f\x00\x00\x00\x03\x00\x81"
              "a\x02\x81"
              "b\x02\x00\x01\xff"),
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct buffer scratch = {0};
        struct object hash;
        struct hash_value value;
        assert_int_equal(codec_decode(payloads[i], &scratch, &hash), STATUS_OK);
        assert_int_equal(object_count(&hash), 1);
        assert_true(hash_object_get(&hash, BYTES("a"), 0, &value));
        assert_true(bytes_equal(value.bytes, BYTES("b")));
        assert_int_equal(value.expire_at_ms, HASH_NO_EXPIRE);
        object_release(&hash);
        buffer_deinit(&scratch);
    }
}

static void times_of_every_form_are_read(void **state)
{
    (void)state;
    static const struct bytes payloads[] = {
        BYTES("\x16\x02\x01"
              "a\x01"
              "b\x07\x00\x00\x00\x00\x00\x00\x00\x01"
              "c\x01"
              "d\x05\x00\x00\x00\x00\x00\x00\x00"),
        BYTES("\x17\x17\x17\x00\x00\x00\x06\x00\x81"
              "a\x02\x81"
              "b\x02\x07\x01\x81"
              "c\x02\x81"
              "d\x02\x05\x01\xff"), /* not in the order of the times */
        BYTES("\x18\x05\x00\x00\x00\x00\x00\x00\x00\x02\x03\x01"
              "a\x01"
              "b\x01\x01"
              "c\x01"
              "d"),
        BYTES("\x19\x05\x00\x00\x00\x00\x00\x00\x00\x17\x17\x00\x00\x00\x06\x00\x81"
              "c\x02\x81"
              "d\x02\x05\x01\x81"
              "a\x02\x81"
              "b\x02\x07\x01\xff"),
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct buffer scratch = {0}, encoded = {0};
        struct object hash;
        struct hash_value value;
        assert_int_equal(codec_decode(payloads[i], &scratch, &hash), STATUS_OK);
        assert_string_equal(object_encoding_name(&hash), "listpackex");
        assert_int_equal(hash_object_due_ms(&hash), 5);
        assert_true(hash_object_get(&hash, BYTES("a"), 6, &value) && value.expire_at_ms == 7);
        assert_false(hash_object_get(&hash, BYTES("c"), 6, &value));
        codec_encode(&hash, &encoded);
        assert_true(bytes_equal(buffer_bytes(&encoded), payloads[3]));
        buffer_deinit(&encoded);
        buffer_deinit(&scratch);
    }
}

static void unsound_payloads_are_refused(void **state)
{
    (void)state;
    static const struct bytes payloads[] = {
        BYTES("\x04\x00"),                                                             /* no fields */
        BYTES("\x04\x01\x01x"),                                                        /* no value */
        BYTES("\x04\x02\x01x\x01y\x01x\x01z"),                                         /* a field twice */
        BYTES("\x10\x07\x07\x00\x00\x00\x00\x00\xff"),                                 /* an empty listpack */
        BYTES("\x10\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff"),                         /* one element */
        BYTES("\x10\x0f\x0f\x00\x00\x00\x04\x00\x05\x01\x05\x01\x05\x01\x06\x01\xff"), /* a field twice */
        BYTES("\x09\x02\x00\xff"),                                                     /* an empty zipmap */
        BYTES("\x09\x05\x01\x05"
              "a\x01\xff"),                                              /* a field that is too long */
        BYTES("\x16\x01\x01x\x01y\xfe\xff\xff\xff\xff\xff\xff\xff"),     /* a time below -1 */
        BYTES("\x16\x01\x01x\x01y\x01\x00\x00\x00\x00\x00\x00"),         /* seven bytes of a time */
        BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01x\x01y"), /* a first time below zero */
        BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x05\x01x\x01y"), /* a time beyond all */
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct buffer scratch = {0};
        struct object object;
        assert_int_equal(codec_decode(payloads[i], &scratch, &object), STATUS_CORRUPT);
        buffer_deinit(&scratch);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_agree_with_a_model),
        cmocka_unit_test(a_sweep_removes_what_has_expired_and_nothing_else),
        cmocka_unit_test(small_hashes_with_times_stay_compact),
        cmocka_unit_test(an_expired_field_is_not_there_before_a_sweep),
        cmocka_unit_test(no_limit_makes_an_entry_too_large),
        cmocka_unit_test(every_form_of_payload_is_read),
        cmocka_unit_test(times_of_every_form_are_read),
        cmocka_unit_test(unsound_payloads_are_refused),
    };
    object_limits = default_limits;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
