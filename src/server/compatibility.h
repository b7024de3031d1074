/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"

/* Directives of Redis that clients, dashboards and configuration files set or read, and that have no effect here. Where a
 * part has come to own one of them, its row counts and the one here is left out: register this last. */
void compatibility_register(void);
