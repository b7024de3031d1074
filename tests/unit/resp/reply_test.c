/* SPDX-License-Identifier: BSD-3-Clause */
#include "resp/reply.h"
#include "resp/error_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct story {
    struct output output;
    struct reply reply;
};

static struct story *story_begin(uint8_t protocol)
{
    static struct story story;
    story = (struct story){.reply = {.output = &story.output, .protocol = protocol}};
    return &story;
}

/* Everything that would be sent, references in their places. */
static void expect_sent(struct story *story, struct bytes expected)
{
    struct output *output = &story->output;
    struct buffer sent = {0};
    size_t position = 0;
    for (uint32_t i = 0; i < output->reference_count; i++) {
        struct output_reference *reference = &output->references[i];
        buffer_append(&sent, output->bytes.data + position, reference->position - position);
        buffer_append(&sent, reference->data, reference->length);
        position = reference->position;
    }
    if (output->bytes.length > position)
        buffer_append(&sent, output->bytes.data + position, output->bytes.length - position);
    if (!bytes_equal(buffer_bytes(&sent), expected))
        fail_msg("sent %.*s, expected %.*s", (int)sent.length, sent.data, (int)expected.length, expected.data);
    buffer_deinit(&sent);
    output_deinit(output);
}

static unsigned released;
static void count_release(void *owner)
{
    (void)owner;
    released++;
}

static void integers_of_all_widths_are_written_in_decimal(void **state)
{
    (void)state;
    struct story *story = story_begin(2);
    const int64_t values[] = {0, 9, 10, 99, 100, 12345, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        reply_integer(&story->reply, values[i]);
    reply_bulk_integer(&story->reply, -42);
    expect_sent(story, BYTES(":0\r\n:9\r\n:10\r\n:99\r\n:100\r\n:12345\r\n:-1\r\n:9223372036854775807\r\n"
                             ":-9223372036854775808\r\n$3\r\n-42\r\n"));
}

static void bulks_carry_any_bytes(void **state)
{
    (void)state;
    struct story *story = story_begin(2);
    reply_bulk(&story->reply, BYTES("a\r\n\0b"));
    reply_bulk(&story->reply, (struct bytes){NULL, 0});
    reply_bulk_text(&story->reply, "0123456789");
    expect_sent(story, BYTES("$5\r\na\r\n\0b\r\n$0\r\n\r\n$10\r\n0123456789\r\n"));
}

static void protocol_2_has_arrays_and_bulks_for_what_protocol_3_names(void **state)
{
    (void)state;
    for (uint8_t protocol = 2; protocol <= 3; protocol++) {
        struct story *story = story_begin(protocol);
        struct reply *reply = &story->reply;
        reply_null(reply);
        reply_null_array(reply);
        reply_array(reply, 0);
        reply_map(reply, 2);
        reply_set(reply, 3);
        reply_push(reply, 4);
        reply_bool(reply, true);
        reply_bool(reply, false);
        reply_double(reply, 1.5);
        reply_big_number(reply, BYTES("12345678901234567890123"));
        reply_verbatim(reply, "txt", BYTES("hi"));
        expect_sent(story, protocol == 2 ? BYTES("$-1\r\n*-1\r\n*0\r\n*4\r\n*3\r\n*4\r\n:1\r\n:0\r\n$3\r\n1.5\r\n"
                                                 "$23\r\n12345678901234567890123\r\n$2\r\nhi\r\n")
                                         : BYTES("_\r\n_\r\n*0\r\n%2\r\n~3\r\n>4\r\n#t\r\n#f\r\n,1.5\r\n"
                                                 "(12345678901234567890123\r\n=6\r\ntxt:hi\r\n"));
    }
}

static void doubles_are_spelled_as_redis_spells_them(void **state)
{
    (void)state;
    struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {3, "3"},
        {-1e15, "-1000000000000000"},
        {1e16, "10000000000000000"},
        {1e17, "1e+17"},
        {0.1, "0.10000000000000001"},
        {-2.25, "-2.25"},
        {1.0 / 3, "0.33333333333333331"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {-NAN, "nan"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-4.9406564584124654e-324, "-4.9406564584124654e-324"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer expected = {0};
        struct story *story = story_begin(2);
        reply_double(&story->reply, cases[i].value);
        buffer_append_format(&expected, "$%zu\r\n%s\r\n", strlen(cases[i].text), cases[i].text);
        expect_sent(story, buffer_bytes(&expected));
        story = story_begin(3);
        reply_double(&story->reply, cases[i].value);
        expected.length = 0;
        buffer_append_format(&expected, ",%s\r\n", cases[i].text);
        expect_sent(story, buffer_bytes(&expected));
        buffer_deinit(&expected);
    }
}

static void an_error_is_one_line_whatever_its_text_holds(void **state)
{
    (void)state;
    struct story *story = story_begin(3);
    reply_error(&story->reply, ERROR_SYNTAX);
    reply_error_format(&story->reply, ERROR_ARITY_FORMAT, "g\r\n+OK");
    reply_status(&story->reply, "OK");
    reply_status_bytes(&story->reply, BYTES("a\r\nb\0c"));
    assert_int_equal(story->reply.errors, 2);
    expect_sent(story, BYTES("-ERR syntax error\r\n-ERR wrong number of arguments for 'g  +OK' command\r\n"
                             "+OK\r\n+a  b c\r\n"));
}

static void a_silent_reply_writes_nothing_and_still_counts_and_releases(void **state)
{
    (void)state;
    struct story *story = story_begin(3);
    released = 0;
    story->reply.silent = true;
    reply_error(&story->reply, ERROR_SYNTAX);
    reply_bulk_reference(&story->reply, BYTES("x"), count_release, NULL);
    size_t handle = reply_deferred_begin(&story->reply);
    reply_integer(&story->reply, 1);
    reply_null(&story->reply);
    reply_map(&story->reply, 1);
    reply_double(&story->reply, 1);
    reply_verbatim(&story->reply, "txt", BYTES("x"));
    reply_big_number(&story->reply, BYTES("1"));
    reply_deferred_map(&story->reply, handle, 1);
    assert_int_equal(released, 1);
    assert_int_equal(story->reply.errors, 1);
    expect_sent(story, BYTES(""));
}

static void a_deferred_count_is_written_before_its_elements(void **state)
{
    (void)state;
    const size_t counts[] = {0, 9, 10, 123};
    for (size_t c = 0; c < 4; c++) {
        struct buffer expected = {0};
        struct story *story = story_begin(2);
        reply_status(&story->reply, "OK");
        size_t handle = reply_deferred_begin(&story->reply);
        buffer_append_format(&expected, "+OK\r\n*%zu\r\n", counts[c]);
        for (size_t i = 0; i < counts[c]; i++) {
            reply_bulk_text(&story->reply, "x");
            buffer_append_text(&expected, "$1\r\nx\r\n");
        }
        reply_deferred_array(&story->reply, handle, counts[c]);
        expect_sent(story, buffer_bytes(&expected));
        buffer_deinit(&expected);
    }
}

static void deferred_counts_nest_and_know_the_protocol(void **state)
{
    (void)state;
    for (uint8_t protocol = 2; protocol <= 3; protocol++) {
        struct story *story = story_begin(protocol);
        struct reply *reply = &story->reply;
        size_t outer = reply_deferred_begin(reply);
        size_t inner = reply_deferred_begin(reply);
        reply_integer(reply, 1);
        reply_deferred_set(reply, inner, 12);
        inner = reply_deferred_begin(reply);
        reply_deferred_map(reply, inner, 0);
        reply_deferred_map(reply, outer, 7);
        expect_sent(story, protocol == 2 ? BYTES("*14\r\n*12\r\n:1\r\n*0\r\n") : BYTES("%7\r\n~12\r\n:1\r\n%0\r\n"));
    }
}

static void references_keep_their_places_when_a_count_is_inserted(void **state)
{
    (void)state;
    struct story *story = story_begin(2);
    struct reply *reply = &story->reply;
    released = 0;
    reply_bulk_reference(reply, BYTES("before"), count_release, NULL);
    output_append_reference(&story->output, BYTES("+raw\r\n"), count_release, NULL);
    size_t outer = reply_deferred_begin(reply);
    output_append_reference(&story->output, BYTES("+in\r\n"), count_release, NULL);
    size_t inner = reply_deferred_begin(reply);
    reply_bulk_reference(reply, BYTES("inside"), count_release, NULL);
    reply_deferred_array(reply, inner, 100);
    reply_deferred_array(reply, outer, 2000);
    reply_bulk_reference(reply, BYTES("after"), count_release, NULL);
    expect_sent(story, BYTES("$6\r\nbefore\r\n+raw\r\n*2000\r\n+in\r\n*100\r\n$6\r\ninside\r\n$5\r\nafter\r\n"));
    assert_int_equal(released, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_all_widths_are_written_in_decimal),
        cmocka_unit_test(bulks_carry_any_bytes),
        cmocka_unit_test(protocol_2_has_arrays_and_bulks_for_what_protocol_3_names),
        cmocka_unit_test(doubles_are_spelled_as_redis_spells_them),
        cmocka_unit_test(an_error_is_one_line_whatever_its_text_holds),
        cmocka_unit_test(a_silent_reply_writes_nothing_and_still_counts_and_releases),
        cmocka_unit_test(a_deferred_count_is_written_before_its_elements),
        cmocka_unit_test(deferred_counts_nest_and_know_the_protocol),
        cmocka_unit_test(references_keep_their_places_when_a_count_is_inserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
