/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "keyspace/keyspace.h"
#include "stream/stream.h"

struct worker;

#define CLASS_ENDS 3

/* What every execution is given: the parts of the node and the settings that commands obey. Made by wiring; the
 * settings are plain variables of option rows, read without a lock. */
struct engine {
    struct keyspace *keyspace;
    struct stream *stream;
    struct worker **workers;
    uint32_t worker_count;
    struct worker *link_worker; /* on replication's thread, where links are; NULL: there is no replication */
    bool tier;                  /* rows exist behind RAM: keys may be cold */
    bool spill;                 /* clean entries may leave RAM; else eviction deletes */
    enum durability durability;
    int64_t maxmemory;                 /* bytes, as configured; 0: three quarters of the machine */
    int eviction;                      /* enum eviction_policy */
    int64_t memory_wait_ms;            /* a write that finds no room waits so long before -OOM */
    _Atomic size_t allocation_limit;   /* what may be allocated so that RSS stays below maxmemory; set by the ticker */
    void (*want_clean)(void *context); /* asks the tier for clean entries; NULL without one */
    void *want_clean_context;
    int64_t slowlog_slower_than_us, slowlog_length_max;
    bool latency_tracking;
    int64_t bulk_bytes_max;  /* proto-max-bulk-len */
    int64_t reply_bytes_max; /* of a reply's own bytes, beside values that are sent from where they are; 0: any */
    char *requirepass;
    _Atomic bool active_expire;
    bool import_mode;               /* what is due stays for those who import, and is hidden from others */
    _Atomic int following;          /* enum following */
    _Atomic int64_t pause_until_ms; /* CLIENT PAUSE */
    _Atomic bool pause_writes_only;
    _Atomic bool writes_stopped; /* for a hand-over to a replica: as a pause of writes, without an end */
    /* Of the stream at the last write of a class that waits for anything, for a quorum, for all; or when clients were let in. */
    _Atomic uint64_t class_ends[CLASS_ENDS];
    int64_t started_at_ms;
    char run_id[41];
    const char *const *command_line;
};

/* Whose word makes keys: this node's clients', or its primary's. Changed while nothing is executed for the link. */
enum following {
    FOLLOWS_NOBODY,
    FOLLOWS_COMMANDS, /* another's commands, which become effects of this node's own stream */
    FOLLOWS_BYTES,    /* another Forebay's stream, which becomes this node's own, byte by byte */
};

/* Directives of a follower: replica-read-only, replica-ignore-maxmemory, replica-apply-threads, replica-apply-min-effects. */
extern struct following_settings {
    bool read_only, ignores_maxmemory;
    int64_t apply_threads; /* 0: by the processors; 1: none beside the feed's own */
    int64_t apply_min_effects;
} following_settings;

/* A follower decides nothing by itself: no key expires or is evicted until it is told. */
static inline bool engine_is_following(const struct engine *engine)
{
    return atomic_load_explicit(&engine->following, memory_order_relaxed) != FOLLOWS_NOBODY;
}

/* Whether keys may expire and be evicted by this node's own decision. */
static inline bool engine_decides(const struct engine *engine)
{
    return !engine_is_following(engine) && !atomic_load_explicit(&engine->writes_stopped, memory_order_relaxed) &&
           !__atomic_load_n(&engine->import_mode, __ATOMIC_RELAXED);
}

/* Then nobody but the link may append. */
static inline bool engine_follows_bytes(const struct engine *engine)
{
    return atomic_load_explicit(&engine->following, memory_order_relaxed) == FOLLOWS_BYTES;
}

/* Whether what is executed is to be staged as effects. Where a replica may begin to be fed meanwhile it is asked again under
 * the locks. */
static inline bool engine_stages_effects(const struct engine *engine)
{
    return stream_is_recording(engine->stream) && !engine_follows_bytes(engine);
}

/* The text as it is now; good for the present request. CONFIG SET may replace it at any time. */
static inline const char *engine_password(const struct engine *engine)
{
    return __atomic_load_n(&engine->requirepass, __ATOMIC_ACQUIRE);
}

/* A replica's connection, which was a client's until it asked for the stream. Texts are good during the call. */
struct replica_link {
    uint64_t id; /* the client's */
    int64_t created_at_ms, active_at_ms;
    int fd; /* -1: none at the moment */
    const char *peer, *local;
    size_t query_bytes, output_bytes;
    bool is_unix;
};

/* The data of this node are being replaced by a primary's, and clients get -LOADING. */
struct loading_state {
    int64_t since_ms;
    uint64_t bytes, bytes_total; /* read, of about how many; 0: not known */
    double percent;
};

/* What commands ask of parts that they must not know; set by wiring, entries may be NULL. */
struct engine_hooks {
    /* Ends the process as SIGTERM does; 'save' false skips the last checkpoint. Returns at once. */
    void (*shutdown)(bool save);
    /* Moves the checkpoint, where there is one, and with_file writes the RDB file, if one is wanted; 'done' is delivered to
     * home. False if there is neither to do. */
    bool (*save_start)(bool with_file, struct mailbox *home, void (*done)(void *owner, int status), void *owner);
    /* Whether SAVE writes a file. */
    bool (*save_has_file)(void);
    /* Wall time of the last checkpoint in milliseconds, 0: none. */
    int64_t (*last_save_ms)(void);
    /* Keys written to the file that is being made, of how many. */
    void (*save_progress)(uint64_t *written, uint64_t *total);
    /* Bytes that RocksDB holds in memory. */
    size_t (*tier_bytes)(void);
    /* On link_worker's thread: all replicas, those that are copied to as well; and the end of one, false if there is none. */
    void (*replicas_each)(void (*visit)(void *context, const struct replica_link *link), void *context);
    bool (*replica_close)(uint64_t id);
    /* False: it is not so. */
    bool (*read_loading)(struct loading_state *state);
    /* Whether writes are refused for min-replicas-to-write. */
    bool (*replicas_are_few)(void);
    /* Why the tier or the log do not take writes now; NULL when all is well. */
    const char *(*failure)(void);
};
extern struct engine_hooks engine_hooks;

/* NULL, or why writes to a log are refused now, as an error for clients: the log has failed, or it is full while the tier
 * cannot take over what it holds. */
const char *engine_write_failure(const struct engine *engine);
/* Tries to bring allocation under the limit by evicting; true if it is. Cheap when it already is. */
bool engine_make_room(struct engine *engine, struct worker *worker);
/* Whether so much is allocated beyond the limit that one request must not add to it, whatever it has done already. */
bool engine_is_overfull(struct engine *engine);
