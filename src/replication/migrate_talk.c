/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends and hears at the same time: who sends all first stands still for ever with one who does not read on while its
 * answers are not read. */
#define _GNU_SOURCE
#include "replication/migrate_talk.h"

#include "base/clock.h"
#include "net/dial.h"
#include "net/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_ERROR "IOERR error or timeout connecting to the target instance"
#define WRITE_ERROR "IOERR error or timeout writing to target instance"
#define READ_ERROR "IOERR error or timeout reading from target instance"

#define LOOK_MS 100
#define READ_SIZE (16 * 1024)
/* An answer is a line. */
#define LINE_MAX_BYTES (64 * 1024)

struct conversation {
    const struct migrate_talk *talk;
    int fd;
    struct tls *tls; /* NULL: none */
    struct bytes unsent;
    struct buffer heard;
    size_t answered, expected;
    bool is_hello, is_refused;
    char *error;
    size_t error_size;
};

static bool give_up(struct conversation *about, const char *error)
{
    snprintf(about->error, about->error_size, "%s", error);
    return false;
}

/* Waits until the socket is ready for one of 'events'. */
static bool await(struct conversation *about, short events, const char *error)
{
    int64_t until_us = clock_monotonic_us() + about->talk->timeout_ms * 1000;
    for (;;) {
        int64_t left_ms = (until_us - clock_monotonic_us() + 999) / 1000;
        if (left_ms <= 0 || about->talk->must_end(about->talk->context))
            return give_up(about, error);
        struct pollfd poller = {.fd = about->fd, .events = events};
        int ready = poll(&poller, 1, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return give_up(about, error);
    }
}

static bool send_some(struct conversation *about)
{
    if (about->unsent.length == 0)
        return true;
    ssize_t sent = wire_send(about->fd, about->tls, about->unsent.data, about->unsent.length);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || give_up(about, WRITE_ERROR);
    about->unsent = bytes_of(about->unsent.data + sent, about->unsent.length - (size_t)sent);
    return true;
}

static void refuse(struct conversation *about, struct bytes text)
{
    about->is_refused = true;
    snprintf(about->error, about->error_size, "ERR Target instance replied with error: %.*s",
             (int)(text.length < 200 ? text.length : 200), text.data);
}

static void take_line(struct conversation *about, struct bytes line)
{
    bool is_error = line.length > 0 && line.data[0] == '-';
    struct bytes text = line.length > 0 ? bytes_of(line.data + 1, line.length - 1) : line;
    size_t index = about->answered++;
    if (!about->is_hello)
        about->talk->heard(about->talk->context, index, is_error, text);
    else if (is_error && !about->is_refused)
        refuse(about, text);
}

static bool take_lines(struct conversation *about)
{
    size_t at = 0;
    while (about->answered < about->expected) {
        const char *begin = about->heard.data + at;
        const char *end = memchr(begin, '\n', about->heard.length - at);
        if (!end)
            break;
        size_t length = (size_t)(end - begin);
        take_line(about, bytes_of(begin, length > 0 && begin[length - 1] == '\r' ? length - 1 : length));
        at += length + 1;
    }
    buffer_consume(&about->heard, at);
    return about->heard.length <= LINE_MAX_BYTES || give_up(about, "IOERR the target instance does not speak RESP");
}

/* Takes what is there; no socket tells of what TLS has beyond one read. */
static bool hear_some(struct conversation *about)
{
    ssize_t received = READ_SIZE;
    while (received == READ_SIZE) {
        char *room = buffer_reserve(&about->heard, READ_SIZE);
        received = wire_receive(about->fd, about->tls, room, READ_SIZE);
        if (received < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (received <= 0)
            return give_up(about, READ_ERROR);
        about->heard.length += (size_t)received;
        if (!take_lines(about))
            return false;
    }
    return true;
}

/* What the socket has to become for the conversation to go on. */
static short events_wanted(const struct conversation *about)
{
    bool is_writing = about->unsent.length > 0 && !(about->tls && tls_write_wants_read(about->tls));
    return is_writing || (about->tls && tls_read_wants_write(about->tls)) ? POLLIN | POLLOUT : POLLIN;
}

/* Sends the requests and hears as many answers. */
static bool exchange(struct conversation *about, struct bytes requests, size_t count)
{
    about->unsent = requests;
    about->answered = 0;
    about->expected = count;
    while (about->answered < count) {
        if (!send_some(about))
            return false;
        if (!await(about, events_wanted(about), about->unsent.length == 0 ? READ_ERROR : WRITE_ERROR) ||
            !hear_some(about))
            return false;
    }
    return true;
}

static bool connect_to_target(struct conversation *about)
{
    char reason[200];
    int cause = 0;
    socklen_t size = sizeof(cause);
    about->fd = dial_socket(about->talk->host, about->talk->port, reason, sizeof(reason));
    if (about->fd < 0) {
        snprintf(about->error, about->error_size, CONNECT_ERROR ": %s", reason);
        return false;
    }
    if (!await(about, POLLOUT, CONNECT_ERROR))
        return false;
    if (getsockopt(about->fd, SOL_SOCKET, SO_ERROR, &cause, &size) == 0 && cause == 0)
        return !tls_is_for_links() || (about->tls = tls_connect(about->fd)) || give_up(about, "ERR no TLS can be had");
    snprintf(about->error, about->error_size, CONNECT_ERROR ": %s", strerrordesc_np(cause));
    return false;
}

/* Both ends of a connection to this host have the same address. */
static bool is_ourselves(const struct conversation *about)
{
    struct sockaddr_in6 here = {0}, there = {0};
    socklen_t here_size = sizeof(here), there_size = sizeof(there);
    if (about->talk->port != about->talk->forbidden_port || getsockname(about->fd, (void *)&here, &here_size) ||
        getpeername(about->fd, (void *)&there, &there_size) || here.sin6_family != there.sin6_family)
        return false;
    if (here.sin6_family == AF_INET6)
        return memcmp(&here.sin6_addr, &there.sin6_addr, sizeof(here.sin6_addr)) == 0;
    return ((struct sockaddr_in *)&here)->sin_addr.s_addr == ((struct sockaddr_in *)&there)->sin_addr.s_addr;
}

static bool converse(struct conversation *about)
{
    if (!connect_to_target(about))
        return false;
    if (is_ourselves(about))
        return give_up(about, "ERR the target is this server and this database: nothing would be left");
    about->is_hello = true;
    if (!exchange(about, about->talk->hello, about->talk->hello_count) || about->is_refused)
        return false;
    about->is_hello = false;
    return exchange(about, about->talk->requests, about->talk->request_count);
}

bool migrate_talk(const struct migrate_talk *talk, char *error, size_t error_size)
{
    struct conversation about = {.talk = talk, .fd = -1, .error = error, .error_size = error_size};
    bool is_done = converse(&about);
    if (about.fd >= 0)
        wire_close(about.fd, &about.tls);
    buffer_deinit(&about.heard);
    return is_done;
}
