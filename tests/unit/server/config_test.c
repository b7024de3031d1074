/* SPDX-License-Identifier: BSD-3-Clause */
/* The directives of the process as a whole, and the file that explains them. */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/settings.h"

/* Tests run in the root of the source tree. */
#define SAMPLE "conf/forebay.conf"

static char *sample;

static int setup_all(void **state)
{
    (void)state;
    FILE *file = fopen(SAMPLE, "r");
    size_t room = 65536;
    sample = calloc(1, room);
    if (!file || !sample)
        return -1;
    sample[fread(sample, 1, room - 1, file)] = '\0';
    fclose(file);
    config_setup();
    return 0;
}

static int teardown_all(void **state)
{
    (void)state;
    free(sample);
    return 0;
}

/* A line "name value", which may be commented out. */
static bool sample_has(const char *name)
{
    size_t length = strlen(name);
    for (const char *line = sample; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *word = strncmp(line, "# ", 2) == 0 ? line + 2 : line;
        if (strncmp(word, name, length) == 0 && word[length] == ' ')
            return true;
    }
    return false;
}

static void look_for_row(void *context, const struct option *option)
{
    if (!(option->flags & OPTION_HIDDEN) && !sample_has(option->name)) {
        print_error("%s is not in " SAMPLE "\n", option->name);
        ++*(int *)context;
    }
}

static void every_directive_stands_in_the_sample_file(void **state)
{
    (void)state;
    int missing = 0;
    settings_each(look_for_row, &missing);
    assert_int_equal(missing, 0);
}

static void look_for_change(void *context, const struct option *option)
{
    struct buffer before = {0}, after = {0};
    char error[256];
    option_print(option, &after);
    option_set(option, bytes_of_text(option->initial), error, sizeof(error));
    option_print(option, &before);
    if (!bytes_equal(buffer_bytes(&before), buffer_bytes(&after))) {
        print_error("%s is not its default in " SAMPLE "\n", option->name);
        ++*(int *)context;
    }
    buffer_deinit(&before);
    buffer_deinit(&after);
}

static void the_sample_file_sets_the_defaults(void **state)
{
    (void)state;
    char error[512] = "";
    int changed = 0;
    if (!settings_load(SAMPLE, error, sizeof(error)))
        fail_msg("%s", error);
    settings_each(look_for_change, &changed);
    assert_int_equal(changed, 0);
}

static void look_for_twin(void *context, const struct option *option)
{
    if (settings_find(bytes_of_text(option->name)) != option) {
        print_error("%s has two rows\n", option->name);
        ++*(int *)context;
    }
}

static void no_directive_has_two_rows(void **state)
{
    (void)state;
    int twins = 0;
    settings_each(look_for_twin, &twins);
    assert_int_equal(twins, 0);
}

static void look_for_help(void *context, const struct option *option)
{
    if (!option->help || !option->help[0])
        ++*(int *)context;
}

static void every_directive_has_its_sentence(void **state)
{
    (void)state;
    int without = 0;
    settings_each(look_for_help, &without);
    assert_int_equal(without, 0);
}

static void flags_take_the_words_up_to_the_next_flag(void **state)
{
    (void)state;
    char *argv[] = {"forebay-server", "--bind", "127.0.0.1", "10.0.0.1", "--port", "7000"}, error[256];
    assert_true(config_read_arguments(6, argv, error, sizeof(error)));
    assert_string_equal(config.bind, "127.0.0.1 10.0.0.1");
    assert_int_equal(config.port, 7000);
}

static void wrong_flags_are_told(void **state)
{
    (void)state;
    char *unknown[] = {"forebay-server", "--nosuch", "1"}, *bad[] = {"forebay-server", "--port", "x"}, error[256];
    char *empty[] = {"forebay-server", "--port"}, *cluster[] = {"forebay-server", "--cluster-enabled", "yes"};
    assert_false(config_read_arguments(3, unknown, error, sizeof(error)));
    assert_non_null(strstr(error, "--nosuch"));
    assert_false(config_read_arguments(3, bad, error, sizeof(error)));
    assert_non_null(strstr(error, "--port: "));
    assert_false(config_read_arguments(2, empty, error, sizeof(error)));
    assert_false(config_read_arguments(3, cluster, error, sizeof(error)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directive_stands_in_the_sample_file),
        cmocka_unit_test(the_sample_file_sets_the_defaults),
        cmocka_unit_test(no_directive_has_two_rows),
        cmocka_unit_test(every_directive_has_its_sentence),
        cmocka_unit_test(flags_take_the_words_up_to_the_next_flag),
        cmocka_unit_test(wrong_flags_are_told),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
