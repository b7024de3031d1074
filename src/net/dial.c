/* SPDX-License-Identifier: BSD-3-Clause */
/* A socket that is still connecting behaves, to a loop, like one whose peer reads slowly: what is sent waits until it is
 * writable, and a refusal is an error of the first read. */
#define _GNU_SOURCE
#include "net/dial.h"
#include "net/tls.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct addrinfo *choose(const struct addrinfo *found, unsigned attempt)
{
    unsigned count = 1;
    for (const struct addrinfo *each = found->ai_next; each; each = each->ai_next)
        count++;
    for (attempt %= count; attempt > 0; attempt--)
        found = found->ai_next;
    return found;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* The socket, or -1 with errno. */
static int connect_to(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

int dial_socket(const char *host, int port, char *error, size_t error_size)
{
    char service[12];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    snprintf(service, sizeof(service), "%d", port);
    int failure = getaddrinfo(host, service, &hints, &found);
    if (failure) {
        snprintf(error, error_size, "%s: %s", host, gai_strerror(failure));
        return -1;
    }
    int fd = connect_to(found);
    if (fd < 0)
        snprintf(error, error_size, "%s:%d: %s", host, port, strerrordesc_np(errno));
    freeaddrinfo(found);
    return fd;
}

bool dial(struct loop *loop, const struct addrinfo *addresses, unsigned attempt, void *owner, char *error,
          size_t error_size)
{
    const struct addrinfo *address = choose(addresses, attempt);
    struct loose_connection loose = {.fd = connect_to(address), .local = is_loopback(address->ai_addr)};
    if (loose.fd < 0) {
        snprintf(error, error_size, "%s", strerrordesc_np(errno));
        return false;
    }
    if (tls_is_for_links() && !(loose.tls = tls_connect(loose.fd))) {
        snprintf(error, error_size, "no TLS can be had");
        close(loose.fd);
        return false;
    }
    connection_join(loop, &loose, owner);
    return true;
}
