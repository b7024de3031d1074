/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/effect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static void an_effect_is_the_array_of_a_command(void **state)
{
    (void)state;
    struct effect_batch batch = {0};
    effect_begin(&batch, 0, 3);
    effect_word(&batch, BYTES("set"));
    effect_word(&batch, BYTES("k"));
    effect_word_integer(&batch, -12345678901);
    assert_true(
        bytes_equal(buffer_bytes(&batch.bytes), BYTES("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$12\r\n-12345678901\r\n")));
    assert_int_equal(batch.count, 1);
    effect_batch_deinit(&batch);
}

static void a_change_of_db_puts_a_select_between(void **state)
{
    (void)state;
    struct effect_batch batch = {0};
    int32_t dbs[] = {3, 3, 12};
    for (int i = 0; i < 3; i++) {
        effect_begin(&batch, dbs[i], 1);
        effect_word(&batch, BYTES("FLUSHDB"));
    }
    assert_int_equal(batch.count, 3);
    assert_int_equal(batch.first_db, 3);
    assert_int_equal(batch.last_db, 12);
    assert_true(
        bytes_equal(buffer_bytes(&batch.bytes), BYTES("*1\r\n$7\r\nFLUSHDB\r\n*1\r\n$7\r\nFLUSHDB\r\n"
                                                      "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$7\r\nFLUSHDB\r\n")));
    effect_batch_clear(&batch);
    effect_begin(&batch, 0, 1);
    effect_word(&batch, BYTES("x"));
    assert_int_equal(batch.first_db, 0);
    assert_true(bytes_equal(buffer_bytes(&batch.bytes), BYTES("*1\r\n$1\r\nx\r\n")));
    effect_batch_deinit(&batch);
}

/* Word for word, or all at once: lengths around each number of digits, and a change of db. */
static void a_whole_effect_is_what_its_words_are(void **state)
{
    (void)state;
    static char data[10001];
    static const size_t lengths[] = {0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 9999, 10000};
    static struct bytes words[1001];
    struct effect_batch whole = {0}, by_words = {0};
    memset(data, 'v', sizeof(data));
    for (uint32_t count = 1; count <= sizeof(words) / sizeof(words[0]); count = count < 101 ? count + 1 : count * 3) {
        for (uint32_t i = 0; i < count; i++)
            words[i] = bytes_of(data, lengths[(count + i) % (sizeof(lengths) / sizeof(lengths[0]))]);
        effect_begin(&by_words, (int32_t)count / 20, count);
        for (uint32_t i = 0; i < count; i++)
            effect_word(&by_words, words[i]);
        effect_write(&whole, (int32_t)count / 20, words, count);
        assert_int_equal(whole.bytes.length, by_words.bytes.length);
        assert_memory_equal(whole.bytes.data, by_words.bytes.data, whole.bytes.length);
    }
    assert_int_equal(whole.count, by_words.count);
    assert_int_equal(whole.first_db, by_words.first_db);
    assert_int_equal(whole.last_db, by_words.last_db);
    effect_batch_clear(&whole);
    effect_write(&whole, 1, (struct bytes[]){BYTES("DEL"), BYTES("k")}, 2);
    assert_true(bytes_equal(buffer_bytes(&whole.bytes), BYTES("*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n")));
    effect_batch_deinit(&whole);
    effect_batch_deinit(&by_words);
}

static void effects_of_any_bytes_are_read_back_as_they_were(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    char data[2000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)random_next(&random);
    static struct bytes words[8 * EFFECT_PIECE_WORDS];
    struct effect effect;
    effect_init(&effect);
    for (int round = 0; round < 2000; round++) {
        struct effect_batch batch = {0};
        uint32_t count =
            1 + (uint32_t)random_below(&random, round % 10 ? EFFECT_PIECE_WORDS : sizeof(words) / sizeof(words[0]));
        effect_begin(&batch, 0, count);
        for (uint32_t i = 0; i < count; i++) {
            size_t length = random_below(&random, round % 2 ? 12 : sizeof(data));
            words[i] = bytes_of(data + random_below(&random, sizeof(data) - length), length);
            effect_word(&batch, words[i]);
        }
        size_t consumed;
        assert_true(effect_decode(buffer_bytes(&batch.bytes), &effect, &consumed));
        assert_int_equal(consumed, batch.bytes.length);
        assert_int_equal(effect.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_true(bytes_equal(effect.words[i], words[i]));
        effect_batch_deinit(&batch);
    }
    effect_deinit(&effect);
}

static void a_cut_effect_is_not_read_at_any_byte(void **state)
{
    (void)state;
    struct bytes whole = BYTES("*3\r\n$3\r\nset\r\n$0\r\n\r\n$11\r\nhello world\r\n");
    struct effect effect;
    size_t consumed;
    effect_init(&effect);
    for (size_t length = 0; length < whole.length; length++) {
        char *copy = malloc(length + 1);
        memcpy(copy, whole.data, length);
        assert_false(effect_decode(bytes_of(copy, length), &effect, &consumed));
        free(copy);
    }
    assert_true(effect_decode(whole, &effect, &consumed));
    assert_int_equal(effect.words[1].length, 0);
}

static void what_is_not_written_so_is_not_read(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "*0\r\n",
        "*9\r\n$1\r\na\r\n",
        "*01\r\n$1\r\na\r\n",
        "*1\r\n$01\r\na\r\n",
        "*-1\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$1\r\nab\n",
        "*1\n$1\r\na\r\n",
        "$1\r\na\r\n",
        "*1\r\n$99999999999999999999\r\na\r\n",
        "PING\r\n",
        "*1\r\n$9223372036854775807\r\na\r\n",
        "*1\r\n$2\r\na\r\n\r",
        "*\r\n$1\r\na\r\n",
        "*1048576\r\n$1\r\na\r\n",
        "*1048577\r\n$1\r\na\r\n",
        "*1\r\n$\r\na\r\n",
    };
    struct effect effect;
    size_t consumed;
    effect_init(&effect);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (effect_decode(bytes_of_text(refused[i]), &effect, &consumed))
            fail_msg("read \"%s\"", refused[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_effect_is_the_array_of_a_command),
        cmocka_unit_test(a_change_of_db_puts_a_select_between),
        cmocka_unit_test(a_whole_effect_is_what_its_words_are),
        cmocka_unit_test(effects_of_any_bytes_are_read_back_as_they_were),
        cmocka_unit_test(a_cut_effect_is_not_read_at_any_byte),
        cmocka_unit_test(what_is_not_written_so_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
