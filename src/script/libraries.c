/* SPDX-License-Identifier: BSD-3-Clause */
#include "script/libraries.h"

#include "script/sandbox.h"

void libraries_open(struct sandbox *sandbox)
{
    (void)sandbox;
}
