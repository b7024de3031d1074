/* SPDX-License-Identifier: BSD-3-Clause */
/* Members are written in the order of their hashes, which no change alters. Before a member beyond the walk is changed or
 * taken out it is written, and its name noted; of one that is added the name is noted alone. The walk passes over names
 * that are noted. So each member of the begin is written once, as it was then. */
#include <endian.h>

#include "base/check.h"
#include "object/capture_private.h"
#include "object/hash_private.h"
#include "object/rdb_string.h"

static void write_score(double score, struct buffer *out)
{
    uint64_t wire;
    memcpy(&wire, &score, sizeof(wire));
    wire = htole64(wire);
    buffer_append(out, &wire, sizeof(wire));
}

static void write_distance(const struct object_capture *capture, const struct member *member, struct buffer *out)
{
    int64_t time = hash_member_time(member);
    if (capture->first_ms != OBJECT_NEVER_DUE)
        rdb_write_length(out, time == HASH_NO_EXPIRE ? 0 : (uint64_t)(time - capture->first_ms) + 1);
}

static void write_member(struct object_capture *capture, const struct member *member, struct buffer *out)
{
    check(capture->left > 0);
    capture->left--;
    if (capture->value.type == OBJECT_HASH)
        write_distance(capture, member, out);
    rdb_write_string(out, member_name(member));
    if (capture->value.type == OBJECT_HASH)
        rdb_write_string(out, member_value(member));
    else if (capture->value.type == OBJECT_ZSET)
        write_score(member_score(member), out);
}

void member_capture_note(struct object_capture *capture, uint64_t hash, struct bytes name, const struct member *member)
{
    if (capture->is_walked || hash < capture->hash || member_table_find(&capture->ahead, hash, name))
        return;
    if (member)
        write_member(capture, member, &capture->written);
    member_table_insert(&capture->ahead, hash, member_create(name, NULL, NULL));
}

static void begin_hash(struct object_capture *capture, struct buffer *out)
{
    capture->first_ms = object_due_ms(&capture->value);
    bool has_times = capture->first_ms != OBJECT_NEVER_DUE;
    uint64_t wire = htole64((uint64_t)capture->first_ms);
    *buffer_reserve(out, 1) = has_times ? RDB_TYPE_HASH_METADATA : RDB_TYPE_HASH;
    out->length++;
    if (has_times)
        buffer_append(out, &wire, sizeof(wire));
}

void member_capture_begin(struct object_capture *capture, struct buffer *out)
{
    if (capture->value.type == OBJECT_HASH) {
        begin_hash(capture, out);
    } else {
        *buffer_reserve(out, 1) = capture->value.type == OBJECT_SET ? RDB_TYPE_SET : RDB_TYPE_ZSET_2;
        out->length++;
    }
    capture->left = capture_table(&capture->value)->count;
    rdb_write_length(out, capture->left);
}

struct step {
    struct object_capture *capture;
    struct buffer *out;
    size_t end;
};

static bool visit(void *context, struct member *member)
{
    struct step *step = context;
    struct object_capture *capture = step->capture;
    struct bytes name = member_name(member);
    if (capture->ahead.count == 0 || !member_table_find(&capture->ahead, member_hash(name), name))
        write_member(capture, member, step->out);
    return step->out->length < step->end;
}

bool member_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    struct step step = {capture, out, out->length + bytes};
    const struct member_table *table = capture_table(&capture->value);
    buffer_append_bytes(out, buffer_bytes(&capture->written));
    capture->written.length = 0;
    do {
        capture->hash = member_table_visit(table, capture->hash, visit, &step);
        capture->is_walked = capture->hash == 0;
    } while (!capture->is_walked && out->length < step.end);
    return !capture->is_walked;
}
