/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Handlers of the set family that stand in set_algebra.c: sets made of several. */
void sinter_command(struct execution *x);
void sinterstore_command(struct execution *x);
void sintercard_command(struct execution *x);
void sunion_command(struct execution *x);
void sunionstore_command(struct execution *x);
void sdiff_command(struct execution *x);
void sdiffstore_command(struct execution *x);
