/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What BY and GET of SORT lead to: other keys, which are held, or whose names are claimed (execution_let_go_of_all). */

/* The element takes the place of the first star, and what stands behind "->" is a field of a hash. */
struct sort_pattern {
    struct bytes begin, end, field; /* field.data NULL: a string is meant */
    bool is_element;                /* "#" */
    bool has_star;                  /* without one it leads nowhere */
};
struct sort_pattern sort_pattern_of(struct bytes text);

/* For one command. */
struct sort_lookup {
    struct execution *x;
    struct buffer name, found; /* scratch */
};
/* What the pattern leads to with the element, appended to 'to', where nobody waits for it if that has to move; false if
 * there is no such thing. */
bool sort_lookup(struct sort_lookup *lookup, const struct sort_pattern *pattern, struct bytes element,
                 struct buffer *to);
void sort_lookup_deinit(struct sort_lookup *lookup);
