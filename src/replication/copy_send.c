/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_send.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/metric.h"
#include "net/tls.h"
#include "replication/link_frame.h"
#include "replication/replication.h"

#define WAIT_MS 100
/* With repl-copy-rate. */
#define PIECES_A_SECOND 10
#define PIECE_BYTES_MIN 1024

static struct copy_receiver *receiver_of(struct list *node)
{
    return list_entry(node, struct copy_receiver, node);
}

/* ---- one ---- */

void copy_receiver_stop(struct copy_receiver *receiver, const char *reason)
{
    const char *none = NULL;
    atomic_compare_exchange_strong(&receiver->failure, &none, reason);
}

static bool has_failed(const struct copy_receiver *receiver)
{
    return atomic_load(&receiver->failure) != NULL;
}

void copy_receiver_end(struct copy_receivers *receivers, struct copy_receiver *receiver)
{
    list_remove(&receiver->node);
    receivers->count--;
    buffer_deinit(&receiver->first);
    mailbox_post(receiver->home, &receiver->done);
}

void copy_receiver_count(struct copy_receiver *receiver, size_t bytes)
{
    uint64_t before = atomic_load_explicit(&receiver->bytes, memory_order_relaxed);
    atomic_store_explicit(&receiver->bytes, before + bytes, memory_order_relaxed);
    metric_add(METRIC_total_net_output_bytes, bytes);
    metric_add(METRIC_total_net_repl_output_bytes, bytes);
}

static int64_t timeout_ms(void)
{
    return __atomic_load_n(&replication_settings.timeout_seconds, __ATOMIC_RELAXED) * 1000;
}

bool copy_receiver_await(struct copy_receiver *receiver, int64_t since_ms)
{
    struct pollfd wanted = {.fd = receiver->fd, .events = POLLOUT};
    if (clock_now_ms() - since_ms > timeout_ms())
        copy_receiver_stop(receiver, "it takes no bytes");
    else if (!has_failed(receiver) && poll(&wanted, 1, WAIT_MS) < 0 && errno != EINTR)
        copy_receiver_stop(receiver, "the socket failed");
    return !has_failed(receiver);
}

static bool has_all(const struct copy_receiver *receiver)
{
    return receiver->first.length + receiver->left.length == 0;
}

static void took(struct copy_receiver *receiver, size_t sent)
{
    if (receiver->first.length == 0) {
        receiver->left = bytes_of(receiver->left.data + sent, receiver->left.length - sent);
    } else if ((receiver->first_sent += sent) == receiver->first.length) {
        buffer_deinit(&receiver->first);
        receiver->first_sent = 0;
    }
    copy_receiver_count(receiver, sent);
    receiver->moved_ms = clock_now_ms();
}

static struct bytes next_of(const struct copy_receiver *receiver)
{
    const struct buffer *first = &receiver->first;
    return first->length > 0 ? bytes_of(first->data + receiver->first_sent, first->length - receiver->first_sent)
                             : receiver->left;
}

/* As much as the socket takes now. */
static void push(struct copy_receiver *receiver)
{
    while (!has_all(receiver) && !has_failed(receiver)) {
        struct bytes next = next_of(receiver);
        ssize_t sent = wire_send(receiver->fd, receiver->tls, next.data, next.length);
        if (sent > 0)
            took(receiver, (size_t)sent);
        else if (sent < 0 && errno == EAGAIN)
            return;
        else if (sent == 0 || errno != EINTR)
            copy_receiver_stop(receiver, "it closed the connection");
    }
}

/* ---- its form ---- */

static void pack(struct buffer *out, struct bytes bytes)
{
    while (bytes.length > 0) {
        size_t length = bytes.length < LINK_FRAME_RAW_MAX ? bytes.length : LINK_FRAME_RAW_MAX;
        link_frame_append(out, bytes_of(bytes.data, length));
        bytes = bytes_of(bytes.data + length, bytes.length - length);
    }
}

void copy_receiver_greet(struct copy_receiver *receiver, const char *mark, struct bytes head)
{
    receiver->gets_frames = receiver->wants_frames;
    if (receiver->gets_frames) {
        buffer_append_text(&receiver->first, "$LZ4:1\r\n");
        pack(&receiver->first, head);
    } else {
        buffer_append_format(&receiver->first, "$EOF:%s\r\n", mark);
        buffer_append_bytes(&receiver->first, head);
    }
}

/* ---- all ---- */

void copy_receivers_init(struct copy_receivers *receivers)
{
    *receivers = (struct copy_receivers){.count = 0};
    list_init(&receivers->all);
}

void copy_receivers_add(struct copy_receivers *receivers, struct copy_receiver *receiver)
{
    check(receivers->count < COPY_RECEIVERS_MAX);
    list_append(&receivers->all, &receiver->node);
    receivers->count++;
}

static void drop_failed(struct copy_receivers *receivers)
{
    for (struct list *next, *node = receivers->all.next; node != &receivers->all; node = next) {
        next = node->next;
        if (has_failed(receiver_of(node)))
            copy_receiver_end(receivers, receiver_of(node));
    }
}

/* How many have not all yet; 'polls' says what is waited for. */
static unsigned push_all(struct copy_receivers *receivers, struct pollfd *polls)
{
    unsigned late = 0;
    for (struct list *node = receivers->all.next; node != &receivers->all; node = node->next) {
        struct copy_receiver *receiver = receiver_of(node);
        push(receiver);
        if (!has_all(receiver) && !has_failed(receiver))
            polls[late++] = (struct pollfd){.fd = receiver->fd, .events = POLLOUT};
    }
    drop_failed(receivers);
    return late;
}

/* Those that are late have made all others, if there are some, wait for so long. */
static void blame_late(struct copy_receivers *receivers, unsigned late, int64_t waited_ms, int64_t now_ms)
{
    int64_t patience_ms = __atomic_load_n(&replication_settings.copy_wait_seconds, __ATOMIC_RELAXED) * 1000;
    bool others_wait = late < receivers->count || atomic_load(&receivers->waiting) > 0;
    for (struct list *node = receivers->all.next; node != &receivers->all; node = node->next) {
        struct copy_receiver *receiver = receiver_of(node);
        if (has_all(receiver))
            continue;
        if (others_wait)
            receiver->kept_others_ms += waited_ms;
        if (receiver->kept_others_ms > patience_ms)
            copy_receiver_stop(receiver, "others have waited for it for longer than repl-copy-wait");
        else if (now_ms - receiver->moved_ms > timeout_ms())
            copy_receiver_stop(receiver, "it takes no bytes");
    }
}

/* Until all that are left have what was given to them. */
static void deliver(struct copy_receivers *receivers)
{
    struct pollfd polls[COPY_RECEIVERS_MAX];
    unsigned late;
    int64_t before_ms = clock_now_ms();
    while ((late = push_all(receivers, polls)) > 0) {
        poll(polls, late, WAIT_MS);
        int64_t now_ms = clock_now_ms();
        blame_late(receivers, late, now_ms - before_ms, now_ms);
        before_ms = now_ms;
    }
}

/* Everybody is to get these bytes, plain or in frames. How many that are for whom they are most. */
static size_t give(struct copy_receivers *receivers, struct bytes plain, struct bytes frames)
{
    int64_t now_ms = clock_now_ms();
    size_t most = 0;
    for (struct list *node = receivers->all.next; node != &receivers->all; node = node->next) {
        struct copy_receiver *receiver = receiver_of(node);
        receiver->left = receiver->gets_frames ? frames : plain;
        receiver->moved_ms = now_ms;
        most = receiver->left.length > most ? receiver->left.length : most;
    }
    return most;
}

static bool any_gets_frames(const struct copy_receivers *receivers)
{
    for (const struct list *node = receivers->all.next; node != &receivers->all; node = node->next)
        if (receiver_of((struct list *)node)->gets_frames)
            return true;
    return false;
}

static void give_piece(struct copy_receivers *receivers, struct bytes piece)
{
    receivers->frames.length = 0;
    if (any_gets_frames(receivers))
        pack(&receivers->frames, piece);
    size_t sent = give(receivers, piece, buffer_bytes(&receivers->frames));
    deliver(receivers);
    copy_rate_keep(receivers, sent);
}

bool copy_receivers_send(struct copy_receivers *receivers, struct bytes bytes)
{
    do {
        size_t piece = copy_rate_piece(bytes.length);
        give_piece(receivers, bytes_of(bytes.data, piece));
        bytes = bytes_of(bytes.data + piece, bytes.length - piece);
    } while (bytes.length > 0 && receivers->count > 0);
    drop_failed(receivers);
    return receivers->count > 0;
}

bool copy_receivers_send_mark(struct copy_receivers *receivers, struct bytes mark)
{
    receivers->frames.length = 0;
    link_frame_append_end(&receivers->frames);
    give(receivers, mark, buffer_bytes(&receivers->frames));
    deliver(receivers);
    return receivers->count > 0;
}

void copy_receivers_end(struct copy_receivers *receivers, const char *failure)
{
    while (!list_is_empty(&receivers->all)) {
        struct copy_receiver *receiver = receiver_of(receivers->all.next);
        if (failure)
            copy_receiver_stop(receiver, failure);
        receiver->is_complete = !has_failed(receiver);
        copy_receiver_end(receivers, receiver);
    }
    buffer_deinit(&receivers->frames);
}

/* ---- the rate ---- */

static int64_t rate_now(void)
{
    return __atomic_load_n(&replication_settings.copy_rate, __ATOMIC_RELAXED);
}

size_t copy_rate_piece(size_t length)
{
    int64_t rate = rate_now(), piece = rate / PIECES_A_SECOND;
    if (rate <= 0)
        return length;
    if (piece < PIECE_BYTES_MIN)
        piece = PIECE_BYTES_MIN;
    return length < (size_t)piece ? length : (size_t)piece;
}

static bool any_goes_on(const struct copy_receivers *receivers)
{
    for (const struct list *node = receivers->all.next; node != &receivers->all; node = node->next)
        if (!has_failed(receiver_of((struct list *)node)))
            return true;
    return false;
}

void copy_rate_keep(const struct copy_receivers *receivers, size_t sent)
{
    int64_t rate, ahead = (int64_t)sent, before_us = clock_monotonic_us();
    while ((rate = rate_now()) > 0 && ahead > 0 && any_goes_on(receivers)) {
        int64_t wait_us = 1 + (int64_t)((double)ahead / (double)rate * 1e6);
        usleep((useconds_t)(wait_us < WAIT_MS * 1000 ? wait_us : WAIT_MS * 1000));
        int64_t now_us = clock_monotonic_us();
        ahead -= (int64_t)((double)rate * (double)(now_us - before_us) / 1e6);
        before_us = now_us;
    }
}
