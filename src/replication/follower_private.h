/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/option.h"
#include "replication/follower.h"

/* Directives. Texts are replaced as options' are; see engine_password. */
struct follower_settings {
    char host[256]; /* of replicaof, at start */
    int port;
    char *user, *password; /* masteruser, masterauth */
    bool read_only, serves_stale_data;
};
extern struct follower_settings follower_settings;

/* What clients are refused now; any thread reads it. */
enum refusal { REFUSE_LOADING = 1, REFUSE_STALE = 2 };
extern _Atomic unsigned follower_refusals;

/* Any thread: what is shown from now on, while the order is on its way. */
void follower_announce(const char *host, int port);
/* Orders, on replication's thread. */
void follower_follow(const char *host, int port);
void follower_lead(void);
