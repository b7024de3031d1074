/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/request.h"

/* What may stand in a primary's stream, before it is executed. */
enum feed_verdict {
    FEED_FITS,
    FEED_PASSED_OVER, /* counts as bytes, and is not executed: no primary sends it */
    FEED_BROKEN,      /* nothing behind it can be trusted */
};

/* 'raw' are the request's bytes, 'in_bracket': a MULTI before it is open. 'is_stream': the bytes are to become our own, and
 * replay must read them as we do now. */
enum feed_verdict feed_check(struct bytes raw, const struct request *request, bool is_stream, bool in_bracket);
