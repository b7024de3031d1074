/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

struct sandbox;

/* Adds the libraries that scripts of Redis find beside Lua's own. */
void libraries_open(struct sandbox *sandbox);
