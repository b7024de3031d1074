/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Registers authentication, pause, memory and stream, in this order. */
void gates_register_own(void);
