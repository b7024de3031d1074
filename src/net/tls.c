/* SPDX-License-Identifier: BSD-3-Clause */
/* OpenSSL keeps the last errors in a queue of the thread's, which must be empty before a call whose failure is asked about.
 * A write that could not be finished is begun again with the same bytes, perhaps from another place and with more behind
 * them; that is what the two modes in tls_context.c allow. */
#include "net/tls.h"
#include "net/tls_private.h"

#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls {
    SSL *ssl;
    bool read_wants_write, write_wants_read;
    bool is_broken; /* nothing may be sent any more, not even goodbye */
    char failure[160];
};

static struct tls *create(SSL *ssl, int fd)
{
    if (!ssl)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    struct tls *tls = memory_allocate_zeroed(sizeof(*tls));
    tls->ssl = ssl;
    return tls;
}

struct tls *tls_accept(int fd)
{
    struct tls *tls = create(tls_context_new_ssl(TLS_SERVER), fd);
    if (tls)
        SSL_set_accept_state(tls->ssl);
    return tls;
}

struct tls *tls_connect(int fd)
{
    struct tls *tls = create(tls_context_new_ssl(TLS_CLIENT), fd);
    if (tls)
        SSL_set_connect_state(tls->ssl);
    return tls;
}

static void fail(struct tls *tls, int cause)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : cause == SSL_ERROR_SYSCALL ? strerror(errno) : NULL;
    tls->is_broken = true;
    snprintf(tls->failure, sizeof(tls->failure), "%s", reason ? reason : "the peer hung up in the middle");
}

/* What a call that gave 'result' means, as recv and send would say it: 0 is the end, -1 has an errno. */
static ssize_t settle(struct tls *tls, int result, bool *wants_other, int other)
{
    int cause = SSL_get_error(tls->ssl, result);
    *wants_other = cause == other;
    if (cause == SSL_ERROR_WANT_READ || cause == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (cause == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (cause == SSL_ERROR_SYSCALL && errno == EINTR)
        return -1;
    fail(tls, cause);
    errno = EPROTO;
    return -1;
}

ssize_t tls_read(struct tls *tls, void *room, size_t size)
{
    size_t total = 0;
    while (total < size) {
        size_t left = size - total < INT_MAX ? size - total : INT_MAX;
        errno = 0;
        ERR_clear_error();
        int got = SSL_read(tls->ssl, (char *)room + total, (int)left);
        if (got > 0) {
            total += (size_t)got;
            continue;
        }
        ssize_t outcome = settle(tls, got, &tls->read_wants_write, SSL_ERROR_WANT_WRITE);
        /* an end or a failure after bytes is met again at the next read */
        return total > 0 ? (ssize_t)total : outcome;
    }
    tls->read_wants_write = false;
    return (ssize_t)total;
}

ssize_t tls_write(struct tls *tls, const void *data, size_t length)
{
    errno = 0;
    ERR_clear_error();
    int sent = SSL_write(tls->ssl, data, (int)(length < INT_MAX ? length : INT_MAX));
    tls->write_wants_read = false;
    if (sent > 0)
        return sent;
    ssize_t outcome = settle(tls, sent, &tls->write_wants_read, SSL_ERROR_WANT_READ);
    if (outcome == 0)
        errno = EPIPE;
    return outcome < 0 ? outcome : -1;
}

bool tls_read_wants_write(const struct tls *tls)
{
    return tls->read_wants_write;
}

bool tls_write_wants_read(const struct tls *tls)
{
    return tls->write_wants_read;
}

bool tls_has_more(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl);
}

const char *tls_failure(const struct tls *tls)
{
    return tls->failure;
}

void tls_end(struct tls **owned)
{
    struct tls *tls = *owned;
    if (!tls)
        return;
    *owned = NULL;
    ERR_clear_error();
    if (!tls->is_broken && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    ERR_clear_error();
    memory_free(tls);
}

ssize_t wire_receive(int fd, struct tls *tls, void *room, size_t size)
{
    return tls ? tls_read(tls, room, size) : recv(fd, room, size, MSG_DONTWAIT);
}

ssize_t wire_send(int fd, struct tls *tls, const void *data, size_t length)
{
    return tls ? tls_write(tls, data, length) : send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void wire_close(int fd, struct tls **tls)
{
    tls_end(tls);
    close(fd);
}
