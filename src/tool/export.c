/* SPDX-License-Identifier: BSD-3-Clause */
/* forebay export: an RDB file of a running node, as a replica gets it. What comes is read as a file while it is written, so that
 * only a whole one gets the name that was asked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "replication/rdb_file.h"
#include "tool/progress.h"
#include "tool/tool.h"

#define MARK_BYTES 40

struct export
{
    const struct tool_options *options;
    struct peer peer;
    struct rdb_file_reader reader;
    struct progress progress;
    char path_new[4096];
    int fd;
    int64_t length;            /* of the file; -1: its own end tells, and the mark follows */
    char mark[MARK_BYTES + 1]; /* "" with a length */
    char error[256];
};

static bool fail(struct export *export, const char *text)
{
    if (!export->error[0])
        snprintf(export->error, sizeof(export->error), "%s", text);
    return false;
}

/* ---- asking ---- */

static bool ask(struct export *export, const struct bytes *words, size_t count)
{
    struct peer_reply reply;
    char text[256];
    if (!peer_ask(&export->peer, words, count, &reply))
        return fail(export, export->peer.error);
    if (!reply.is_error)
        return true;
    snprintf(text, sizeof(text), "the node refuses %.*s: %.*s", (int)words[0].length, words[0].data,
             (int)(reply.text.length < 160 ? reply.text.length : 160), reply.text.data);
    return fail(export, text);
}

/* Up to the line that announces the file; empty lines keep the link alive meanwhile. */
static bool read_head(struct export *export)
{
    struct peer *peer = &export->peer;
    for (;;) {
        struct bytes input = bytes_of(peer->in.data + peer->in_at, peer->in.length - peer->in_at);
        const char *end = input.length > 0 ? memchr(input.data, '\n', input.length) : NULL;
        if (!end) {
            if (!peer_exchange(peer))
                return fail(export, peer->error);
            continue;
        }
        size_t length = (size_t)(end - input.data);
        peer->in_at += length + 1;
        if (length > 0 && input.data[length - 1] == '\r')
            length--;
        if (length == 0)
            continue;
        struct bytes number = bytes_of(input.data + 1, length - 1);
        export->length = -1;
        if (input.data[0] == '$' && length == 5 + MARK_BYTES && memcmp(input.data, "$EOF:", 5) == 0) {
            memcpy(export->mark, input.data + 5, MARK_BYTES);
            return true;
        }
        return (input.data[0] == '$' && bytes_to_int64(number, &export->length) && export->length >= 0) ||
               fail(export, "what the node says is not understood");
    }
}

static bool begin(struct export *export)
{
    const struct bytes only[] = {BYTES("REPLCONF"), BYTES("rdb-only"), BYTES("1")};
    const struct bytes knows[] = {BYTES("REPLCONF"), BYTES("capa"), BYTES("eof"), BYTES("capa"), BYTES("psync2")};
    const struct bytes sync[] = {BYTES("PSYNC"), BYTES("?"), BYTES("-1")};
    struct peer_reply reply;
    /* Servers of before 7.0 do not know the first. */
    return (peer_ask(&export->peer, only, 3, &reply) || fail(export, export->peer.error)) && ask(export, knows, 5) &&
           ask(export, sync, 3) && read_head(export);
}

/* ---- the file ---- */

static bool write_piece(struct export *export, struct bytes piece)
{
    while (piece.length > 0) {
        ssize_t written = write(export->fd, piece.data, piece.length);
        if (written < 0 && errno != EINTR)
            return fail(export, strerror(errno));
        if (written > 0)
            piece = bytes_of(piece.data + written, piece.length - (size_t)written);
    }
    return true;
}

static bool take_piece(struct export *export, struct bytes piece)
{
    size_t taken;
    if (rdb_file_read(&export->reader, piece, &taken) != STATUS_OK)
        return fail(export, export->reader.error);
    if (taken < piece.length)
        return fail(export, "the file does not end where it should");
    export->peer.in_at += taken;
    export->progress.bytes += taken;
    export->progress.keys = export->reader.keys;
    progress_tell(&export->progress);
    return write_piece(export, piece);
}

/* What of the bytes that came is the file's; *ends: it ends there. The begin of the mark may have come without the rest. */
static struct bytes next_piece(const struct export *export, bool *ends)
{
    const struct peer *peer = &export->peer;
    struct bytes piece = bytes_of(peer->in.data + peer->in_at, peer->in.length - peer->in_at);
    if (!export->mark[0]) {
        uint64_t left = (uint64_t) export->length - export->progress.bytes;
        *ends = piece.length >= left;
        return bytes_of(piece.data, *ends ? left : piece.length);
    }
    const char *mark = piece.length > 0 ? memmem(piece.data, piece.length, export->mark, MARK_BYTES) : NULL;
    *ends = mark != NULL;
    if (mark)
        piece.length = (size_t)(mark - piece.data);
    else
        piece.length -= piece.length < MARK_BYTES - 1 ? piece.length : MARK_BYTES - 1;
    return piece;
}

static bool receive(struct export *export)
{
    for (bool ends = false; !ends;) {
        struct bytes piece = next_piece(export, &ends);
        if (piece.length > 0 && !take_piece(export, piece))
            return false;
        if (!ends && !peer_exchange(&export->peer))
            return fail(export, export->peer.error);
    }
    return rdb_file_read_end(&export->reader) == STATUS_OK || fail(export, export->reader.error);
}

static bool sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(directory);
    return is_synced;
}

static bool make_file(struct export *export)
{
    const char *path = export->options->file;
    int length = snprintf(export->path_new, sizeof(export->path_new), "%s.new", path);
    if (length >= (int)sizeof(export->path_new))
        return fail(export, "the file's name is too long");
    export->fd = open(export->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (export->fd < 0)
        return fail(export, strerror(errno));
    bool is_made = receive(export) && (fsync(export->fd) == 0 || fail(export, strerror(errno)));
    close(export->fd);
    if (is_made && rename(export->path_new, path) != 0)
        is_made = fail(export, strerror(errno));
    if (!is_made)
        unlink(export->path_new);
    return is_made && (sync_directory(path) || fail(export, strerror(errno)));
}

bool tool_export(const struct tool_options *options)
{
    const struct rdb_visitor visitor = {0};
    struct export export = {.options = options, .fd = -1};
    rdb_file_reader_init(&export.reader, &visitor);
    bool is_done = peer_open(&export.peer, &options->address) || fail(&export, export.peer.error);
    is_done = is_done && begin(&export);
    progress_begin(&export.progress, "exporting", export.length > 0 ? (uint64_t) export.length : 0, options->is_quiet);
    is_done = is_done && make_file(&export);
    progress_end(&export.progress);
    if (is_done)
        printf("%llu keys and %llu function libraries exported to %s\n", (unsigned long long)export.reader.keys,
               (unsigned long long)export.reader.functions, options->file);
    else
        fprintf(stderr, "forebay export: %s: %s\n", options->file, export.error);
    rdb_file_reader_deinit(&export.reader);
    peer_close(&export.peer);
    return is_done;
}
