/* SPDX-License-Identifier: BSD-3-Clause */
/* A line is formatted once and sent to each monitoring session as an order to its own thread, so that nobody else writes
 * its output. */
#include "command/monitor.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"

_Atomic uint32_t monitor_count;

/* A formatted line that all monitors share. */
struct monitor_line {
    _Atomic uint32_t references;
    struct buffer text;
};

static void line_release(struct monitor_line *line)
{
    if (atomic_fetch_sub(&line->references, 1) > 1)
        return;
    buffer_deinit(&line->text);
    memory_free(line);
}

static void line_missed(int64_t argument)
{
    line_release((struct monitor_line *)(intptr_t)argument);
}

static void append_quoted(struct buffer *text, struct bytes word)
{
    buffer_append(text, "\"", 1);
    for (size_t i = 0; i < word.length; i++) {
        unsigned char c = (unsigned char)word.data[i];
        if (c == '"' || c == '\\')
            buffer_append_format(text, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t' || c == '\a' || c == '\b')
            buffer_append_format(text, "\\%c",
                                 c == '\n'   ? 'n'
                                 : c == '\r' ? 'r'
                                 : c == '\t' ? 't'
                                 : c == '\a' ? 'a'
                                             : 'b');
        else if (isprint(c))
            buffer_append(text, &word.data[i], 1);
        else
            buffer_append_format(text, "\\x%02x", c);
    }
    buffer_append(text, "\"", 1);
}

static void line_arrived(struct session *session, int64_t argument)
{
    struct monitor_line *line = (struct monitor_line *)(intptr_t)argument;
    if (session->flags & SESSION_MONITOR) {
        reply_status_bytes(&session->reply, buffer_bytes(&line->text));
        session->transport->wants_send(session->connection);
    }
    line_release(line);
}

/* Further monitors see nothing: each costs every command a letter. */
#define MONITORS_MAX 64

struct monitors {
    uint64_t ids[MONITORS_MAX];
    uint32_t count;
};

static void collect_monitor(void *context, struct session *session)
{
    struct monitors *monitors = context;
    if (atomic_load_explicit(&session->monitoring, memory_order_relaxed) && monitors->count < MONITORS_MAX)
        monitors->ids[monitors->count++] = session->id;
}

void monitor_feed(const struct execution *x)
{
    struct monitors monitors = {.count = 0};
    session_each(collect_monitor, &monitors);
    if (monitors.count == 0)
        return;
    struct monitor_line *line = memory_allocate_zeroed(sizeof(*line));
    int64_t now_us = clock_now_us();
    char peer[64], local[64];
    x->session->transport->describe(x->session->connection, peer, local, sizeof(peer));
    buffer_append_format(&line->text, "%ld.%06ld [%d %s]", (long)(now_us / 1000000), (long)(now_us % 1000000), x->db,
                         peer);
    for (size_t i = 0; i < x->argc; i++) {
        buffer_append(&line->text, " ", 1);
        append_quoted(&line->text, x->argv[i]);
    }
    atomic_store(&line->references, monitors.count + 1);
    for (uint32_t i = 0; i < monitors.count; i++)
        if (!session_act_or(monitors.ids[i], line_arrived, line_missed, (int64_t)(intptr_t)line))
            line_release(line);
    line_release(line);
}

void monitor_stop(struct session *session)
{
    session->flags &= ~(uint32_t)SESSION_MONITOR;
    atomic_store_explicit(&session->monitoring, false, memory_order_relaxed);
    atomic_fetch_sub(&monitor_count, 1);
}

void monitor_command(struct execution *x)
{
    if (!(x->session->flags & SESSION_MONITOR)) {
        x->session->flags |= SESSION_MONITOR;
        atomic_store_explicit(&x->session->monitoring, true, memory_order_relaxed);
        atomic_fetch_add(&monitor_count, 1);
    }
    reply_status(x->reply, "OK");
}
