/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the stream's tests share: a log in a directory of its own, short appends, and a replay told as text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "stream/stream.h"
#include "stream/stream_private.h"

#define RETRY_US 1000000

#define STORY __attribute__((unused)) static

struct story {
    char directory[64];
    char error[512];
    struct stream *stream;
    struct stream_options options;
    int64_t interval_ms;
    struct effect_batch batch;
};

/* The tests' machine never loses power, so they need not wait for its devices. */
STORY int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

STORY int story_setup(void **state)
{
    log_set_level(LOG_NOTHING);
    stream_io = (struct stream_io){
        .write_at = pwrite, .sync = sync_nothing, .sync_directory = sync_nothing, .retry_us = RETRY_US};
    struct story *story = calloc(1, sizeof(*story));
    strcpy(story->directory, "/tmp/stream_test_XXXXXX");
    assert_non_null(mkdtemp(story->directory));
    story->interval_ms = 3600 * 1000; /* only what is asked for is synced */
    story->options = (struct stream_options){
        .directory = story->directory,
        .durability = DURABILITY_BEHIND,
        .interval_ms = &story->interval_ms,
        .segment_bytes = 64 << 20,
        .unwritten_bytes_max = 64 << 20,
    };
    *state = story;
    return 0;
}

STORY void directory_clear(const char *directory)
{
    char path[512];
    DIR *entries = opendir(directory);
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(entries);
}

STORY int story_teardown(void **state)
{
    struct story *story = *state;
    if (story->stream)
        stream_abandon(&story->stream);
    directory_clear(story->directory);
    rmdir(story->directory);
    effect_batch_deinit(&story->batch);
    free(story);
    return 0;
}

STORY enum status story_try_open(struct story *story, uint64_t row_offset_max)
{
    story->error[0] = '\0';
    return stream_open(&story->stream, &story->options, row_offset_max, story->error, sizeof(story->error));
}

STORY void story_open(struct story *story)
{
    if (story_try_open(story, 0) != STATUS_OK)
        fail_msg("%s", story->error);
}

STORY void stage(struct effect_batch *batch, int32_t db, const char *name, const char *key, const char *value)
{
    effect_begin(batch, db, 3);
    effect_word(batch, bytes_of_text(name));
    effect_word(batch, bytes_of_text(key));
    effect_word(batch, bytes_of_text(value));
}

/* Appends "set key value" as often as 'count', with values 0, 1, .. if there are several. */
STORY uint64_t story_append(struct story *story, const char *key, unsigned count)
{
    char value[16];
    effect_batch_clear(&story->batch);
    for (unsigned i = 0; i < count; i++) {
        snprintf(value, sizeof(value), "%u", i);
        stage(&story->batch, 0, "set", key, value);
    }
    return stream_append(story->stream, &story->batch);
}

/* Appends and writes: one frame. */
STORY uint64_t story_write(struct story *story, const char *key, unsigned count)
{
    uint64_t end = story_append(story, key, count);
    stream_write(story->stream);
    return end;
}

STORY void tell_effect(void *context, const struct effect *effect, uint64_t end_offset)
{
    struct buffer *text = context;
    buffer_append_format(text, "%d:", effect->db);
    for (uint32_t i = 0; i < effect->count; i++) {
        buffer_append_bytes(text, effect->words[i]);
        buffer_append(text, " ", 1);
    }
    buffer_append_format(text, "@%" PRIu64 "\n", end_offset);
}

STORY enum status story_try_replay(struct story *story, uint64_t from, struct buffer *text)
{
    story->error[0] = '\0';
    return stream_replay(story->stream, from, tell_effect, text, story->error, sizeof(story->error));
}

STORY void assert_replay(struct story *story, uint64_t from, const char *expected)
{
    struct buffer text = {0};
    if (story_try_replay(story, from, &text) != STATUS_OK)
        fail_msg("%s", story->error);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, expected);
    buffer_deinit(&text);
}

STORY void segment_path(struct story *story, uint64_t first, char path[128])
{
    char name[SEGMENT_NAME_MAX];
    log_segment_name(name, first);
    snprintf(path, 128, "%s/%s", story->directory, name);
}

STORY uint64_t file_bytes(const char *path)
{
    struct stat information;
    assert_int_equal(stat(path, &information), 0);
    return (uint64_t)information.st_size;
}

STORY struct buffer file_read(const char *path)
{
    struct buffer content = {0};
    uint64_t length = file_bytes(path);
    int fd = open(path, O_RDONLY);
    buffer_reserve(&content, length + 1);
    assert_int_equal(pread(fd, content.data, length, 0), (ssize_t)length);
    content.length = length;
    close(fd);
    return content;
}

STORY void file_write(const char *path, const void *data, size_t length)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length), (ssize_t)length);
    close(fd);
}

STORY void file_flip(const char *path, uint64_t position, unsigned char mask)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)position), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)position), 1);
    close(fd);
}

/* A waiter that counts its mail. */
struct waiter {
    struct stream_wait wait;
    unsigned mailed;
};

STORY void waiter_deliver(struct mail *mail)
{
    list_entry(mail, struct waiter, wait.mail)->mailed++;
}

STORY void wake_nobody(void *context)
{
    (void)context;
}

STORY bool waiter_start(struct waiter *waiter, struct stream *stream, struct mailbox *home, uint64_t offset,
                        enum stream_level level)
{
    *waiter =
        (struct waiter){.wait = {.offset = offset, .level = level, .home = home, .mail = {.deliver = waiter_deliver}}};
    return stream_wait_start(stream, &waiter->wait);
}
