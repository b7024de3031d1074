/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "object/object.h"

/* A large value encoded step by step while others change it: what comes out is the value as it was at the begin. Who
 * changes a part that was not written yet has it written first. One capture of a value at a time.
 *
 * 'home' is whatever guards the value. All functions but the first and the last two are called under it. A value that
 * is released under capture is kept until the end; then it has no home, and the capture's owner has it alone. */
struct object_capture;

/* Whether the value is so large that it should be captured by steps, and can be. */
bool object_capture_suits(const struct object *object);
/* Whether one is under way. */
bool object_capture_is_there(const struct object *object);
/* Writes type byte and what stands in front of the elements. The home is told by object_capture_move. */
struct object_capture *object_capture_begin(const struct object *object, struct buffer *out);
/* Writes about so many bytes more. False if that was all; then nothing but the end is left. */
bool object_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);
void object_capture_end(struct object_capture *capture);
/* The value has another home: under both. Nothing happens if it is not under capture. */
void object_capture_move(const struct object *object, void *home);
/* NULL if it has none; else look again once it is locked. Any thread. */
void *object_capture_home(const struct object_capture *capture);
/* For object_release, by whatever thread: whether the value is under capture, which has taken it over. */
bool object_capture_keeps(const struct object *object);
