/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending half of a connection. What could not be sent stays in the output, the sent part of its bytes being
 * counted by output_sent and moved out of the way when it is the greater part; so a slow reader of a large output
 * costs linear work. A reference that is sent in part is shortened in place.
 *
 * S1  Nothing is sent while the connection is held or its socket is stuffed.
 * S2  output_sent never goes beyond the position of the first reference. */
#include "net/connection.h"
#include "net/net_private.h"

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES_MAX 128
#define TLS_RECORD (16 * 1024)
/* Less than this is not worth moving bytes for. */
#define SENT_KEPT_MIN (64 * 1024)

/* Lists the pieces to be sent next, in order, and says how many bytes they are. */
static size_t pieces_collect(const struct output *output, size_t sent, struct iovec *pieces, size_t *count)
{
    size_t total = 0, n = 0, at = sent;
    uint32_t i = 0;
    /* each reference may bring the bytes before it, and the last one those behind it */
    for (; i < output->reference_count && n + 3 <= PIECES_MAX; i++) {
        const struct output_reference *reference = &output->references[i];
        if (reference->position > at)
            pieces[n++] = (struct iovec){output->bytes.data + at, reference->position - at};
        pieces[n++] = (struct iovec){(void *)reference->data, reference->length};
        total += reference->position - at + reference->length;
        at = reference->position;
    }
    if (i == output->reference_count && output->bytes.length > at) {
        pieces[n++] = (struct iovec){output->bytes.data + at, output->bytes.length - at};
        total += output->bytes.length - at;
    }
    *count = n;
    return total;
}

/* TLS takes one piece, and copies it anyhow: the next record's worth. After EAGAIN the same bytes are found again. */
static ssize_t output_send_tls(struct connection *connection, size_t *offered)
{
    static _Thread_local char record[TLS_RECORD];
    struct iovec pieces[PIECES_MAX];
    size_t count,
        total = pieces_collect(&connection->output, connection_private(connection)->output_sent, pieces, &count);
    size_t length = 0;
    if (count == 1) {
        *offered = total;
        return tls_write(connection_tls(connection), pieces[0].iov_base, total);
    }
    for (size_t i = 0; i < count && length < sizeof(record); i++) {
        size_t room = sizeof(record) - length;
        size_t taken = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(record + length, pieces[i].iov_base, taken);
        length += taken;
    }
    *offered = length;
    return tls_write(connection_tls(connection), record, length);
}

/* Hands the socket as much as one call can take; *offered says how much that was. */
static ssize_t output_send(struct connection *connection, size_t *offered)
{
    struct output *output = &connection->output;
    size_t sent = connection_private(connection)->output_sent;
    if (connection->flags & CONNECTION_TLS)
        return output_send_tls(connection, offered);
    if (output->reference_count == 0) {
        *offered = output->bytes.length - sent;
        return send(connection->fd, output->bytes.data + sent, *offered, MSG_NOSIGNAL);
    }
    struct iovec pieces[PIECES_MAX];
    struct msghdr message = {.msg_iov = pieces};
    *offered = pieces_collect(output, sent, pieces, &message.msg_iovlen);
    return sendmsg(connection->fd, &message, MSG_NOSIGNAL);
}

/* Shortens the reference by what was sent of it; true when nothing is left. */
static bool reference_advance(struct output *output, struct output_reference *reference, size_t *length)
{
    size_t taken = *length < reference->length ? *length : reference->length;
    reference->data += taken;
    reference->length -= taken;
    output->referenced_length -= taken;
    *length -= taken;
    return reference->length == 0;
}

/* Notes that the next 'length' bytes are sent, and releases the references among them. */
static void output_advance(struct connection *connection, size_t length)
{
    struct connection_private *inner = connection_private(connection);
    struct output *output = &connection->output;
    uint32_t done = 0;
    for (; done < output->reference_count; done++) {
        struct output_reference *reference = &output->references[done];
        size_t before = reference->position - inner->output_sent;
        if (length < before)
            break;
        inner->output_sent = reference->position;
        length -= before;
        if (!reference_advance(output, reference, &length))
            break;
        reference->release(reference->owner);
    }
    if (done > 0) {
        output->reference_count -= done;
        memmove(output->references, output->references + done, output->reference_count * sizeof(*output->references));
    }
    inner->output_sent += length;
}

/* Moves the unsent bytes to the front once they are fewer than the sent ones. */
static void output_compact(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct output *output = &connection->output;
    size_t sent = inner->output_sent;
    if (sent < SENT_KEPT_MIN || sent < output->bytes.length / 2)
        return;
    buffer_consume(&output->bytes, sent);
    for (uint32_t i = 0; i < output->reference_count; i++)
        output->references[i].position -= sent;
    inner->output_sent = 0;
}

static void connection_send(struct connection *connection)
{
    while (connection_unsent(connection) > 0) {
        size_t offered;
        ssize_t sent = output_send(connection, &offered);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            connection_fail(connection, errno);
            return;
        }
        if (sent > 0) {
            output_advance(connection, (size_t)sent);
            connection->bytes_out += (uint64_t)sent;
            metric_add(METRIC_total_net_output_bytes, (uint64_t)sent);
            metric_add(METRIC_total_writes_processed, 1);
        }
        struct tls *tls = connection_tls(connection);
        if (sent < 0 && tls && tls_write_wants_read(tls))
            return; /* its next bytes bring it here again */
        if (sent > 0 && tls)
            continue; /* a record at a time: less than was offered says nothing */
        if (sent < 0 || (size_t)sent < offered) {
            connection->flags |= CONNECTION_STUFFED;
            output_compact(connection);
            return;
        }
    }
}

void soft_since_set(struct connection *connection, uint32_t since_ds)
{
    struct connection_private *inner = connection_private(connection);
    connection->loop->soft_count += (since_ds != 0) - (inner->soft_since_ds != 0);
    inner->soft_since_ds = since_ds;
}

/* Gives the empty output's memory back. A reference of no bytes may be left, and is released. */
static void output_return(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct output *output = &connection->output;
    output_rewind(output, (struct output_mark){0});
    inner->output_sent = 0;
    soft_since_set(connection, 0);
    if (output->bytes.data)
        buffer_pool_return(&connection->loop->pool, &output->bytes);
    if (output->references) {
        memory_free(output->references);
        output->references = NULL;
        output->reference_capacity = 0;
    }
}

/* True when the output has been beyond the soft limit for as long as is allowed. */
static bool soft_limit_is_over(struct connection *connection, int64_t unsent)
{
    struct connection_private *inner = connection_private(connection);
    const struct output_limit *limits = &connection_limits.output[connection->class];
    int64_t limit = limit_read(&limits->soft_bytes);
    uint32_t now_ds = (uint32_t)(connection->loop->now_us / 100000) + 1;
    if (limit <= 0 || unsent <= limit) {
        soft_since_set(connection, 0);
        return false;
    }
    if (inner->soft_since_ds == 0)
        soft_since_set(connection, now_ds);
    return now_ds - inner->soft_since_ds >= limit_read(&limits->soft_seconds) * 10;
}

static bool output_is_too_long(struct connection *connection)
{
    int64_t unsent = (int64_t)connection_unsent(connection);
    int64_t hard = limit_read(&connection_limits.output[connection->class].hard_bytes);
    int64_t stranger = limit_read(&connection_limits.unauthenticated_bytes_max);
    if (unsent == 0)
        return false;
    return (hard > 0 && unsent > hard) || (!connection->trusted && stranger > 0 && unsent > stranger) ||
           soft_limit_is_over(connection, unsent);
}

void connection_check_limits(struct connection *connection)
{
    if (connection->flags & CONNECTION_DOOMED || !output_is_too_long(connection))
        return;
    char peer[128];
    connection_peer(connection, peer, sizeof(peer));
    log_warning("client closed: output buffer limit", "peer=%s bytes=%zu", peer, connection_unsent(connection));
    metric_add(METRIC_client_output_buffer_limit_disconnections, 1);
    connection_close(connection);
}

/* Whether what the connection has received is done with, or waits for what may never come. */
static bool is_answered(const struct connection *connection)
{
    return connection->blocked ||
           (!connection->suspended && !(connection->flags & (CONNECTION_RESUMED | CONNECTION_AGAIN)));
}

void connection_copy_unsent(struct connection *connection, struct buffer *to)
{
    const struct output *output = &connection->output;
    size_t at = connection_private(connection)->output_sent;
    for (uint32_t i = 0; i < output->reference_count; i++) {
        const struct output_reference *reference = &output->references[i];
        buffer_append(to, output->bytes.data + at, reference->position - at);
        buffer_append(to, reference->data, reference->length);
        at = reference->position;
    }
    if (output->bytes.length > at)
        buffer_append(to, output->bytes.data + at, output->bytes.length - at);
}

void connection_flush(struct connection *connection)
{
    connection->flags &= (uint16_t)~CONNECTION_TOUCHED;
    if (connection->flags & CONNECTION_LEAVING)
        connection_settle(connection);
    if (connection->flags & CONNECTION_DOOMED)
        return;
    connection_settle(connection);
    if (connection->flags & CONNECTION_ENDED && is_answered(connection))
        connection->closing = true;
    if (!connection->held && !(connection->flags & CONNECTION_STUFFED))
        connection_send(connection);
    connection_check_limits(connection);
    if (connection->flags & CONNECTION_DOOMED)
        return;
    if (connection_unsent(connection) == 0) {
        output_return(connection);
        if (connection->closing)
            connection_close(connection);
    }
    loop_watch(connection);
}

static void check_limits(void *unused, struct connection *connection)
{
    (void)unused;
    connection_check_limits(connection);
}

void loop_check_limits(struct loop *loop)
{
    if (loop->soft_count > 0)
        loop_each_connection(loop, check_limits, NULL);
}
