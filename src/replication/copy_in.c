/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_in.h"

#include "replication/rdb_request.h"
#include "replication/sync_state.h"

/* 0 would be no expiry: a time before the beginning of time has passed just as well a little later. */
static int64_t expiry_of(const struct rdb_key *key)
{
    return key->expire_at_ms > 0 ? key->expire_at_ms : 1;
}

static bool load_key(struct copy_in *copy, const struct rdb_key *key)
{
    if (copy->only_requests || copy->requests.length > 0 || key->db >= DATABASE_COUNT || key->idle_seconds >= 0 ||
        key->frequency >= 0)
        return false;
    struct loaded_key loaded = {.db = key->db,
                                .name = key->name,
                                .payload = key->payload,
                                .expire_at_ms = key->expire_at_ms == RDB_NO_EXPIRE ? ENTRY_NO_EXPIRE : expiry_of(key)};
    return bulk_load_key(&copy->load, &loaded);
}

static void ask_for_key(struct copy_in *copy, const struct rdb_key *key)
{
    if (key->db != copy->db) {
        rdb_request_select(&copy->requests, key->db);
        copy->db = key->db;
    }
    rdb_request_key(&copy->requests, key, true);
}

/* Nobody but the module knows what its values mean. */
static bool take_module(struct copy_in *copy)
{
    copy->skipped++;
    if (!copy->skips_modules)
        copy->refusal = "it has values of modules; replica-skip-modules yes leaves them out";
    return copy->skips_modules;
}

static bool take_key(void *context, const struct rdb_key *key)
{
    struct copy_in *copy = context;
    if ((uint8_t)key->payload.data[0] == RDB_TYPE_MODULE)
        return take_module(copy);
    if (!load_key(copy, key))
        ask_for_key(copy, key);
    copy->keys++;
    return true;
}

static bool take_function(void *context, struct bytes code)
{
    struct copy_in *copy = context;
    rdb_request_function(&copy->requests, code, true);
    return true;
}

static bool take_number(struct copy_in *copy, struct bytes value, uint64_t *number)
{
    bool is_good = bytes_to_uint64(value, number) && *number <= SYNC_OFFSET_MAX;
    if (!is_good)
        copy->refusal = "it says of itself what is no number";
    return is_good;
}

static bool take_about(void *context, struct bytes name, struct bytes value)
{
    struct copy_in *copy = context;
    int64_t db;
    if (bytes_equal_text(name, "forebay-version"))
        copy->from_forebay = true;
    else if (bytes_equal_text(name, "repl-stream-db") && bytes_to_int64(value, &db) && db >= 0 && db <= INT16_MAX)
        copy->stream_db = (int)db;
    else if (bytes_equal_text(name, "forebay-copy-bytes"))
        return take_number(copy, value, &copy->stream_bytes);
    else if (bytes_equal_text(name, "forebay-copy-keys"))
        return take_number(copy, value, &copy->keys_total);
    return true;
}

void copy_in_begin(struct copy_in *copy, struct engine *engine)
{
    *copy = (struct copy_in){.db = -1, .load.engine = engine};
    struct rdb_visitor visitor = {.context = copy, .key = take_key, .function = take_function, .about = take_about};
    rdb_file_reader_init(&copy->reader, &visitor);
    const struct bytes flush_keys[] = {BYTES("FLUSHALL")}, flush_functions[] = {BYTES("FUNCTION"), BYTES("FLUSH")};
    rdb_request_words(&copy->requests, flush_keys, 1);
    rdb_request_words(&copy->requests, flush_functions, 2);
}

enum status copy_in_read(struct copy_in *copy, struct bytes bytes, size_t *taken)
{
    enum status status = rdb_file_read(&copy->reader, bytes, taken);
    bulk_load_flush(&copy->load);
    return status;
}

struct copy_progress copy_in_progress(const struct copy_in *copy)
{
    return (struct copy_progress){.bytes = copy->reader.offset,
                                  .keys = copy->keys,
                                  .keys_total = copy->keys_total ? copy->keys_total : copy->reader.keys_told};
}

enum status copy_in_finish(struct copy_in *copy)
{
    enum status status = rdb_file_read_end(&copy->reader);
    bulk_load_flush(&copy->load);
    return status;
}

void copy_in_end(struct copy_in *copy)
{
    bulk_load_deinit(&copy->load);
    rdb_file_reader_deinit(&copy->reader);
    buffer_deinit(&copy->requests);
}
