/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

struct tier;

/* What SAVE, BGSAVE and BGREWRITEAOF do: fills their entries of engine_hooks. tier: NULL where there is none. */
void save_set_hooks(struct tier *tier);
