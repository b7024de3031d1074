/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets and the one thread that accepts. A connection is counted by its loop when it is handed over, not
 * when the loop gets to it, so that a burst is spread evenly.
 *
 * A unix socket has its final permission before anyone can connect: Linux creates the file with the mode that the
 * socket has, less the umask, and the bits that the umask took are given back before listen(2), until when every
 * connect is refused. The umask itself is never touched, since it is the process's.
 *
 * When descriptors run out, one is kept in reserve: it is given up to accept the peer and hang up on it. A peer that
 * stayed in the backlog would keep poll(2) returning at once. */
#define _GNU_SOURCE
#include "net/listener.h"
#include "net/net_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKETS_MAX 32
/* Accepted from one socket before the others are looked at. */
#define ACCEPTS_MAX 256
/* How long to leave a socket alone that can neither accept nor refuse. */
#define PAUSE_MS 100

struct listener {
    /* immutable after start */
    struct listener_options options;
    struct loop **loops;
    char *unix_path; /* NULL: none */
    dev_t unix_device;
    ino_t unix_inode;
    int unix_fd;
    bool tls[1 + SOCKETS_MAX]; /* of the socket at the same place */
    struct thread thread;

    /* acceptor's thread only; the first entry is the signal to stop */
    struct pollfd sockets[1 + SOCKETS_MAX];
    nfds_t socket_count;
    int reserve_fd;
    int64_t exhausted_logged_us;
};

/* Listening. */

static enum status fail(char *error, size_t error_size, const char *what, const char *advice)
{
    int reason = errno;
    snprintf(error, error_size, "cannot listen on %s: %s%s", what, strerror(reason), advice);
    return reason ? status_from_errno(reason) : STATUS_INVALID;
}

static const char *advice_for(int reason)
{
    if (reason == EADDRINUSE)
        return "; another server is listening there: stop it, or choose another port";
    if (reason == EACCES)
        return "; this user may not: choose a port above 1023, or a directory that can be written";
    if (reason == EADDRNOTAVAIL)
        return "; no interface has this address: correct it, or put '-' before it to make it optional";
    return "";
}

/* The errors that only say that this machine has no such address or protocol. */
static bool is_absence(int reason)
{
    return reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT || reason == EPFNOSUPPORT || reason == EPROTONOSUPPORT ||
           reason == ESOCKTNOSUPPORT || reason == ENOPROTOOPT;
}

static void socket_add(struct listener *listener, int fd)
{
    listener->sockets[listener->socket_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static int tcp_listen(const struct addrinfo *info, int backlog)
{
    int yes = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        (info->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, backlog) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* Looks an address up; "*" and "::*" are all addresses of their family. */
static struct addrinfo *address_resolve(const char *address, int port)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (strcmp(address, "*") == 0)
        address = "0.0.0.0";
    else if (strcmp(address, "::*") == 0)
        address = "::";
    snprintf(service, sizeof(service), "%d", port);
    return getaddrinfo(address, service, &hints, &found) == 0 ? found : NULL;
}

static enum status address_listen(struct listener *listener, const char *address, int port, bool tls, char *error,
                                  size_t error_size)
{
    bool optional = address[0] == '-';
    char what[320];
    address += optional;
    snprintf(what, sizeof(what), "%s port %d", address, port);
    struct addrinfo *found = address_resolve(address, port);
    if (!found) {
        if (optional)
            return STATUS_OK;
        snprintf(error, error_size, "cannot listen on %s: not an address; write a numeric IPv4 or IPv6 address", what);
        return STATUS_INVALID;
    }
    int fd = tcp_listen(found, listener->options.backlog);
    freeaddrinfo(found);
    if (fd < 0)
        return optional && is_absence(errno) ? STATUS_OK : fail(error, error_size, what, advice_for(errno));
    listener->tls[listener->socket_count] = tls;
    socket_add(listener, fd);
    return STATUS_OK;
}

static enum status tcp_start(struct listener *listener, int port, bool tls, char *error, size_t error_size)
{
    static const char *const everywhere[] = {"*", "-::*", NULL};
    const char *const *addresses = listener->options.addresses;
    nfds_t before = listener->socket_count;
    if (port == 0)
        return STATUS_OK;
    if (!addresses || !addresses[0])
        addresses = everywhere;
    enum status status = STATUS_OK;
    for (; *addresses && status == STATUS_OK; addresses++) {
        if (listener->socket_count == SOCKETS_MAX) {
            snprintf(error, error_size, "cannot listen on %s: more than %d addresses", *addresses, SOCKETS_MAX - 1);
            return STATUS_INVALID;
        }
        status = address_listen(listener, *addresses, port, tls, error, error_size);
    }
    if (status == STATUS_OK && listener->socket_count == before) {
        snprintf(error, error_size, "cannot listen on port %d: none of the addresses exists on this machine", port);
        return STATUS_NOT_FOUND;
    }
    return status;
}

/* Removes the socket that a server has left behind; errno says what stands in the way. */
static bool unix_clear(const struct sockaddr_un *address)
{
    struct stat file;
    if (lstat(address->sun_path, &file) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(file.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool deserted = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (deserted)
        return unlink(address->sun_path) == 0 || errno == ENOENT;
    errno = EADDRINUSE;
    return false;
}

/* Notes which file is ours, so that at the end we do not remove another's. */
static bool unix_remember(struct listener *listener)
{
    struct stat file;
    if (lstat(listener->unix_path, &file) != 0)
        return false;
    listener->unix_device = file.st_dev;
    listener->unix_inode = file.st_ino;
    return true;
}

static enum status unix_start(struct listener *listener, char *error, size_t error_size)
{
    const char *path = listener->options.unix_path;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || !path[0])
        return STATUS_OK;
    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(error, error_size, "cannot listen on %s: the path is longer than %zu bytes", path,
                 sizeof(address.sun_path) - 1);
        return STATUS_INVALID;
    }
    memcpy(address.sun_path, path, strlen(path));
    mode_t mode = (mode_t)listener->options.unix_permission;
    if (!unix_clear(&address))
        return fail(error, error_size, path, advice_for(errno));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        enum status status = fail(error, error_size, path, advice_for(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    listener->unix_path = memory_allocate(strlen(path) + 1);
    memcpy(listener->unix_path, path, strlen(path) + 1);
    listener->unix_fd = fd;
    socket_add(listener, fd);
    if (unix_remember(listener) && chmod(path, mode) == 0 && listen(fd, listener->options.backlog) == 0)
        return STATUS_OK;
    return fail(error, error_size, path, advice_for(errno));
}

/* Accepting. */

struct peer {
    int fd;
    bool local, unix_socket, tls;
};

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void peer_refuse(const struct peer *peer, const char *text)
{
    char line[1024];
    int length = snprintf(line, sizeof(line), "-%s\r\n", text);
    if ((size_t)length >= sizeof(line))
        length = sizeof(line) - 1;
    /* A new socket has room for a line. If it is gone already, nobody misses it. To say it in TLS would take a handshake. */
    if (!peer->tls)
        (void)!send(peer->fd, line, (size_t)length, MSG_NOSIGNAL);
    close(peer->fd);
}

static void tcp_setup(int fd, int64_t keepalive_seconds)
{
    int yes = 1, idle = (int)keepalive_seconds, interval = idle / 3 > 0 ? idle / 3 : 1, probes = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (idle <= 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void peer_admit(struct listener *listener, const struct peer *peer)
{
    const struct listener_options *options = &listener->options;
    struct loop *least = listener->loops[0];
    int64_t clients = 0;
    for (uint32_t i = 0; i < options->loop_count; i++) {
        struct loop *loop = listener->loops[i];
        clients += loop_connection_count(loop);
        if (loop_connection_count(loop) < loop_connection_count(least))
            least = loop;
    }
    const char *refusal = options->refuse ? options->refuse(peer->local) : NULL;
    if (options->clients_max && clients >= limit_read(options->clients_max)) {
        metric_add(METRIC_rejected_connections, 1);
        refusal = "ERR max number of clients reached";
    }
    if (refusal) {
        peer_refuse(peer, refusal);
        return;
    }
    if (!peer->unix_socket)
        tcp_setup(peer->fd, options->keepalive_seconds ? limit_read(options->keepalive_seconds) : 0);
    struct loose_connection loose = {.fd = peer->fd, .local = peer->local, .unix_socket = peer->unix_socket};
    if (peer->tls && !(loose.tls = tls_accept(peer->fd)))
        close(peer->fd);
    else
        connection_join(least, &loose, NULL);
}

/* Hangs up on one peer with the descriptor that was kept for it. */
static void accept_exhausted(struct listener *listener, int fd, int reason)
{
    if (listener->reserve_fd >= 0) {
        close(listener->reserve_fd);
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer >= 0)
            close(peer);
    }
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listener->reserve_fd < 0)
        poll(NULL, 0, PAUSE_MS);
    int64_t now_us = clock_monotonic_us();
    if (now_us - listener->exhausted_logged_us < 1000000 && listener->exhausted_logged_us != 0)
        return;
    listener->exhausted_logged_us = now_us;
    log_warning("cannot accept", "error=\"%s\" advice=\"raise the limit of open files\"", strerror(reason));
}

static void socket_accept(struct listener *listener, nfds_t place)
{
    int fd = listener->sockets[place].fd;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof(address);
        struct peer peer = {.unix_socket = fd == listener->unix_fd, .tls = listener->tls[place]};
        peer.fd = accept4(fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer.fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                accept_exhausted(listener, fd, errno);
            /* EAGAIN: done. Others speak of one peer, who is gone; poll tells if there are more. */
            return;
        }
        peer.local = peer.unix_socket || is_loopback(&address);
        peer_admit(listener, &peer);
    }
}

static void listener_run(void *argument)
{
    struct listener *listener = argument;
    while (listener->sockets[0].revents == 0) {
        if (poll(listener->sockets, listener->socket_count, -1) < 0) {
            listener->sockets[0].revents = 0;
            continue;
        }
        for (nfds_t i = 1; i < listener->socket_count; i++)
            if (listener->sockets[i].revents)
                socket_accept(listener, i);
    }
}

/* Starting and stopping. */

static void unix_unlink(const struct listener *listener)
{
    struct stat file;
    if (listener->unix_path && lstat(listener->unix_path, &file) == 0 && file.st_dev == listener->unix_device &&
        file.st_ino == listener->unix_inode)
        unlink(listener->unix_path);
}

static void listener_destroy(struct listener *listener)
{
    unix_unlink(listener);
    for (nfds_t i = 0; i < listener->socket_count; i++)
        close(listener->sockets[i].fd);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    memory_free(listener->unix_path);
    memory_free(listener->loops);
    memory_free(listener);
}

enum status listener_start(struct listener **started, const struct listener_options *options, char *error,
                           size_t error_size)
{
    struct listener *listener = memory_allocate_zeroed(sizeof(*listener));
    listener->options = *options;
    listener->loops = memory_allocate(options->loop_count * sizeof(*listener->loops));
    memcpy(listener->loops, options->loops, options->loop_count * sizeof(*listener->loops));
    listener->unix_fd = -1;
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_fd < 0) {
        enum status status = fail(error, error_size, "anything", "");
        listener_destroy(listener);
        return status;
    }
    socket_add(listener, signal_fd);
    enum status status = tcp_start(listener, listener->options.port, false, error, error_size);
    if (status == STATUS_OK)
        status = tcp_start(listener, listener->options.tls_port, true, error, error_size);
    if (status == STATUS_OK)
        status = unix_start(listener, error, error_size);
    if (status != STATUS_OK) {
        listener_destroy(listener);
        return status;
    }
    thread_start(&listener->thread, "acceptor", listener_run, listener);
    *started = listener;
    return STATUS_OK;
}

void listener_stop(struct listener **started)
{
    struct listener *listener = *started;
    if (!listener)
        return;
    *started = NULL;
    uint64_t one = 1;
    (void)!write(listener->sockets[0].fd, &one, sizeof(one));
    thread_stop(&listener->thread);
    listener_destroy(listener);
}
