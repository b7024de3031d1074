/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#define FOREBAY_VERSION "0.1.0"
/* What INFO's redis_version says, since libraries test it: the reference for behaviour. */
#define REDIS_VERSION "7.2.4"
