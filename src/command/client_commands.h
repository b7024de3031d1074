/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* CLIENT's subcommands; ends with a NULL name. */
extern const struct command client_subcommands[];
void client_list_command(struct execution *x);
void client_kill_command(struct execution *x);
void client_tracking_command(struct execution *x);
void client_trackinginfo_command(struct execution *x);
void client_caching_command(struct execution *x);
void client_getredir_command(struct execution *x);

/* CLIENT without a subcommand that exists. */
void client_command(struct execution *x);

/* CLIENT SETNAME and HELLO's SETNAME. The name is checked first: if it will not do, the error has been replied and
 * false is returned. An empty name takes the name away. */
bool client_name_check(struct execution *x, struct bytes name);
void client_name_set(struct session *session, struct bytes name);
