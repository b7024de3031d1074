/* SPDX-License-Identifier: BSD-3-Clause */
/* The newest slow commands, newest first, under a leaf lock. Long arguments and long lists of them are cut, as a reader
 * wants to see which command it was, not its data. */
#include "command/slowlog.h"

#include "base/list.h"
#include "base/lock.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/server_commands.h"

#define SLOWLOG_ARGUMENTS_MAX 32
#define SLOWLOG_ARGUMENT_BYTES_MAX 128
#define SLOWLOG_GET_DEFAULT 10

struct slow_command {
    struct list node;
    int64_t id, at_seconds, duration_us;
    size_t argc;
    struct bytes *argv; /* one allocation with the words behind it */
    char peer[64];
    char *name;
};

static struct {
    struct lock lock;
    struct list newest_first;
    int64_t length, next_id;
} slowlog = {.lock = {.rank = LOCK_LEAF}};

static void slowlog_lock(void)
{
    lock_acquire(&slowlog.lock);
    if (!slowlog.newest_first.next)
        list_init(&slowlog.newest_first);
}

static void slow_command_free(struct slow_command *slow)
{
    memory_free(slow->argv);
    memory_free(slow->name);
    memory_free(slow);
}

static void slowlog_trim_locked(int64_t length_max)
{
    while (slowlog.length > length_max) {
        struct slow_command *oldest = list_entry(slowlog.newest_first.previous, struct slow_command, node);
        list_remove(&oldest->node);
        slow_command_free(oldest);
        slowlog.length--;
    }
}

/* The words as they will be shown: cut, with a note of what was left out. */
static struct bytes *copy_cut(const struct bytes *argv, size_t argc, size_t *shown)
{
    struct buffer words = {0};
    size_t lengths[SLOWLOG_ARGUMENTS_MAX];
    *shown = argc > SLOWLOG_ARGUMENTS_MAX ? SLOWLOG_ARGUMENTS_MAX : argc;
    for (size_t i = 0; i < *shown; i++) {
        size_t before = words.length;
        if (i == SLOWLOG_ARGUMENTS_MAX - 1 && argc > SLOWLOG_ARGUMENTS_MAX)
            buffer_append_format(&words, "... (%zu more arguments)", argc - SLOWLOG_ARGUMENTS_MAX + 1);
        else if (argv[i].length > SLOWLOG_ARGUMENT_BYTES_MAX) {
            buffer_append(&words, argv[i].data, SLOWLOG_ARGUMENT_BYTES_MAX);
            buffer_append_format(&words, "... (%zu more bytes)", argv[i].length - SLOWLOG_ARGUMENT_BYTES_MAX);
        } else
            buffer_append_bytes(&words, argv[i]);
        lengths[i] = words.length - before;
    }
    struct bytes *copy = memory_allocate(*shown * sizeof(struct bytes) + words.length);
    char *place = (char *)(copy + *shown);
    if (words.length > 0)
        memcpy(place, words.data, words.length);
    for (size_t i = 0; i < *shown; place += lengths[i++])
        copy[i] = bytes_of(place, lengths[i]);
    buffer_deinit(&words);
    return copy;
}

void slowlog_push(const struct execution *x, int64_t duration_us)
{
    if (x->engine->slowlog_length_max <= 0)
        return;
    struct slow_command *slow = memory_allocate_zeroed(sizeof(*slow));
    char local[64];
    slow->at_seconds = x->now_ms / 1000;
    slow->duration_us = duration_us;
    slow->argv = copy_cut(x->argv, x->argc, &slow->argc);
    x->session->transport->describe(x->session->connection, slow->peer, local, sizeof(slow->peer));
    const char *name = x->session->names && x->session->names->name ? x->session->names->name : "";
    size_t name_size = strlen(name) + 1;
    slow->name = memory_allocate(name_size);
    memcpy(slow->name, name, name_size);
    slowlog_lock();
    slow->id = slowlog.next_id++;
    list_prepend(&slowlog.newest_first, &slow->node);
    slowlog.length++;
    slowlog_trim_locked(x->engine->slowlog_length_max);
    lock_release(&slowlog.lock);
}

static void reply_slow_command(struct execution *x, const struct slow_command *slow)
{
    reply_array(x->reply, 6);
    reply_integer(x->reply, slow->id);
    reply_integer(x->reply, slow->at_seconds);
    reply_integer(x->reply, slow->duration_us);
    reply_array(x->reply, slow->argc);
    for (size_t i = 0; i < slow->argc; i++)
        reply_bulk(x->reply, slow->argv[i]);
    reply_bulk_text(x->reply, slow->peer);
    reply_bulk_text(x->reply, slow->name);
}

void slowlog_get_command(struct execution *x)
{
    int64_t count = SLOWLOG_GET_DEFAULT;
    if (x->argc > 3) {
        reply_usage(x);
        return;
    }
    if (x->argc == 3 &&
        !arg_int64_in(x, x->argv[2], -1, INT64_MAX, "ERR count should be greater than or equal to -1", &count))
        return;
    slowlog_lock();
    int64_t shown = count < 0 || count > slowlog.length ? slowlog.length : count;
    reply_array(x->reply, (size_t)shown);
    struct list *node = slowlog.newest_first.next;
    for (int64_t i = 0; i < shown; i++, node = node->next)
        reply_slow_command(x, list_entry(node, struct slow_command, node));
    lock_release(&slowlog.lock);
}

void slowlog_len_command(struct execution *x)
{
    slowlog_lock();
    int64_t length = slowlog.length;
    lock_release(&slowlog.lock);
    reply_integer(x->reply, length);
}

void slowlog_reset_command(struct execution *x)
{
    slowlog_lock();
    slowlog_trim_locked(0);
    lock_release(&slowlog.lock);
    reply_status(x->reply, "OK");
}
