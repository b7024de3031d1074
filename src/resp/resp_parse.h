/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* Incremental reader of requests: RESP arrays of bulk strings and inline commands. It does no I/O and copies
 * nothing: arguments point into the input. Its work is linear in the bytes it is given, however they are cut. */

#define RESP_ARGS_INLINE 8

/* The arguments of one request; a worker keeps one and reuses it. All zero is valid. */
struct resp_args {
    struct bytes *values;
    size_t count;
    size_t capacity;
    struct buffer words; /* the unquoted words of an inline command, which cannot point into the input */
};
void resp_args_deinit(struct resp_args *args);

struct resp_limits {
    size_t bulk_bytes_max;   /* proto-max-bulk-len */
    size_t args_max;         /* 1024 * 1024 unless authenticated limits say less */
    size_t inline_bytes_max; /* 64 KiB */
    bool unauthenticated;    /* the limits above are those before AUTH; the errors say so, as Redis's do */
};

/* Progress in a request that is not yet complete. All zero between requests, and then it owns no memory. */
struct resp_parser {
    size_t position;              /* bytes of the request already understood */
    int64_t bulk_length;          /* of the announced bulk; -1 when none is (0 between requests) */
    struct resp_offsets *offsets; /* arguments found so far, relative to the request's first byte */
    uint32_t args_left;           /* of the announced array; 0 when none is announced */
    uint32_t line_scanned;        /* bytes after position already searched for the line's end */
};

enum resp_result {
    RESP_COMPLETE,   /* args filled, *consumed bytes belong to the request; args->count may be 0 (blank line) */
    RESP_INCOMPLETE, /* more bytes are needed */
    RESP_ERROR,      /* *error is the text after "-ERR Protocol error: "; the connection cannot go on */
};

/* Parses the request that begins at input.data. Called again with the same request's bytes, more of them,
 * possibly moved in memory. Announced sizes allocate nothing before their bytes arrive. The arguments hold as
 * long as the input stays and args is not used again; the error's text until this thread's next call. */
enum resp_result resp_parse(struct resp_parser *parser, const struct resp_limits *limits, struct bytes input,
                            struct resp_args *args, size_t *consumed, const char **error);

/* When INCOMPLETE: how many bytes the request has at least, counted from its first; a hint for reading. */
size_t resp_parser_wanted(const struct resp_parser *parser);

/* Frees what an unfinished request holds. */
void resp_parser_reset(struct resp_parser *parser);
