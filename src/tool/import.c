/* SPDX-License-Identifier: BSD-3-Clause */
/* forebay import: an RDB file into a running node, as RESTORE and FUNCTION LOAD. The file is read once before, values included
 * (it may have no checksum), so that nothing is changed by one that is damaged or holds what cannot be taken; then requests go
 * out as fast as the node takes them, and each reply is looked at. */
#include <stdio.h>

#include "base/memory.h"
#include "replication/rdb_request.h"
#include "tool/rdb_source.h"
#include "tool/tool.h"

#define IN_FLIGHT_MAX 4096
#define WAITING_BYTES_MAX ((size_t)4 << 20)
#define NAME_SHOWN_MAX 40
#define TLS_RECORD_BYTES_MAX 16384

/* ---- what a file holds ---- */

struct census {
    uint64_t keys, functions, modules;
    struct rdb_source *source;
    struct rdb_file_reader reader;
    struct progress progress;
};

/* What can be shown of a name. */
static void show_name(char shown[NAME_SHOWN_MAX + 4], struct bytes name)
{
    size_t length = name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX;
    for (size_t i = 0; i < length; i++)
        shown[i] = name.data[i] >= ' ' && name.data[i] <= '~' ? name.data[i] : '?';
    snprintf(shown + length, 4, "%s", length < name.length ? "..." : "");
}

static bool refuse(struct census *census, const struct rdb_key *key)
{
    struct rdb_source *source = census->source;
    char name[NAME_SHOWN_MAX + 4];
    show_name(name, key->name);
    snprintf(source->error, sizeof(source->error), "%.100s: the value of key \"%s\" (at byte %llu) cannot be read",
             source->name, name, (unsigned long long)census->reader.offset);
    return false;
}

static bool count_key(void *context, const struct rdb_key *key)
{
    struct census *census = context;
    bool is_module = (uint8_t)key->payload.data[0] == RDB_TYPE_MODULE;
    census->keys++;
    census->progress.keys++;
    census->modules += is_module;
    return is_module || rdb_key_can_be_decoded(key) || refuse(census, key);
}

static bool count_function(void *context, struct bytes code)
{
    (void)code;
    ((struct census *)context)->functions++;
    return true;
}

static bool take_census(struct rdb_source *source, struct census *census, bool is_quiet)
{
    const struct rdb_visitor visitor = {.context = census, .key = count_key, .function = count_function};
    census->source = source;
    progress_begin(&census->progress, "checking", source->bytes_total, is_quiet);
    rdb_file_reader_init(&census->reader, &visitor);
    bool is_read = rdb_source_read(source, &census->reader, &census->progress);
    rdb_file_reader_deinit(&census->reader);
    progress_end(&census->progress);
    return is_read;
}

bool tool_check(const struct tool_options *options)
{
    struct rdb_source source;
    struct census census = {0};
    rdb_file_setup();
    bool is_sound = rdb_source_open(&source, options->file) && take_census(&source, &census, options->is_quiet);
    rdb_source_close(&source);
    if (is_sound)
        printf("%s is whole: %llu keys, %llu function libraries, %llu values of modules\n", source.name,
               (unsigned long long)census.keys, (unsigned long long)census.functions,
               (unsigned long long)census.modules);
    else
        fprintf(stderr, "forebay check: %s\n", source.error);
    return is_sound;
}

/* ---- requests and replies ---- */

enum sent_kind { SENT_KEY, SENT_FUNCTION, SENT_SELECT };

struct sent {
    enum sent_kind kind;
    uint64_t offset; /* in the file */
    uint64_t begin;  /* of its request among all bytes that are sent */
    char name[NAME_SHOWN_MAX + 4];
};

struct import {
    const struct tool_options *options;
    struct rdb_source source;
    struct rdb_file_reader reader;
    struct peer peer;
    struct sent *sent; /* a ring of IN_FLIGHT_MAX */
    size_t first, in_flight;
    int db;
    uint64_t asked; /* bytes of requests, sent or not */
    uint64_t keys, functions, kept, skipped;
    struct progress progress;
    char error[512];
};

static bool fail(struct import *import, const char *text)
{
    if (!import->error[0])
        snprintf(import->error, sizeof(import->error), "%s", text);
    return false;
}

static bool is_there_already(const struct sent *sent, struct bytes error)
{
    static const char suffix[] = "already exists";
    if (sent->kind == SENT_KEY)
        return error.length >= 7 && memcmp(error.data, "BUSYKEY", 7) == 0;
    return sent->kind == SENT_FUNCTION && error.length >= sizeof(suffix) - 1 &&
           memcmp(error.data + error.length - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

static void replied(struct import *import, const struct peer_reply *reply)
{
    static const char *const nouns[] = {"key", "function library", "database"};
    const struct sent *sent = &import->sent[import->first];
    char text[512];
    import->first = (import->first + 1) % IN_FLIGHT_MAX;
    import->in_flight--;
    if (!reply->is_error) {
        import->keys += sent->kind == SENT_KEY;
        import->functions += sent->kind == SENT_FUNCTION;
        return;
    }
    bool is_there = is_there_already(sent, reply->text);
    if (is_there && import->options->keeps) {
        import->kept++;
        return;
    }
    snprintf(text, sizeof(text), "%s \"%s\" (at byte %llu of %.100s): %.*s%s", nouns[sent->kind], sent->name,
             (unsigned long long)sent->offset, import->source.name,
             (int)(reply->text.length < 200 ? reply->text.length : 200), reply->text.data,
             is_there ? "; --replace or --keep says what to do with what is there" : "");
    fail(import, text);
}

static void take_replies(struct import *import)
{
    struct peer_reply reply;
    while (import->in_flight > 0 && peer_take(&import->peer, &reply))
        replied(import, &reply);
    if (import->peer.error[0])
        fail(import, import->peer.error);
}

/* Until so many requests and bytes are under way at most. */
static bool wait_below(struct import *import, size_t requests_max, size_t bytes_max)
{
    struct peer *peer = &import->peer;
    while (!import->error[0] && (import->in_flight > requests_max || peer->out.length - peer->out_at > bytes_max)) {
        peer_exchange(peer); /* or it says why not */
        take_replies(import);
    }
    return !import->error[0];
}

/* Requests of which nothing has been sent are taken back: after an error nothing more is to be changed. A record of TLS that the
 * socket did not take is sealed, and has to be sent. */
static void take_back_unsent(struct import *import)
{
    uint64_t sent = import->peer.sent + (import->peer.tls ? TLS_RECORD_BYTES_MAX : 0), end = import->asked;
    while (import->in_flight > 0) {
        const struct sent *last = &import->sent[(import->first + import->in_flight - 1) % IN_FLIGHT_MAX];
        if (last->begin < sent)
            break;
        end = last->begin;
        import->in_flight--;
    }
    import->peer.out.length -= (size_t)(import->asked - end);
    import->asked = end;
}

/* What was sent is counted, however the reading ended and whatever was refused. */
static void wait_for_all(struct import *import)
{
    bool goes_on = true;
    while (goes_on) {
        if (import->error[0])
            take_back_unsent(import);
        goes_on = import->in_flight > 0 && !import->peer.error[0] && peer_exchange(&import->peer);
        take_replies(import);
    }
}

/* After its request. */
static struct sent *sent_add(struct import *import, enum sent_kind kind)
{
    struct sent *sent = &import->sent[(import->first + import->in_flight++) % IN_FLIGHT_MAX];
    *sent = (struct sent){.kind = kind, .offset = import->reader.offset, .begin = import->asked};
    import->asked = import->peer.sent + import->peer.out.length - import->peer.out_at;
    return sent;
}

/* Until it is answered nothing follows: keys would go to the database before. */
static bool import_select(struct import *import, int db)
{
    rdb_request_select(&import->peer.out, db);
    snprintf(sent_add(import, SENT_SELECT)->name, NAME_SHOWN_MAX, "%d", db);
    import->db = db;
    return wait_below(import, 0, 0);
}

static bool import_key(void *context, const struct rdb_key *key)
{
    struct import *import = context;
    struct buffer *out = &import->peer.out;
    import->progress.keys++;
    if ((uint8_t)key->payload.data[0] == RDB_TYPE_MODULE) {
        import->skipped++;
        return import->options->skips_modules ||
               fail(import, "it holds values of modules; --skip-modules leaves them out");
    }
    if (!wait_below(import, IN_FLIGHT_MAX - 2, WAITING_BYTES_MAX))
        return false;
    if (key->db != import->db && !import_select(import, key->db))
        return false;
    rdb_request_key(out, key, import->options->replaces);
    show_name(sent_add(import, SENT_KEY)->name, key->name);
    return true;
}

static bool import_function(void *context, struct bytes code)
{
    struct import *import = context;
    if (!wait_below(import, IN_FLIGHT_MAX - 2, WAITING_BYTES_MAX))
        return false;
    rdb_request_function(&import->peer.out, code, import->options->replaces);
    const char *end = memchr(code.data, '\n', code.length);
    show_name(sent_add(import, SENT_FUNCTION)->name,
              bytes_of(code.data, end ? (size_t)(end - code.data) : code.length));
    return true;
}

/* ---- the whole ---- */

static bool import_check(struct import *import)
{
    struct census census = {0};
    if (import->options->is_unchecked || import->source.is_stream)
        return true;
    if (!take_census(&import->source, &census, import->options->is_quiet))
        return false;
    if (census.modules > 0 && !import->options->skips_modules) {
        char text[128];
        snprintf(text, sizeof(text), "it holds %llu values of modules; --skip-modules leaves them out",
                 (unsigned long long)census.modules);
        return fail(import, text);
    }
    return true;
}

static bool import_file(struct import *import)
{
    const struct rdb_visitor visitor = {.context = import, .key = import_key, .function = import_function};
    import->asked = import->peer.sent;
    progress_begin(&import->progress, "importing", import->source.bytes_total, import->options->is_quiet);
    rdb_file_reader_init(&import->reader, &visitor);
    bool is_read = rdb_source_read(&import->source, &import->reader, &import->progress);
    rdb_file_reader_deinit(&import->reader);
    wait_for_all(import);
    progress_end(&import->progress);
    return is_read && !import->error[0];
}

static void tell(const struct import *import, bool is_done)
{
    FILE *to = is_done ? stdout : stderr;
    if (!is_done)
        fprintf(to, "forebay import: %s\n",
                import->error[0]          ? import->error
                : import->source.error[0] ? import->source.error
                                          : import->peer.error);
    fprintf(
        to,
        "%s%llu keys and %llu function libraries imported, %llu kept as they were, %llu values of modules left out\n",
        is_done ? "" : "forebay import: failed after ", (unsigned long long)import->keys,
        (unsigned long long)import->functions, (unsigned long long)import->kept, (unsigned long long)import->skipped);
}

bool tool_import(const struct tool_options *options)
{
    struct import import = {.options = options, .db = -1, .peer.fd = -1};
    rdb_file_setup();
    import.sent = memory_allocate(IN_FLIGHT_MAX * sizeof(*import.sent));
    bool is_done = rdb_source_open(&import.source, options->file) && import_check(&import) &&
                   peer_open(&import.peer, &options->address) && import_file(&import);
    tell(&import, is_done);
    rdb_source_close(&import.source);
    peer_close(&import.peer);
    memory_free(import.sent);
    return is_done;
}
