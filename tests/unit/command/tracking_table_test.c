/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/tracking_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"

static struct id_list readers_of(const char *key)
{
    struct id_list readers = {0};
    tracking_table_take(bytes_of_text(key), &readers);
    return readers;
}

static int set_up(void **state)
{
    (void)state;
    tracking_table_clear();
    return 0;
}

static void readers_are_given_once_each_by_id(void **state)
{
    (void)state;
    struct buffer victim = {0};
    uint64_t ids[] = {7, 3, 9, 3, 7, 1};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        assert_false(tracking_table_add(BYTES("key"), ids[i], 0, &victim));
    struct id_list readers = readers_of("key");
    assert_int_equal(readers.count, 4);
    assert_int_equal(readers.ids[0], 1);
    assert_int_equal(readers.ids[3], 9);
    memory_free(readers.ids);
}

static void a_key_that_was_taken_has_no_readers(void **state)
{
    (void)state;
    struct buffer victim = {0};
    tracking_table_add(BYTES("key"), 1, 0, &victim);
    struct id_list first = readers_of("key"), second = readers_of("key");
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 0);
    memory_free(first.ids);
}

static void clearing_forgets_all(void **state)
{
    (void)state;
    struct buffer victim = {0};
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        tracking_table_add(bytes_of_text(name), 1, 0, &victim);
    }
    tracking_table_clear();
    assert_int_equal(readers_of("key:5").count, 0);
}

static void beyond_its_bound_the_table_names_a_victim(void **state)
{
    (void)state;
    char name[16];
    struct buffer victim = {0};
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        bool full = tracking_table_add(bytes_of_text(name), 1, 100, &victim);
        assert_true(full == (i >= 100));
        if (!full)
            continue;
        struct id_list readers = {0};
        tracking_table_take(buffer_bytes(&victim), &readers);
        assert_int_equal(readers.count, 1);
        memory_free(readers.ids);
        victim.length = 0;
    }
    buffer_deinit(&victim);
}

struct heard {
    char names[64];
    size_t listeners;
};

static void hear(void *context, struct bytes prefix, const struct id_list *listeners)
{
    struct heard *heard = context;
    size_t length = strlen(heard->names);
    snprintf(heard->names + length, sizeof(heard->names) - length, "%.*s ", (int)prefix.length, prefix.data);
    heard->listeners += listeners->count;
}

static void prefixes_stand_in_order_while_somebody_listens(void **state)
{
    (void)state;
    struct heard before = {0}, after = {0};
    tracking_prefix_add(BYTES("b"), 1);
    tracking_prefix_add(BYTES("a"), 2);
    tracking_prefix_add(BYTES("b"), 2);
    tracking_prefix_add(BYTES("b"), 2);
    tracking_each_prefix(hear, &before);
    assert_string_equal(before.names, "a b ");
    assert_int_equal(before.listeners, 3);
    tracking_prefix_remove(BYTES("a"), 2);
    tracking_prefix_remove(BYTES("b"), 1);
    tracking_prefix_remove(BYTES("b"), 5);
    tracking_each_prefix(hear, &after);
    assert_string_equal(after.names, "b ");
    assert_int_equal(after.listeners, 1);
    tracking_prefix_remove(BYTES("b"), 2);
}

int main(void)
{
    tracking_table_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(readers_are_given_once_each_by_id, set_up),
        cmocka_unit_test_setup(a_key_that_was_taken_has_no_readers, set_up),
        cmocka_unit_test_setup(clearing_forgets_all, set_up),
        cmocka_unit_test_setup(beyond_its_bound_the_table_names_a_victim, set_up),
        cmocka_unit_test(prefixes_stand_in_order_while_somebody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
