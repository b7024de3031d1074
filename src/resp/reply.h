/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/output.h"

/* Builds replies in RESP2 or RESP3; the differences between the two live only here. */
struct reply {
    struct output *output; /* borrowed; where bytes go */
    uint8_t protocol;      /* 2 or 3 */
    bool silent : 1;       /* CLIENT REPLY OFF/SKIP: nothing is written */
    bool is_cut : 1;       /* it came to its end_max: nothing more is written, the owner takes back what is there */
    uint16_t errors;       /* error replies, counted from anywhere */
    uint32_t end_max_kb;   /* where in the output's own bytes, in KiB, it must end; 0: anywhere */
};

void reply_status(struct reply *reply, const char *text);        /* +text; for constants like OK */
void reply_status_bytes(struct reply *reply, struct bytes text); /* CR and LF become blanks */
void reply_error(struct reply *reply, const char *text);         /* text begins with its code: "ERR ..." */
/* The same formatted; line ends become blanks, and what is beyond 1,023 bytes is cut. */
void reply_error_format(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For a word's "%.*s" in it, which takes an int: no more than could be shown. */
static inline int reply_quoted(struct bytes word)
{
    return word.length < 1024 ? (int)word.length : 1024;
}
void reply_integer(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, struct bytes value);
void reply_bulk_text(struct reply *reply, const char *text);
void reply_bulk_integer(struct reply *reply, int64_t value); /* the decimal text as a bulk */
/* A bulk whose bytes are referenced, not copied; release(owner) follows when they are sent. */
void reply_bulk_reference(struct reply *reply, struct bytes value, void (*release)(void *owner), void *owner);
void reply_null(struct reply *reply);       /* $-1 or _ */
void reply_null_array(struct reply *reply); /* *-1 or _ */
void reply_array(struct reply *reply, size_t count);
void reply_map(struct reply *reply, size_t pairs); /* an array of 2 * pairs in RESP2 */
void reply_set(struct reply *reply, size_t count);
void reply_push(struct reply *reply, size_t count);   /* an array in RESP2 */
void reply_bool(struct reply *reply, bool value);     /* #t or :1 */
void reply_double(struct reply *reply, double value); /* ,1.5 or a bulk, Redis's %.17g form */
void reply_big_number(struct reply *reply, struct bytes digits);
void reply_verbatim(struct reply *reply, const char *extension, struct bytes text); /* =txt: or a bulk */
void reply_raw(struct reply *reply, struct bytes resp);                             /* bytes that are a reply already */

/* An array or map whose count is known only after its elements: begin returns a handle, end writes the
 * count where it belongs. May be nested, last begun first ended. */
size_t reply_deferred_begin(struct reply *reply);
void reply_deferred_array(struct reply *reply, size_t handle, size_t count);
void reply_deferred_map(struct reply *reply, size_t handle, size_t pairs);
void reply_deferred_set(struct reply *reply, size_t handle, size_t count);
