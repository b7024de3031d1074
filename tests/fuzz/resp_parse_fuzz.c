/* SPDX-License-Identifier: BSD-3-Clause */
/* Feeds a stream of requests to the parser twice: as a whole, and cut at places that the input chooses. Both must
 * find the same requests, or the same error, at the same places.
 *
 *   clang-14 -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -DFOREBAY_NO_JEMALLOC -Isrc \
 *       tests/fuzz/resp_parse_fuzz.c src/resp/resp_parse.c $(ls src/base/[a-z]*.c) -lxxhash -lpthread -lm
 */
#include "resp/resp_parse.h"

#include "base/check.h"

#include <stdlib.h>

static const struct resp_limits LIMITS = {.bulk_bytes_max = 4096, .args_max = 256, .inline_bytes_max = 512};

struct outcome {
    enum resp_result result;
    size_t consumed;
    const char *error;
};

/* Parses one request from the input's first bytes; grows them by the steps that 'cuts' names until it is done. */
static struct outcome parse_in_cuts(struct bytes input, struct bytes cuts, struct resp_args *args, char **copy)
{
    struct resp_parser parser = {0};
    struct outcome outcome = {.result = RESP_INCOMPLETE};
    size_t length = 0;
    for (size_t i = 0; outcome.result == RESP_INCOMPLETE && length < input.length; i++) {
        size_t step = cuts.length > 0 ? 1 + (unsigned char)cuts.data[i % cuts.length] : input.length;
        length = step < input.length - length ? length + step : input.length;
        /* each time at another address, and of exactly this size */
        free(*copy);
        *copy = malloc(length);
        memcpy(*copy, input.data, length);
        outcome.result = resp_parse(&parser, &LIMITS, bytes_of(*copy, length), args, &outcome.consumed, &outcome.error);
        check(outcome.consumed <= length);
        check(outcome.result != RESP_INCOMPLETE || resp_parser_wanted(&parser) >= length);
    }
    check(outcome.result == RESP_INCOMPLETE || (parser.position == 0 && !parser.offsets && parser.line_scanned == 0));
    resp_parser_reset(&parser);
    return outcome;
}

static void args_compare(const struct resp_args *whole, const struct resp_args *cut)
{
    check(whole->count == cut->count);
    for (size_t i = 0; i < whole->count; i++)
        check(bytes_equal(whole->values[i], cut->values[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t cuts_length = data[0] % 8 < size ? data[0] % 8 : size - 1;
    struct bytes cuts = bytes_of(data + 1, cuts_length);
    struct bytes input = bytes_of(data + 1 + cuts_length, size - 1 - cuts_length);
    struct resp_args whole_args = {0}, cut_args = {0};
    char *whole_copy = NULL, *cut_copy = NULL;
    while (input.length > 0) {
        struct outcome whole = parse_in_cuts(input, (struct bytes){NULL, 0}, &whole_args, &whole_copy);
        struct outcome cut = parse_in_cuts(input, cuts, &cut_args, &cut_copy);
        check(whole.result == cut.result);
        if (whole.result == RESP_ERROR)
            check(strcmp(whole.error, cut.error) == 0);
        if (whole.result != RESP_COMPLETE)
            break;
        check(whole.consumed == cut.consumed && whole.consumed > 0);
        args_compare(&whole_args, &cut_args);
        input = bytes_of(input.data + whole.consumed, input.length - whole.consumed);
    }
    resp_args_deinit(&whole_args);
    resp_args_deinit(&cut_args);
    free(whole_copy);
    free(cut_copy);
    return 0;
}
