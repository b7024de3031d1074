/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/string_object.h"

/* Parts of strings: what APPEND, SETRANGE, SETBIT and BITFIELD change, and what replay changes again. */

/* False (an error is replied) if the length is more than proto-max-bulk-len. */
bool string_length_allowed(struct execution *x, uint64_t length);

/* The string's length, 0 for no entry. */
size_t string_entry_length(const struct entry *entry);

/* Writes 'piece' (not empty) at 'offset' of the key's string (NULL: it is created), zeros between, and stages the effect:
 * the whole of a short string, else the piece. The expiry stays. The length has been checked. The key's entry afterwards;
 * NULL (an error is replied) when memory is out. May let go of the keys before it changes anything (claims.h): a command that
 * writes several pieces gives the string its length first, for which that happens once. */
struct entry *string_write_piece(struct execution *x, const struct key *key, struct entry *old, size_t offset,
                                 struct bytes piece);

/* The same change to an entry (NULL: of no string yet) without an effect. If it could be made in place, 'changed' has type
 * OBJECT_STRING and *in_place is set: the keyspace must be told. Else 'changed' is a value to put, and *room, if not NULL
 * afterwards, a block to release when it is put. False when memory is out: nothing has changed. */
bool string_change_piece(struct entry *old, size_t offset, struct bytes piece, struct object *changed, bool *in_place,
                         struct block **room);

/* A string's bytes, none for no entry; good until the entry is changed. */
struct string_view {
    struct bytes bytes;
    struct object value;
    char digits[BYTES_INTEGER_MAX];
};
void string_view_of(const struct entry *entry, struct string_view *view);

/* Gives a string the kind that is changed in place, if that needs no other entry; it stays the same string, so nobody is
 * told. False for an integer. */
bool string_make_raw(struct entry *entry);
