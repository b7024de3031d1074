/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool/rdb_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define READ_BYTES ((size_t)256 << 10)

static bool fail(struct rdb_source *source, const char *why)
{
    if (!source->error[0])
        snprintf(source->error, sizeof(source->error), "%.100s: %s", source->name, why);
    return false;
}

bool rdb_source_open(struct rdb_source *source, const char *name)
{
    struct stat about;
    bool is_input = strcmp(name, "-") == 0;
    *source = (struct rdb_source){.name = is_input ? "standard input" : name};
    source->fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &about) != 0)
        return fail(source, strerror(errno));
    source->is_stream = !S_ISREG(about.st_mode);
    source->bytes_total = source->is_stream ? 0 : (uint64_t)about.st_size;
    return true;
}

static bool read_piece(struct rdb_source *source, struct rdb_file_reader *reader, struct bytes piece)
{
    size_t taken;
    enum status status = rdb_file_read(reader, piece, &taken);
    if (status == STATUS_CORRUPT)
        return fail(source, reader->error);
    if (status == STATUS_OK && taken < piece.length)
        return fail(source, "there are bytes behind the end of the file");
    return status == STATUS_OK;
}

bool rdb_source_read(struct rdb_source *source, struct rdb_file_reader *reader, struct progress *progress)
{
    char *room = memory_allocate(READ_BYTES);
    bool is_read = true;
    ssize_t got = 1;
    if (!source->is_stream)
        lseek(source->fd, 0, SEEK_SET);
    while (is_read && got > 0) {
        got = read(source->fd, room, READ_BYTES);
        if (got < 0)
            is_read = fail(source, strerror(errno));
        else if (got > 0)
            is_read = read_piece(source, reader, bytes_of(room, (size_t)got));
        progress->bytes += got > 0 ? (uint64_t)got : 0;
        progress_tell(progress);
    }
    memory_free(room);
    if (is_read && rdb_file_read_end(reader) != STATUS_OK)
        is_read = reader->error[0] ? fail(source, reader->error) : false;
    return is_read;
}

void rdb_source_close(struct rdb_source *source)
{
    if (source->fd > STDIN_FILENO)
        close(source->fd);
}
