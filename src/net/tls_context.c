/* SPDX-License-Identifier: BSD-3-Clause */
/* The directives of TLS, with Redis's names and meanings, and the two contexts that are made from them: one for who connects
 * to us, one for whom we connect to. A change makes new ones, which connections from then on use; those that are open keep
 * theirs. If new ones cannot be made the old stay.
 *
 * SIGPIPE, which OpenSSL's writes may raise, is ignored by the process. */
#include "net/tls.h"
#include "net/tls_private.h"

#include "base/bytes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum tls_clients { TLS_CLIENTS_NO, TLS_CLIENTS_YES, TLS_CLIENTS_OPTIONAL };
static const char *const tls_clients_names[] = {"no", "yes", "optional", NULL};

static struct {
    char *cert_file, *key_file, *key_password;
    char *client_cert_file, *client_key_file, *client_key_password;
    char *ca_file, *ca_directory, *dh_file;
    char *protocols, *ciphers, *cipher_suites;
    bool prefers_own_ciphers, caches_sessions, for_links;
    int clients;
    int64_t cache_size, cache_seconds;
} settings;

/* Innermost, and taken by acceptors and loops for as long as a pointer is copied. */
static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static SSL_CTX *contexts[TLS_SIDE_COUNT];
static bool is_started, is_serving;

/* ---- what is wrong ---- */

struct complaint {
    char *text;
    size_t size;
};

static bool complain(const struct complaint *complaint, const char *what, const char *file)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(complaint->text, complaint->size, "%s%s%s%s%s", what, file ? " " : "", file ? file : "",
             reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return false;
}

/* ---- the parts of a context ---- */

static int give_password(char *room, int size, int is_writing, void *password)
{
    (void)is_writing;
    int length = (int)strlen(password);
    if (length > size)
        return -1;
    memcpy(room, password, (size_t)length);
    return length;
}

static bool load_pair(SSL_CTX *context, const char *cert, const char *key, char *password,
                      const struct complaint *complaint)
{
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, password);
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return complain(complaint, "cannot load the certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return complain(complaint, "cannot load the key", key);
    return SSL_CTX_check_private_key(context) == 1 || complain(complaint, "the certificate has another key than", key);
}

static bool load_trusted(SSL_CTX *context, const struct complaint *complaint)
{
    const char *file = settings.ca_file[0] ? settings.ca_file : NULL;
    const char *directory = settings.ca_directory[0] ? settings.ca_directory : NULL;
    if (!file && !directory)
        return true;
    return SSL_CTX_load_verify_locations(context, file, directory) == 1 ||
           complain(complaint, "cannot load the certificates to trust from", file ? file : directory);
}

static const struct {
    const char *name;
    uint64_t option;
} protocols[] = {{"TLSv1", SSL_OP_NO_TLSv1},
                 {"TLSv1.1", SSL_OP_NO_TLSv1_1},
                 {"TLSv1.2", SSL_OP_NO_TLSv1_2},
                 {"TLSv1.3", SSL_OP_NO_TLSv1_3}};
#define PROTOCOL_COUNT (sizeof(protocols) / sizeof(protocols[0]))

static bool set_protocols(SSL_CTX *context, const struct complaint *complaint)
{
    uint64_t forbidden = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    struct bytes text = bytes_of_text(settings.protocols[0] ? settings.protocols : "TLSv1.2 TLSv1.3");
    for (struct bytes word = bytes_take_word(&text); word.length > 0; word = bytes_take_word(&text)) {
        size_t i = 0;
        while (i < PROTOCOL_COUNT && !bytes_equal_text(word, protocols[i].name))
            i++;
        if (i == PROTOCOL_COUNT)
            return complain(complaint, "tls-protocols may have TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3, not",
                            settings.protocols);
        forbidden &= ~protocols[i].option;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_SSLv3 | forbidden);
    return true;
}

static bool set_ciphers(SSL_CTX *context, const struct complaint *complaint)
{
    if (settings.ciphers[0] && SSL_CTX_set_cipher_list(context, settings.ciphers) != 1)
        return complain(complaint, "tls-ciphers names none that is known:", settings.ciphers);
    if (settings.cipher_suites[0] && SSL_CTX_set_ciphersuites(context, settings.cipher_suites) != 1)
        return complain(complaint, "tls-ciphersuites names one that is not known:", settings.cipher_suites);
    return true;
}

static bool set_dh(SSL_CTX *context, const struct complaint *complaint)
{
    if (!settings.dh_file[0])
        return SSL_CTX_set_dh_auto(context, 1) == 1;
    BIO *file = BIO_new_file(settings.dh_file, "r");
    EVP_PKEY *parameters = file ? PEM_read_bio_Parameters(file, NULL) : NULL;
    BIO_free(file);
    if (parameters && SSL_CTX_set0_tmp_dh_pkey(context, parameters) == 1)
        return true;
    EVP_PKEY_free(parameters);
    return complain(complaint, "cannot load DH parameters from", settings.dh_file);
}

/* ---- the contexts ---- */

static void set_common(SSL_CTX *context)
{
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     (settings.prefers_own_ciphers ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0));
    SSL_CTX_set_read_ahead(context, 1);
}

static void set_cache(SSL_CTX *context)
{
    static const unsigned char name[] = "forebay";
    if (!settings.caches_sessions) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(context, settings.cache_size);
    SSL_CTX_set_timeout(context, settings.cache_seconds);
    SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1);
}

static bool fill_server(SSL_CTX *context, const struct complaint *complaint)
{
    static const int modes[] = {[TLS_CLIENTS_NO] = SSL_VERIFY_NONE,
                                [TLS_CLIENTS_YES] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                                [TLS_CLIENTS_OPTIONAL] = SSL_VERIFY_PEER};
    set_cache(context);
    SSL_CTX_set_verify(context, modes[settings.clients], NULL);
    return load_pair(context, settings.cert_file, settings.key_file, settings.key_password, complaint) &&
           set_dh(context, complaint);
}

static bool fill_client(SSL_CTX *context, const struct complaint *complaint)
{
    bool has_own = settings.client_cert_file[0];
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!has_own && !settings.cert_file[0])
        return true;
    return load_pair(context, has_own ? settings.client_cert_file : settings.cert_file,
                     has_own ? settings.client_key_file : settings.key_file,
                     has_own ? settings.client_key_password : settings.key_password, complaint);
}

static SSL_CTX *create(enum tls_side side, const struct complaint *complaint)
{
    SSL_CTX *context = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!context) {
        complain(complaint, "no TLS context can be made", NULL);
        return NULL;
    }
    set_common(context);
    if (set_protocols(context, complaint) && set_ciphers(context, complaint) && load_trusted(context, complaint) &&
        (side == TLS_SERVER ? fill_server(context, complaint) : fill_client(context, complaint)))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static bool is_consistent(const struct complaint *complaint)
{
    bool trusts_some = settings.ca_file[0] || settings.ca_directory[0];
    ERR_clear_error();
    if (is_serving && (!settings.cert_file[0] || !settings.key_file[0]))
        return complain(complaint, "tls-cert-file and tls-key-file must be set for tls-port", NULL);
    if (!trusts_some && ((is_serving && settings.clients != TLS_CLIENTS_NO) || settings.for_links))
        return complain(
            complaint,
            "tls-ca-cert-file or tls-ca-cert-dir must be set for tls-replication, and for tls-auth-clients, which "
            "is yes unless you set it to no",
            NULL);
    return true;
}

static bool make_contexts(const struct complaint *complaint)
{
    SSL_CTX *made[TLS_SIDE_COUNT] = {0};
    if (!is_consistent(complaint))
        return false;
    bool is_made = (!is_serving || (made[TLS_SERVER] = create(TLS_SERVER, complaint))) &&
                   (!settings.for_links || (made[TLS_CLIENT] = create(TLS_CLIENT, complaint)));
    if (is_made) {
        pthread_mutex_lock(&contexts_lock);
        for (int side = 0; side < TLS_SIDE_COUNT; side++) {
            SSL_CTX *old = contexts[side];
            contexts[side] = made[side];
            made[side] = old;
        }
        pthread_mutex_unlock(&contexts_lock);
    }
    for (int side = 0; side < TLS_SIDE_COUNT; side++)
        SSL_CTX_free(made[side]);
    return is_made;
}

bool tls_start(bool serves, char *error, size_t error_size)
{
    is_started = true;
    is_serving = serves;
    return (!is_serving && !settings.for_links) || make_contexts(&(struct complaint){error, error_size});
}

bool tls_is_for_links(void)
{
    return __atomic_load_n(&settings.for_links, __ATOMIC_RELAXED);
}

SSL *tls_context_new_ssl(enum tls_side side)
{
    pthread_mutex_lock(&contexts_lock);
    SSL *ssl = contexts[side] ? SSL_new(contexts[side]) : NULL;
    pthread_mutex_unlock(&contexts_lock);
    return ssl;
}

static bool apply(const struct option *option, char *error, size_t error_size)
{
    (void)option;
    return !is_started || tls_start(is_serving, error, error_size);
}

#define TLS_TEXT(directive, variable, text, more)                                                                      \
    {                                                                                                                  \
        .name = (directive), .type = OPTION_TEXT, .flags = (more), .value = &settings.variable, .initial = "",         \
        .apply = apply, .help = (text)                                                                                 \
    }

const struct option tls_options[] = {
    TLS_TEXT("tls-cert-file", cert_file, "certificate (with its chain) shown to clients and to other nodes, PEM", 0),
    TLS_TEXT("tls-key-file", key_file, "its private key, PEM", 0),
    TLS_TEXT("tls-key-file-pass", key_password, "password of the private key", OPTION_SENSITIVE),
    TLS_TEXT("tls-client-cert-file", client_cert_file, "certificate shown to other nodes instead", 0),
    TLS_TEXT("tls-client-key-file", client_key_file, "its private key", 0),
    TLS_TEXT("tls-client-key-file-pass", client_key_password, "password of that key", OPTION_SENSITIVE),
    TLS_TEXT("tls-dh-params-file", dh_file, "parameters of Diffie-Hellman; OpenSSL's own if empty", 0),
    TLS_TEXT("tls-ca-cert-file", ca_file, "certificates of authorities that are trusted", 0),
    TLS_TEXT("tls-ca-cert-dir", ca_directory, "directory of such certificates", 0),
    TLS_TEXT("tls-protocols", protocols, "versions that may be spoken, parted by blanks; TLSv1.2 TLSv1.3 if empty", 0),
    TLS_TEXT("tls-ciphers", ciphers, "ciphers up to TLSv1.2, as OpenSSL writes them", 0),
    TLS_TEXT("tls-ciphersuites", cipher_suites, "ciphers of TLSv1.3", 0),
    {.name = "tls-auth-clients",
     .type = OPTION_ENUM,
     .value = &settings.clients,
     .initial = "yes",
     .names = tls_clients_names,
     .apply = apply,
     .help = "whether clients must show a certificate of a trusted authority: yes, no, or if they have one (optional)"},
    {.name = "tls-replication",
     .type = OPTION_BOOL,
     .value = &settings.for_links,
     .initial = "no",
     .apply = apply,
     .help = "speak TLS to the primary, and to the target of MIGRATE"},
    {.name = "tls-prefer-server-ciphers",
     .type = OPTION_BOOL,
     .value = &settings.prefers_own_ciphers,
     .initial = "no",
     .apply = apply,
     .help = "choose the cipher in our order, not in the client's"},
    {.name = "tls-session-caching",
     .type = OPTION_BOOL,
     .value = &settings.caches_sessions,
     .initial = "yes",
     .apply = apply,
     .help = "let clients come back without a whole handshake"},
    {.name = "tls-session-cache-size",
     .type = OPTION_INTEGER,
     .value = &settings.cache_size,
     .initial = "20480",
     .minimum = 0,
     .maximum = INT32_MAX,
     .apply = apply,
     .help = "sessions kept for that; 0: any number"},
    {.name = "tls-session-cache-timeout",
     .type = OPTION_INTEGER,
     .value = &settings.cache_seconds,
     .initial = "300",
     .minimum = 0,
     .maximum = INT32_MAX,
     .apply = apply,
     .help = "seconds for which they are kept"},
    {.name = NULL},
};
