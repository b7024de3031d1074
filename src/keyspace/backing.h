/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/mailbox.h"
#include "base/status.h"
#include "keyspace/entry.h"
#include "object/object_capture.h"

/* The interface between the keyspace and where cold rows live. The first half is what a backing (the tier) offers,
 * the second what the keyspace offers to it. dbs are physical here. A row's place is (db, slot, hash, name). */

struct keyspace;
struct load;
struct job;

struct row_key {
    uint8_t db;
    uint16_t slot;
    uint64_t hash;
    struct bytes name;
};

/* A row as read: the payload is object/codec's; valid during the call only. */
struct row {
    struct row_key key;
    struct bytes payload;
    int64_t expire_at_ms; /* ENTRY_NO_EXPIRE: none */
    uint64_t offset;      /* of the stream, at capture */
};

struct backing {
    void *context;
    /* Queues the load for a reader, which takes its keys by load_keys and answers by load_install. Any
     * thread, no partition lock held. */
    void (*load)(void *context, struct load *load);
    /* Runs the job on a reader thread. */
    void (*run)(void *context, struct job *job);
    /* Visits rows of one (db, slot) with hash_from <= hash <= hash_to in order until visit returns false; dead rows
     * (flushed) are left out. Blocking: reader threads only. Opens its view at the call. */
    enum status (*rows)(void *context, uint8_t db, uint16_t slot, uint64_t hash_from, uint64_t hash_to,
                        bool (*visit)(void *visitor, const struct row *row), void *visitor);
    /* Reads one row synchronously (replay, scripts that have written); NOT_FOUND if there is none. */
    enum status (*read)(void *context, const struct row_key *key, void (*take)(void *taker, const struct row *row),
                        void *taker);
    /* Entries are needed clean: begin or hurry a flush cycle. Any thread, cheap. */
    void (*want_clean)(void *context);
    /* Rows of the db with an offset below flushed_at do not exist any more. Under all locks; no I/O here. */
    void (*flushed)(void *context, uint8_t db, uint64_t flushed_at);
};

/* ---- what the keyspace offers to its backing ---- */

/* Reader thread: the keys of a load that this reader must fetch, in row order; valid until load_finish. */
size_t load_keys(struct load *load, const struct row_key **keys);
/* Reader thread: installs key number 'index' through its marker if that is still valid; row NULL: there is no such
 * row; status not OK: it could not be read, and the request will get an error. Takes the partition's lock. */
void load_install(struct load *load, size_t index, const struct row *row, enum status status);
/* After the last install of this load. */
void load_finish(struct load *load);

/* Flusher: visits dirty entries and tombstones of (db, slot) in hash order from *hash_from (updated to where to go
 * on) under the partition's lock, until 'bytes_max' of names and values were visited or the slot is done (returns
 * true). Visited entries become IN_RUN or GONE_IN_RUN and enter the filter with their first row. 'visit' runs under
 * the lock and must only copy, take references, or begin the capture of a large value, at most one before the lock is released. */
bool capture_slot(struct keyspace *keyspace, uint8_t db, uint16_t slot, uint64_t *hash_from, size_t bytes_max,
                  void (*visit)(void *context, const struct row_key *key, const struct object *value_or_null,
                                int64_t expire_at_ms),
                  void *context);
/* (lock) Flusher: the offset that a row carries which is captured now; 'end': the stream's, read under this hold. */
uint64_t capture_offset(const struct keyspace *keyspace, uint16_t slot, uint64_t end);
/* Flusher: writes about so many bytes of a value that the visit has put under capture, under the lock of whatever
 * partition holds it by now. False if that was all; the capture is gone then. */
bool capture_value_step(struct object_capture *capture, size_t bytes, struct buffer *out);
/* Flusher: whether (db, slot) has anything dirty; no lock, a hint that errs towards true. */
bool capture_slot_is_dirty(const struct keyspace *keyspace, uint8_t db, uint16_t slot);
/* Flusher: the keys captured since the last call of either were ingested: untouched entries become clean, tombstones
 * go, with their fingerprints. Or the run failed: they are dirty again. Keys come in capture order, any number at a
 * time; takes locks itself. */
void capture_ingested(struct keyspace *keyspace, const struct row_key *keys, size_t count);
void capture_failed(struct keyspace *keyspace, const struct row_key *keys, size_t count);
/* Bytes and number of entries that are not clean (sums of per-partition figures); any thread. */
size_t keyspace_dirty_bytes(const struct keyspace *keyspace);
size_t keyspace_dirty_count(const struct keyspace *keyspace);

/* Checkpoint: with all locks taken inside for a moment, calls 'at_offset' (which reads the stream's end); writes the counts
 * and the db map of that moment to 'out' in a form that keyspace_restore_state reads. */
void keyspace_save_state(struct keyspace *keyspace, void (*at_offset)(void *context), void *context,
                         struct buffer *out);
enum status keyspace_restore_state(struct keyspace *keyspace, struct bytes state) MUST_USE;

/* The filter. It answers "maybe" for a partition from keyspace_filter_lose until its rebuild ends. The flusher
 * rebuilds between runs: begin, add every row's key of the partition (locks taken inside, a batch at a time), end. */
void keyspace_filter_lose(struct keyspace *keyspace); /* rows exist, nothing is known of them */
void keyspace_filter_rebuild_begin(struct keyspace *keyspace, uint32_t partition);
void keyspace_filter_rebuild_add(struct keyspace *keyspace, const struct row_key *keys, size_t count);
void keyspace_filter_rebuild_end(struct keyspace *keyspace, uint32_t partition);
bool keyspace_filter_is_ready(const struct keyspace *keyspace, uint32_t partition);
/* Row bytes are reported expired (compaction, sweep): makes the key present so that it expires like any other. */
void keyspace_report_expired(struct keyspace *keyspace, const struct row_key *key);
