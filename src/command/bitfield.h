/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* BITFIELD and BITFIELD_RO, in a file of their own for their small language. */
void bitfield_command(struct execution *x);
void bitfield_ro_command(struct execution *x);
/* The row's call_flags. */
uint16_t bitfield_call_flags(const struct bytes *argv, size_t argc);

/* Reads an offset in bits, or with 'bits' and a # before it in fields of so many bits; it lies within the longest string
 * that is allowed. Else replies and returns false. */
bool arg_bit_offset(struct execution *x, struct bytes word, uint8_t bits, uint64_t *offset);
