/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* How an operation failed for reasons outside the program. Bugs are check()s, clients' mistakes are replies. */
enum status {
    STATUS_OK,
    STATUS_NOT_FOUND,
    STATUS_NO_MEMORY,
    STATUS_NO_SPACE,
    STATUS_IO,      /* the device or file system refused */
    STATUS_CORRUPT, /* what was read is not what was written */
    STATUS_INVALID, /* the input's form is wrong */
    STATUS_BUSY,
    STATUS_CLOSED,
};

#define MUST_USE __attribute__((warn_unused_result))

const char *status_text(enum status status);
/* The status that describes an errno value. */
enum status status_from_errno(int error);
