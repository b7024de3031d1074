/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/sync_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const phase_names[] = {"ping", "auth", "listening-port", "capa", "psync", "frame", "copy", "stream"};

const char *sync_phase_name(enum sync_phase phase)
{
    return phase_names[phase];
}

/* ---- saying ---- */

static void say(struct buffer *send, size_t count, ...)
{
    va_list words;
    buffer_append_format(send, "*%zu\r\n", count);
    va_start(words, count);
    for (size_t i = 0; i < count; i++) {
        const char *word = va_arg(words, const char *);
        buffer_append_format(send, "$%zu\r\n%s\r\n", strlen(word), word);
    }
    va_end(words);
}

static void say_password(const struct sync_settings *settings, struct buffer *send)
{
    if (settings->user[0])
        say(send, 3, "AUTH", settings->user, settings->password);
    else
        say(send, 2, "AUTH", settings->password);
}

static void say_port(const struct sync_settings *settings, struct buffer *send)
{
    char port[12];
    snprintf(port, sizeof(port), "%d", settings->port);
    say(send, 3, "REPLCONF", "listening-port", port);
}

static void say_psync(const struct sync_state *state, struct buffer *send)
{
    char offset[24];
    snprintf(offset, sizeof(offset), "%lld", (long long)state->asked_offset);
    if (state->takes_over)
        say(send, 4, "PSYNC", state->asked_id, offset, "FAILOVER");
    else
        say(send, 3, "PSYNC", state->asked_id, offset);
}

void sync_begin(struct sync_state *state, const char *id, uint64_t offset, struct buffer *send)
{
    *state = (struct sync_state){.phase = SYNC_PING, .asked_offset = id ? (int64_t)offset + 1 : -1};
    snprintf(state->asked_id, sizeof(state->asked_id), "%s", id ? id : "?");
    say(send, 1, "PING");
}

/* ---- hearing ---- */

/* What the primary says gets into the log and into INFO. */
static char printable(char c)
{
    return c < ' ' || c > '~' || c == '"' ? '?' : c;
}

static bool begins(struct bytes line, const char *text)
{
    return line.length >= strlen(text) && memcmp(line.data, text, strlen(text)) == 0;
}

static enum sync_action give_up(struct sync_state *state, enum sync_action action, const char *what, struct bytes line)
{
    char shown[121];
    size_t length = line.length < sizeof(shown) - 1 ? line.length : sizeof(shown) - 1;
    for (size_t i = 0; i < length; i++)
        shown[i] = printable(line.data[i]);
    shown[length] = '\0';
    snprintf(state->error, sizeof(state->error), "%s: %s", what, shown);
    return action;
}

/* The word that begins at *at, into 'word' if it fits; false if there is none. */
static bool next_word(struct bytes line, size_t *at, char *word, size_t size)
{
    while (*at < line.length && line.data[*at] == ' ')
        (*at)++;
    size_t first = *at;
    while (*at < line.length && line.data[*at] != ' ')
        (*at)++;
    if (*at == first || *at - first >= size)
        return false;
    memcpy(word, line.data + first, *at - first);
    word[*at - first] = '\0';
    return true;
}

static bool is_id(const char *id)
{
    return strspn(id, "0123456789abcdef") == SYNC_ID_LENGTH && id[SYNC_ID_LENGTH] == '\0';
}

static enum sync_action hear_full(struct sync_state *state, struct bytes line)
{
    char word[32], number[24];
    size_t at = 0;
    uint64_t offset;
    if (!next_word(line, &at, word, sizeof(word)) || !next_word(line, &at, state->id, sizeof(state->id)) ||
        !next_word(line, &at, number, sizeof(number)) || !bytes_to_uint64(bytes_of_text(number), &offset) ||
        !is_id(state->id))
        return give_up(state, SYNC_REFUSED, "an answer to PSYNC that is none", line);
    if (offset > SYNC_OFFSET_MAX)
        return give_up(state, SYNC_REFUSED, "an offset that no stream reaches", line);
    state->offset = offset;
    state->phase = SYNC_FRAME;
    return SYNC_EMPTY;
}

static enum sync_action hear_continue(struct sync_state *state, struct bytes line)
{
    char word[32];
    size_t at = 0;
    next_word(line, &at, word, sizeof(word));
    bool has_more = at < line.length;
    if (!next_word(line, &at, state->id, sizeof(state->id)))
        state->id[0] = '\0';
    if (has_more && !is_id(state->id))
        return give_up(state, SYNC_REFUSED, "an answer to PSYNC that is none", line);
    if (state->asked_offset < 0)
        return give_up(state, SYNC_REFUSED, "it goes on from where nobody was", line);
    state->phase = SYNC_STREAM;
    return SYNC_CONTINUE;
}

static enum sync_action hear_psync(struct sync_state *state, struct bytes line)
{
    if (line.length == 0)
        return SYNC_WAIT; /* it prepares the copy, and says that it is still there */
    if (begins(line, "+FULLRESYNC"))
        return hear_full(state, line);
    if (begins(line, "+CONTINUE"))
        return hear_continue(state, line);
    if (begins(line, "-LOST"))
        return give_up(state, SYNC_LOST, "nothing is replaced by what is left there", line);
    if (begins(line, "-NOMASTERLINK") || begins(line, "-LOADING"))
        return give_up(state, SYNC_RETRY, "the primary is not ready", line);
    return give_up(state, SYNC_REFUSED, "the primary refused PSYNC", line);
}

static enum sync_action hear_frame(struct sync_state *state, struct bytes line)
{
    static const char mark_head[] = "$EOF:", frames[] = "$LZ4:1";
    int64_t length;
    if (line.length == 0)
        return SYNC_WAIT;
    state->has_mark = begins(line, mark_head);
    if (state->has_mark && line.length == sizeof(mark_head) - 1 + SYNC_MARK_LENGTH)
        memcpy(state->mark, line.data + sizeof(mark_head) - 1, SYNC_MARK_LENGTH);
    else if (state->offers_frames && bytes_equal(line, bytes_of_text(frames)))
        state->in_frames = true;
    else if (!state->has_mark && line.data[0] == '$' &&
             bytes_to_int64(bytes_of(line.data + 1, line.length - 1), &length) && length >= 0)
        state->copy_bytes = (uint64_t)length;
    else
        return give_up(state, SYNC_RETRY, "the primary sends no copy", line);
    state->phase = SYNC_COPY;
    return SYNC_RECEIVE;
}

static enum sync_action hear_ping(struct sync_state *state, const struct sync_settings *settings, struct bytes line,
                                  struct buffer *send)
{
    bool is_there = begins(line, "+") || begins(line, "-NOAUTH") || begins(line, "-NOPERM") ||
                    begins(line, "-ERR operation not permitted");
    if (!is_there)
        return give_up(state, SYNC_RETRY, "the primary answers PING with an error", line);
    state->phase = settings->password[0] ? SYNC_AUTH : SYNC_PORT;
    if (settings->password[0])
        say_password(settings, send);
    else
        say_port(settings, send);
    return SYNC_WAIT;
}

enum sync_action sync_line(struct sync_state *state, const struct sync_settings *settings, struct bytes line,
                           struct buffer *send)
{
    switch (state->phase) {
    case SYNC_PING:
        return hear_ping(state, settings, line, send);
    case SYNC_AUTH:
        if (begins(line, "-"))
            return give_up(state, SYNC_REFUSED, "the primary does not take our password", line);
        state->phase = SYNC_PORT;
        say_port(settings, send);
        return SYNC_WAIT;
    case SYNC_PORT: /* whether it understands what it is told does not matter */
        state->phase = SYNC_CAPA;
        state->offers_frames = settings->takes_frames;
        if (state->offers_frames)
            say(send, 9, "REPLCONF", "capa", "eof", "capa", "psync2", "capa", "forebay-lz4", "capa", "forebay");
        else
            say(send, 7, "REPLCONF", "capa", "eof", "capa", "psync2", "capa", "forebay");
        return SYNC_WAIT;
    case SYNC_CAPA:
        state->is_forebay = begins(line, "+OK forebay");
        state->phase = SYNC_PSYNC;
        say_psync(state, send);
        return SYNC_WAIT;
    case SYNC_PSYNC:
        return hear_psync(state, line);
    case SYNC_FRAME:
        return hear_frame(state, line);
    default:
        return give_up(state, SYNC_REFUSED, "a line where none is expected", line);
    }
}
