/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64], text[16384];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/forebay-log-test-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    log_open("", LOG_NOTICE, LOG_LOGFMT);
    return unlink(path);
}

static const char *logged(void)
{
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[length] = '\0';
    if (file)
        fclose(file);
    return text;
}

static void assert_one_line(void)
{
    const char *line = logged();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void a_line_has_time_level_event_and_pairs(void **state)
{
    (void)state;
    log_open(path, LOG_NOTICE, LOG_LOGFMT);
    log_notice("server started", "port=%d dir=\"%s\"", 6379, "./a b");
    assert_string_equal(strchr(logged(), ' '), " level=notice event=\"server started\" port=6379 dir=\"./a b\"\n");
    assert_int_equal(strlen("ts=2026-01-02T03:04:05.678Z"), strcspn(text, " "));
    assert_int_equal(text[strcspn(text, " ") - 1], 'Z');
}

static void levels_below_the_set_one_are_silent(void **state)
{
    (void)state;
    log_open(path, LOG_WARNING, LOG_LOGFMT);
    log_notice("unheard", "n=%d", 1);
    log_set_level(LOG_NOTHING);
    log_warning("unheard", "n=%d", 2);
    assert_string_equal(logged(), "");
    log_set_level(LOG_DEBUG);
    log_debug("heard", "%s", "");
    assert_non_null(strstr(logged(), "level=debug event=\"heard\"\n"));
}

static void json_turns_pairs_into_members(void **state)
{
    (void)state;
    log_open(path, LOG_NOTICE, LOG_JSON);
    log_warning("odd \"event\"", "n=-12 name=plain quoted=\"a \"b\" c\" empty= tail=\"x\\y\"");
    assert_string_equal(strstr(logged(), "\",\"level\""),
                        "\",\"level\":\"warning\",\"event\":\"odd \\\"event\\\"\",\"n\":-12,\"name\":\"plain\","
                        "\"quoted\":\"a \\\"b\\\" c\",\"empty\":\"\",\"tail\":\"x\\\\y\"}\n");
    assert_int_equal(strncmp(text, "{\"ts\":\"2", 8), 0);
}

static void no_value_can_begin_a_line_of_its_own(void **state)
{
    (void)state;
    log_open(path, LOG_NOTICE, LOG_LOGFMT);
    log_notice("refused", "user=\"%s\"", "eve\nts=now event=\"forged\"");
    assert_one_line();
    log_open(path, LOG_NOTICE, LOG_JSON);
    log_notice("refused", "user=\"%s\"", "eve\nforged");
    assert_non_null(strstr(logged(), "eve\\u000aforged"));
}

static void a_line_too_long_is_cut_and_still_one_line(void **state)
{
    (void)state;
    static char value[10000];
    memset(value, '"', sizeof(value) - 1);
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        assert_int_equal(truncate(path, 0), 0);
        log_open(path, LOG_NOTICE, (enum log_format)format);
        log_notice("long", "value=\"%s\"", value);
        assert_one_line();
        assert_in_range(strlen(text), 1000, 4096);
    }
}

static void opening_again_follows_a_rotation(void **state)
{
    (void)state;
    char rotated[80];
    snprintf(rotated, sizeof(rotated), "%s.1", path);
    log_open(path, LOG_NOTICE, LOG_LOGFMT);
    log_notice("old", "n=%d", 1);
    assert_int_equal(rename(path, rotated), 0);
    log_open(path, LOG_NOTICE, LOG_LOGFMT);
    log_notice("new", "n=%d", 2);
    assert_null(strstr(logged(), "old"));
    assert_non_null(strstr(text, "event=\"new\""));
    unlink(rotated);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
    const struct CMUnitTest tests[] = {
        STORY(a_line_has_time_level_event_and_pairs),
        STORY(levels_below_the_set_one_are_silent),
        STORY(json_turns_pairs_into_members),
        STORY(no_value_can_begin_a_line_of_its_own),
        STORY(a_line_too_long_is_cut_and_still_one_line),
        STORY(opening_again_follows_a_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
