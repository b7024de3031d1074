/* SPDX-License-Identifier: BSD-3-Clause */
/* Codes are few, but scripts may make up their own: the table has an end, and what comes beyond it is counted as one. */
#include "command/error_counts.h"

#include <stdint.h>

#include "base/lock.h"
#include "base/metric.h"

#define CODES_MAX 64
#define CODE_BYTES_MAX 32
#define CODE_OF_THE_REST "ERRORSTATS_DISABLED"

static struct {
    struct lock lock;
    uint32_t used;
    struct {
        char code[CODE_BYTES_MAX];
        uint64_t count;
    } rows[CODES_MAX];
} errors = {.lock = {.rank = LOCK_LEAF}};

static uint64_t *count_of_locked(struct bytes code)
{
    for (uint32_t i = 0; i < errors.used; i++)
        if (bytes_equal(bytes_of_text(errors.rows[i].code), code))
            return &errors.rows[i].count;
    if (errors.used == CODES_MAX)
        return NULL;
    /* The last row is kept for all that has no other. */
    if (errors.used == CODES_MAX - 1)
        code = BYTES(CODE_OF_THE_REST);
    memcpy(errors.rows[errors.used].code, code.data, code.length);
    errors.rows[errors.used].code[code.length] = '\0';
    errors.rows[errors.used].count = 0;
    return &errors.rows[errors.used++].count;
}

static void count_code(struct bytes code)
{
    lock_acquire(&errors.lock);
    uint64_t *count = count_of_locked(code);
    if (!count)
        count = &errors.rows[CODES_MAX - 1].count;
    (*count)++;
    lock_release(&errors.lock);
}

void error_counts_note(const struct reply *reply, size_t place)
{
    struct bytes line = buffer_bytes(&reply->output->bytes);
    if (!reply->silent && (place >= line.length || line.data[place] != '-'))
        return;
    metric_add(METRIC_total_error_replies, 1);
    if (reply->silent)
        return;
    struct bytes code = {line.data + place + 1, 0};
    size_t room = line.length - place - 1;
    while (code.length < room && code.length < CODE_BYTES_MAX - 1 && code.data[code.length] > ' ')
        code.length++;
    if (code.length > 0)
        count_code(code);
}

void error_counts_print(struct buffer *out)
{
    lock_acquire(&errors.lock);
    for (uint32_t i = 0; i < errors.used; i++)
        buffer_append_format(out, "errorstat_%s:count=%llu\r\n", errors.rows[i].code,
                             (unsigned long long)errors.rows[i].count);
    lock_release(&errors.lock);
}

void error_counts_reset(void)
{
    lock_acquire(&errors.lock);
    errors.used = 0;
    lock_release(&errors.lock);
}
