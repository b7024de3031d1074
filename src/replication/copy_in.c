/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_in.h"

#include "replication/rdb_request.h"

static bool take_key(void *context, const struct rdb_key *key)
{
    struct copy_in *copy = context;
    if (key->db != copy->db) {
        rdb_request_select(&copy->requests, key->db);
        copy->db = key->db;
    }
    rdb_request_key(&copy->requests, key, true);
    copy->keys++;
    return true;
}

static bool take_function(void *context, struct bytes code)
{
    struct copy_in *copy = context;
    rdb_request_function(&copy->requests, code, true);
    return true;
}

static bool take_about(void *context, struct bytes name, struct bytes value)
{
    struct copy_in *copy = context;
    int64_t db;
    if (bytes_equal_text(name, "forebay-version"))
        copy->from_forebay = true;
    else if (bytes_equal_text(name, "repl-stream-db") && bytes_to_int64(value, &db) && db >= 0 && db <= INT16_MAX)
        copy->stream_db = (int)db;
    return true;
}

void copy_in_begin(struct copy_in *copy)
{
    *copy = (struct copy_in){.db = -1};
    struct rdb_visitor visitor = {.context = copy, .key = take_key, .function = take_function, .about = take_about};
    rdb_file_reader_init(&copy->reader, &visitor);
    const struct bytes flush_keys[] = {BYTES("FLUSHALL")}, flush_functions[] = {BYTES("FUNCTION"), BYTES("FLUSH")};
    rdb_request_words(&copy->requests, flush_keys, 1);
    rdb_request_words(&copy->requests, flush_functions, 2);
}

enum status copy_in_read(struct copy_in *copy, struct bytes bytes, size_t *taken)
{
    return rdb_file_read(&copy->reader, bytes, taken);
}

enum status copy_in_finish(struct copy_in *copy)
{
    return rdb_file_read_end(&copy->reader);
}

void copy_in_end(struct copy_in *copy)
{
    rdb_file_reader_deinit(&copy->reader);
    buffer_deinit(&copy->requests);
}
