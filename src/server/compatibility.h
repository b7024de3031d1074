/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"

/* Directives of Redis that clients and dashboards set or read, and that have no effect here. */
extern const struct option compatibility_options[];
