/* SPDX-License-Identifier: BSD-3-Clause */
/* What other nodes have of the stream, as replication tells it. A level is a number and a word: how far copies have come, and
 * whether there are enough of them to come further. Who waits adds its wait and then looks at both; who tells changes one and
 * then mails, so with sequentially consistent atomics one of the two sees the other. */
#include "stream/stream_private.h"

void stream_copies_setup(struct stream *stream, struct mailbox *home, struct mail *asked)
{
    stream->copies.home = home;
    stream->copies.asked = asked;
}

void stream_copies_ask_again(struct stream *stream)
{
    atomic_store(&stream->copies.is_asked, false);
}

bool stream_copies_are_possible(const struct stream *stream, enum stream_level level)
{
    return atomic_load(&stream->copies.levels[level].is_possible);
}

void stream_set_copies(struct stream *stream, enum stream_level level, bool is_possible, uint64_t reached)
{
    atomic_store(&stream->copies.levels[level].is_possible, is_possible);
    atomic_store(&stream->copies.levels[level].reached, reached);
    stream_waits_mail(&stream->waits, level, is_possible ? reached : UINT64_MAX - 1);
}

void stream_copies_want(struct stream *stream, enum stream_level level)
{
    struct stream_copies *copies = &stream->copies;
    if (!stream_copies_are_possible(stream, level))
        stream_waits_mail(&stream->waits, level, UINT64_MAX - 1);
    else if (copies->home && !atomic_exchange(&copies->is_asked, true))
        mailbox_post(copies->home, copies->asked);
}
