/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection's life, and the receiving half of it; connection_send.c is the other.
 *
 * Input lies in one of three places:
 *   - nowhere, when nothing is left;
 *   - in the loop's arena, from receive to the send pass of the same turn; then what is left is kept in
 *   - a block of its own (input_base), just as large as what it keeps. A small one is copied in front of the next
 *     bytes in the arena; a large one, the greater part of a large request, grows as its bytes arrive, at most by
 *     doubling, and is freed when the request is done.
 * input.data moves forward as the owner consumes; input.capacity is the room from there to the block's end.
 *
 * The end of the peer's sending is not yet the end of the connection: what it asked is answered first, unless it is
 * blocked. See connection_flush. */
#include "net/connection.h"
#include "net/net_private.h"

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct connection_limits connection_limits = {
    .query_bytes_max = INT64_C(1) << 30,
    .unauthenticated_bytes_max = 1 << 20,
};

/* Opening and closing. */

struct hand_over {
    struct mail mail;
    struct loop *loop;
    struct loose_connection loose;
    void *owner;
};

/* There may be more of what was received, which no readable socket tells of. */
static void look_behind_tls(struct connection *connection)
{
    if (!connection_tls(connection) || !tls_has_more(connection_tls(connection)))
        return;
    connection->flags |= CONNECTION_READABLE;
    loop_list(&connection->loop->arrivals, connection, CONNECTION_LISTED);
}

/* What an earlier owner has left of input and output. */
static void connection_resettle(struct connection *connection, struct loose_connection *loose)
{
    if (loose->input.length > 0) {
        connection_private(connection)->input_base = loose->input.data;
        connection->input = loose->input;
        connection->flags |= CONNECTION_AGAIN;
        loop_list(&connection->loop->arrivals, connection, CONNECTION_LISTED);
    } else {
        buffer_deinit(&loose->input);
    }
    connection->output.bytes = loose->output;
    if (loose->output.length > 0)
        connection_wants_send(connection);
}

static struct connection_private *connection_allocate(struct tls *tls)
{
    if (!tls)
        return memory_allocate_zeroed(sizeof(struct connection_private));
    struct tls_connection *connection = memory_allocate_zeroed(sizeof(*connection));
    connection->tls = tls;
    connection->inner.connection.flags = CONNECTION_TLS;
    return &connection->inner;
}

static void connection_open(struct mail *mail)
{
    struct hand_over *hand_over = (struct hand_over *)mail;
    struct connection_private *inner = connection_allocate(hand_over->loose.tls);
    struct connection *connection = &inner->connection;
    connection->loop = hand_over->loop;
    connection->fd = hand_over->loose.fd;
    connection->local = hand_over->loose.local;
    connection->unix_socket = hand_over->loose.unix_socket;
    connection->trusted = hand_over->loose.trusted;
    connection->owner = hand_over->owner;
    connection->active_at_ms = loop_now_ms(connection->loop);
    list_append(&connection->loop->connections, &inner->link);
    loop_watch_init(connection);
    look_behind_tls(connection);
    connection_resettle(connection, &hand_over->loose);
    memory_free(hand_over);
    metric_add(METRIC_total_connections_received, 1);
    connection->loop->handlers.opened(connection->loop->handlers.context, connection);
}

bool connection_comes_with(const struct mail *mail)
{
    return mail->deliver == connection_open;
}

void connection_join(struct loop *loop, struct loose_connection *loose, void *owner)
{
    struct hand_over *hand_over = memory_allocate(sizeof(*hand_over));
    *hand_over = (struct hand_over){.mail.deliver = connection_open, .loop = loop, .loose = *loose, .owner = owner};
    *loose = (struct loose_connection){.fd = -1};
    atomic_fetch_add_explicit(&loop->connection_count, 1, memory_order_relaxed);
    mailbox_post(&loop->mailbox, &hand_over->mail);
}

void connection_leave(struct connection *connection, void (*take)(void *taker, struct loose_connection *loose),
                      void *taker)
{
    struct leaver *leaver = memory_allocate(sizeof(*leaver));
    *leaver = (struct leaver){connection->loop->leavers, connection, take, taker};
    connection->loop->leavers = leaver;
    connection_close(connection);
    connection->flags |= CONNECTION_LEAVING;
}

static struct leaver *leaver_take(struct connection *connection)
{
    struct leaver **place = &connection->loop->leavers;
    while ((*place)->connection != connection)
        place = &(*place)->next;
    struct leaver *leaver = *place;
    *place = leaver->next;
    return leaver;
}

/* After 'closed': its socket and what is left of its buffers go to the taker. libev has stopped looking at the socket, but takes
 * it out of its epoll set only at the next event, by when the new owner may have closed it: then the call fails, and libev
 * makes the set anew. The thread sanitizer tells of that. */
static void connection_let_go(struct connection *connection)
{
    struct leaver *leaver = leaver_take(connection);
    struct loose_connection loose = {.fd = connection->fd,
                                     .tls = connection_tls(connection),
                                     .local = connection->local,
                                     .unix_socket = connection->unix_socket,
                                     .trusted = connection->trusted};
    buffer_append_bytes(&loose.input, buffer_bytes(&connection->input));
    connection_copy_unsent(connection, &loose.output);
    leaver->take(leaver->taker, &loose);
    memory_free(leaver);
}

void connection_destroy(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct loop *loop = connection->loop;
    soft_since_set(connection, 0);
    loop_watch_stop(connection);
    if (connection->flags & CONNECTION_LEAVING)
        connection_let_go(connection);
    else
        wire_close(connection->fd, &(struct tls *){connection_tls(connection)});
    list_remove(&inner->link);
    output_rewind(&connection->output, (struct output_mark){0});
    buffer_pool_return(&loop->pool, &connection->output.bytes);
    output_deinit(&connection->output);
    memory_free(inner->input_base);
    memory_free(inner);
    atomic_fetch_sub_explicit(&loop->connection_count, 1, memory_order_relaxed);
}

void connection_fail(struct connection *connection, int error)
{
    connection->error = (uint16_t)error;
    connection_close(connection);
}

void connection_close(struct connection *connection)
{
    connection->closing = true;
    loop_list(&connection->loop->doomed, connection, CONNECTION_DOOMED);
}

void connection_close_after_send(struct connection *connection)
{
    connection->closing = true;
    connection_wants_send(connection);
}

/* What the owner says. */

void connection_consume(struct connection *connection, size_t length)
{
    struct buffer *input = &connection->input;
    check(length <= input->length);
    input->data += length;
    input->length -= length;
    input->capacity -= length;
    connection_private(connection)->expected = 0;
    if (input->length == 0)
        connection_wants_send(connection); /* to settle the input, if this is not in turn */
}

void connection_expect(struct connection *connection, size_t length)
{
    connection_private(connection)->expected = length;
}

void connection_hand_back(struct connection *connection)
{
    if (connection->input.length > 0) {
        connection->flags |= CONNECTION_AGAIN;
        loop_list(&connection->loop->arrivals, connection, CONNECTION_LISTED);
    }
    connection_flush(connection);
}

void connection_suspend(struct connection *connection)
{
    connection->suspended = true;
}

void connection_resume(struct connection *connection)
{
    if (!connection->suspended)
        return;
    connection->suspended = connection->blocked = false;
    if (connection->flags & CONNECTION_DOOMED)
        return;
    /* What TLS has received already makes no socket readable. */
    uint16_t readable = connection->flags & CONNECTION_TLS ? CONNECTION_READABLE : 0;
    connection->flags = (uint16_t)((connection->flags | CONNECTION_RESUMED | readable) & ~CONNECTION_UNREAD);
    loop_watch(connection);
    loop_list(&connection->loop->arrivals, connection, CONNECTION_LISTED);
}

void connection_hold(struct connection *connection)
{
    connection->held = true;
}

void connection_release(struct connection *connection)
{
    if (!connection->held)
        return;
    connection->held = false;
    connection_wants_send(connection);
}

void connection_wants_send(struct connection *connection)
{
    loop_list(&connection->loop->touched, connection, CONNECTION_TOUCHED);
}

/* Receiving. */

static void *input_end(const struct connection *connection)
{
    return connection->input.data + connection->input.length;
}

/* Frees the block of the input, whose bytes now lie elsewhere. */
static void input_replace(struct connection *connection, char *base, char *data, size_t capacity)
{
    struct connection_private *inner = connection_private(connection);
    memory_free(inner->input_base);
    inner->input_base = base;
    connection->input.data = data;
    connection->input.capacity = capacity;
}

/* Asks for more of who filled the last read, for less of who did not. */
static void read_size_adapt(struct connection_private *inner, size_t asked, size_t received)
{
    if (received == asked && inner->read_shift < NET_READ_SHIFT_MAX)
        inner->read_shift++;
    else if (received < asked / 2 && inner->read_shift > 0)
        inner->read_shift--;
}

static ssize_t receive_in_arena(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct loop *loop = connection->loop;
    struct buffer *input = &connection->input;
    char *start = loop->arena + loop->arena_used;
    size_t size = (size_t)NET_READ_MIN << inner->read_shift;
    ssize_t received = wire_receive(connection->fd, connection_tls(connection), start + input->length, size);
    if (received <= 0)
        return received;
    if (input->length > 0)
        memcpy(start, input->data, input->length);
    input_replace(connection, NULL, start, input->length + (size_t)received);
    input->length += (size_t)received;
    connection->flags |= CONNECTION_IN_ARENA;
    loop->arena_used += (input->length + 63) & ~(size_t)63;
    read_size_adapt(inner, size, (size_t)received);
    return received;
}

/* Makes room behind a large input: by moving it to its block's begin if that frees as much as is moved, else by
 * growing. */
static bool input_make_room(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct buffer *input = &connection->input;
    size_t room = input->capacity - input->length, consumed = (size_t)(input->data - inner->input_base);
    bool will_do = room > 0 && inner->expected > input->length && inner->expected <= input->capacity;
    if (room >= NET_READ_MIN || will_do)
        return true;
    if (consumed >= input->length && consumed >= NET_READ_MIN) {
        memmove(inner->input_base, input->data, input->length);
        input->data = inner->input_base;
        input->capacity += consumed;
        return true;
    }
    size_t capacity = 2 * input->length;
    if (inner->expected > input->length && inner->expected < capacity)
        capacity = inner->expected;
    char *block = memory_try_allocate(capacity);
    if (!block)
        return false;
    memcpy(block, input->data, input->length);
    input_replace(connection, block, block, capacity);
    return true;
}

static ssize_t receive_in_block(struct connection *connection)
{
    struct buffer *input = &connection->input;
    if (!input_make_room(connection)) {
        errno = ENOMEM;
        return -1;
    }
    size_t room = input->capacity - input->length, size_max = (size_t)NET_READ_MIN << NET_READ_SHIFT_MAX;
    ssize_t received = wire_receive(connection->fd, connection_tls(connection), input_end(connection),
                                    room < size_max ? room : size_max);
    if (received > 0)
        input->length += (size_t)received;
    return received;
}

/* True when the input is too long for what its sender may ask. */
static bool query_is_too_long(const struct connection *connection)
{
    int64_t limit = limit_read(&connection_limits.query_bytes_max);
    int64_t stranger_limit = limit_read(&connection_limits.unauthenticated_bytes_max);
    if (!connection->trusted && stranger_limit > 0 && stranger_limit < limit)
        limit = stranger_limit;
    return (int64_t)connection->input.length > limit;
}

static void query_refuse(struct connection *connection)
{
    char peer[128];
    connection_peer(connection, peer, sizeof(peer));
    log_warning("client closed: query buffer limit", "peer=%s bytes=%zu", peer, connection->input.length);
    metric_add(METRIC_client_query_buffer_limit_disconnections, 1);
    connection_close(connection);
}

static void tell_failure(const struct connection *connection)
{
    char peer[128];
    connection_peer(connection, peer, sizeof(peer));
    log_verbose("TLS failed", "peer=%s error=\"%s\"", peer, tls_failure(connection_tls(connection)));
}

static void receive_failed(struct connection *connection, ssize_t received)
{
    struct tls *tls = connection_tls(connection);
    if (received < 0 && tls && errno == EPROTO)
        tell_failure(connection);
    if (received < 0 && tls && errno == EAGAIN && tls_read_wants_write(tls))
        connection->flags |= CONNECTION_STUFFED; /* the handshake is to send something */
    if (received == 0)
        connection->flags |= CONNECTION_ENDED;
    else if (errno != EAGAIN && errno != EINTR)
        connection_fail(connection, errno);
}

bool connection_receive(struct connection *connection)
{
    struct buffer *input = &connection->input;
    if (connection->suspended && input->length >= NET_READ_MIN) {
        connection->flags |= CONNECTION_UNREAD;
        loop_watch(connection);
        return false;
    }
    ssize_t received = input->length > NET_READ_MIN ? receive_in_block(connection) : receive_in_arena(connection);
    if (received <= 0) {
        receive_failed(connection, received);
        return false;
    }
    if (connection->flags & CONNECTION_TLS)
        look_behind_tls(connection);
    connection->active_at_ms = connection->loop->now_ms;
    connection->bytes_in += (uint64_t)received;
    metric_add(METRIC_total_net_input_bytes, (uint64_t)received);
    metric_add(METRIC_total_reads_processed, 1);
    if (query_is_too_long(connection))
        query_refuse(connection);
    return true;
}

void connection_settle(struct connection *connection)
{
    struct connection_private *inner = connection_private(connection);
    struct buffer *input = &connection->input;
    bool in_arena = connection->flags & CONNECTION_IN_ARENA;
    if (!in_arena && !inner->input_base)
        return;
    connection->flags &= (uint16_t)~CONNECTION_IN_ARENA;
    if (input->length == 0) {
        input_replace(connection, NULL, NULL, 0);
        return;
    }
    size_t consumed = in_arena ? 0 : (size_t)(input->data - inner->input_base);
    if (!in_arena && (consumed == 0 || input->length > (consumed + input->capacity) / 4))
        return;
    char *block = memory_allocate(input->length);
    memcpy(block, input->data, input->length);
    input_replace(connection, block, block, input->length);
}

/* Names. */

static void address_print(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        /* not always terminated, but followed by our zeros */
        snprintf(text, size, "%s:0", ((const struct sockaddr_un *)address)->sun_path);
    }
}

void connection_local(const struct connection *connection, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address) - 1;
    if (getsockname(connection->fd, (struct sockaddr *)&address, &length) == 0)
        address_print(&address, text, size);
    else
        snprintf(text, size, "?:0");
}

void connection_peer(const struct connection *connection, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address) - 1;
    if (connection->unix_socket)
        connection_local(connection, text, size); /* clients of a unix socket have no name */
    else if (getpeername(connection->fd, (struct sockaddr *)&address, &length) == 0)
        address_print(&address, text, size);
    else
        snprintf(text, size, "?:0");
}
