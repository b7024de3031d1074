/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "replication/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/settings.h"
#include "net/tls.h"

#define FILE_PIECE_BYTES ((size_t)1 << 20)
#define KEEPALIVE_MS 1000

/* There is one while the functions below go on. */
static struct copy_receiver *receiver_of(const struct copy_receivers *receivers)
{
    return list_entry(receivers->all.next, struct copy_receiver, node);
}

static bool fail(struct copy_receiver *receiver, const char *reason)
{
    copy_receiver_stop(receiver, reason);
    return false;
}

bool copy_file_open(struct copy_file *file, struct copy_receiver *receiver)
{
    const struct option *option = settings_find(BYTES("dir"));
    const char *directory = option ? *(char **)option->value : ".";
    file->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return file->fd >= 0 || fail(receiver, "no file can be made in the data directory");
}

bool copy_file_write(struct copy_file *file, struct copy_receivers *receivers, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file->fd, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR)
            return fail(receiver_of(receivers), "the file in the data directory cannot be written");
        if (written > 0)
            bytes = bytes_of(bytes.data + written, bytes.length - (size_t)written);
    }
    int64_t now_ms = clock_now_ms();
    if (now_ms - file->kept_alive_ms < KEEPALIVE_MS)
        return !atomic_load(&receiver_of(receivers)->failure);
    file->kept_alive_ms = now_ms;
    return copy_receivers_send(receivers, BYTES("\n"));
}

/* What sendfile does, through TLS. */
static ssize_t send_piece(const struct copy_file *file, const struct copy_receiver *receiver, off_t *position)
{
    if (!receiver->tls)
        return sendfile(receiver->fd, file->fd, position, copy_rate_piece(FILE_PIECE_BYTES));
    char piece[16 * 1024];
    ssize_t length = pread(file->fd, piece, sizeof(piece), *position);
    ssize_t sent = length > 0 ? wire_send(receiver->fd, receiver->tls, piece, (size_t)length) : length;
    if (sent > 0)
        *position += sent;
    return sent;
}

static bool send_all(const struct copy_file *file, struct copy_receivers *receivers, off_t length)
{
    struct copy_receiver *receiver = receiver_of(receivers);
    off_t position = 0;
    int64_t since_ms = clock_now_ms();
    while (position < length) {
        off_t before = position;
        ssize_t count = send_piece(file, receiver, &position);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return fail(receiver, "it closed the connection");
        if (position == before && !copy_receiver_await(receiver, since_ms))
            return false;
        if (position == before)
            continue;
        since_ms = clock_now_ms();
        copy_receiver_count(receiver, (size_t)(position - before));
        copy_rate_keep(receivers, (size_t)(position - before));
        if (atomic_load(&receiver->failure))
            return false;
    }
    return true;
}

bool copy_file_send(struct copy_file *file, struct copy_receivers *receivers)
{
    off_t length = lseek(file->fd, 0, SEEK_END);
    struct buffer head = {0};
    buffer_append_format(&head, "$%lld\r\n", (long long)length);
    bool sent = copy_receivers_send(receivers, buffer_bytes(&head));
    buffer_deinit(&head);
    return sent && send_all(file, receivers, length);
}

void copy_file_close(struct copy_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
