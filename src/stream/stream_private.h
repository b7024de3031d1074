/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/thread.h"
#include "stream/stream.h"
#include "stream/stream_frame.h"

/* The calls that may fail for want of space or health of a device, and when to try again; tests put their own here. */
struct stream_io {
    ssize_t (*write_at)(int fd, const void *data, size_t length, off_t position);
    int (*sync)(int fd);
    int (*sync_directory)(int fd);
    int64_t retry_us;
};
extern struct stream_io stream_io;

/* A file of the log. Only the current one, the last, is ever written to; all others are synced. */
struct log_segment {
    struct list node; /* under log_lock */
    uint64_t first;   /* immutable, as the next */
    uint64_t previous_end;
    int fd;                   /* of the current one, else -1 */
    _Atomic uint64_t bytes;   /* of header and whole frames; changed under the claim */
    uint64_t synced_bytes;    /* log thread only */
    uint64_t allocated_bytes; /* log thread only: set aside on the device */
    uint64_t zeroed_bytes;    /* log thread only: zeros were written up to here, if that is beyond 'bytes' */
};

/* Copies of the frames that are not known to be synced, in order, in blocks; the device may lose its own. */
struct kept_block {
    struct kept_block *next;
    uint64_t end;
    struct buffer bytes;
};
struct kept {
    struct kept_block *head, *tail;
    struct kept_block *spare;
    uint64_t bytes;
};

/* Takes the frame's bytes, which end at offset 'end': copies them and empties the buffer, or keeps the buffer
 * itself if it is large and leaves an empty one. */
void kept_add(struct kept *kept, struct buffer *frame, uint64_t end);
/* Unlinks the blocks that end at or below the offset and returns them for kept_free. */
struct kept_block *kept_remove_synced(struct kept *kept, uint64_t synced);
void kept_free(struct kept_block *blocks);
void kept_deinit(struct kept *kept);

/* stream_ring.c: under the stream's lock, but for release. */
struct ring_block {
    struct ring_block *next;
    _Atomic uint32_t references;
    uint64_t first; /* offset of the first byte */
    size_t length, capacity;
    char data[];
};
/* Pieces that were appended before what is pending, each as a frame of its own. */
struct ready_piece {
    struct ready_piece *next;
    struct buffer bytes; /* room for a frame header, then the payload */
    uint64_t first;
    int32_t db;
};
struct ring {
    struct ring_block *head, *tail;
    struct ring_block *recent; /* the last one that was read from, or NULL: readers go on there */
    uint64_t bytes;
};

/* Adds bytes that end at offset 'end'. */
void ring_append(struct ring *ring, struct bytes bytes, uint64_t end, size_t bytes_max);
/* Room behind the last byte, for bytes that begin at 'first'; then what was written there. What remains of a block that has
 * not so much is left empty. */
char *ring_reserve(struct ring *ring, size_t length, uint64_t first, size_t bytes_max);
void ring_commit(struct ring *ring, size_t length);
/* A block of its own with these bytes, and room for none more, which belongs to no ring yet; and its way into one. */
struct ring_block *ring_block_of(struct bytes bytes);
void ring_append_block(struct ring *ring, struct ring_block *block, uint64_t first);
/* Drops the oldest blocks while bytes_max are left without them, and none that reaches beyond 'held_from'. */
void ring_trim(struct ring *ring, size_t bytes_max, uint64_t held_from);
/* The block that has the offset, for ring_block_release, and how many bytes it has from there on; NULL: the ring has not. */
struct ring_block *ring_take(struct ring *ring, uint64_t offset, size_t *length);
void ring_block_release(struct ring_block *block);
void ring_deinit(struct ring *ring);

/* stream_large.c: of stream_append. Takes the first of the ready pieces, under the stream's lock; NULL if there is none. */
uint64_t stream_append_large(struct stream *stream, struct effect_batch *batch);
struct ready_piece *stream_ready_take(struct stream *stream);
void stream_ready_free(struct stream *stream);

/* stream.c, under the stream's lock: what is selected at the end, whether or not the next append selects (-1: it is not known);
 * has the next append select. */
int32_t stream_db_locked(const struct stream *stream);
void stream_select_next_locked(struct stream *stream);

/* stream_read.c: mails who waits for bytes that can be read. */
void stream_notice_give(struct stream *stream);
/* stream.c: what was appended ends at 'end', which is returned. Lets go of the lock, and mails who waits for that and not for
 * the log. */
uint64_t stream_append_end(struct stream *stream, uint64_t end);

/* Waits for one level, in the order of their offsets. */
struct wait_list {
    struct stream_wait *head, *tail; /* under the lock of stream_waits */
    _Atomic uint64_t lowest;         /* the head's offset, UINT64_MAX if there is none */
    _Atomic unsigned count;
};
struct stream_waits {
    struct lock lock;
    struct wait_list lists[STREAM_LEVELS];
};

void stream_waits_init(struct stream_waits *waits);
void stream_waits_add(struct stream_waits *waits, struct stream_wait *wait);
/* Mails those of a level whose offset is at or below 'reached', and returns how many. No leaf lock is held. */
unsigned stream_waits_mail(struct stream_waits *waits, enum stream_level level, uint64_t reached);
void stream_waits_mail_all(struct stream_waits *waits);

/* How far STREAM_QUORUM and STREAM_ALL have come, by their level; read by all. */
struct stream_copies {
    struct mailbox *home;
    struct mail *asked;
    _Atomic bool is_asked;
    struct {
        _Atomic uint64_t reached;
        _Atomic bool is_possible;
    } levels[STREAM_LEVELS];
};
/* stream_copies.c: a wait for such a level has been added; it may be gone. */
void stream_copies_want(struct stream *stream, enum stream_level level);

/* Who the stream's bytes belong to; kept in a small file beside the segments. */
#define STREAM_FORMER_MAX 8
struct stream_identity {
    char id[REPLICATION_ID_LENGTH + 1];
    struct stream_former former[STREAM_FORMER_MAX]; /* the last one first; without an id: there were no more */
    int64_t bias;    /* what others call an offset is so much more than what we do; see stream_history.c */
    uint64_t begin;  /* bytes before it are of no history that others know */
    bool is_partial; /* what the node holds is a part of somebody's data only */
};

/* Why the log cannot be written, one a kind of error, so that a text lives as long as the stream. */
struct failure_text {
    struct failure_text *next;
    int error;
    char text[];
};

enum log_state {
    LOG_GOOD,
    LOG_BROKEN, /* a write or sync failed; the log thread is about to write it again elsewhere */
    LOG_FAILED, /* that failed too; it is tried again from time to time */
};

struct stream {
    /* immutable after open */
    struct stream_options options;
    char *directory;
    int directory_fd; /* locked against other processes */
    bool has_log;
    uint64_t salt;
    uint64_t sync_bytes;             /* so much unsynced asks for a sync before its time */
    struct stream_identity identity; /* under log_lock, once the stream is open */

    /* under lock, LOCK_STREAM */
    struct lock lock;
    int32_t db;        /* selected at the end; -1: the next append selects */
    int32_t db_before; /* while it is -1: selected at the end all the same; -1: it is not known */
    int32_t pending_db;
    uint64_t pending_first;
    struct buffer pending;                  /* room for a frame header, then what was appended and not taken */
    struct ready_piece *ready, **ready_end; /* to be taken before it */
    struct ring ring;                       /* filled while is_feeding */
    const int64_t *ring_bytes_max;
    _Atomic bool is_feeding; /* read by all */
    _Atomic uint64_t end;    /* read by all */

    /* whoever has set 'claimed' writes */
    char band1[64];
    _Atomic bool claimed;
    struct buffer taken;      /* swaps with pending */
    _Atomic uint64_t written; /* read by all */

    _Atomic uint64_t needed_from;          /* what is below it may be dropped; written by whoever drops */
    _Atomic uint64_t held_from;            /* but not beyond it: readers need that */
    _Atomic(const int64_t *) recent_bytes; /* nor of the last of them; NULL: none */
    struct stream_notice *_Atomic notice;  /* changed under lock, as is_armed is set under it */

    /* log thread (or, when it does not run, whoever calls stream_log_turn); atomics read by all */
    char band2[64];
    _Atomic uint64_t synced;
    _Atomic int state;           /* enum log_state; also set, from GOOD to BROKEN, by the claim's holder */
    _Atomic int error;           /* errno of the failure */
    struct log_segment *current; /* read under the claim; changed under the claim and log_lock */
    int64_t synced_at_us, retry_at_us, roll_at_us;
    _Atomic int64_t last_sync_us, sync_us_max;
    _Atomic(const char *) failure; /* text for clients while state is LOG_FAILED */
    struct failure_text *failures;

    /* under log_lock, a leaf */
    char band3[64];
    struct lock log_lock;
    struct list segments;
    struct kept kept;

    struct stream_waits waits;
    struct stream_copies copies;

    /* waking the log thread (see stream_thread.c), and those who sleep for a sync */
    _Atomic uint64_t sync_wanted;
    _Atomic unsigned group_target; /* so many waits for a sync are worth waking it; 0: any */
    unsigned mailed;               /* log thread only: waits that were mailed since it last slept */
    _Atomic uint32_t kicked;       /* a futex */
    _Atomic bool asleep, stopping;
    bool started;
    struct thread thread;
    pthread_mutex_t mutex;
    pthread_cond_t progress;
};

/* stream_history.c: the small file, and how one id follows another. _read fails if there is none, or a damaged one; _write
 * returns 0 or an errno value. */
#define IDENTITY_NAME "log-identity"
struct stream_identity stream_identity_get(struct stream *stream);
void stream_identity_begin(struct stream_identity *identity);
bool stream_identity_read(struct stream *stream, struct stream_identity *identity);
int stream_identity_write(struct stream *stream, const struct stream_identity *identity);
/* A new id follows the present one, which stays valid up to 'end'. If nothing was ever appended under the present one,
 * it is its predecessor that stays. */
void stream_identity_succeed(struct stream_identity *identity, uint64_t end);

/* stream_segment.c: files. Each returns 0 or an errno value unless it says otherwise. */

#define SEGMENT_NAME_MAX 40
void log_segment_name(char name[SEGMENT_NAME_MAX], uint64_t first);
/* Whether a file's name is a segment's. */
bool log_segment_name_parse(const char *name, uint64_t *first);
/* Writes the whole at a position, or fails. */
int log_segment_write(int fd, const void *data, size_t length, uint64_t position);
/* Makes a segment that begins with the frames of 'kept' (may be NULL) from offset 'first' on. When it returns 0
 * the file and its name are on the device; on failure nothing of it is left. Replaces a file of that name. */
int log_segment_create(struct stream *stream, uint64_t first, uint64_t previous_end, const struct kept *kept,
                       struct log_segment **made);
/* Sets room aside on the device after what is written. With may_pause it takes milliseconds where the file system is slow at
 * it, so that those who write meanwhile need not wait so long. Failure of this and the next does no harm: the writes of frames
 * will find the room, or none. Log thread only. */
void log_segment_allocate(struct log_segment *segment, uint64_t segment_bytes, bool may_pause);
/* Whether zeros stand ahead of what is written, and writes them; the latter under the claim. */
bool log_segment_is_zeroed(const struct log_segment *segment);
void log_segment_zero(struct log_segment *segment);
/* Closes and frees; the file stays. */
void log_segment_destroy(struct log_segment **segment);
/* Writes a small file by rename, so that it is the old or the new one after any crash. */
int directory_write_file(int directory_fd, const char *name, struct bytes content);

/* stream_recover.c: reads the log's end, cuts it, sets identity, offsets, segments and current. */
enum status stream_recover(struct stream *stream, uint64_t row_offset_max, char *error, size_t error_size) MUST_USE;

/* stream_thread.c */
void stream_log_init(struct stream *stream);
/* Wakes the log thread; the second only if it is not gathering a group, or the group is complete. Any thread. */
void stream_log_kick(struct stream *stream);
void stream_log_kick_for_group(struct stream *stream);
/* Until it next sleeps the log thread is not to be woken for waits: it will look for them by itself. */
void stream_log_group_hold(struct stream *stream);
/* Asks for a sync of what is below the offset, at once. */
void stream_log_want_sync(struct stream *stream, uint64_t offset);
/* As that, for a wait that was added: it may have to share the sync with others that are about to be added. */
void stream_log_want_group_sync(struct stream *stream, uint64_t offset);
void stream_log_start(struct stream *stream);
void stream_log_stop(struct stream *stream);

/* stream_log.c */
/* One round of the log thread: repairs, writes, syncs what is due, begins a new segment. */
void stream_log_turn(struct stream *stream, int64_t now_us);
bool stream_log_sync_is_due(const struct stream *stream, int64_t now_us);
/* The longest that written bytes stay unsynced. */
int64_t stream_log_interval_us(const struct stream *stream);
/* Writes and syncs all and marks the end clean, unless the log has failed. */
void stream_log_finish(struct stream *stream);

/* Stops and frees, and leaves the files as a killed process would. */
void stream_abandon(struct stream **stream);
