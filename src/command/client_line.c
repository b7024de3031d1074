/* SPDX-License-Identifier: BSD-3-Clause */
/* How CLIENT LIST shows a client: of a session what it says itself, of a replica's link what a link has; the rest is 0. */
#include "command/client_line.h"

#include "command/channels.h"
#include "command/tracking.h"
#include "command/transaction.h"

static const char *const client_type_names[] = {"normal", "master", "replica", "pubsub"};

enum client_type client_type_of(struct bytes name)
{
    for (int type = 0; type < CLIENT_TYPE_COUNT; type++)
        if (bytes_equal_text(name, client_type_names[type]))
            return (enum client_type)type;
    return bytes_equal_text(name, "slave") ? CLIENT_REPLICA : CLIENT_TYPE_COUNT;
}

static void append_tracking_letters(struct buffer *out, unsigned flags)
{
    buffer_append_text(out, "t");
    if (flags & TRACKING_BROKEN)
        buffer_append_text(out, "R");
    if (flags & TRACKING_BCAST)
        buffer_append_text(out, "B");
}

static void append_flag_letters(struct buffer *out, const struct session *session, bool unix_socket)
{
    size_t before = out->length;
    if (session->flags & SESSION_FEED)
        buffer_append_text(out, "M");
    if (session->flags & SESSION_MONITOR)
        buffer_append_text(out, "O");
    if (session->flags & SESSION_SUBSCRIBER)
        buffer_append_text(out, "P");
    if (session->flags & SESSION_MULTI)
        buffer_append_text(out, "x");
    if (session->suspension == SUSPENDED_BLOCKED)
        buffer_append_text(out, "b");
    if (session->tracking != NULL)
        append_tracking_letters(out, session->tracking->flags);
    if (transaction_is_touched(session))
        buffer_append_text(out, "d");
    if (session->flags & SESSION_CLOSING)
        buffer_append_text(out, "c");
    if (unix_socket)
        buffer_append_text(out, "U");
    if (session->flags & SESSION_NO_EVICT)
        buffer_append_text(out, "e");
    if (session->flags & SESSION_NO_TOUCH)
        buffer_append_text(out, "T");
    if (session->flags & SESSION_IMPORT_SOURCE)
        buffer_append_text(out, "I");
    if (out->length == before)
        buffer_append_text(out, "N");
}

static int64_t seconds_since(int64_t then_ms, int64_t now_ms)
{
    return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Output is one buffer that grows, where Redis has a fixed one and then a list: the list is always empty. */
static void append_sizes(struct buffer *out, const struct session *session, const struct session_measures *measures)
{
    size_t queued = transaction_bytes(session);
    size_t spare =
        measures->query_capacity > measures->query_bytes ? measures->query_capacity - measures->query_bytes : 0;
    size_t total = sizeof(*session) + measures->query_capacity + measures->output_capacity + queued;
    buffer_append_format(out, " qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu", measures->query_bytes, spare, queued);
    buffer_append_format(out, " rbs=%zu rbp=%zu obl=%zu oll=0 omem=0 tot-mem=%zu", measures->output_capacity,
                         measures->output_capacity, measures->output_bytes, total);
    buffer_append_format(out, " events=%s", measures->output_bytes > 0 ? "rw" : "r");
}

static struct place append_place(struct buffer *out, const char *text)
{
    struct place place = {out->length, strlen(text)};
    buffer_append(out, text, place.length);
    return place;
}

static enum client_type type_of(const struct session *session)
{
    if (session->flags & SESSION_FEED)
        return CLIENT_MASTER;
    return session->flags & SESSION_SUBSCRIBER ? CLIENT_PUBSUB : CLIENT_NORMAL;
}

/* "id=... fd=N": who it is. */
static void begin_line(struct part_line *line, const char *peer, const char *local, int fd, struct buffer *out)
{
    line->text.start = out->length;
    buffer_append_format(out, "id=%llu addr=", (unsigned long long)line->id);
    line->peer = append_place(out, peer);
    buffer_append_text(out, " laddr=");
    line->local = append_place(out, local);
    buffer_append_format(out, " fd=%d", fd);
}

struct part_line client_line_of_session(struct session *session, int64_t now_ms, struct buffer *out)
{
    static const struct session_names no_names;
    const struct session_names *names = session->names != NULL ? session->names : &no_names;
    struct session_measures measures = {0};
    char peer[160], local[160];
    session->transport->measure(session->connection, &measures);
    session->transport->describe(session->connection, peer, local, sizeof(peer));
    struct part_line line = {.id = session->id,
                             .created_at_ms = (int64_t)session->created_at_s * 1000,
                             .type = type_of(session),
                             .blocked = session->suspension == SUSPENDED_BLOCKED};
    begin_line(&line, peer, local, measures.fd, out);
    buffer_append_format(out, " name=%s age=%lld idle=%lld flags=", text_or_empty(names->name),
                         (long long)seconds_since((int64_t)session->created_at_s * 1000, now_ms),
                         (long long)seconds_since(measures.active_at_ms, now_ms));
    append_flag_letters(out, session, measures.unix_socket);
    buffer_append_format(out, " db=%d sub=%u psub=%u ssub=%u multi=%d", session->db,
                         channels_count(session, CHANNEL_PLAIN), channels_count(session, CHANNEL_PATTERN),
                         channels_count(session, CHANNEL_SHARD), transaction_length(session));
    append_sizes(out, session, &measures);
    buffer_append_format(
        out, " cmd=%s user=default redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
        session->last_command >= 0 ? command_by_id((uint32_t)session->last_command)->full_name : "NULL",
        session->tracking != NULL ? (long long)session->tracking->redirect : -1LL, session->reply.protocol,
        text_or_empty(names->library_name), text_or_empty(names->library_version));
    line.text.length = out->length - line.text.start;
    return line;
}

struct part_line client_line_of_replica(const struct replica_link *link, int64_t now_ms, struct buffer *out)
{
    struct part_line line = {.id = link->id, .created_at_ms = link->created_at_ms, .type = CLIENT_REPLICA};
    begin_line(&line, link->peer, link->local, link->fd, out);
    buffer_append_format(out, " name= age=%lld idle=%lld flags=S%s db=0 sub=0 psub=0 ssub=0 multi=-1",
                         (long long)seconds_since(link->created_at_ms, now_ms),
                         (long long)seconds_since(link->active_at_ms, now_ms), link->is_unix ? "U" : "");
    buffer_append_format(out,
                         " qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=%zu oll=0 omem=0 tot-mem=%zu",
                         link->query_bytes, link->output_bytes, link->query_bytes + link->output_bytes);
    buffer_append_format(out, " events=%s cmd=psync user=default redir=-1 resp=2 lib-name= lib-ver=\n",
                         link->output_bytes > 0 ? "rw" : "r");
    line.text.length = out->length - line.text.start;
    return line;
}
