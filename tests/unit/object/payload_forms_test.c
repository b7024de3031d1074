/* SPDX-License-Identifier: BSD-3-Clause */
/* Every form of payload that collections have had, made by hand: what it holds, that the same value comes out when it is
 * written anew, and that no damage to it is taken for more than another sound value. */
#include "object/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "object/hash_object.h"
#include "object/object_limits.h"
#include "object/zset_object.h"

/* Parts of the forms: one value each. */
#define LISTPACK_X_5 "\x0c\x00\x00\x00\x02\x00\x81x\x02\x05\x01\xff"
#define ZIPLIST_X_5_HELLO "\x17\x00\x00\x00\x0f\x00\x00\x00\x03\x00\x00\x01x\x03\xf6\x02\x05hello\xff"
#define PAIRS_ZIPLIST                                                                                                  \
    "\x18\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01x\x03\xf2\x02\x01y\x03\x03"                                       \
    "2.5"                                                                                                              \
    "\xff"
#define PAIRS_LISTPACK                                                                                                 \
    "\x14\x00\x00\x00\x04\x00\x81x\x02\x01\x01\x81y\x02\x83"                                                           \
    "2.5"                                                                                                              \
    "\x04\xff"
#define PAIRS_TURNED                                                                                                   \
    "\x14\x00\x00\x00\x04\x00\x81y\x02\x83"                                                                            \
    "2.5"                                                                                                              \
    "\x04\x81x\x02\x01\x01\xff"

static const struct form {
    const char *name;
    struct bytes payload;
    const char *encoding, *contents;
} forms[] = {
    {"list of strings", BYTES("\x01\x03\x01x\xc0\x05\x05hello"), "listpack", "x 5 hello"},
    {"list, one ziplist", BYTES("\x0a\x17" ZIPLIST_X_5_HELLO), "listpack", "x 5 hello"},
    {"list of ziplists", BYTES("\x0e\x02\x17" ZIPLIST_X_5_HELLO "\x17" ZIPLIST_X_5_HELLO), "listpack",
     "x 5 hello x 5 hello"},
    {"list of listpacks", BYTES("\x12\x02\x02\x0c" LISTPACK_X_5 "\x01\x05hello"), "listpack", "x 5 hello"},
    {"list, compressed", BYTES("\x01\x01\xc3\x05\x0a\x00x\xe0\x00\x00"), "listpack", "xxxxxxxxxx"},
    {"set of strings", BYTES("\x02\x02\x01x\xc0\x05"), "listpack", "x 5"},
    {"set of integers as strings", BYTES("\x02\x02\xc0\x07\xc1\x00\x01"), "intset", "7 256"},
    {"set, intset of 16 bits", BYTES("\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"), "intset", "1 2"},
    {"set, intset of 32 bits", BYTES("\x0b\x0c\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00"), "intset", "65536"},
    {"set, intset of 64 bits", BYTES("\x0b\x10\x08\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff\xfe\xff\xff\xff"),
     "intset", "-4294967297"},
    {"set, listpack", BYTES("\x14\x0c" LISTPACK_X_5), "listpack", "x 5"},
    {"zset with texts",
     BYTES("\x03\x04\x01x\x01"
           "1"
           "\x01y\x03"
           "2.5"
           "\x01z\xfe\x01w\xff"),
     "listpack", "w=-inf x=1 y=2.5 z=inf"},
    {"zset with doubles", BYTES("\x05\x02\x01y\x00\x00\x00\x00\x00\x00\x04\x40\x01x\x00\x00\x00\x00\x00\x00\xf0\x3f"),
     "listpack", "x=1 y=2.5"},
    {"zset, ziplist", BYTES("\x0c\x18" PAIRS_ZIPLIST), "listpack", "x=1 y=2.5"},
    {"zset, listpack", BYTES("\x11\x14" PAIRS_LISTPACK), "listpack", "x=1 y=2.5"},
    {"zset, listpack out of order", BYTES("\x11\x14" PAIRS_TURNED), "listpack", "x=1 y=2.5"},
    {"hash of strings",
     BYTES("\x04\x02\x01x\xc0\x01\x01y\x03"
           "2.5"),
     "listpack", "x=1 y=2.5"},
    {"hash, zipmap",
     BYTES("\x09\x10\x02\x01x\x01\x02"
           "1..\x01y\x03\x00"
           "2.5"
           "\xff"),
     "listpack", "x=1 y=2.5"},
    {"hash, ziplist", BYTES("\x0d\x18" PAIRS_ZIPLIST), "listpack", "x=1 y=2.5"},
    {"hash, listpack", BYTES("\x10\x14" PAIRS_LISTPACK), "listpack", "x=1 y=2.5"},
};

/* ---- what a value holds, as text ---- */

struct text {
    char bytes[4096];
    size_t length;
};

static void tell(struct text *text, struct bytes name, struct bytes value)
{
    const char *gap = text->length > 0 ? " " : "";
    text->length += (size_t)snprintf(text->bytes + text->length, sizeof(text->bytes) - text->length, "%s%.*s%s%.*s",
                                     gap, (int)name.length, name.data, value.data ? "=" : "", (int)value.length,
                                     value.data ? value.data : "");
    assert_true(text->length < sizeof(text->bytes));
}

static bool tell_element(void *context, struct bytes element)
{
    tell(context, element, (struct bytes){0});
    return true;
}

static void tell_pairs(struct text *text, const struct object *object)
{
    char digits[ZSET_SCORE_TEXT_MAX];
    struct zset_cursor cursor;
    struct hash_walk walk;
    if (object->type == OBJECT_HASH) {
        hash_walk_begin(&walk, object, HASH_AT_ANY_TIME);
        while (hash_walk_next(&walk))
            tell(text, walk.field, walk.value);
        return;
    }
    for (zset_seek(object, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        tell(text, cursor.member, zset_score_text(cursor.score, digits));
}

static void contents_of(const struct object *object, struct text *text)
{
    *text = (struct text){.length = 0};
    if (object->type == OBJECT_HASH || object->type == OBJECT_ZSET)
        tell_pairs(text, object);
    else
        object_each(object, tell_element, text);
}

/* ---- the stories ---- */

/* Writes the value anew, and that once more: both must be the same, in every byte. */
static void assert_repeats(const struct object *object)
{
    struct buffer once = {0}, again = {0}, scratch = {0};
    struct object repeated;
    codec_encode(object, &once);
    assert_int_equal(codec_decode(buffer_bytes(&once), &scratch, &repeated), STATUS_OK);
    assert_int_equal(repeated.type, object->type);
    assert_int_equal(repeated.encoding, object->encoding);
    assert_int_equal(object_count(&repeated), object_count(object));
    codec_encode(&repeated, &again);
    assert_true(bytes_equal(buffer_bytes(&once), buffer_bytes(&again)));
    object_release(&repeated);
    buffer_deinit(&once);
    buffer_deinit(&again);
    buffer_deinit(&scratch);
}

static void every_form_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct buffer scratch = {0};
        struct object object;
        struct text text;
        if (codec_decode(forms[i].payload, &scratch, &object) != STATUS_OK)
            fail_msg("%s is refused", forms[i].name);
        contents_of(&object, &text);
        assert_string_equal(text.bytes, forms[i].contents);
        assert_string_equal(object_encoding_name(&object), forms[i].encoding);
        assert_repeats(&object);
        object_release(&object);
        buffer_deinit(&scratch);
    }
}

/* In an allocation of its own, so that a sanitizer sees what is read beyond it. */
static bool is_sound(struct bytes payload)
{
    struct buffer scratch = {0};
    struct object object;
    char *alone = malloc(payload.length + 1);
    memcpy(alone, payload.data, payload.length);
    bool sound = codec_decode(bytes_of(alone, payload.length), &scratch, &object) == STATUS_OK;
    if (sound) {
        assert_true(object_count(&object) > 0);
        assert_repeats(&object);
        object_release(&object);
    }
    buffer_deinit(&scratch);
    free(alone);
    return sound;
}

static void damage(struct bytes payload)
{
    struct buffer damaged = {0};
    buffer_append_bytes(&damaged, payload);
    for (size_t length = 0; length < payload.length; length++)
        assert_false(is_sound(bytes_of(payload.data, length)));
    for (size_t bit = 0; bit < payload.length * 8; bit++) {
        damaged.data[bit / 8] ^= (char)(1 << bit % 8);
        is_sound(buffer_bytes(&damaged));
        damaged.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    buffer_append_bytes(&damaged, BYTES("!"));
    assert_false(is_sound(buffer_bytes(&damaged)));
    buffer_deinit(&damaged);
}

static void no_damage_is_taken_for_more_than_another_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        damage(forms[i].payload);
}

static const struct refused {
    const char *why;
    struct bytes payload;
} refused[] = {
    {"a list without elements", BYTES("\x01\x00")},
    {"a ziplist without elements", BYTES("\x0a\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff")},
    {"a list without nodes", BYTES("\x12\x00")},
    {"a container of no known kind", BYTES("\x12\x01\x03\x0c" LISTPACK_X_5)},
    {"a score of nan", BYTES("\x03\x01\x01x\xfd")},
    {"a score that is no number", BYTES("\x03\x01\x01x\x01q")},
    {"a double that is nan", BYTES("\x05\x01\x01x\x00\x00\x00\x00\x00\x00\xf8\x7f")},
    {"a member twice", BYTES("\x03\x02\x01x\x01"
                             "1"
                             "\x01x\x01"
                             "2")},
    {"a member without score", BYTES("\x11\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff")},
    {"a type byte that nothing has", BYTES("\x7f\x01\x01x")},
};

static void unsound_payloads_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (is_sound(refused[i].payload))
            fail_msg("%s is accepted", refused[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(no_damage_is_taken_for_more_than_another_value),
        cmocka_unit_test(unsound_payloads_are_refused),
    };
    object_limits = (struct object_limits){.hash_max_listpack_entries = 128,
                                           .hash_max_listpack_value = 64,
                                           .set_max_intset_entries = 512,
                                           .set_max_listpack_entries = 128,
                                           .set_max_listpack_value = 64,
                                           .zset_max_listpack_entries = 128,
                                           .zset_max_listpack_value = 64,
                                           .list_max_listpack_size = -2};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
