/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What an item of an RDB file begins with where that is no type of a value; for the reader and the writer of such files. */
enum rdb_opcode {
    OPCODE_SLOT_INFO = 244,
    OPCODE_FUNCTION = 245,
    OPCODE_FUNCTION_EARLY = 246,
    OPCODE_MODULE = 247,
    OPCODE_IDLE = 248,
    OPCODE_FREQUENCY = 249,
    OPCODE_ABOUT = 250,
    OPCODE_SIZES = 251,
    OPCODE_EXPIRE_MS = 252,
    OPCODE_EXPIRE = 253,
    OPCODE_DB = 254,
    OPCODE_END = 255,
};
