/* SPDX-License-Identifier: BSD-3-Clause */
/* Random edits beside an array of flags, through every encoding, and payloads that must not be believed. */
#include "object/set_object.h"

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

#define NAMES 600

static const struct object_limits default_limits = {
    .set_max_intset_entries = 512, .set_max_listpack_entries = 128, .set_max_listpack_value = 64};

/* The first are integers, then come short strings, then long ones. */
static struct bytes name_of(size_t index, char text[100])
{
    if (index < NAMES / 3)
        return bytes_of(text,
                        (size_t)snprintf(text, 100, "%ld", ((long)index - 20) * (index % 3 ? 1 : 1000 * 1000 * 1000)));
    return bytes_of(text, (size_t)snprintf(text, 100, "%0*zu", index < NAMES * 2 / 3 ? 6 : 80, index));
}

struct model {
    struct object set;
    struct buffer room;
    bool there[NAMES];
    size_t count;
};

static void model_init(struct model *model)
{
    *model = (struct model){.set = object_empty(OBJECT_SET)};
}

static void model_deinit(struct model *model)
{
    object_release(&model->set);
    buffer_deinit(&model->room);
}

static void change(struct model *model, size_t index, bool wanted)
{
    char text[100];
    struct bytes name = name_of(index, text);
    bool changed =
        wanted ? set_object_add(&model->set, &model->room, name) : set_object_remove(&model->set, &model->room, name);
    assert_int_equal(changed, model->there[index] != wanted);
    model->there[index] = wanted;
    model->count += changed ? (wanted ? 1 : (size_t)-1) : 0;
}

static void assert_holds(const struct model *model, const struct object *set)
{
    struct set_walk walk;
    struct bytes member;
    size_t met = 0;
    assert_int_equal(object_count(set), model->count);
    for (size_t i = 0; i < NAMES; i++) {
        char text[100];
        assert_int_equal(set_object_contains(set, name_of(i, text)), model->there[i]);
    }
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member)) {
        char digits[BYTES_INTEGER_MAX];
        assert_true(bytes_equal(set_object_at(set, met, digits), member));
        met++;
    }
    assert_int_equal(met, model->count);
}

static void assert_survives_codec(const struct model *model)
{
    struct buffer payload = {0}, scratch = {0};
    struct object decoded;
    codec_encode(&model->set, &payload);
    assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &decoded), STATUS_OK);
    assert_holds(model, &decoded);
    object_release(&decoded);
    for (size_t length = 0; length < payload.length; length += 1 + payload.length / 50)
        assert_int_equal(codec_decode(bytes_of(payload.data, length), &scratch, &decoded), STATUS_CORRUPT);
    buffer_deinit(&payload);
    buffer_deinit(&scratch);
}

static void random_edits_agree_with_a_model(void **state)
{
    (void)state;
    static const size_t ranges[] = {NAMES / 3, NAMES * 2 / 3, NAMES};
    struct random random;
    random_init(&random, 21);
    unsigned seen = 0;
    for (int round = 0; round < 60; round++) {
        struct model model;
        model_init(&model);
        size_t range = ranges[round % 3], steps = random_below(&random, 900) + 1;
        for (size_t i = 0; i < steps; i++)
            change(&model, random_below(&random, range), random_below(&random, 3) != 0);
        seen |= 1u << model.set.encoding;
        assert_holds(&model, &model.set);
        if (model.count > 0)
            assert_survives_codec(&model);
        struct object copy = object_copy(&model.set);
        assert_holds(&model, &copy);
        if (!object_is_inline(&copy))
            object_release(&copy);
        model_deinit(&model);
    }
    assert_int_equal(seen, 1u << ENCODING_INTSET | 1u << ENCODING_LISTPACK | 1u << ENCODING_TABLE);
}

static void limits_decide_about_encodings(void **state)
{
    (void)state;
    struct model model;
    object_limits.set_max_intset_entries = 3;
    object_limits.set_max_listpack_entries = 5;
    model_init(&model);
    for (size_t i = 30; i < 33; i++)
        change(&model, i, true);
    assert_int_equal(model.set.encoding, ENCODING_INTSET);
    change(&model, NAMES / 3, true);
    assert_int_equal(model.set.encoding, ENCODING_LISTPACK);
    change(&model, 40, true);
    assert_int_equal(model.set.encoding, ENCODING_LISTPACK);
    change(&model, 41, true);
    assert_int_equal(model.set.encoding, ENCODING_TABLE);
    assert_true(object_external_bytes(&model.set) > 0);
    model_deinit(&model);
    object_limits = default_limits;
}

static void no_limit_makes_an_entry_too_large(void **state)
{
    (void)state;
    struct model model;
    object_limits.set_max_intset_entries = object_limits.set_max_listpack_entries = INT64_MAX;
    object_limits.set_max_listpack_value = INT64_MAX;
    model_init(&model);
    for (size_t i = 0; i < NAMES; i++) {
        change(&model, NAMES - 1 - i, true);
        assert_true(!object_is_inline(&model.set) || model.set.bytes.length <= OBJECT_INLINE_MAX);
    }
    assert_int_equal(model.set.encoding, ENCODING_TABLE);
    model_deinit(&model);
    object_limits = default_limits;
}

static void unsound_payloads_are_refused(void **state)
{
    (void)state;
    static const struct bytes payloads[] = {
        BYTES("\x02\x00"),            /* no members */
        BYTES("\x02\x02\x01x\x01x"),  /* one twice */
        BYTES("\x02\x02\x01x\x01y!"), /* and more behind */
        BYTES("\x02\x02\xc0\x05\x01"
              "5"), /* one twice, spelled otherwise */
        BYTES("\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
        BYTES("\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00"),                 /* an empty intset */
        BYTES("\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00"), /* one twice */
        BYTES("\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00"), /* out of order */
        BYTES("\x14\x07\x07\x00\x00\x00\x00\x00\xff"),                     /* an empty listpack */
        BYTES("\x14\x0b\x0b\x00\x00\x00\x02\x00\x05\x01\x05\x01\xff"),     /* one twice */
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
        cmocka_unit_test(limits_decide_about_encodings),
        cmocka_unit_test(no_limit_makes_an_entry_too_large),
        cmocka_unit_test(unsound_payloads_are_refused),
    };
    object_limits = default_limits;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
