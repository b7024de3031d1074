/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes beside those that a Redis 7.0 server keeps, and random edits beside a plain array. */
#include "object/listpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

/* The listpack of one value, as in a DUMP of Redis: header, element, end. */
static const struct sample {
    const char *value, *hex;
    bool is_integer;
} samples[] = {
    {"", "0900000001008001ff", false},
    {"0", "0900000001000001ff", true},
    {"127", "0900000001007f01ff", true},
    {"128", "0a0000000100c08002ff", true},
    {"-1", "0a0000000100dfff02ff", true},
    {"4095", "0a0000000100cfff02ff", true},
    {"4096", "0b0000000100f1001003ff", true},
    {"-4096", "0a0000000100d00002ff", true},
    {"-4097", "0b0000000100f1ffef03ff", true},
    {"32767", "0b0000000100f1ff7f03ff", true},
    {"32768", "0c0000000100f200800004ff", true},
    {"-32768", "0b0000000100f1008003ff", true},
    {"-32769", "0c0000000100f2ff7fff04ff", true},
    {"8388607", "0c0000000100f2ffff7f04ff", true},
    {"8388608", "0d0000000100f30000800005ff", true},
    {"-8388608", "0c0000000100f200008004ff", true},
    {"-8388609", "0d0000000100f3ffff7fff05ff", true},
    {"2147483647", "0d0000000100f3ffffff7f05ff", true},
    {"2147483648", "110000000100f4000000800000000009ff", true},
    {"-2147483648", "0d0000000100f30000008005ff", true},
    {"-2147483649", "110000000100f4ffffff7fffffffff09ff", true},
    {"9223372036854775807", "110000000100f4ffffffffffffff7f09ff", true},
    {"-9223372036854775808", "110000000100f4000000000000008009ff", true},
    {"9223372036854775808", "1c0000000100933932323333373230333638353437373538303814ff", false},
    {"-0", "0b0000000100822d3003ff", false},
    {"007", "0c00000001008330303704ff", false},
    {"+1", "0b0000000100822b3103ff", false},
    {"1.5", "0c000000010083312e3504ff", false},
    {"hello", "0e00000001008568656c6c6f06ff", false},
};
#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

/* Where a string's form or its back length becomes longer: what Redis writes before the string and behind it. */
static const struct boundary {
    size_t length;
    const char *head, *back;
} boundaries[] = {
    {63, "bf", "40"},
    {64, "e040", "42"},
    {125, "e07d", "7f"},
    {126, "e07e", "0180"},
    {4095, "efff", "2081"},
    {4096, "f000100000", "2085"},
    {16377, "f0f93f0000", "7ffe"},
    {16378, "f0fa3f0000", "00ffff"},
    {16379, "f0fb3f0000", "018080"},
    {2097145, "f0f9ff1f00", "7ffffe"},
    {2097146, "f0faff1f00", "00ffffff"},
    {2097147, "f0fbff1f00", "01808080"},
};
#define BOUNDARY_COUNT (sizeof(boundaries) / sizeof(boundaries[0]))

static void assert_hex(const char *data, size_t length, const char *hex)
{
    assert_int_equal(length * 2, strlen(hex));
    for (size_t i = 0; i < length; i++) {
        char digits[3];
        snprintf(digits, sizeof(digits), "%02x", (unsigned char)data[i]);
        assert_memory_equal(digits, hex + i * 2, 2);
    }
}

/* As it is dumped, the string's own length apart; freed with the next one. */
static struct bytes dump_of(struct bytes listpack)
{
    static struct buffer dump;
    buffer_deinit(&dump);
    listpack_dump(&dump, listpack);
    size_t length = LISTPACK_SIZE_BYTES + listpack.length;
    return bytes_of(dump.data + dump.length - length, length);
}

static void assert_dumps(struct bytes listpack, const char *hex)
{
    struct bytes dump = dump_of(listpack);
    assert_hex(dump.data, dump.length, hex);
}

static bool is_valid(struct bytes listpack)
{
    return listpack_is_valid(dump_of(listpack), NULL, NULL);
}

static void append(struct buffer *buffer, const char *text)
{
    assert_true(listpack_append(buffer, bytes_of_text(text)));
}

static struct buffer listpack_of(const char *const *texts, size_t count)
{
    struct buffer buffer = {0};
    listpack_init(&buffer);
    for (size_t i = 0; i < count; i++)
        append(&buffer, texts[i]);
    return buffer;
}

static void assert_reads(const uint8_t *position, struct bytes expected)
{
    char digits[BYTES_INTEGER_MAX];
    assert_non_null(position);
    assert_true(bytes_equal(listpack_get_bytes(position, digits), expected));
    assert_true(listpack_equals(position, expected));
}

static void elements_have_the_bytes_of_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct buffer buffer = listpack_of(&samples[i].value, 1);
        assert_dumps(buffer_bytes(&buffer), samples[i].hex);
        assert_int_equal(listpack_entry_bytes(bytes_of_text(samples[i].value)), buffer.length - LISTPACK_EMPTY_BYTES);
        buffer_deinit(&buffer);
    }
}

static void values_come_back_as_stored(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct buffer buffer = listpack_of(&samples[i].value, 1);
        const uint8_t *position = listpack_first(buffer_bytes(&buffer));
        struct listpack_value value;
        listpack_get(position, &value);
        assert_int_equal(value.data == NULL, samples[i].is_integer);
        assert_reads(position, bytes_of_text(samples[i].value));
        assert_ptr_equal(listpack_last(buffer_bytes(&buffer)), position);
        buffer_deinit(&buffer);
    }
}

static void integer_and_its_spelling_are_stored_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        int64_t integer;
        if (!bytes_to_int64(bytes_of_text(samples[i].value), &integer))
            continue;
        struct buffer buffer = listpack_of(NULL, 0);
        assert_true(listpack_append_integer(&buffer, integer));
        assert_dumps(buffer_bytes(&buffer), samples[i].hex);
        buffer_deinit(&buffer);
    }
}

static void long_strings_have_the_bytes_of_redis(void **state)
{
    (void)state;
    char *text = malloc(boundaries[BOUNDARY_COUNT - 1].length);
    memset(text, 'x', boundaries[BOUNDARY_COUNT - 1].length);
    for (size_t i = 0; i < BOUNDARY_COUNT; i++) {
        const struct boundary *boundary = &boundaries[i];
        size_t head = strlen(boundary->head) / 2, back = strlen(boundary->back) / 2;
        struct buffer buffer = listpack_of((const char *const[]){"1"}, 1);
        assert_true(listpack_append(&buffer, bytes_of(text, boundary->length)));
        append(&buffer, "z");
        const uint8_t *at = listpack_next(listpack_first(buffer_bytes(&buffer)));
        assert_hex((const char *)at, head, boundary->head);
        assert_hex((const char *)at + head + boundary->length, back, boundary->back);
        assert_reads(at, bytes_of(text, boundary->length));
        assert_reads(listpack_next(at), BYTES("z"));
        assert_ptr_equal(listpack_prev(buffer_bytes(&buffer), listpack_next(at)), at);
        assert_true(is_valid(buffer_bytes(&buffer)));
        buffer_deinit(&buffer);
    }
    free(text);
}

static void empty_listpack_has_no_elements(void **state)
{
    (void)state;
    struct buffer buffer = listpack_of(NULL, 0);
    struct bytes listpack = buffer_bytes(&buffer);
    assert_dumps(buffer_bytes(&buffer), "070000000000ff");
    assert_int_equal(listpack_count(listpack), 0);
    assert_null(listpack_first(listpack));
    assert_null(listpack_last(listpack));
    assert_null(listpack_seek(listpack, 0));
    assert_null(listpack_seek(listpack, -1));
    assert_null(listpack_find(listpack_first(listpack), BYTES("a"), 0));
    assert_int_equal(listpack_delete(&buffer, LISTPACK_HEADER_BYTES, 1), 0);
    assert_true(is_valid(listpack));
    buffer_deinit(&buffer);
}

static void integer_equals_its_canonical_spelling_only(void **state)
{
    (void)state;
    struct buffer buffer = listpack_of((const char *const[]){"7"}, 1);
    const uint8_t *position = listpack_first(buffer_bytes(&buffer));
    assert_true(listpack_equals(position, BYTES("7")));
    assert_false(listpack_equals(position, BYTES("07")));
    assert_false(listpack_equals(position, BYTES("+7")));
    assert_false(listpack_equals(position, BYTES("8")));
    assert_false(listpack_equals(position, BYTES("")));
    buffer_deinit(&buffer);
}

static void find_passes_over_what_it_is_told_to(void **state)
{
    (void)state;
    const char *const texts[] = {"name", "10", "10", "name", "", "x", "namf", "-5000"};
    struct buffer buffer = listpack_of(texts, 8);
    struct bytes listpack = buffer_bytes(&buffer);
    const uint8_t *first = listpack_first(listpack);
    assert_ptr_equal(listpack_find(first, BYTES("10"), 0), listpack_seek(listpack, 1));
    assert_ptr_equal(listpack_find(first, BYTES("10"), 1), listpack_seek(listpack, 2));
    assert_ptr_equal(listpack_find(first, BYTES("name"), 1), first);
    assert_ptr_equal(listpack_find(listpack_seek(listpack, 1), BYTES("name"), 1), listpack_seek(listpack, 3));
    assert_ptr_equal(listpack_find(first, BYTES(""), 1), listpack_seek(listpack, 4));
    assert_ptr_equal(listpack_find(first, BYTES("-5000"), 0), listpack_seek(listpack, 7));
    assert_null(listpack_find(first, BYTES("-5000"), 1));
    assert_null(listpack_find(first, BYTES("x"), 1));
    assert_ptr_equal(listpack_find(first, BYTES("namf"), 2), listpack_seek(listpack, 6));
    buffer_deinit(&buffer);
}

static void edits_keep_the_order(void **state)
{
    (void)state;
    struct buffer buffer = listpack_of((const char *const[]){"b", "d"}, 2);
    assert_true(listpack_prepend(&buffer, BYTES("a")));
    const uint8_t *position = listpack_seek(buffer_bytes(&buffer), 2);
    assert_true(listpack_insert(&buffer, listpack_offset(buffer_bytes(&buffer), position), BYTES("300")));
    position = listpack_seek(buffer_bytes(&buffer), 1);
    assert_true(listpack_replace(&buffer, listpack_offset(buffer_bytes(&buffer), position), BYTES("longer")));
    struct buffer expected = listpack_of((const char *const[]){"a", "longer", "300", "d"}, 4);
    assert_true(bytes_equal(buffer_bytes(&buffer), buffer_bytes(&expected)));

    position = listpack_seek(buffer_bytes(&buffer), 2);
    assert_int_equal(listpack_delete(&buffer, listpack_offset(buffer_bytes(&buffer), position), 5), 2);
    assert_int_equal(listpack_count(buffer_bytes(&buffer)), 2);
    assert_null(listpack_at(buffer_bytes(&buffer), buffer.length - 1));
    assert_true(is_valid(buffer_bytes(&buffer)));
    buffer_deinit(&buffer);
    buffer_deinit(&expected);
}

static void count_beyond_the_header_is_walked(void **state)
{
    (void)state;
    struct buffer buffer = listpack_of(NULL, 0);
    for (int i = 0; i < UINT16_MAX + 2; i++)
        assert_true(listpack_append_integer(&buffer, i));
    assert_memory_equal(buffer.data, "\xff\xff", 2);
    assert_int_equal(listpack_count(buffer_bytes(&buffer)), UINT16_MAX + 2);
    assert_reads(listpack_seek(buffer_bytes(&buffer), -1), BYTES("65536"));
    assert_reads(listpack_seek(buffer_bytes(&buffer), 65536), BYTES("65536"));
    assert_null(listpack_seek(buffer_bytes(&buffer), 65537));
    assert_null(listpack_seek(buffer_bytes(&buffer), -65538));
    assert_null(listpack_seek(buffer_bytes(&buffer), INT64_MIN));
    assert_int_equal(listpack_delete(&buffer, LISTPACK_HEADER_BYTES, 65530), 65530);
    assert_int_equal(listpack_count(buffer_bytes(&buffer)), 7);
    assert_memory_equal(buffer.data, "\x07\0", 2);
    assert_true(is_valid(buffer_bytes(&buffer)));
    buffer_deinit(&buffer);
}

static void listpack_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct buffer buffer = listpack_of((const char *const[]){"a"}, 1);
    struct bytes claimed = bytes_of("", LISTPACK_BYTES_MAX - 10);
    assert_false(listpack_append(&buffer, claimed));
    assert_false(listpack_prepend(&buffer, claimed));
    assert_false(listpack_replace(&buffer, LISTPACK_HEADER_BYTES, claimed));
    assert_dumps(buffer_bytes(&buffer), "0a0000000100816102ff");
    buffer_deinit(&buffer);
}

/* Reads everything in both directions; the bytes stand in a block of their exact size for the sanitizer. */
static void walk_if_valid(struct bytes bytes)
{
    char *copy = malloc(bytes.length + !bytes.length), digits[BYTES_INTEGER_MAX];
    memcpy(copy, bytes.data, bytes.length);
    if (listpack_is_valid(bytes_of(copy, bytes.length), NULL, NULL)) {
        struct bytes listpack = listpack_of_dump(bytes_of(copy, bytes.length));
        size_t forward = 0, backward = 0;
        for (const uint8_t *at = listpack_first(listpack); at != NULL; at = listpack_next(at), forward++)
            assert_true(listpack_equals(at, listpack_get_bytes(at, digits)));
        for (const uint8_t *at = listpack_last(listpack); at != NULL; at = listpack_prev(listpack, at))
            backward++;
        assert_int_equal(forward, backward);
        assert_int_equal(forward, listpack_count(listpack));
    }
    free(copy);
}

static struct buffer varied_dump(void)
{
    struct buffer dump = {0};
    char text[300];
    memset(text, 'y', sizeof(text));
    struct buffer buffer = listpack_of(NULL, 0);
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        append(&buffer, samples[i].value);
    assert_true(listpack_append(&buffer, bytes_of(text, sizeof(text))));
    buffer_append_bytes(&dump, dump_of(buffer_bytes(&buffer)));
    buffer_deinit(&buffer);
    return dump;
}

static void broken_bytes_are_refused_or_safe_to_read(void **state)
{
    (void)state;
    struct buffer buffer = varied_dump();
    for (size_t length = 0; length < buffer.length; length++) {
        char *cut = malloc(length + 1);
        memcpy(cut, buffer.data, length);
        assert_false(listpack_is_valid(bytes_of(cut, length), NULL, NULL));
        if (length >= LISTPACK_SIZE_BYTES + LISTPACK_EMPTY_BYTES) {
            memcpy(cut, (uint16_t[]){(uint16_t)length, 0}, 4);
            walk_if_valid(bytes_of(cut, length));
        }
        free(cut);
    }
    for (size_t i = 0; i < buffer.length; i++) {
        char kept = buffer.data[i];
        for (int value = 0; value < 256; value++) {
            buffer.data[i] = (char)value;
            walk_if_valid(buffer_bytes(&buffer));
        }
        buffer.data[i] = kept;
    }
    buffer_deinit(&buffer);
}

static void every_lie_of_the_frame_is_refused(void **state)
{
    (void)state;
    static const struct bytes lies[] = {
        BYTES("\x0a\0\0\0\x01\0\x01\x01\xff"),             /* total too large */
        BYTES("\x08\0\0\0\x01\0\x01\x01\xff"),             /* total too small */
        BYTES("\x09\0\0\0\x02\0\x01\x01\xff"),             /* count too large */
        BYTES("\x09\0\0\0\0\0\x01\x01\xff"),               /* count too small */
        BYTES("\x09\0\0\0\x01\0\x01\x02\xff"),             /* another back length */
        BYTES("\x09\0\0\0\x01\0\x01\x01\xfe"),             /* no end */
        BYTES("\x09\0\0\0\x01\0\xff\x01\xff"),             /* an end in the middle */
        BYTES("\x09\0\0\0\x01\0\xf5\x01\xff"),             /* no such form */
        BYTES("\x0a\0\0\0\x01\0\x01\x80\x01\xff"),         /* a back length that is spelled too long */
        BYTES("\x0c\0\0\0\x01\0\xf0\xff\xff\xff\xff\xff"), /* a string beyond everything */
    };
    assert_true(listpack_is_valid(BYTES("\x09\0\0\0\x01\0\x01\x01\xff"), NULL, NULL));
    assert_true(listpack_is_valid(BYTES("\x09\0\0\0\xff\xff\x01\x01\xff"), NULL, NULL));
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_false(listpack_is_valid(lies[i], NULL, NULL));
}

static void forms_that_are_longer_than_needed_read_alike(void **state)
{
    (void)state;
    struct bytes dumped = BYTES("\x19\0\0\0\x03\0"
                                "\xf1\x05\0\x03"
                                "\x81"
                                "5\x02"
                                "\xf0\x05\0\0\0hello\x0a"
                                "\xff");
    assert_true(listpack_is_valid(dumped, NULL, NULL));
    struct bytes listpack = listpack_of_dump(dumped);
    assert_reads(listpack_seek(listpack, 0), BYTES("5"));
    assert_reads(listpack_seek(listpack, 1), BYTES("5"));
    assert_reads(listpack_seek(listpack, 2), BYTES("hello"));
    assert_ptr_equal(listpack_find(listpack_first(listpack), BYTES("hello"), 0), listpack_last(listpack));
}

static bool stop_at_third(void *context, const uint8_t *position)
{
    size_t *seen = context;
    assert_non_null(position);
    return ++*seen < 3;
}

static void validation_ends_when_the_caller_says_so(void **state)
{
    (void)state;
    size_t seen = 0;
    struct buffer two = listpack_of((const char *const[]){"a", "b"}, 2);
    struct buffer four = listpack_of((const char *const[]){"a", "b", "c", "d"}, 4);
    assert_true(listpack_is_valid(dump_of(buffer_bytes(&two)), stop_at_third, &seen));
    assert_int_equal(seen, 2);
    seen = 0;
    assert_false(listpack_is_valid(dump_of(buffer_bytes(&four)), stop_at_third, &seen));
    assert_int_equal(seen, 3);
    buffer_deinit(&two);
    buffer_deinit(&four);
}

/* The model: an array of texts. */
#define MODEL_MAX 40
#define TEXT_MAX 160

struct model {
    struct text {
        size_t length;
        char data[TEXT_MAX];
    } texts[MODEL_MAX];
    size_t count;
};

static struct text random_text(struct random *random)
{
    struct text text = {0};
    if (random_below(random, 2) == 0) {
        int64_t integer = (int64_t)random_next(random) >> random_below(random, 64);
        text.length = bytes_from_int64(text.data, integer);
    } else {
        text.length = random_below(random, random_below(random, 3) == 0 ? TEXT_MAX : 8);
        for (size_t i = 0; i < text.length; i++)
            text.data[i] = (char)('0' + random_below(random, 12));
    }
    return text;
}

static void model_insert(struct model *model, size_t index, const struct text *text)
{
    memmove(&model->texts[index + 1], &model->texts[index], (model->count - index) * sizeof(struct text));
    model->texts[index] = *text;
    model->count++;
}

static void model_delete(struct model *model, size_t index, size_t elements)
{
    memmove(&model->texts[index], &model->texts[index + elements],
            (model->count - index - elements) * sizeof(struct text));
    model->count -= elements;
}

static void assert_same(const struct model *model, struct bytes listpack)
{
    const uint8_t *forward = listpack_first(listpack), *backward = listpack_last(listpack);
    assert_true(is_valid(listpack));
    assert_int_equal(listpack_count(listpack), model->count);
    for (size_t i = 0; i < model->count; i++) {
        const struct text *text = &model->texts[i], *mirrored = &model->texts[model->count - 1 - i];
        assert_reads(forward, bytes_of(text->data, text->length));
        assert_reads(backward, bytes_of(mirrored->data, mirrored->length));
        assert_ptr_equal(listpack_seek(listpack, (int64_t)i), forward);
        assert_ptr_equal(listpack_seek(listpack, -(int64_t)i - 1), backward);
        forward = listpack_next(forward);
        backward = listpack_prev(listpack, backward);
    }
    assert_null(forward);
    assert_null(backward);
}

/* Everything an edit did must come to the same as writing the texts one by one. */
static void assert_written_alike(const struct model *model, struct bytes listpack)
{
    struct buffer again = listpack_of(NULL, 0);
    for (size_t i = 0; i < model->count; i++)
        assert_true(listpack_append(&again, bytes_of(model->texts[i].data, model->texts[i].length)));
    assert_true(bytes_equal(buffer_bytes(&again), listpack));
    buffer_deinit(&again);
}

static void random_edit(struct random *random, struct model *model, struct buffer *buffer)
{
    size_t index = random_below(random, model->count + 1);
    const uint8_t *position = listpack_seek(buffer_bytes(buffer), (int64_t)index);
    size_t offset = position == NULL ? buffer->length - 1 : listpack_offset(buffer_bytes(buffer), position);
    struct text text = random_text(random);
    if (random_below(random, 3) == 0) {
        size_t wanted = random_below(random, 4), there = model->count - index;
        size_t deleted = wanted < there ? wanted : there;
        assert_int_equal(listpack_delete(buffer, offset, wanted), deleted);
        model_delete(model, index, deleted);
    } else if (position != NULL && random_below(random, 2) == 0) {
        assert_true(listpack_replace(buffer, offset, bytes_of(text.data, text.length)));
        model->texts[index] = text;
    } else if (model->count < MODEL_MAX) {
        assert_true(listpack_insert(buffer, offset, bytes_of(text.data, text.length)));
        model_insert(model, index, &text);
    }
}

static void random_edits_match_an_array(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 20);
    for (int round = 0; round < 20; round++) {
        struct model model = {0};
        struct buffer buffer = listpack_of(NULL, 0);
        for (int i = 0; i < 300; i++) {
            random_edit(&random, &model, &buffer);
            assert_same(&model, buffer_bytes(&buffer));
        }
        assert_written_alike(&model, buffer_bytes(&buffer));
        buffer_deinit(&buffer);
    }
}

static void a_run_writes_what_single_appends_write(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 21);
    struct buffer buffer = listpack_of(NULL, 0), single = listpack_of(NULL, 0);
    for (int i = 0; i < 2000; i++) {
        struct text text = random_text(&random);
        struct bytes bytes = bytes_of(text.data, text.length);
        int64_t integer = (int64_t)(random_next(&random) >> random_below(&random, 64)) * (i % 2 ? 1 : -1);
        struct listpack_run run;
        assert_true(listpack_run_begin(&run, &buffer, LISTPACK_ELEMENT_MAX(text.length) + LISTPACK_INTEGER_MAX));
        listpack_run_add(&run, bytes);
        listpack_run_add_integer(&run, integer);
        listpack_run_end(&run);
        assert_true(listpack_append(&single, bytes) && listpack_append_integer(&single, integer));
    }
    assert_true(bytes_equal(buffer_bytes(&buffer), buffer_bytes(&single)));
    struct listpack_run run;
    assert_false(listpack_run_begin(&run, &buffer, LISTPACK_BYTES_MAX));
    buffer_deinit(&buffer);
    buffer_deinit(&single);
}

static void an_integer_can_be_set_in_place(void **state)
{
    (void)state;
    static const int64_t integers[] = {0, 1, 127, 128, -1, 4095, 5000, INT64_MAX, INT64_MIN, 3};
    struct buffer buffer = listpack_of(NULL, 0);
    assert_true(listpack_append_integer(&buffer, 7) && listpack_append(&buffer, BYTES("behind")));
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        assert_true(listpack_replace_integer(&buffer, LISTPACK_HEADER_BYTES, integers[i]));
        assert_true(is_valid(buffer_bytes(&buffer)));
        assert_int_equal(listpack_integer(listpack_first(buffer_bytes(&buffer))), integers[i]);
        assert_reads(listpack_last(buffer_bytes(&buffer)), BYTES("behind"));
    }
    buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_have_the_bytes_of_redis),
        cmocka_unit_test(values_come_back_as_stored),
        cmocka_unit_test(integer_and_its_spelling_are_stored_alike),
        cmocka_unit_test(long_strings_have_the_bytes_of_redis),
        cmocka_unit_test(empty_listpack_has_no_elements),
        cmocka_unit_test(integer_equals_its_canonical_spelling_only),
        cmocka_unit_test(find_passes_over_what_it_is_told_to),
        cmocka_unit_test(edits_keep_the_order),
        cmocka_unit_test(count_beyond_the_header_is_walked),
        cmocka_unit_test(listpack_beyond_the_limit_is_refused),
        cmocka_unit_test(broken_bytes_are_refused_or_safe_to_read),
        cmocka_unit_test(every_lie_of_the_frame_is_refused),
        cmocka_unit_test(forms_that_are_longer_than_needed_read_alike),
        cmocka_unit_test(validation_ends_when_the_caller_says_so),
        cmocka_unit_test(random_edits_match_an_array),
        cmocka_unit_test(a_run_writes_what_single_appends_write),
        cmocka_unit_test(an_integer_can_be_set_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
