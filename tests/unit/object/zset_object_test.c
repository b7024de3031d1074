/* SPDX-License-Identifier: BSD-3-Clause */
/* Small sorted sets: scores and members at the edges of their stored forms, random edits beside a plain array, and what
 * a set of ten takes. */
#include "object/zset_object.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "object/codec.h"
#include "object/listpack.h"
#include "object/object_limits.h"

static const double scores[] = {
    0,
    1,
    2,
    54,
    55,
    56,
    127,
    128,
    255,
    256,
    32767,
    32768,
    8388607,
    8388608,
    2147483647,
    2147483648,
    1.5,
    0.1,
    4294967296.,
    1099511627776.,
    281474976710656.,
    9007199254740991.,
    9007199254740992.,
    9007199254740994.,
    9.2233720368547758e18,
    1e300,
    5e-324,
    1700000000,
    1700000000.25,
    INFINITY,
};
#define SCORE_COUNT (sizeof(scores) / sizeof(scores[0]))

static const char *const names[] = {
    "",
    "0",
    "1",
    "-1",
    "7",
    "127",
    "128",
    "-128",
    "-129",
    "32767",
    "32768",
    "8388608",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-0",
    "007",
    "+1",
    "1.5",
    "@",
    "0x",
    "member",
    "a member that is longer than the sixty-three bytes of a short form, by far",
    /* These begin alike, some of them with more, some with less. */
    "member:",
    "member:1",
    "member:12",
    "member:4711",
    "member:-3",
    "member:007",
    "member:abc",
    "member:abd",
    "members",
    "mem",
    "member:9223372036854775807",
    "member:a name of sixty-four bytes, prefix and all, not one more.",
    "me",
    "member:a name of seventy bytes, which is more than is put together in a room",
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static int setup(void **state)
{
    (void)state;
    object_limits = (struct object_limits){.zset_max_listpack_entries = 128, .zset_max_listpack_value = 100};
    return 0;
}

static void add(struct object *zset, struct buffer *room, struct bytes member, double score)
{
    assert_int_equal(zset_update(zset, room, member, 0, &score), ZSET_ADDED);
}

/* Redis's listpack of one pair, dumped. */
static void expected_dump(struct buffer *out, struct bytes member, double score)
{
    char text[ZSET_SCORE_TEXT_MAX];
    struct buffer listpack = {0};
    listpack_init(&listpack);
    assert_true(listpack_append(&listpack, member));
    assert_true(listpack_append(&listpack, zset_score_text(score, text)));
    buffer_append(out, "\x11", 1);
    listpack_dump(out, buffer_bytes(&listpack));
    buffer_deinit(&listpack);
}

static void assert_pair_is_kept(struct bytes member, double score)
{
    struct object zset = object_empty(OBJECT_ZSET), again;
    struct buffer room = {0}, dump = {0}, expected = {0}, scratch = {0};
    struct zset_cursor cursor;
    double found;
    add(&zset, &room, member, score);
    assert_true(zset_score(&zset, member, &found) && found == score);
    zset_seek(&zset, 0, &cursor);
    assert_true(bytes_equal(cursor.member, member) && cursor.score == score);
    codec_encode(&zset, &dump);
    expected_dump(&expected, member, score);
    assert_true(bytes_equal(buffer_bytes(&dump), buffer_bytes(&expected)));
    assert_int_equal(codec_decode(buffer_bytes(&dump), &scratch, &again), STATUS_OK);
    assert_true(bytes_equal(again.bytes, zset.bytes));
    buffer_deinit(&room);
    buffer_deinit(&dump);
    buffer_deinit(&expected);
    buffer_deinit(&scratch);
}

static void every_score_and_member_is_kept_and_dumped_as_redis_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCORE_COUNT; i++)
        for (size_t j = 0; j < NAME_COUNT; j++) {
            assert_pair_is_kept(bytes_of_text(names[j]), scores[i]);
            assert_pair_is_kept(bytes_of_text(names[j]), scores[i] == 0 ? 0 : -scores[i]);
        }
}

static void a_zero_loses_its_sign(void **state)
{
    (void)state;
    struct object zset = object_empty(OBJECT_ZSET);
    struct buffer room = {0};
    double score;
    add(&zset, &room, bytes_of_text("m"), -0.0);
    assert_true(zset_score(&zset, bytes_of_text("m"), &score) && !signbit(score));
    buffer_deinit(&room);
}

/* ---- beside an array ---- */

struct model {
    bool there[NAME_COUNT];
    double score[NAME_COUNT];
};

static bool stands_before(const struct model *model, size_t a, size_t b)
{
    if (model->score[a] != model->score[b])
        return model->score[a] < model->score[b];
    return bytes_compare(bytes_of_text(names[a]), bytes_of_text(names[b])) < 0;
}

static size_t rank_of(const struct model *model, size_t index)
{
    size_t rank = 0;
    for (size_t i = 0; i < NAME_COUNT; i++)
        rank += model->there[i] && stands_before(model, i, index);
    return rank;
}

static void assert_is_model(const struct object *zset, const struct model *model)
{
    size_t count = 0;
    struct zset_cursor cursor;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        struct bytes name = bytes_of_text(names[i]);
        double score;
        assert_int_equal(zset_score(zset, name, &score), model->there[i]);
        if (!model->there[i])
            continue;
        struct score_cut cut = {CUT_BEFORE_MEMBER, score, name};
        assert_true(score == model->score[i]);
        assert_int_equal(zset_cut_rank(zset, &cut, 0), rank_of(model, i));
        zset_seek(zset, rank_of(model, i), &cursor);
        assert_true(bytes_equal(cursor.member, name));
        count++;
    }
    assert_int_equal(object_count(zset), count);
}

static void assert_dump_is_model(const struct object *zset, const struct model *model)
{
    struct buffer dump = {0}, scratch = {0};
    struct object again;
    if (object_count(zset) == 0)
        return;
    codec_encode(zset, &dump);
    assert_int_equal(codec_decode(buffer_bytes(&dump), &scratch, &again), STATUS_OK);
    assert_is_model(&again, model);
    buffer_deinit(&dump);
    buffer_deinit(&scratch);
}

static void random_edits_agree_with_an_array(void **state)
{
    (void)state;
    struct object zset = object_empty(OBJECT_ZSET);
    struct buffer room = {0};
    struct model model = {0};
    struct random random;
    random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        size_t index = random_below(&random, NAME_COUNT);
        double score = scores[random_below(&random, 6)] * (random_below(&random, 2) ? 1 : -1);
        if (random_below(&random, i / 2000 % 2 ? 2 : 3) == 0) {
            assert_int_equal(zset_remove(&zset, &room, bytes_of_text(names[index])), model.there[index]);
            model.there[index] = false;
        } else {
            enum zset_outcome outcome = zset_update(&zset, &room, bytes_of_text(names[index]), 0, &score);
            bool is_same = model.there[index] && model.score[index] == score;
            assert_int_equal(outcome, is_same ? ZSET_SAME : model.there[index] ? ZSET_CHANGED : ZSET_ADDED);
            model.there[index] = true;
            model.score[index] = score;
        }
        assert_is_model(&zset, &model);
        if (i % 16 == 0)
            assert_dump_is_model(&zset, &model);
    }
    assert_int_equal(zset.encoding, ENCODING_LISTPACK);
    buffer_deinit(&room);
}

/* With the header and a key of 16 bytes this fits an allocation of 160; in Redis's form it is one of 224. */
static void ten_members_that_begin_alike_take_at_most_136_bytes(void **state)
{
    (void)state;
    struct object zset = object_empty(OBJECT_ZSET);
    struct buffer room = {0};
    char text[16];
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "member%04d", i * 997);
        add(&zset, &room, bytes_of_text(text), 999999 - i * 99000);
    }
    assert_in_range(zset.bytes.length, 1, 136);
    buffer_deinit(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_score_and_member_is_kept_and_dumped_as_redis_does, setup),
        cmocka_unit_test_setup(a_zero_loses_its_sign, setup),
        cmocka_unit_test_setup(random_edits_agree_with_an_array, setup),
        cmocka_unit_test_setup(ten_members_that_begin_alike_take_at_most_136_bytes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
