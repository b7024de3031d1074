/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose the stream's bytes are. A history is a replication id and the bytes under it; nodes that have one in common have
 * the same bytes at the same replication offsets, and a node that asks for what follows its own names both.
 *
 * Within the node offsets only grow, since rows and checkpoints carry them and the greater one is the newer. A node that
 * begins to follow another one may be ahead of it, by a history that is over. So it goes on counting where it stands, and
 * remembers by how much the other's count differs: the bias. A node that never followed has a bias of 0. What it had before, and
 * what the copy brought, stands in its log below the begin of the history: nobody may be given that for the history's bytes.
 *
 *   H1  the file says that the history is partial before the first key is replaced by another node's;
 *   H2  it says otherwise only after all that the copy has brought is synced.
 *
 * So who crashes in the middle of a copy knows that it has none, and asks for all of it.
 *
 * A copy may have effects of the stream behind its offset. Only this once they come as filler, over the link that brought the
 * copy: the history begins behind them, and who stops before that has none either. */
#include "stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/random.h"

int stream_identity_write(struct stream *stream, const struct stream_identity *identity)
{
    struct buffer text = {0};
    buffer_append_format(&text, "id %s\nbias %" PRId64 "\npartial %d\nbegin %" PRIu64 "\n", identity->id,
                         identity->bias, identity->is_partial, identity->begin);
    for (int i = 0; i < STREAM_FORMER_MAX && identity->former[i].id[0]; i++)
        buffer_append_format(&text, "former %s end %" PRIu64 " cut %d\n", identity->former[i].id,
                             identity->former[i].end, identity->former[i].is_cut);
    int error = directory_write_file(stream->directory_fd, IDENTITY_NAME, buffer_bytes(&text));
    buffer_deinit(&text);
    return error;
}

static bool is_whole(const char *id)
{
    return strlen(id) == REPLICATION_ID_LENGTH;
}

static bool identity_parse(const char *text, struct stream_identity *identity)
{
    int is_partial, is_cut, length = 0;
    *identity = (struct stream_identity){0};
    if (sscanf(text, "id %40[0-9a-f] bias %" SCNd64 " partial %d begin %" SCNu64 " %n", identity->id, &identity->bias,
               &is_partial, &identity->begin, &length) != 4)
        return false;
    identity->is_partial = is_partial != 0;
    for (int i = 0; i < STREAM_FORMER_MAX && text[length]; i++) {
        struct stream_former *former = &identity->former[i];
        text += length;
        if (sscanf(text, "former %40[0-9a-f] end %" SCNu64 " cut %d %n", former->id, &former->end, &is_cut, &length) !=
                3 ||
            !is_whole(former->id))
            return false;
        former->is_cut = is_cut != 0;
    }
    return is_whole(identity->id);
}

bool stream_identity_read(struct stream *stream, struct stream_identity *identity)
{
    char text[256 + 128 * STREAM_FORMER_MAX];
    int fd = openat(stream->directory_fd, IDENTITY_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return identity_parse(text, identity);
}

void stream_identity_begin(struct stream_identity *identity)
{
    *identity = (struct stream_identity){.bias = 0};
    random_hex(identity->id, REPLICATION_ID_LENGTH);
}

/* The present id becomes the last former one. If nothing is here that was appended under it, there is no need for it, unless a
 * crash may have lost that: then it stands behind the last one, which is what others know this end by. What the former ones
 * had was synced when they ended; nevertheless it may be lost by now. */
static void identity_retire(struct stream_identity *identity, uint64_t end, bool is_cut)
{
    struct stream_former *former = identity->former;
    bool unused = former[0].id[0] && end <= former[0].end;
    if (!unused || is_cut) {
        struct stream_former *place = unused ? former + 1 : former;
        memmove(place + 1, place, (size_t)(former + STREAM_FORMER_MAX - 1 - place) * sizeof(*place));
        *place = (struct stream_former){.end = end, .is_cut = is_cut};
        memcpy(place->id, identity->id, sizeof(place->id));
    }
    for (int i = 0; i < STREAM_FORMER_MAX; i++)
        if (former[i].end > end) {
            former[i].end = end;
            former[i].is_cut |= is_cut;
        }
}

/* The last former history goes on; those that began at its end were of this node's crashes. */
static void identity_resume_last(struct stream_identity *identity)
{
    struct stream_former *former = identity->former;
    uint64_t end = former[0].end;
    while (former[0].id[0] && former[0].end == end) {
        memmove(former, former + 1, (STREAM_FORMER_MAX - 1) * sizeof(*former));
        former[STREAM_FORMER_MAX - 1] = (struct stream_former){0};
    }
}

void stream_identity_succeed(struct stream_identity *identity, uint64_t end)
{
    identity_retire(identity, end, true);
    random_hex(identity->id, REPLICATION_ID_LENGTH);
}

/* Makes it the stream's, on the device first. */
static enum status identity_set(struct stream *stream, const struct stream_identity *identity)
{
    int error = stream->has_log ? stream_identity_write(stream, identity) : 0;
    if (error)
        return status_from_errno(error);
    lock_acquire(&stream->log_lock);
    stream->identity = *identity;
    lock_release(&stream->log_lock);
    return STATUS_OK;
}

struct stream_identity stream_identity_get(struct stream *stream)
{
    lock_acquire(&stream->log_lock);
    struct stream_identity identity = stream->identity;
    lock_release(&stream->log_lock);
    return identity;
}

bool stream_find_former(struct stream *stream, const char *id, struct stream_former *found)
{
    struct stream_identity identity = stream_identity_get(stream);
    for (int i = 0; i < STREAM_FORMER_MAX && identity.former[i].id[0]; i++)
        if (strcasecmp(identity.former[i].id, id) == 0) {
            *found = identity.former[i];
            return true;
        }
    return false;
}

enum status stream_forget_history(struct stream *stream)
{
    struct stream_identity identity;
    stream_identity_begin(&identity);
    identity.is_partial = true;
    return identity_set(stream, &identity);
}

/* All before is written by now; what comes next is not ours, and need not begin with a SELECT. */
static void select_db(struct stream *stream, int32_t db)
{
    lock_acquire(&stream->lock);
    stream->db = stream->db_before = stream->pending_db = db;
    lock_release(&stream->lock);
}

static void select_next(struct stream *stream)
{
    lock_acquire(&stream->lock);
    stream_select_next_locked(stream);
    lock_release(&stream->lock);
}

enum status stream_begin_history(struct stream *stream, const char *id, uint64_t replication_offset, uint64_t behind,
                                 int32_t db)
{
    uint64_t end = stream_end(stream);
    struct stream_identity identity;
    stream_identity_begin(&identity);
    snprintf(identity.id, sizeof(identity.id), "%s", id);
    identity.bias = (int64_t)(replication_offset - end);
    identity.begin = end + behind;
    enum status status = stream_sync_wait(stream, end);
    if (status != STATUS_OK)
        return status;
    select_db(stream, db);
    return identity_set(stream, &identity);
}

enum status stream_continue_history(struct stream *stream, const char *id)
{
    struct stream_identity identity = stream_identity_get(stream);
    if (id && strcmp(id, identity.id) == 0)
        return STATUS_OK;
    identity_retire(&identity, stream_end(stream), false);
    if (id)
        snprintf(identity.id, sizeof(identity.id), "%s", id);
    else
        random_hex(identity.id, REPLICATION_ID_LENGTH);
    /* An unclean end has given the history a new id that nobody else knows, and the primary knows the old one only. */
    if (strcmp(identity.id, identity.former[0].id) == 0)
        identity_resume_last(&identity);
    identity.is_partial = false;
    enum status status = stream_sync_wait(stream, stream_end(stream));
    if (status != STATUS_OK)
        return status;
    /* What is ours from here on begins with a SELECT: who follows may not know what was selected. */
    if (!id)
        select_next(stream);
    return identity_set(stream, &identity);
}

enum status stream_inherit_history(struct stream *stream, const char *id, uint64_t replication_offset)
{
    uint64_t end = stream_end(stream);
    struct stream_identity identity;
    stream_identity_begin(&identity);
    snprintf(identity.former[0].id, sizeof(identity.former[0].id), "%s", id);
    identity.former[0].end = identity.begin = end;
    identity.bias = (int64_t)(replication_offset - end);
    enum status status = stream_sync_wait(stream, end);
    if (status != STATUS_OK)
        return status;
    select_db(stream, -1);
    return identity_set(stream, &identity);
}
