/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Handlers of the hash family that stand in hash_expiry.c: fields that expire. */
void hexpire_command(struct execution *x);
void hpexpire_command(struct execution *x);
void hexpireat_command(struct execution *x);
void hpexpireat_command(struct execution *x);
void hpersist_command(struct execution *x);
void httl_command(struct execution *x);
void hpttl_command(struct execution *x);
void hexpiretime_command(struct execution *x);
void hpexpiretime_command(struct execution *x);
void hgetdel_command(struct execution *x);
void hgetex_command(struct execution *x);
void hsetex_command(struct execution *x);
