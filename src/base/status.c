/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/status.h"

#include <errno.h>

const char *status_text(enum status status)
{
    static const char *const texts[] = {
        [STATUS_OK] = "ok",
        [STATUS_NOT_FOUND] = "not found",
        [STATUS_NO_MEMORY] = "out of memory",
        [STATUS_NO_SPACE] = "no space left",
        [STATUS_IO] = "input/output error",
        [STATUS_CORRUPT] = "corrupt data",
        [STATUS_INVALID] = "invalid input",
        [STATUS_BUSY] = "busy",
        [STATUS_CLOSED] = "closed",
    };
    unsigned count = sizeof(texts) / sizeof(texts[0]);
    return (unsigned)status < count ? texts[status] : "unknown status";
}

enum status status_from_errno(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case ENOENT:
        return STATUS_NOT_FOUND;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_NO_SPACE;
    case EINVAL:
        return STATUS_INVALID;
    case EAGAIN:
    case EBUSY:
        return STATUS_BUSY;
    case EPIPE:
    case ECONNRESET:
    case EBADF:
        return STATUS_CLOSED;
    default:
        return STATUS_IO;
    }
}
