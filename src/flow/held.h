/*
 * An image held open: what a program that reads and adds objects one by one keeps between them, so
 * that the key servers are asked once and not for every object. The content key lies in secret
 * memory until the hold ends.
 *
 * Threads: everything here from many threads at once, but for held_new and held_free. Additions to
 * one image take turns.
 */
#ifndef MYELIN_FLOW_HELD_H
#define MYELIN_FLOW_HELD_H

#include "flow/put.h"

struct held;

/* The image `id`, the user's own (`from` NULL) or one that `from` forwarded to him. Asks nobody
 * yet: an own image need not exist. The session is borrowed. INVALID, NO_MEMORY. */
MUST_CHECK result held_new(struct session *session, const char *id, const char *from,
                           struct held **out_held);
void held_free(struct held *held);

/* Adds objects to an own image, which is made where it is not there: all of them or none. Errors of
 * flow_put_blobs; INVALID for a forwarded image. */
MUST_CHECK result held_put(struct held *held, enum codec_kind codec, const struct put_blob blobs[],
                           size_t count);

/* What is known of the image may be outdated, as after its removal: the next call asks again. */
void held_forget(struct held *held);

/* Calls from now on go by `session`, of the same user, and ask again; it and the one before must
 * outlive the hold: calls under way end by that. From any thread. */
void held_set_session(struct held *held, struct session *session);

struct held_object {
    const char *name;
    uint64_t size; /* of the original */
    struct view note;
};

/* Every object, in no particular order, as the servers list them now. The callback must not call
 * into the hold. Errors of contents_load; an own image that is not there is NOT_FOUND. */
MUST_CHECK result held_list(struct held *held,
                            void (*found)(void *context, const struct held_object *object),
                            void *context);

/* Takes a whole object, which has proved to be what its owner put; from any thread, several at
 * once. What it fails with ends the reading. */
typedef result (*held_take)(void *context, size_t index, struct view bytes);

/* Fetches objects by name, all in one stream, about in the order given. Memory: the objects in
 * flight, whole. NOT_FOUND where the image has none of that name; errors of contents_load and
 * fetch_objects. Some objects may have been taken when it fails. */
MUST_CHECK result held_read(struct held *held, const char *const names[], size_t count,
                            held_take take, void *context);

#endif
