/* SPDX-License-Identifier: BSD-3-Clause */
/* Directives from a file, from CONFIG SET and back into the file. */
#include "command/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t port, memory, applied;
static char *password, *directory;
static bool enabled;
static int parts;
static char part_texts[8][64];

static bool apply_memory(const struct option *option, char *error, size_t error_size)
{
    (void)option;
    if (memory > 2000) {
        snprintf(error, error_size, "the machine has less");
        return false;
    }
    applied = memory;
    return true;
}

static bool parse_part(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    if (text.length == 0) {
        parts = 0;
        return true;
    }
    if (text.length >= sizeof(part_texts[0]) || parts == 8) {
        snprintf(error, error_size, "too much");
        return false;
    }
    memcpy(part_texts[parts], text.data, text.length);
    part_texts[parts++][text.length] = '\0';
    return true;
}

static void print_parts(const struct option *option, struct buffer *out)
{
    (void)option;
    for (int i = 0; i < parts; i++)
        buffer_append_format(out, "%s%s", i ? "\n" : "", part_texts[i]);
}

static const struct option table[] = {
    {.name = "port",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &port,
     .initial = "6379",
     .maximum = 65535},
    {.name = "memory", .type = OPTION_BYTES, .value = &memory, .initial = "1k", .apply = apply_memory},
    {.name = "password", .type = OPTION_TEXT, .value = &password, .initial = ""},
    {.name = "directory", .type = OPTION_TEXT, .value = &directory, .initial = "."},
    {.name = "enabled", .type = OPTION_BOOL, .value = &enabled, .initial = "no"},
    {.name = "part",
     .type = OPTION_SPECIAL,
     .flags = OPTION_REPEATED,
     .initial = "",
     .parse = parse_part,
     .print = print_parts},
    {.name = NULL},
};

static char folder[] = "/tmp/settings-test-XXXXXX";
static char path[64], other_path[64];
static char error[512];

static int setup_all(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/main.conf", folder);
    snprintf(other_path, sizeof(other_path), "%s/other.conf", folder);
    settings_register(table);
    return 0;
}

static int teardown_all(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(folder);
}

static int reset(void **state)
{
    (void)state;
    option_reset(table);
    applied = 0;
    error[0] = '\0';
    return 0;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool load(const char *text)
{
    write_file(path, text);
    return settings_load(path, error, sizeof(error));
}

static bool set(const char *name, const char *text)
{
    return settings_set(settings_find(bytes_of_text(name)), bytes_of_text(text), true, error, sizeof(error));
}

static void assert_file_is(const char *text)
{
    char content[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(content, text);
}

static void names_are_found_in_any_case_and_only_whole(void **state)
{
    (void)state;
    assert_ptr_equal(settings_find(BYTES("PoRt")), &table[0]);
    assert_null(settings_find(BYTES("por")));
    assert_null(settings_find(BYTES("ports")));
    assert_null(settings_find(BYTES("")));
}

static void a_file_has_comments_blank_lines_and_quotes(void **state)
{
    (void)state;
    assert_true(load("# port 1\n\n  port 7000\n\tPassword \"a \\\"b\\\" # c\"\r\ndirectory '/x y'\nenabled yes"));
    assert_int_equal(port, 7000);
    assert_string_equal(password, "a \"b\" # c");
    assert_string_equal(directory, "/x y");
    assert_true(enabled);
}

static void double_quotes_know_escapes(void **state)
{
    (void)state;
    assert_true(load("password \"a\\n\\t\\x41\\q\\\\\"\ndirectory 'a\\n'\n"));
    assert_string_equal(password, "a\n\tAq\\");
    assert_string_equal(directory, "a\\n");
}

static void empty_quotes_are_an_empty_value(void **state)
{
    (void)state;
    assert_true(load("password secret\npassword \"\"\n"));
    assert_string_equal(password, "");
}

static void the_words_of_a_value_are_joined_by_blanks(void **state)
{
    (void)state;
    assert_true(load("directory  a   b\t c\n"));
    assert_string_equal(directory, "a b c");
}

static void repeated_directives_add_up(void **state)
{
    (void)state;
    assert_true(load("part one prefix 1\npart two prefix 2\n"));
    assert_int_equal(parts, 2);
    assert_string_equal(part_texts[1], "two prefix 2");
}

static void an_included_file_is_read_in_its_place(void **state)
{
    (void)state;
    char text[256];
    write_file(other_path, "port 2\nmemory 2\n");
    snprintf(text, sizeof(text), "port 1\ninclude %s\nmemory 3\n", other_path);
    assert_true(load(text));
    assert_int_equal(port, 2);
    assert_int_equal(memory, 3);
}

static void a_file_that_includes_itself_is_refused(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof(text), "include %s\n", path);
    assert_false(load(text));
    assert_non_null(strstr(error, "nested too deep"));
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
    (void)state;
    const char *const wrong[] = {"nosuch 1", "port 70000", "port", "memory much", "password \"open", "enabled maybe"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "# first\n%s\n", wrong[i]);
        assert_false(load(text));
        assert_non_null(strstr(error, "main.conf, line 2: "));
    }
    assert_int_equal(port, 6379);
    unlink(path);
    assert_false(settings_load(path, error, sizeof(error)));
    assert_non_null(strstr(error, "No such file"));
}

static void start_up_directives_cannot_be_set_while_running(void **state)
{
    (void)state;
    assert_false(set("port", "1"));
    assert_string_equal(error, "can't set immutable config");
    assert_int_equal(port, 6379);
}

static void a_value_is_applied_when_set_while_running(void **state)
{
    (void)state;
    assert_true(set("memory", "500"));
    assert_int_equal(applied, 500);
}

static void a_value_that_cannot_be_applied_is_put_back(void **state)
{
    (void)state;
    assert_true(set("memory", "500"));
    assert_false(set("memory", "1k1"));
    assert_false(set("memory", "5000"));
    assert_string_equal(error, "the machine has less");
    assert_int_equal(memory, 500);
}

static void rewriting_keeps_comments_and_order(void **state)
{
    (void)state;
    assert_true(load("# about the port\nport 7000\n\n# the rest\nenabled no\nmemory 1\n"));
    settings_set_file(path);
    assert_true(set("memory", "2"));
    assert_true(set("directory", "/data dir"));
    assert_true(settings_rewrite(error, sizeof(error)));
    assert_file_is("# about the port\nport 7000\n\n# the rest\nenabled no\nmemory 2\ndirectory \"/data dir\"\n");
}

static void rewriting_adds_no_defaults(void **state)
{
    (void)state;
    write_file(path, "# nothing\n");
    settings_set_file(path);
    assert_true(settings_rewrite(error, sizeof(error)));
    assert_file_is("# nothing\n");
}

static void rewriting_puts_a_repeated_directive_where_it_first_stood(void **state)
{
    (void)state;
    assert_true(load("part a 1\nport 1\npart b 2\nport 2\n"));
    settings_set_file(path);
    assert_true(settings_rewrite(error, sizeof(error)));
    assert_file_is("part a 1\npart b 2\nport 2\n");
}

static void what_was_rewritten_reads_back_the_same(void **state)
{
    (void)state;
    const char *const passwords[] = {"plain",        "with blank", "a\"b\\c",     "it's",    "#hash",
                                     "back\\slash",  "\\",         "two  blanks", " edges ", "line\nport 1",
                                     "\t\r\x01\x7f", "\xc3\xa9",   "\\n \\x41"};
    for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
        write_file(path, "");
        settings_set_file(path);
        assert_true(set("password", passwords[i]));
        assert_true(settings_rewrite(error, sizeof(error)));
        option_reset(table);
        assert_true(settings_load(path, error, sizeof(error)));
        assert_string_equal(password, passwords[i]);
    }
}

static void rewriting_leaves_the_file_as_readable_as_it_was(void **state)
{
    (void)state;
    struct stat after;
    write_file(path, "port 1\n");
    assert_int_equal(chmod(path, 0640), 0);
    settings_set_file(path);
    assert_true(settings_rewrite(error, sizeof(error)));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode & 0777, 0640);
}

static void rewriting_needs_a_file(void **state)
{
    (void)state;
    settings_set_file("");
    assert_false(settings_rewrite(error, sizeof(error)));
    assert_string_equal(error, "The server is running without a config file");
}

static void rewriting_into_a_folder_that_is_gone_is_told(void **state)
{
    (void)state;
    settings_set_file("/nonexistent-folder/main.conf");
    assert_false(settings_rewrite(error, sizeof(error)));
    assert_non_null(strstr(error, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_are_found_in_any_case_and_only_whole, reset),
        cmocka_unit_test_setup(a_file_has_comments_blank_lines_and_quotes, reset),
        cmocka_unit_test_setup(double_quotes_know_escapes, reset),
        cmocka_unit_test_setup(empty_quotes_are_an_empty_value, reset),
        cmocka_unit_test_setup(the_words_of_a_value_are_joined_by_blanks, reset),
        cmocka_unit_test_setup(repeated_directives_add_up, reset),
        cmocka_unit_test_setup(an_included_file_is_read_in_its_place, reset),
        cmocka_unit_test_setup(a_file_that_includes_itself_is_refused, reset),
        cmocka_unit_test_setup(what_is_wrong_is_told_with_file_and_line, reset),
        cmocka_unit_test_setup(start_up_directives_cannot_be_set_while_running, reset),
        cmocka_unit_test_setup(a_value_is_applied_when_set_while_running, reset),
        cmocka_unit_test_setup(a_value_that_cannot_be_applied_is_put_back, reset),
        cmocka_unit_test_setup(rewriting_keeps_comments_and_order, reset),
        cmocka_unit_test_setup(rewriting_adds_no_defaults, reset),
        cmocka_unit_test_setup(rewriting_puts_a_repeated_directive_where_it_first_stood, reset),
        cmocka_unit_test_setup(what_was_rewritten_reads_back_the_same, reset),
        cmocka_unit_test_setup(rewriting_leaves_the_file_as_readable_as_it_was, reset),
        cmocka_unit_test_setup(rewriting_needs_a_file, reset),
        cmocka_unit_test_setup(rewriting_into_a_folder_that_is_gone_is_told, reset),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
