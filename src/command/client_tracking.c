/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT TRACKING, TRACKINGINFO, CACHING, GETREDIR: how a client that caches wants to be told of changes. */
#include "base/memory.h"
#include "command/args.h"
#include "command/client_commands.h"
#include "command/tracking.h"

#define PREFIXES_MAX 1000
#define PREFIX_SHOWN_MAX ((size_t)256)

#define SWITCHED(what)                                                                                                 \
    "ERR You can't switch " what " before disabling tracking for this client, and then re-enabling it with a "         \
    "different mode."

struct tracking_request {
    bool on;
    unsigned flags;
    uint64_t redirect;
    struct bytes *prefixes; /* has room for as many as there are words */
    size_t prefix_count;
};

/* ---- reading the request ---- */

static void ignore_session(struct session *session, int64_t unused)
{
    (void)session, (void)unused;
}

static bool parse_redirect(struct execution *x, struct bytes word, uint64_t *redirect)
{
    int64_t id;
    if (*redirect != 0) {
        reply_error(x->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!arg_int64(x, word, &id))
        return false;
    *redirect = (uint64_t)id;
    if (session_act(*redirect, ignore_session, 0))
        return true;
    reply_error(x->reply, "ERR The client ID you want redirect to does not exist");
    return false;
}

static unsigned flag_of_word(struct bytes word)
{
    static const struct {
        const char *word;
        unsigned flag;
    } flags[] = {
        {"BCAST", TRACKING_BCAST}, {"OPTIN", TRACKING_OPTIN}, {"OPTOUT", TRACKING_OPTOUT}, {"NOLOOP", TRACKING_NOLOOP}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (arg_is(word, flags[i].word))
            return flags[i].flag;
    return 0;
}

static bool request_parse(struct execution *x, struct tracking_request *request)
{
    for (size_t i = 3; i < x->argc; i++) {
        unsigned flag = flag_of_word(x->argv[i]);
        bool has_value = i + 1 < x->argc;
        if (flag != 0) {
            request->flags |= flag;
        } else if (has_value && arg_is(x->argv[i], "REDIRECT")) {
            if (!parse_redirect(x, x->argv[++i], &request->redirect))
                return false;
        } else if (has_value && arg_is(x->argv[i], "PREFIX")) {
            request->prefixes[request->prefix_count++] = x->argv[++i];
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return arg_on_off(x, x->argv[2], &request->on);
}

/* ---- what does not go together ---- */

static const char *find_contradiction(const struct session *session, const struct tracking_request *request)
{
    unsigned flags = request->flags, old = session->tracking ? session->tracking->flags : 0;
    if (request->prefix_count > 0 && !(flags & TRACKING_BCAST))
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (session->tracking && (flags & TRACKING_BCAST) != (old & TRACKING_BCAST))
        return SWITCHED("BCAST mode on/off");
    if (flags & TRACKING_BCAST && flags & (TRACKING_OPTIN | TRACKING_OPTOUT))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if (flags & TRACKING_OPTIN && flags & TRACKING_OPTOUT)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if ((flags & TRACKING_OPTIN && old & TRACKING_OPTOUT) || (flags & TRACKING_OPTOUT && old & TRACKING_OPTIN))
        return SWITCHED("OPTIN/OPTOUT mode");
    return NULL;
}

static bool overlap(struct bytes a, struct bytes b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    return shorter == 0 || memcmp(a.data, b.data, shorter) == 0;
}

static bool refuse_overlap(struct execution *x, struct bytes prefix, const char *relation, struct bytes other)
{
    if (!overlap(prefix, other))
        return false;
    reply_error_format(
        x->reply, "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must not overlap.",
        (int)(prefix.length < PREFIX_SHOWN_MAX ? prefix.length : PREFIX_SHOWN_MAX), prefix.data, relation,
        (int)(other.length < PREFIX_SHOWN_MAX ? other.length : PREFIX_SHOWN_MAX), other.data);
    return true;
}

static bool refuse_overlaps(struct execution *x, const struct tracking_request *request)
{
    const struct tracking *old = x->session->tracking;
    /* Each is compared with all others, here and whenever a key changes. */
    if (request->prefix_count + (old ? old->prefix_count : 0) > PREFIXES_MAX) {
        reply_error(x->reply, "ERR too many prefixes of one client");
        return true;
    }
    for (size_t i = 0; i < request->prefix_count; i++) {
        for (size_t j = 0; old && j < old->prefix_count; j++)
            if (refuse_overlap(x, request->prefixes[i], "an existing", buffer_bytes(&old->prefixes[j])))
                return true;
        for (size_t j = i + 1; j < request->prefix_count; j++)
            if (refuse_overlap(x, request->prefixes[i], "another provided", request->prefixes[j]))
                return true;
    }
    return false;
}

static void request_perform(struct execution *x, const struct tracking_request *request)
{
    if (!request->on) {
        tracking_stop(x->session);
        reply_status(x->reply, "OK");
        return;
    }
    const char *contradiction = find_contradiction(x->session, request);
    if (contradiction)
        reply_error(x->reply, contradiction);
    if (contradiction || refuse_overlaps(x, request))
        return;
    tracking_start(x->session, request->flags, request->redirect, request->prefixes, request->prefix_count);
    reply_status(x->reply, "OK");
}

void client_tracking_command(struct execution *x)
{
    struct tracking_request request = {.prefixes = memory_allocate(x->argc * sizeof(struct bytes))};
    if (request_parse(x, &request))
        request_perform(x, &request);
    memory_free(request.prefixes);
}

/* ---- CACHING ---- */

static const char *caching_refusal(struct bytes word, const struct tracking *tracking)
{
    if (!tracking)
        return "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
               "enabled";
    if (arg_is(word, "YES"))
        return tracking->flags & TRACKING_OPTIN
                   ? NULL
                   : "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    if (arg_is(word, "NO"))
        return tracking->flags & TRACKING_OPTOUT
                   ? NULL
                   : "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    return "ERR syntax error";
}

void client_caching_command(struct execution *x)
{
    const char *refusal = caching_refusal(x->argv[2], x->session->tracking);
    if (refusal) {
        reply_error(x->reply, refusal);
        return;
    }
    x->session->tracking->flags |= TRACKING_CACHING;
    reply_status(x->reply, "OK");
}

/* ---- being asked ---- */

static int64_t redirect_of(const struct session *session)
{
    return session->tracking ? (int64_t)session->tracking->redirect : -1;
}

void client_getredir_command(struct execution *x)
{
    reply_integer(x->reply, redirect_of(x->session));
}

static size_t list_flags(const struct tracking *tracking, const char **words)
{
    static const struct {
        unsigned flags;
        const char *word;
    } names[] = {{TRACKING_BCAST, "bcast"},
                 {TRACKING_OPTIN, "optin"},
                 {TRACKING_OPTIN | TRACKING_CACHING, "caching-yes"},
                 {TRACKING_OPTOUT, "optout"},
                 {TRACKING_OPTOUT | TRACKING_CACHING, "caching-no"},
                 {TRACKING_NOLOOP, "noloop"},
                 {TRACKING_BROKEN, "broken_redirect"}};
    size_t count = 0;
    words[count++] = tracking ? "on" : "off";
    for (size_t i = 0; tracking && i < sizeof(names) / sizeof(names[0]); i++)
        if ((tracking->flags & names[i].flags) == names[i].flags)
            words[count++] = names[i].word;
    return count;
}

void client_trackinginfo_command(struct execution *x)
{
    const struct tracking *tracking = x->session->tracking;
    const char *words[8];
    size_t count = list_flags(tracking, words);
    reply_map(x->reply, 3);
    reply_bulk_text(x->reply, "flags");
    reply_set(x->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(x->reply, words[i]);
    reply_bulk_text(x->reply, "redirect");
    reply_integer(x->reply, redirect_of(x->session));
    reply_bulk_text(x->reply, "prefixes");
    reply_array(x->reply, tracking ? tracking->prefix_count : 0);
    for (size_t i = 0; tracking && i < tracking->prefix_count; i++)
        reply_bulk(x->reply, buffer_bytes(&tracking->prefixes[i]));
}
