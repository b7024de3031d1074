/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/option.h"
#include "base/output.h"
#include "base/status.h"
#include "stream/effect.h"

/* Every write of the node, once, in order. Offsets count bytes since the replication id began and grow for ever.
 * The recent part is in memory, with durability on all since the checkpoint is in the log. A position that anyone
 * stores is the end of a bracket (MULTI .. EXEC) or of a single effect. */
struct stream;

enum durability { DURABILITY_NONE, DURABILITY_BEHIND, DURABILITY_THROUGH };

/* How far an offset has come: here, where each implies the one before, and at those who copy the stream, of whom nothing is
 * known here but what stream_set_copies says. */
enum stream_level {
    STREAM_APPENDED,
    STREAM_WRITTEN,
    STREAM_SYNCED,
    STREAM_QUORUM, /* every replica that may take over has it, and with this node they are a majority */
    STREAM_ALL,    /* every member has it */
    STREAM_LEVELS,
};

struct stream_options {
    const char *directory; /* of the log's segments; not used with DURABILITY_NONE */
    enum durability durability;
    const int64_t *interval_ms;   /* of syncs in DURABILITY_BEHIND */
    int64_t segment_bytes;        /* a new segment begins beyond it */
    int64_t unwritten_bytes_max;  /* of what is not yet on the device; beyond it stream_must_wait is true */
    const int64_t *log_bytes_max; /* of what may not be dropped yet; beyond it stream_is_full; NULL: no bound */
};

/* Opens the log: cuts a torn tail off, begins a new replication id after an unclean end. 'row_offset_max' is the
 * largest offset known outside the log (0: none); the stream never restarts below it. On failure 'error' says
 * which file, what is wrong and what to do. */
enum status stream_open(struct stream **stream, const struct stream_options *options, uint64_t row_offset_max,
                        char *error, size_t error_size) MUST_USE;

/* Calls 'apply' for each effect from 'from' (a bracket end) to the end, in order, with the offset at which its
 * bracket ends; an unfinished last bracket is dropped. Before any append. Progress is logged. */
enum status stream_replay(struct stream *stream, uint64_t from,
                          void (*apply)(void *context, const struct effect *effect, uint64_t end_offset), void *context,
                          char *error, size_t error_size) MUST_USE;

/* Whether a directory holds a log to which something was appended. One that does not exist holds none. */
enum status stream_directory_has_log(const char *directory, bool *has) MUST_USE;

/* Starts the log thread. */
void stream_start(struct stream *stream);
/* Writes and syncs everything, marks the log's end clean, stops the thread, mails all waits, frees. */
void stream_close(struct stream **stream);

/* Appends a batch in one piece, as a bracket if it has more than one effect, and returns its end offset. Takes
 * LOCK_STREAM for the time of a memcpy; never waits for a device. The caller holds the partitions concerned. */
uint64_t stream_append(struct stream *stream, struct effect_batch *batch);

/* A large batch: begun before its first large effect, staged without any lock, gathered when what is large has been staged,
 * again without a lock; what is staged after that is little. If several are, there is to be room for what is staged after each
 * of them, and it is gathered after the last. A batch that has effects when it is begun is not alone. stream_append takes its
 * bytes as they are, and leaves nothing but the need to clear the batch: it takes no longer the larger the batch is, unless the
 * effect that was to be alone is not. */
void stream_batch_begin_large(struct effect_batch *batch, int32_t db, bool is_alone);
void stream_batch_keep_room(struct effect_batch *batch);
void stream_batch_gather(struct stream *stream, struct effect_batch *batch);

/* ---- following another node's stream ---- */

/* Appends what its primary has appended, as it came: whole brackets, single effects, pings, or newlines between them; after
 * them logical db 'db' is selected. The caller holds the partitions that they concern, or has begun a batch (keyspace.h). */
uint64_t stream_append_verbatim(struct stream *stream, struct bytes bytes, int32_t db);
/* The logical db that is selected at the end, also where the next append selects; -1: it is not known. */
int32_t stream_db(struct stream *stream);

/* Offsets here never go back, whatever history is followed, since rows carry them. What other nodes are told of them
 * differs by the history's bias: theirs = ours + bias. The following change the history, durably; nobody may append
 * meanwhile, and the calling thread waits for the device. */

/* From here on the keys are replaced by somebody else's: until stream_begin_history the node has no history. */
enum status stream_forget_history(struct stream *stream) MUST_USE;
/* What is here is what the other node has at its offset of the history 'id', where 'db' is selected; but some of the next
 * 'behind' bytes is in it already, and will come as filler. Until then nothing here is of the history (history_first). */
enum status stream_begin_history(struct stream *stream, const char *id, uint64_t replication_offset, uint64_t behind,
                                 int32_t db) MUST_USE;
/* The history goes on under another id (the primary's new one), or NULL: under a new one of our own. */
enum status stream_continue_history(struct stream *stream, const char *id) MUST_USE;
/* The same where the history 'id' was another kind of server's, which told it in bytes that are not ours: what is here is what
 * it has at its offset, so it can go on from there, and from nowhere before. */
enum status stream_inherit_history(struct stream *stream, const char *id, uint64_t replication_offset) MUST_USE;

/* Whether somebody keeps what is appended (a log, a replica). If not, batches need not be staged, except those
 * of node-wide effects, whose offsets order rows. */
bool stream_is_recording(const struct stream *stream);

/* The end offset; any thread, monotonic. */
uint64_t stream_end(const struct stream *stream);
uint64_t stream_reached(const struct stream *stream, enum stream_level level);

/* The log pass: writes what is pending to the log file unless another thread is at it, in which case that thread
 * goes on until nothing is pending. No partition lock may be held. */
void stream_write(struct stream *stream);

/* True while too much is not yet synced (and so kept in memory), the log is full, or it has failed; writers are then
 * suspended by stream_wait_room, or refused with stream_failure. */
bool stream_must_wait(const struct stream *stream);
/* Whether the log since the last stream_drop_before (or where replay began) exceeds its bound. */
bool stream_is_full(const struct stream *stream);
/* NULL, or why durable writes are refused now (disk full, failed sync), as an error text for clients. */
const char *stream_failure(const struct stream *stream);

/* ---- what other nodes have; said by replication, asked by whose replies wait for it ---- */

/* Who begins to wait for copies has this letter posted, unless it is on its way: whoever delivers it calls
 * stream_copies_ask_again first, then has replicas tell how far they are. Before the first wait. */
void stream_copies_setup(struct stream *stream, struct mailbox *home, struct mail *asked);
void stream_copies_ask_again(struct stream *stream);
/* STREAM_QUORUM or STREAM_ALL has come to 'reached'. Not possible: too few have what comes now, and whoever waits for more is
 * mailed, to see that. One thread. */
void stream_set_copies(struct stream *stream, enum stream_level level, bool is_possible, uint64_t reached);
bool stream_copies_are_possible(const struct stream *stream, enum stream_level level);

/* A wait for an offset to reach a level; embedded in what waits. */
struct stream_wait {
    struct stream_wait *next;
    uint64_t offset;
    enum stream_level level;
    struct mailbox *home;
    struct mail mail; /* posted to home when reached or no longer possible, or when the stream fails or closes */
};
/* False if it is reached already (nothing will be mailed). A wait for STREAM_SYNCED asks for a sync. While the log
 * has failed every wait is mailed at once: whoever is mailed looks at the level and at stream_failure. */
bool stream_wait_start(struct stream *stream, struct stream_wait *wait);
/* Waits for stream_must_wait to become false; sets the wait's offset and level. False if it is so already. */
bool stream_wait_room(struct stream *stream, struct stream_wait *wait);

/* Asks the log thread for a sync of everything appended until now. */
void stream_request_sync(struct stream *stream);
/* Blocks a background thread until the offset is synced (or written with no log); error if the log fails. */
enum status stream_sync_wait(struct stream *stream, uint64_t offset) MUST_USE;

/* What is below the offset is not needed any more: segments that end at or below it go, but for the last *bytes of the stream
 * after stream_keep_recent, which those may ask for who come back. */
void stream_drop_before(struct stream *stream, uint64_t offset);
/* Once, at start. The number is read atomically at each drop, and has to outlive the stream. */
void stream_keep_recent(struct stream *stream, const int64_t *bytes);

/* ---- feeding replicas ---- */

/* Keeps in memory what is appended from now on, the last *ring_bytes_max of it, and has the next append SELECT its db, since
 * a replica that begins here knows none. Without a log, recording begins. Returns the offset from which it is so. May be
 * called again, for the SELECT. With 'db' nothing is appended by itself (the stream is another node's): it gets what is
 * selected at the offset. */
uint64_t stream_feed(struct stream *stream, const int64_t *ring_bytes_max, int32_t *db);
/* Appends bytes that are no effect, but own offsets: PING and the like, a whole command. */
uint64_t stream_append_aside(struct stream *stream, struct bytes bytes);
/* What is at or beyond the offset is needed by readers: it stays in the log (or, without one, in memory). UINT64_MAX:
 * nothing is. The holder sees to it that this has a bound. */
void stream_hold(struct stream *stream, uint64_t offset);
/* Whether bytes can be read from the offset on, or it is the end. */
bool stream_has_from(struct stream *stream, uint64_t offset);

/* Reads the stream's bytes in order while it grows; one thread at a time. Not for workers: it may read files. */
struct stream_reader;
struct stream_reader *stream_reader_create(struct stream *stream, uint64_t offset);
void stream_reader_destroy(struct stream_reader **reader);
/* Of the next byte. */
uint64_t stream_reader_offset(const struct stream_reader *reader);
/* Appends what follows as far as it is written to the log, at most bytes_max. False: neither memory nor log has it. */
bool stream_reader_read(struct stream_reader *reader, struct buffer *out, size_t bytes_max);
/* As that; but what memory has of it may be referred to. */
bool stream_reader_refer(struct stream_reader *reader, struct output *out, size_t bytes_max);

/* One reader's wish to be mailed when there is more than 'beyond' to read. */
struct stream_notice {
    _Atomic bool is_armed;
    uint64_t beyond;
    struct mailbox *home;
    struct mail mail;
};
/* Mails at once if there is. The notice is in use until it is delivered; there is one at a time. */
void stream_notice_start(struct stream *stream, struct stream_notice *notice);
/* True if it will not be mailed any more; false: it is, or is on its way. */
bool stream_notice_stop(struct stream *stream);

/* A history that the present one continues. */
struct stream_former {
    char id[41];
    uint64_t end; /* what this node has of it */
    bool is_cut;  /* it ended by a crash here: others may have more */
};
/* Whether the history 'id' is one of the last few; any thread. */
bool stream_find_former(struct stream *stream, const char *id, struct stream_former *found);

struct stream_info {
    char replication_id[41], replication_id2[41]; /* the second: the last former one, or zeros */
    uint64_t id2_offset;                          /* up to which it is valid */
    int64_t bias;                                 /* to be added to offsets that others are told */
    /* Bytes before it are not of the history, though they may be there; the end may still be before it. */
    uint64_t history_first;
    bool is_partial;                         /* no history: a copy is, or was, under way */
    uint64_t end, written, synced, first;    /* first: the oldest offset still in the log */
    uint64_t log_bytes;                      /* of all segments */
    uint64_t needed_bytes, needed_bytes_max; /* what may not be dropped, and its bound; 0: none */
    int64_t last_sync_us, sync_us_max;
    uint64_t ring_bytes;
    uint64_t backlog_bytes, backlog_first; /* kept for replicas; first: the oldest offset that they can be given */
    bool is_feeding;
};
void stream_read_info(struct stream *stream, struct stream_info *info);
