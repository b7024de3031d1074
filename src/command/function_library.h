/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/script_private.h"

/* Libraries of functions. All here belongs to who has the turn of scripts, except what is said otherwise. */
struct library {
    struct list node;
    struct list functions;
    struct buffer name, code;
};

struct function {
    struct chain_node node; /* of all functions, by name */
    struct list of_library;
    struct buffer name, description; /* with a NUL behind them */
    bool has_description;
    uint32_t flags;
    int reference;
};

enum library_policy { LIBRARIES_APPEND, LIBRARIES_REPLACE, LIBRARIES_FLUSH };

const struct function *function_find(struct bytes name);
/* In the order of loading. */
void library_each(void (*visit)(void *context, const struct library *library), void *context);
size_t library_count(void);
size_t function_count(void);

/* Loads all of these texts or none; false: 'error' says why. 'loaded' (may be NULL) gets the name of the last one. */
bool library_load(const struct bytes *codes, size_t count, enum library_policy policy, struct buffer *loaded,
                  struct buffer *error);
bool library_delete(struct bytes name);
void library_flush(void);

/* FUNCTION DUMP's payload of all libraries, as Redis makes and reads it. */
void library_dump(struct buffer *out);
bool library_restore(struct bytes dump, enum library_policy policy, struct buffer *error);

/* The libraries have changed: stages the effect, and keeps what the next checkpoint has to save. */
void library_changed(struct execution *x);

/* redis.register_function */
int script_register_function(lua_State *lua);
