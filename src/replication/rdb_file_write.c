/* SPDX-License-Identifier: BSD-3-Clause */
/* The form is told in rdb_file_read.c. */
#include <endian.h>
#include <stdio.h>

#include "base/crc.h"
#include "object/rdb_string.h"
#include "replication/rdb_file.h"
#include "replication/rdb_opcode.h"

static void write_byte(struct rdb_file_writer *writer, unsigned byte)
{
    char written = (char)byte;
    buffer_append(&writer->out, &written, 1);
}

void rdb_file_begin(struct rdb_file_writer *writer)
{
    *writer = (struct rdb_file_writer){.db = -1};
    buffer_append_format(&writer->out, "REDIS%04d", RDB_FILE_VERSION);
}

void rdb_file_about(struct rdb_file_writer *writer, struct bytes name, struct bytes value)
{
    write_byte(writer, OPCODE_ABOUT);
    rdb_write_string(&writer->out, name);
    rdb_write_string(&writer->out, value);
}

void rdb_file_function(struct rdb_file_writer *writer, struct bytes code)
{
    write_byte(writer, OPCODE_FUNCTION);
    rdb_write_string(&writer->out, code);
}

static void write_use(struct rdb_file_writer *writer, const struct rdb_key *key)
{
    if (key->idle_seconds >= 0) {
        write_byte(writer, OPCODE_IDLE);
        rdb_write_length(&writer->out, (uint64_t)key->idle_seconds);
    }
    if (key->frequency >= 0) {
        write_byte(writer, OPCODE_FREQUENCY);
        write_byte(writer, (unsigned)key->frequency);
    }
}

void rdb_file_db(struct rdb_file_writer *writer, int db)
{
    if (db == writer->db)
        return;
    write_byte(writer, OPCODE_DB);
    rdb_write_length(&writer->out, (uint64_t)db);
    writer->db = db;
}

void rdb_file_sizes(struct rdb_file_writer *writer, int db, uint64_t keys, uint64_t expires)
{
    rdb_file_db(writer, db);
    write_byte(writer, OPCODE_SIZES);
    rdb_write_length(&writer->out, keys);
    rdb_write_length(&writer->out, expires);
}

void rdb_file_key(struct rdb_file_writer *writer, const struct rdb_key *key)
{
    rdb_file_db(writer, key->db);
    if (key->expire_at_ms != RDB_NO_EXPIRE) {
        uint64_t wire = htole64((uint64_t)key->expire_at_ms);
        write_byte(writer, OPCODE_EXPIRE_MS);
        buffer_append(&writer->out, &wire, sizeof(wire));
    }
    write_use(writer, key);
    buffer_append(&writer->out, key->payload.data, 1);
    rdb_write_string(&writer->out, key->name);
    buffer_append(&writer->out, key->payload.data + 1, key->payload.length - 1);
}

static void sum(struct rdb_file_writer *writer)
{
    writer->checksum = crc64(writer->checksum, writer->out.data + writer->summed, writer->out.length - writer->summed);
    writer->summed = writer->out.length;
}

void rdb_file_end(struct rdb_file_writer *writer)
{
    write_byte(writer, OPCODE_END);
    sum(writer);
    uint64_t wire = htole64(writer->checksum);
    buffer_append(&writer->out, &wire, sizeof(wire));
    writer->summed = writer->out.length;
}

void rdb_file_taken(struct rdb_file_writer *writer, size_t count)
{
    if (writer->summed < count)
        sum(writer);
    buffer_consume(&writer->out, count);
    writer->summed -= count;
}

void rdb_file_writer_deinit(struct rdb_file_writer *writer)
{
    buffer_deinit(&writer->out);
}
