/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* RDB files of Redis and Valkey, in and out, whether they lie on a disk or come over a link: a sequence of keys with their
 * values, databases and times, and of functions. Values pass as type byte and payload, as codec.h has them. Source of the
 * format: the RDB file format of Redis, versions 1 to 13, and of Valkey, version 80.
 *
 * One thread each; nothing here is shared. */

#define RDB_NO_EXPIRE INT64_C(-1)
/* The first byte of a payload that only a module could read. */
#define RDB_TYPE_MODULE 7

struct rdb_key {
    int db;
    struct bytes name, payload;
    int64_t expire_at_ms; /* RDB_NO_EXPIRE: never */
    int64_t idle_seconds; /* -1: not told, as is frequency */
    int frequency;
};

/* ---- in ---- */

/* What is found. Bytes are good until the call returns. False ends the reading with STATUS_CLOSED. */
struct rdb_visitor {
    void *context;
    bool (*key)(void *context, const struct rdb_key *key);
    bool (*function)(void *context, struct bytes code);
    bool (*about)(void *context, struct bytes name, struct bytes value); /* of the file: "redis-ver", "repl-id", ... */
};

struct rdb_file_reader {
    struct rdb_visitor visitor;
    uint64_t keys, functions;
    uint64_t keys_told; /* about as many keys are to come, by what the file itself has said so far */
    bool is_complete;   /* the end was read, and the checksum fits */
    char error[128];    /* what is wrong, and at which byte; empty while nothing is */
    /* private */
    struct buffer waiting;           /* bytes that are not the whole of anything yet */
    size_t retry_at;                 /* how many they must be before that is tried again */
    struct buffer room, second_room; /* for what is not as it stands in the file */
    uint64_t offset;                 /* of the first of them in the file */
    uint64_t checksum;
    int version;
    struct rdb_key next;
};

void rdb_file_reader_init(struct rdb_file_reader *reader, const struct rdb_visitor *visitor);
/* Takes the next bytes of the file. STATUS_CORRUPT, with the reason in 'error', if they cannot be some. What comes behind
 * the end is not taken: *taken says how much was. */
enum status rdb_file_read(struct rdb_file_reader *reader, struct bytes bytes, size_t *taken) MUST_USE;
/* The file is over: STATUS_CORRUPT if it is not complete. */
enum status rdb_file_read_end(struct rdb_file_reader *reader) MUST_USE;
void rdb_file_reader_deinit(struct rdb_file_reader *reader);
/* Once, in a program that has no settings of a server: see codec_setup. */
void rdb_file_setup(void);
/* Whether the value can be decoded; the reader looks for its end only. Not for values of modules. */
bool rdb_key_can_be_decoded(const struct rdb_key *key);

/* ---- out ---- */

/* What Redis 7.0 reads. */
#define RDB_FILE_VERSION 10

struct rdb_file_writer {
    struct buffer out; /* the owner takes bytes from here as it likes, with rdb_file_taken */
    /* private */
    uint64_t checksum;
    size_t summed; /* of out */
    int db;
};

void rdb_file_begin(struct rdb_file_writer *writer);
void rdb_file_about(struct rdb_file_writer *writer, struct bytes name, struct bytes value);
void rdb_file_function(struct rdb_file_writer *writer, struct bytes code);
/* The database of the keys that follow is told where it must be. */
void rdb_file_db(struct rdb_file_writer *writer, int db);
/* The same, and about how many there are, with times and in all. */
void rdb_file_sizes(struct rdb_file_writer *writer, int db, uint64_t keys, uint64_t expires);
/* Keys of one database best come together: each change of it is told. */
void rdb_file_key(struct rdb_file_writer *writer, const struct rdb_key *key);
void rdb_file_end(struct rdb_file_writer *writer);
/* The first 'count' bytes of out have gone. */
void rdb_file_taken(struct rdb_file_writer *writer, size_t count);
void rdb_file_writer_deinit(struct rdb_file_writer *writer);
