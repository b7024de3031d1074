/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/gate.h"

struct execution;

/* Replies the error, as EXEC's if the request is one, and refuses. */
enum gate_answer gate_refuse(struct execution *x, const char *error);
/* Registers authentication, pause, memory and stream, in this order. */
void gates_register_own(void);
