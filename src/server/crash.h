/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Prints where the process was when a check failed or a fatal signal came, then lets it die. */
void crash_setup(void);
