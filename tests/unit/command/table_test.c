/* SPDX-License-Identifier: BSD-3-Clause */
/* The table over families of its own, small enough to be seen whole. */
#include "command/table_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct execution;

static void run_nothing(struct execution *x)
{
    (void)x;
}

#define ROW(word, words, group_name) .name = (word), .run = run_nothing, .arity = (words), .group = (group_name)
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static bool add_stores(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                       void *context)
{
    for (size_t i = 2; i + 1 < argc; i++)
        if (bytes_equal_text(argv[i], "STORE"))
            add(context, i + 1, KEY_OW | KEY_UPDATE);
    return true;
}

static const struct command string_commands[] = {
    {ROW("GET", 2, "string"), .flags = COMMAND_READONLY | COMMAND_FAST, .keys = {KEY_ONE(1, KEY_RO)}},
    {ROW("MSET", -3, "string"), .flags = COMMAND_WRITE, .keys = {KEY_RANGE(1, -1, 2, KEY_OW)}},
    {ROW("MGET", -2, "string"), .flags = COMMAND_READONLY, .keys = {KEY_RANGE(1, -1, 1, KEY_RO)}},
    END,
};

static const struct command object_subcommands[] = {
    {ROW("ENCODING", 3, "generic"), .flags = COMMAND_READONLY, .keys = {KEY_ONE(2, KEY_RO)}},
    {ROW("HELP", 2, "generic")},
    END,
};

static const struct command key_commands[] = {
    {ROW("OBJECT", -2, "generic"), .subcommands = object_subcommands},
    {ROW("TWO_APART", -4, "generic"), .keys = {KEY_ONE(1, KEY_OW), KEY_ONE(3, KEY_RO)}},
    {ROW("SORT", -2, "generic"), .flags = COMMAND_WRITE | COMMAND_DANGEROUS, .keys = {KEY_ONE(1, KEY_RO)},
     .more_keys = add_stores},
    {ROW("ZUNION", -3, "sorted-set"), .flags = COMMAND_READONLY, .keys = {KEY_NUMBERED(1, KEY_RO)}},
    {ROW("XREAD", -4, "stream"), .flags = COMMAND_READONLY | COMMAND_BLOCKING,
     .keys = {{.flags = KEY_RO, .first = 1, .keyword = "STREAMS", .last = -1, .step = 1, .limit = 2}}},
    {ROW("MIGRATE", -6, "generic"), .flags = COMMAND_WRITE,
     .keys = {KEY_ONE(3, KEY_RW), {.flags = KEY_RW, .first = -2, .keyword = "KEYS", .last = -1, .step = 1}}},
    {ROW("ALLBUTLAST", -3, "list"), .keys = {KEY_RANGE(1, -2, 1, KEY_RW)}},
    {ROW("A_NAME_OF_TWENTYFOUR_CHR", 1, "generic")},
    END,
};

static const struct command bitmap_commands[] = {
    {ROW("BITOP", -4, "bitmap"), .flags = COMMAND_WRITE, .keys = {KEY_ONE(2, KEY_OW), KEY_RANGE(3, -1, 1, KEY_RO)}},
    END,
};

static const struct command hyperloglog_commands[] = {
    {ROW("PFMERGE", -2, "hyperloglog"), .flags = COMMAND_WRITE,
     .keys = {KEY_ONE(1, KEY_RW), KEY_RANGE(2, -1, 1, KEY_RO)}},
    END,
};

static const struct command transaction_commands[] = {
    {ROW("EXEC", 1, "transactions")},
    END,
};
static const struct command pubsub_commands[] = {
    {ROW("SPUBLISH", 3, "pubsub"), .flags = COMMAND_PUBSUB | COMMAND_FAST, .keys = {KEY_ONE(1, KEY_NOT_KEY)}},
    END,
};
static const struct command server_commands[] = {
    {ROW("LASTSAVE", 1, "server"), .flags = COMMAND_FAST},
    {ROW("CONFIG", 1, "server"), .flags = COMMAND_ADMIN},
    END,
};
static const struct command command_subcommands[] = {
    {ROW("COUNT", 2, "server")},
    END,
};
static const struct command command_commands[] = {
    {ROW("COMMAND", -1, "server"), .subcommands = command_subcommands},
    END,
};

const struct command *const command_families[] = {
    string_commands,      key_commands,         bitmap_commands,
    hyperloglog_commands, transaction_commands, pubsub_commands,
    server_commands,      command_commands,     NULL,
};

/* ---- look-up ---- */

static void lookup_finds_every_row_in_any_case(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < command_top_level_count(); id++) {
        const struct command_entry *entry = command_by_id(id);
        assert_ptr_equal(command_lookup(bytes_of_text(entry->row->name)), entry);
        assert_ptr_equal(command_lookup(bytes_of_text(entry->full_name)), entry);
    }
    assert_string_equal(command_lookup(BYTES("gEt"))->full_name, "get");
}

static void lookup_refuses_what_is_nearly_a_name(void **state)
{
    (void)state;
    static const char *const strangers[] = {"",     "g",        "ge",           "gett",      "get ",
                                            "xget", "mgetmget", "two\177apart", "two-apart", "spublisg"};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
        assert_null(command_lookup(bytes_of_text(strangers[i])));
    assert_null(command_lookup(bytes_of("get\0", 4)));
    assert_null(command_lookup(bytes_of("\0get", 4)));
    assert_null(command_lookup(bytes_of("\a\005\024", 3))); /* "get" without its case and letter bits */
    assert_null(command_lookup(BYTES("a_name_of_twentyfour_chrx")));
}

static void lookup_reads_no_byte_past_the_name(void **state)
{
    (void)state;
    static const char name[] = "a_name_of_twentyfour_chr";
    for (size_t length = 0; length < sizeof(name) - 1; length++) {
        char *exact = test_malloc(length + 1);
        memcpy(exact + 1, name, length);
        assert_null(command_lookup(bytes_of(exact + 1, length)));
        test_free(exact);
    }
}

static void subcommands_are_found_by_word_and_by_full_name(void **state)
{
    (void)state;
    const struct bytes words[] = {BYTES("oBJect"), BYTES("encoding"), BYTES("k")};
    const struct command_entry *entry = command_resolve(words, 3);
    assert_string_equal(entry->full_name, "object|encoding");
    assert_string_equal(entry->parent->full_name, "object");
    assert_ptr_equal(command_by_full_name(BYTES("OBJECT|ENCODING")), entry);
    assert_null(command_by_full_name(BYTES("object|")));
    assert_null(command_by_full_name(BYTES("|encoding")));
    assert_null(command_by_full_name(BYTES("get|encoding")));
    assert_null(command_lookup(BYTES("object|encoding")));
}

static void resolve_falls_back_to_the_container(void **state)
{
    (void)state;
    const struct bytes words[] = {BYTES("object"), BYTES("nonsense")};
    assert_string_equal(command_resolve(words, 2)->full_name, "object");
    assert_string_equal(command_resolve(words, 1)->full_name, "object");
    assert_null(command_resolve(words, 0));
    assert_null(command_resolve(words + 1, 1));
}

static void ids_are_dense_and_commands_come_before_subcommands(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < command_count(); id++) {
        assert_int_equal(command_by_id(id)->id, id);
        assert_int_equal(command_by_id(id)->parent == NULL, id < command_top_level_count());
    }
    assert_null(command_by_id(command_count()));
    assert_int_equal(command_count(), command_top_level_count() + 3);
}

/* ---- what rows imply ---- */

static void assert_triple(const char *name, int first, int last, int step, bool movable)
{
    const struct command_entry *entry = command_by_full_name(bytes_of_text(name));
    assert_int_equal(entry->first_key, first);
    assert_int_equal(entry->last_key, last);
    assert_int_equal(entry->key_step, step);
    assert_int_equal((entry->flags & COMMAND_MOVABLEKEYS) != 0, movable);
}

static void the_legacy_triple_covers_what_plain_ranges_say(void **state)
{
    (void)state;
    assert_triple("get", 1, 1, 1, false);
    assert_triple("mset", 1, -1, 2, false);
    assert_triple("object|encoding", 2, 2, 1, false);
    assert_triple("object", 0, 0, 0, false);
    assert_triple("bitop", 2, -1, 1, false);
    assert_triple("allbutlast", 1, -2, 1, false);
    assert_triple("two_apart", 1, 1, 1, true);
    assert_triple("sort", 1, 1, 1, true);
    assert_triple("zunion", 0, 0, 0, true);
    assert_triple("xread", 0, 0, 0, true);
    assert_triple("migrate", 3, 3, 1, true);
}

static void simple_key_means_one_key_at_the_first_argument(void **state)
{
    (void)state;
    assert_true(command_lookup(BYTES("get"))->simple_key);
    assert_false(command_lookup(BYTES("mget"))->simple_key);
    assert_false(command_lookup(BYTES("sort"))->simple_key);
    assert_false(command_lookup(BYTES("two_apart"))->simple_key);
    assert_false(command_lookup(BYTES("exec"))->simple_key);
    assert_false(command_lookup(BYTES("spublish"))->simple_key);
}

static void categories_follow_from_group_and_flags(void **state)
{
    (void)state;
    assert_int_equal(command_lookup(BYTES("get"))->categories, ACL_STRING | ACL_READ | ACL_FAST);
    assert_int_equal(command_lookup(BYTES("xread"))->categories, ACL_STREAM | ACL_READ | ACL_BLOCKING | ACL_SLOW);
    assert_int_equal(command_lookup(BYTES("exec"))->categories, ACL_TRANSACTION | ACL_SLOW);
    assert_int_equal(command_lookup(BYTES("spublish"))->categories, ACL_PUBSUB | ACL_FAST);
    assert_int_equal(command_lookup(BYTES("config"))->categories, ACL_ADMIN | ACL_DANGEROUS | ACL_SLOW);
    assert_int_equal(command_by_full_name(BYTES("object|help"))->categories, ACL_KEYSPACE | ACL_SLOW);
}

static void containers_are_slow_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(command_lookup(BYTES("object"))->categories, ACL_SLOW);
    assert_int_equal(command_lookup(BYTES("command"))->categories, ACL_CONNECTION | ACL_SLOW);
}

static void some_commands_stand_outside_their_group(void **state)
{
    (void)state;
    assert_int_equal(command_lookup(BYTES("sort"))->categories,
                     ACL_SET | ACL_SORTEDSET | ACL_LIST | ACL_WRITE | ACL_DANGEROUS | ACL_SLOW);
    assert_int_equal(command_lookup(BYTES("lastsave"))->categories, ACL_ADMIN | ACL_DANGEROUS | ACL_FAST);
    assert_int_equal(command_by_full_name(BYTES("command|count"))->categories, ACL_CONNECTION | ACL_SLOW);
}

/* ---- keys ---- */

#define WORDS_MAX 12

struct found {
    char text[128];
};

static void note(void *context, size_t index, uint16_t flags)
{
    struct found *found = context;
    size_t length = strlen(found->text);
    assert_true(flags != 0);
    snprintf(found->text + length, sizeof(found->text) - length, "%s%zu", length > 0 ? " " : "", index);
}

/* The indexes of the keys of a request written as a line, or "malformed". */
static const char *keys_of(const char *line)
{
    static struct found found;
    static char copy[256];
    struct bytes words[WORDS_MAX];
    size_t count = 0;
    found.text[0] = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = bytes_of_text(word);
    return command_keys(command_resolve(words, count), words, count, note, &found) ? found.text : "malformed";
}

static void keys_of_ranges(void **state)
{
    (void)state;
    assert_string_equal(keys_of("get k"), "1");
    assert_string_equal(keys_of("get"), "malformed");
    assert_string_equal(keys_of("mget a b c"), "1 2 3");
    assert_string_equal(keys_of("mget"), "malformed");
    assert_string_equal(keys_of("mset a 1 b 2"), "1 3");
    assert_string_equal(keys_of("object encoding k"), "2");
    assert_string_equal(keys_of("object encoding"), "malformed");
    assert_string_equal(keys_of("bitop and d a b"), "2 3 4");
    assert_string_equal(keys_of("bitop and d"), "malformed");
    assert_string_equal(keys_of("pfmerge d a b"), "1 2 3");
    assert_string_equal(keys_of("pfmerge d"), "1");
    assert_string_equal(keys_of("allbutlast a b 0"), "1 2");
    assert_string_equal(keys_of("allbutlast 0"), "malformed");
    assert_string_equal(keys_of("exec"), "");
}

static void keys_that_a_number_counts(void **state)
{
    (void)state;
    assert_string_equal(keys_of("zunion 2 a b WEIGHTS 1 2"), "2 3");
    assert_string_equal(keys_of("zunion 1 a"), "2");
    assert_string_equal(keys_of("zunion 0"), "");
}

static void a_hostile_number_of_keys_is_malformed(void **state)
{
    (void)state;
    assert_string_equal(keys_of("zunion 3 a b"), "malformed");
    assert_string_equal(keys_of("zunion 1"), "malformed");
    assert_string_equal(keys_of("zunion"), "malformed");
    assert_string_equal(keys_of("zunion -1 a"), "malformed");
    assert_string_equal(keys_of("zunion -9223372036854775808 a"), "malformed");
    assert_string_equal(keys_of("zunion 9223372036854775807 a"), "malformed");
    assert_string_equal(keys_of("zunion 18446744073709551617 a"), "malformed");
    assert_string_equal(keys_of("zunion 1x a"), "malformed");
}

static void keys_after_a_keyword(void **state)
{
    (void)state;
    assert_string_equal(keys_of("xread COUNT 2 streams a b 0 0"), "4 5");
    assert_string_equal(keys_of("xread streams a 0"), "2");
    assert_string_equal(keys_of("xread streams"), "malformed");
    assert_string_equal(keys_of("xread streams a"), "malformed");
    assert_string_equal(keys_of("xread COUNT 2"), "");
    assert_string_equal(keys_of("migrate host 1 k 0 5"), "3");
    assert_string_equal(keys_of("migrate host 1 k 0 5 KEYS a b"), "3 7 8");
}

static void keys_that_only_a_function_knows(void **state)
{
    (void)state;
    assert_string_equal(keys_of("sort k DESC STORE d"), "1 4");
    assert_string_equal(keys_of("sort k"), "1");
}

static void what_is_routed_but_no_key_is_not_reported(void **state)
{
    (void)state;
    assert_string_equal(keys_of("spublish channel text"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookup_finds_every_row_in_any_case),
        cmocka_unit_test(lookup_refuses_what_is_nearly_a_name),
        cmocka_unit_test(lookup_reads_no_byte_past_the_name),
        cmocka_unit_test(subcommands_are_found_by_word_and_by_full_name),
        cmocka_unit_test(resolve_falls_back_to_the_container),
        cmocka_unit_test(ids_are_dense_and_commands_come_before_subcommands),
        cmocka_unit_test(the_legacy_triple_covers_what_plain_ranges_say),
        cmocka_unit_test(simple_key_means_one_key_at_the_first_argument),
        cmocka_unit_test(categories_follow_from_group_and_flags),
        cmocka_unit_test(containers_are_slow_and_nothing_else),
        cmocka_unit_test(some_commands_stand_outside_their_group),
        cmocka_unit_test(keys_of_ranges),
        cmocka_unit_test(keys_that_a_number_counts),
        cmocka_unit_test(a_hostile_number_of_keys_is_malformed),
        cmocka_unit_test(keys_after_a_keyword),
        cmocka_unit_test(keys_that_only_a_function_knows),
        cmocka_unit_test(what_is_routed_but_no_key_is_not_reported),
    };
    command_table_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
