/* SPDX-License-Identifier: BSD-3-Clause */
/* Each change of the libraries is one effect that says how all of them are then (FUNCTION RESTORE payload FLUSH, or
 * FUNCTION FLUSH), so replay needs no more than the last one. That may stand below the checkpoint, where the log is
 * dropped: before a checkpoint is written, the same payload is saved in the file "functions" of the data directory. The
 * file may be newer than the checkpoint: what is replayed after it leads to the same end. */
#include "command/function_durable.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "command/function_library.h"
#include "object/codec.h"
#include "object/rdb_string.h"

#define FILE_NAME "functions"
#define PATH_BYTES 4096
/* The opcode that stands before a library in RDB files. */
#define OPCODE_LIBRARY 245

static char path[PATH_BYTES];

/* What the next checkpoint has to save. */
static struct {
    struct lock lock;
    struct buffer payload;
    uint64_t sum, count; /* functions_digest */
    bool is_unsaved;
} latest = {.lock = {.rank = LOCK_LEAF}};

/* ---- the payload ---- */

static void append_library(void *context, const struct library *library)
{
    struct buffer *out = context;
    buffer_append(out, &(char){(char)OPCODE_LIBRARY}, 1);
    rdb_write_string(out, buffer_bytes(&library->code));
}

/* As behind DUMP's values. */
#define FOOTER_BYTES 10
static void append_footer(struct buffer *out)
{
    uint16_t version = htole16(CODEC_DUMP_VERSION);
    buffer_append(out, &version, sizeof(version));
    uint64_t crc = htole64(crc64(0, out->data, out->length));
    buffer_append(out, &crc, sizeof(crc));
}

void library_dump(struct buffer *out)
{
    library_each(append_library, out);
    append_footer(out);
}

struct codes {
    struct bytes *texts;
    size_t count;
};

static bool read_library(struct rdb_reader *reader, struct codes *codes)
{
    struct rdb_string string;
    if (*reader->at++ != OPCODE_LIBRARY || !rdb_read_string(reader, &string) || string.length == 0)
        return false;
    char *text = memory_try_allocate(string.length);
    if (!text || !rdb_string_expand(&string, text)) {
        memory_free(text);
        return false;
    }
    codes->texts = memory_resize(codes->texts, (codes->count + 1) * sizeof(*codes->texts));
    codes->texts[codes->count++] = bytes_of(text, string.length);
    return true;
}

static void codes_free(struct codes *codes)
{
    for (size_t i = 0; i < codes->count; i++)
        memory_free((char *)codes->texts[i].data);
    memory_free(codes->texts);
}

bool library_restore(struct bytes dump, enum library_policy policy, struct buffer *error)
{
    struct bytes payload = {0};
    struct buffer none = {0};
    struct codes codes = {0};
    append_footer(&none);
    bool fits = bytes_equal(dump, buffer_bytes(&none)) || codec_dump_payload(dump, &payload) == STATUS_OK;
    buffer_deinit(&none);
    if (!fits)
        buffer_append_text(error, "ERR DUMP payload version or checksum are wrong");
    struct rdb_reader reader = rdb_reader_of(payload);
    while (fits && rdb_reader_left(&reader) > 0)
        if (!(fits = read_library(&reader, &codes)))
            buffer_append_text(error, "ERR given type is not a function");
    fits = fits && library_load(codes.texts, codes.count, policy, NULL, error);
    codes_free(&codes);
    return fits;
}

/* ---- effects ---- */

static void add_to_sum(void *context, const struct library *library)
{
    uint64_t *sum = context;
    *sum += hash_bytes(library->code.data, library->code.length, 0);
}

/* The payload is of what is loaded now. */
static void latest_set(struct bytes payload)
{
    uint64_t sum = 0;
    library_each(add_to_sum, &sum);
    lock_acquire(&latest.lock);
    latest.sum = sum;
    latest.count = library_count();
    latest.payload.length = 0;
    buffer_append_bytes(&latest.payload, payload);
    latest.is_unsaved = true;
    lock_release(&latest.lock);
}

void library_changed(struct execution *x)
{
    struct effect_batch *effects = &x->worker->effects;
    struct buffer payload = {0};
    library_dump(&payload);
    latest_set(buffer_bytes(&payload));
    if (x->recording) {
        bool is_empty = library_count() == 0;
        effect_begin(effects, x->db, is_empty ? 2 : 4);
        effect_word(effects, BYTES("FUNCTION"));
        effect_word(effects, is_empty ? BYTES("FLUSH") : BYTES("RESTORE"));
        if (!is_empty) {
            effect_word(effects, buffer_bytes(&payload));
            effect_word(effects, BYTES("FLUSH"));
        }
    }
    buffer_deinit(&payload);
}

/* Libraries that do not load any more (a smaller memory, say) must not keep the node from its data. */
static bool restore_all(struct bytes payload)
{
    struct buffer error = {0};
    bool restored = library_restore(payload, LIBRARIES_FLUSH, &error);
    if (!restored)
        log_warning("functions not loaded", "error=\"%.*s\"", (int)error.length, error.data);
    buffer_deinit(&error);
    return restored;
}

static void latest_take(void)
{
    struct buffer payload = {0};
    library_dump(&payload);
    latest_set(buffer_bytes(&payload));
    buffer_deinit(&payload);
}

void functions_forget(void)
{
    library_flush();
    latest_take();
}

bool functions_apply(const struct effect *effect)
{
    if (effect->count < 2 || !bytes_equal_text(effect->words[0], "function"))
        return false;
    bool restored = true;
    if (effect->count == 4)
        restored = restore_all(effect->words[2]);
    else
        library_flush();
    latest_take();
    return restored;
}

/* ---- the file ---- */

static enum status read_file(struct buffer *out)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : status_from_errno(errno);
    ssize_t got;
    while ((got = read(file, buffer_reserve(out, 65536), 65536)) > 0)
        out->length += (size_t)got;
    enum status status = got < 0 ? status_from_errno(errno) : STATUS_OK;
    close(file);
    return status;
}

enum status functions_open(const char *directory, char *error, size_t error_size)
{
    struct buffer payload = {0};
    snprintf(path, sizeof(path), "%s/%s", directory, FILE_NAME);
    enum status status = read_file(&payload);
    if (status == STATUS_OK && restore_all(buffer_bytes(&payload))) {
        latest_set(buffer_bytes(&payload));
        latest.is_unsaved = false;
    } else if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        snprintf(error, error_size, "cannot read %s: %s", path, status_text(status));
    buffer_deinit(&payload);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void functions_copy(struct buffer *out)
{
    lock_acquire(&latest.lock);
    struct bytes payload = buffer_bytes(&latest.payload);
    if (payload.length > FOOTER_BYTES)
        buffer_append(out, payload.data, payload.length - FOOTER_BYTES);
    lock_release(&latest.lock);
}

void functions_digest(uint64_t *sum, uint64_t *count)
{
    lock_acquire(&latest.lock);
    *sum = latest.sum;
    *count = latest.count;
    lock_release(&latest.lock);
}

static bool sync_folder(void)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return synced;
}

static enum status write_file(struct bytes content)
{
    char beside[PATH_BYTES + 8];
    snprintf(beside, sizeof(beside), "%s.new", path);
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = file >= 0;
    for (size_t done = 0; written && done < content.length;) {
        ssize_t step = write(file, content.data + done, content.length - done);
        written = step > 0;
        done += written ? (size_t)step : 0;
    }
    written = written && fsync(file) == 0 && rename(beside, path) == 0 && sync_folder();
    int number = errno;
    if (file >= 0)
        close(file);
    return written ? STATUS_OK : status_from_errno(number);
}

enum status functions_save(void)
{
    struct buffer payload = {0};
    lock_acquire(&latest.lock);
    bool is_unsaved = latest.is_unsaved;
    if (is_unsaved)
        buffer_append_bytes(&payload, buffer_bytes(&latest.payload));
    latest.is_unsaved = false;
    lock_release(&latest.lock);
    enum status status = is_unsaved ? write_file(buffer_bytes(&payload)) : STATUS_OK;
    if (status != STATUS_OK) {
        lock_acquire(&latest.lock);
        latest.is_unsaved = true;
        lock_release(&latest.lock);
    }
    buffer_deinit(&payload);
    return status;
}
