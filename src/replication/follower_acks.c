/* SPDX-License-Identifier: BSD-3-Clause */
/* What the primary is told of our progress: every second, and when it asks. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "replication/follower_private.h"

static int print_word(char *out, size_t size, uint64_t number)
{
    char digits[BYTES_INTEGER_MAX + 1];
    digits[bytes_from_uint64(digits, number)] = '\0';
    return snprintf(out, size, "$%zu\r\n%s\r\n", strlen(digits), digits);
}

void follower_acknowledge(void)
{
    char text[192];
    bool takes_bytes = engine_follows_bytes(follower.engine);
    bool has_log = takes_bytes && follower.engine->durability != DURABILITY_NONE;
    uint64_t offset = takes_bytes ? follower_offset(STREAM_WRITTEN) : atomic_load(&follower.feed.offset);
    if (!follower_connection())
        return;
    int length = snprintf(text, sizeof(text), "*%d\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n", has_log ? 5 : 3);
    length += print_word(text + length, sizeof(text) - (size_t)length, offset);
    if (has_log) {
        length += snprintf(text + length, sizeof(text) - (size_t)length, "$4\r\nFACK\r\n");
        length += print_word(text + length, sizeof(text) - (size_t)length, follower_offset(STREAM_SYNCED));
    }
    follower_send(text, (size_t)length);
}

static void sync_was_made(struct mail *mail)
{
    (void)mail;
    follower.sync_is_awaited = false;
    if (follower.feed.question != FEED_NOT_ASKED)
        follower_answer();
    else if (follower.is_streaming)
        follower_acknowledge();
}

void follower_answer(void)
{
    enum feed_question question = follower.feed.question;
    follower.feed.question = FEED_NOT_ASKED;
    if (question == FEED_NOT_ASKED || !follower.is_streaming)
        return;
    follower_acknowledge();
    if (question != FEED_ASKED_FOR_SYNC || !engine_follows_bytes(follower.engine))
        return;
    if (follower.sync_is_awaited) { /* of something before: it is looked at again behind that */
        follower.feed.question = question;
        return;
    }
    struct stream *stream = follower.engine->stream;
    follower.sync = (struct stream_wait){.offset = stream_end(stream),
                                         .level = STREAM_SYNCED,
                                         .home = loop_mailbox(follower.loop),
                                         .mail.deliver = sync_was_made};
    follower.sync_is_awaited = true;
    if (!stream_wait_start(stream, &follower.sync))
        sync_was_made(NULL);
}

void follower_acks_end(void)
{
    while (follower.sync_is_awaited)
        if (mailbox_drain(loop_mailbox(follower.loop)) == 0)
            usleep(1000);
}
