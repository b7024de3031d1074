/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "replication/replication_private.h"

#define PORT_MAX 65535

/* With '%' for the zone of an address: fe80::1%eth0. */
static bool is_part(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr(".:_-%", c));
}

bool is_host_name(struct bytes word)
{
    size_t length = 0;
    while (length < word.length && is_part(word.data[length]))
        length++;
    return length == word.length && length > 0 && length <= HOST_NAME_MAX_BYTES;
}

bool is_port(struct bytes word, int64_t minimum, int64_t *port)
{
    return bytes_to_int64(word, port) && *port >= minimum && *port <= PORT_MAX;
}
