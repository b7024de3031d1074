/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/scrub_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define WORDS_MAX 5

static size_t write_ping(char out[SCRUB_MARK_MAX], const char *message, int length)
{
    return (size_t)snprintf(out, SCRUB_MARK_MAX, "*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n", length, message);
}

size_t scrub_write_question(char out[SCRUB_MARK_MAX], const struct scrub_question *question)
{
    char message[SCRUB_MARK_MAX / 2];
    int length = snprintf(message, sizeof(message), "scrub %" PRIu64 " %d %u %u", question->id, question->group.db,
                          question->group.first, question->group.count);
    return write_ping(out, message, length);
}

static size_t write_sum(char out[SCRUB_MARK_MAX], const char *word, const struct scrub_answer *answer)
{
    char message[SCRUB_MARK_MAX - 32];
    int length = snprintf(message, sizeof(message), "%s %" PRIu64 " %" PRIu64 " %" PRIu64, word, answer->id,
                          answer->held.sum, answer->held.keys);
    return write_ping(out, message, length);
}

size_t scrub_write_answer(char out[SCRUB_MARK_MAX], const struct scrub_answer *answer)
{
    return write_sum(out, "scrubbed", answer);
}

size_t scrub_write_functions(char out[SCRUB_MARK_MAX], const struct scrub_answer *functions)
{
    return write_sum(out, "scrub-functions", functions);
}

/* Words of digits behind the first; how many there are, or 0 if there is anything else. */
static size_t read_numbers(struct bytes message, size_t at, uint64_t numbers[WORDS_MAX])
{
    size_t count = 0;
    while (at < message.length && count < WORDS_MAX) {
        const char *begin = message.data + at, *end = memchr(begin, ' ', message.length - at);
        size_t length = end ? (size_t)(end - begin) : message.length - at;
        if (!bytes_to_uint64(bytes_of(begin, length), &numbers[count++]))
            return 0;
        at += length + 1;
    }
    return at > message.length ? count : 0;
}

static bool begins(struct bytes message, const char *word)
{
    size_t length = strlen(word);
    return message.length > length && memcmp(message.data, word, length) == 0;
}

static bool is_group(const uint64_t numbers[WORDS_MAX])
{
    uint64_t db = numbers[1], first = numbers[2], count = numbers[3];
    return db < DATABASE_COUNT && first < SLOT_COUNT && count <= SLOTS_PER_PARTITION &&
           first + (count ? count - 1 : 0) * PARTITION_COUNT < SLOT_COUNT;
}

enum scrub_mark scrub_read_mark(struct bytes message, struct scrub_question *question, struct scrub_answer *answer)
{
    static const char asks[] = "scrub ", answers[] = "scrubbed ", tells[] = "scrub-functions ";
    uint64_t numbers[WORDS_MAX];
    if (begins(message, asks) && read_numbers(message, sizeof(asks) - 1, numbers) == 4 && is_group(numbers)) {
        *question = (struct scrub_question){
            numbers[0], {.db = (int)numbers[1], .first = (uint16_t)numbers[2], .count = (uint16_t)numbers[3]}};
        return SCRUB_QUESTION;
    }
    if (begins(message, answers) && read_numbers(message, sizeof(answers) - 1, numbers) == 3) {
        *answer = (struct scrub_answer){numbers[0], {.sum = numbers[1], .keys = numbers[2]}};
        return SCRUB_ANSWER;
    }
    if (begins(message, tells) && read_numbers(message, sizeof(tells) - 1, numbers) == 3) {
        *answer = (struct scrub_answer){numbers[0], {.sum = numbers[1], .keys = numbers[2]}};
        return SCRUB_FUNCTIONS;
    }
    return SCRUB_NO_MARK;
}

void scrub_sum_add(struct scrub_sum *sum, struct bytes name, int64_t expire_at_ms, uint64_t value_digest)
{
    uint64_t numbers[2] = {(uint64_t)expire_at_ms, value_digest};
    sum->sum += hash_bytes(numbers, sizeof(numbers), hash_bytes(name.data, name.length, 0));
    sum->keys++;
}
