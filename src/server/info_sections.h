/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

struct tier;

/* Registers all sections of INFO. What they tell of the tier is read through *tier, NULL while there is none. */
void info_sections_register(struct tier *const *tier);
