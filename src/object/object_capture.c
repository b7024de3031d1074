/* SPDX-License-Identifier: BSD-3-Clause */
/* Which body is under which capture stands in the body, since it is the body that others change.
 *
 * A body may be released by a thread that has no lock of it (the reaper, after a flush) while the capture's owner ends
 * it. So that exactly one of them frees the body, both decide under 'ending', which is taken only where there is a
 * capture. */
#include "object/object_capture.h"

#include <pthread.h>

#include "base/check.h"
#include "base/memory.h"
#include "object/capture_private.h"
#include "object/hash_private.h"
#include "object/set_object.h"
#include "object/stream_object.h"
#include "object/stream_node.h"
#include "object/zset_object.h"

/* Less is encoded in one go. */
#define CAPTURE_MIN_BYTES (64u << 10)
/* Of so many names that changed meanwhile at most the home waits for the end. */
#define RELEASE_AT_ONCE_MAX 256

static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER;

struct member_table *capture_table(const struct object *object)
{
    if (object->type == OBJECT_HASH)
        return &hash_body_of(object)->table;
    return (struct member_table *)(object->type == OBJECT_SET ? set_object_table(object) : zset_object_table(object));
}

/* Where the body has its capture, NULL if it cannot have one. */
static struct object_capture *_Atomic *place_of(const struct object *object)
{
    switch (object->encoding) {
    case ENCODING_TABLE:
    case ENCODING_SKIPLIST:
        return &capture_table(object)->capture;
    case ENCODING_QUICKLIST:
        return &((struct list_body *)object->body)->capture;
    case ENCODING_STREAM:
        return object->body ? &((struct xstream *)object->body)->capture : NULL;
    default:
        return NULL;
    }
}

bool object_capture_is_there(const struct object *object)
{
    struct object_capture *_Atomic *place = place_of(object);
    return place && atomic_load(place);
}

bool object_capture_suits(const struct object *object)
{
    struct object_capture *_Atomic *place = place_of(object);
    return place && object_external_bytes(object) >= CAPTURE_MIN_BYTES && !atomic_load(place);
}

struct object_capture *object_capture_begin(const struct object *object, struct buffer *out)
{
    static _Atomic uint64_t ids;
    struct object_capture *capture = memory_allocate_zeroed(sizeof(*capture));
    capture->value = *object;
    capture->id = atomic_fetch_add(&ids, 1) + 1;
    if (object->type == OBJECT_LIST)
        list_capture_begin(capture, out);
    else if (object->type == OBJECT_STREAM)
        stream_capture_begin(capture, out);
    else
        member_capture_begin(capture, out);
    atomic_store(place_of(object), capture);
    return capture;
}

bool object_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out)
{
    if (capture->value.type == OBJECT_LIST)
        return list_capture_step(capture, bytes, out);
    if (capture->value.type == OBJECT_STREAM)
        return stream_capture_step(capture, bytes, out);
    return member_capture_step(capture, bytes, out);
}

static void destroy(void *pointer)
{
    struct object_capture *capture = pointer;
    member_table_clear(&capture->ahead);
    id_tree_clear(&capture->aside, xstream_node_destroy);
    buffer_deinit(&capture->written);
    buffer_deinit(&capture->group_names.name);
    memory_free(capture);
}

void object_capture_end(struct object_capture *capture)
{
    check(capture->left == 0 && capture->groups_left == 0);
    pthread_mutex_lock(&ending);
    atomic_store(place_of(&capture->value), NULL);
    bool is_orphan = atomic_load(&capture->home) == NULL;
    pthread_mutex_unlock(&ending);
    if (is_orphan)
        object_release(&capture->value);
    if (capture->ahead.count + capture->aside.count > RELEASE_AT_ONCE_MAX)
        memory_free_later(capture, destroy);
    else
        destroy(capture);
}

void object_capture_move(const struct object *object, void *home)
{
    struct object_capture *_Atomic *place = place_of(object);
    struct object_capture *capture = place ? atomic_load_explicit(place, memory_order_relaxed) : NULL;
    if (capture)
        atomic_store(&capture->home, home);
}

void *object_capture_home(const struct object_capture *capture)
{
    return atomic_load(&capture->home);
}

bool object_capture_keeps(const struct object *object)
{
    struct object_capture *_Atomic *place = place_of(object);
    if (!place || !atomic_load(place))
        return false;
    pthread_mutex_lock(&ending);
    struct object_capture *capture = atomic_load(place);
    if (capture)
        atomic_store(&capture->home, NULL);
    pthread_mutex_unlock(&ending);
    return capture != NULL;
}
