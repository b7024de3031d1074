/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <openssl/ssl.h>

enum tls_side { TLS_SERVER, TLS_CLIENT, TLS_SIDE_COUNT };

/* tls_context.c: of the present context; NULL if there is none. Any thread. */
SSL *tls_context_new_ssl(enum tls_side side);
