/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/tls.h"
#include "replication/rdb_request.h"

#define HOST "127.0.0.1"
#define PORT "6379"
#define READ_BYTES ((size_t)64 << 10)
#define SILENCE_MS_MAX 60000

static bool fail(struct peer *peer, const char *what, const char *why)
{
    if (!peer->error[0])
        snprintf(peer->error, sizeof(peer->error), "%s%s%s", what, why ? ": " : "", why ? why : "");
    return false;
}

/* ---- opening ---- */

static bool open_socket(struct peer *peer, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return fail(peer, "the socket's path is too long", NULL);
    memcpy(address.sun_path, path, strlen(path));
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return fail(peer, path, strerror(errno));
    return true;
}

static bool open_host(struct peer *peer, const struct peer_address *address)
{
    const char *host = address->host ? address->host : HOST, *port = address->port ? address->port : PORT;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found), on = 1;
    if (result != 0)
        return fail(peer, host, gai_strerror(result));
    for (struct addrinfo *each = found; each && peer->fd < 0; each = each->ai_next) {
        peer->fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
        if (peer->fd >= 0 && connect(peer->fd, each->ai_addr, each->ai_addrlen) != 0) {
            result = errno;
            close(peer->fd);
            peer->fd = -1;
        }
    }
    freeaddrinfo(found);
    if (peer->fd < 0) {
        char place[192];
        snprintf(place, sizeof(place), "%s:%s", host, port);
        return fail(peer, place, strerror(result));
    }
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

static bool set_tls(struct peer *peer, const char *name, const char *value)
{
    for (const struct option *option = tls_options; value && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option_set(option, bytes_of_text(value), peer->error, sizeof(peer->error));
    return true;
}

static bool open_tls(struct peer *peer, const struct peer_address *address)
{
    signal(SIGPIPE, SIG_IGN);
    option_reset(tls_options);
    if (!set_tls(peer, "tls-ca-cert-file", address->ca_file) ||
        !set_tls(peer, "tls-ca-cert-dir", address->ca_directory) ||
        !set_tls(peer, "tls-cert-file", address->cert_file) || !set_tls(peer, "tls-key-file", address->key_file) ||
        !set_tls(peer, "tls-replication", "yes") || !tls_start(false, peer->error, sizeof(peer->error)))
        return false;
    peer->tls = tls_connect(peer->fd);
    return peer->tls || fail(peer, "TLS cannot be begun", NULL);
}

static bool authenticate(struct peer *peer, const struct peer_address *address)
{
    struct bytes words[3] = {BYTES("AUTH")};
    size_t count = 1;
    struct peer_reply reply;
    if (address->user)
        words[count++] = bytes_of_text(address->user);
    words[count++] = bytes_of_text(address->password);
    if (!peer_ask(peer, words, count, &reply))
        return false;
    return !reply.is_error || fail(peer, "the node does not take the password", NULL);
}

bool peer_open(struct peer *peer, const struct peer_address *address)
{
    *peer = (struct peer){.fd = -1};
    if (!(address->socket ? open_socket(peer, address->socket) : open_host(peer, address)))
        return false;
    fcntl(peer->fd, F_SETFL, fcntl(peer->fd, F_GETFL) | O_NONBLOCK);
    if (address->has_tls && !open_tls(peer, address))
        return false;
    return !address->password || authenticate(peer, address);
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        wire_close(peer->fd, &peer->tls);
    peer->fd = -1;
    buffer_deinit(&peer->out);
    buffer_deinit(&peer->in);
}

/* ---- bytes ---- */

static bool lose(struct peer *peer)
{
    return fail(peer, "the connection to the node is lost",
                peer->tls && errno == EPROTO ? tls_failure(peer->tls) : strerror(errno));
}

static bool send_some(struct peer *peer)
{
    struct buffer *out = &peer->out;
    ssize_t sent = wire_send(peer->fd, peer->tls, out->data + peer->out_at, out->length - peer->out_at);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return lose(peer);
    peer->out_at += sent > 0 ? (size_t)sent : 0;
    peer->sent += sent > 0 ? (uint64_t)sent : 0;
    if (peer->out_at == out->length)
        peer->out_at = out->length = 0;
    return true;
}

static bool receive_some(struct peer *peer)
{
    buffer_consume(&peer->in, peer->in_at);
    peer->in_at = 0;
    ssize_t got = wire_receive(peer->fd, peer->tls, buffer_reserve(&peer->in, READ_BYTES), READ_BYTES);
    if (got == 0)
        return fail(peer, "the node closed the connection", NULL);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        return lose(peer);
    peer->in.length += got > 0 ? (size_t)got : 0;
    return true;
}

/* What the socket has to become for bytes to move. */
static short events_wanted(const struct peer *peer)
{
    const struct tls *tls = peer->tls;
    bool sends = peer->out.length > peer->out_at && !(tls && tls_write_wants_read(tls));
    return sends || (tls && tls_read_wants_write(tls)) ? POLLIN | POLLOUT : POLLIN;
}

/* TLS does with any readiness what it needs, and has bytes that the socket does not tell of. */
bool peer_exchange(struct peer *peer)
{
    bool has_more = peer->tls && tls_has_more(peer->tls);
    struct pollfd wanted = {.fd = peer->fd, .events = events_wanted(peer)};
    int ready = poll(&wanted, 1, has_more ? 0 : SILENCE_MS_MAX);
    if (ready < 0 && errno != EINTR)
        return fail(peer, "the connection cannot be waited for", strerror(errno));
    if (ready == 0 && !has_more)
        return fail(peer, "the node is silent", NULL);
    bool sends = peer->out.length > peer->out_at && (peer->tls || (wanted.revents & POLLOUT));
    if (sends && !send_some(peer)) {
        receive_some(peer); /* what it said before */
        return false;
    }
    return !(peer->tls || (wanted.revents & (POLLIN | POLLHUP | POLLERR))) || receive_some(peer);
}

/* ---- replies ---- */

/* How long the line is, its end included; 0: it is not there yet. */
static size_t line_length(struct bytes input)
{
    const char *end = input.length > 0 ? memchr(input.data, '\n', input.length) : NULL;
    return end ? (size_t)(end - input.data) + 1 : 0;
}

static bool take_bulk(struct peer *peer, struct bytes input, size_t head, struct peer_reply *reply)
{
    int64_t length;
    if (!bytes_to_int64(reply->text, &length) || length < -1)
        return fail(peer, "what the node says is not understood", NULL);
    reply->is_null = length == -1;
    reply->text = bytes_of(input.data + head, 0);
    if (reply->is_null) {
        peer->in_at += head;
        return true;
    }
    if (input.length - head < (uint64_t)length + 2)
        return false;
    reply->text.length = (size_t)length;
    peer->in_at += head + (size_t)length + 2;
    return true;
}

/* A node that is busy may send empty lines, to be known to live. */
static void skip_blank_lines(struct peer *peer)
{
    while (peer->in_at < peer->in.length && (peer->in.data[peer->in_at] == '\n' || peer->in.data[peer->in_at] == '\r'))
        peer->in_at++;
}

bool peer_take(struct peer *peer, struct peer_reply *reply)
{
    skip_blank_lines(peer);
    struct bytes input = bytes_of(peer->in.data + peer->in_at, peer->in.length - peer->in_at);
    size_t length = line_length(input);
    if (length == 0)
        return false;
    size_t text = length >= 3 && input.data[length - 2] == '\r' ? length - 3 : 0;
    *reply = (struct peer_reply){.is_error = input.data[0] == '-', .text = bytes_of(input.data + 1, text)};
    if (input.data[0] == '$')
        return take_bulk(peer, input, length, reply);
    bool is_line = input.data[0] == '+' || input.data[0] == '-' || input.data[0] == ':';
    if (!is_line || length < 3)
        return fail(peer, "what the node says is not understood", NULL);
    peer->in_at += length;
    return true;
}

bool peer_ask(struct peer *peer, const struct bytes *words, size_t count, struct peer_reply *reply)
{
    rdb_request_words(&peer->out, words, count);
    while (!peer_take(peer, reply))
        if (peer->error[0] || !peer_exchange(peer))
            return false;
    return true;
}
