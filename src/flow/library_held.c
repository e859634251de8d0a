/*
 * The library's face over images held open.
 */
#include "myelin.h"

#include <stdlib.h>

#include "flow/library.h"

_Static_assert((int)MYELIN_NOTE_MAX == (int)FORMAT_NOTE_MAX, "the library's bound is the format's");

/* The newest session, which what is held goes by from now on. */
static const struct session *use_newest(struct myelin_held *held) {
    struct session *newest = held->session->inner;
    struct session *before = atomic_exchange(&held->used, newest);
    if (before != newest)
        held_set_session(held->inner, newest);
    return newest;
}

static result hold(struct myelin_session *session, const char *id, const char *from,
                   struct myelin_held **out_held) {
    struct held *inner = NULL;
    struct session *newest = session->inner;
    TRY(held_new(newest, id, from, &inner));
    struct myelin_held *held = calloc(1, sizeof *held);
    if (held == NULL) {
        held_free(inner);
        return FAIL(NO_MEMORY, "out of memory");
    }
    held->inner = inner;
    held->session = session;
    held->used = newest;
    *out_held = held;
    return OK;
}

int myelin_hold(struct myelin_session *session, const char *id, const char *from,
                struct myelin_held **out_held) {
    return library_done(session, hold(session, id, from, out_held));
}

void myelin_release(struct myelin_held *held) {
    if (held == NULL)
        return;
    held_free(held->inner);
    free(held);
}

void myelin_hold_forget(struct myelin_held *held) {
    held_forget(held->inner);
}

/* ------------------------------------------------------------------ adding */

static result put_blobs(struct held *held, const char *codec, const struct myelin_blob blobs[],
                        size_t count) {
    enum codec_kind kind = CODEC_AUTO;
    if (codec != NULL)
        TRY(codec_kind_parse(codec, &kind));
    struct put_blob *copies = calloc(count + 1, sizeof *copies);
    if (copies == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", count);
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct put_blob){.name = blobs[i].name,
                                      .bytes = view_of(blobs[i].data, blobs[i].size),
                                      .note = view_of(blobs[i].note, blobs[i].note_size)};
    result done = held_put(held, kind, copies, count);
    free(copies);
    return done;
}

int myelin_hold_put(struct myelin_held *held, const char *codec, const struct myelin_blob blobs[],
                    size_t count) {
    const struct session *before = use_newest(held);
    int done = library_done(held->session, put_blobs(held->inner, codec, blobs, count));
    if (!library_is_renewed(held->session, before, done))
        return done;
    use_newest(held);
    return library_done(held->session, put_blobs(held->inner, codec, blobs, count));
}

/* ------------------------------------------------------------------ listing and reading */

struct blob_listing {
    myelin_blob_found found;
    void *context;
};

static void hand_object(void *context, const struct held_object *object) {
    const struct blob_listing *listing = context;
    struct myelin_blob_listed blob = {.name = object->name,
                                      .size = object->size,
                                      .note = object->note.data,
                                      .note_size = object->note.len};
    listing->found(listing->context, &blob);
}

int myelin_hold_list(struct myelin_held *held, myelin_blob_found found, void *context) {
    struct blob_listing listing = {.found = found, .context = context};
    use_newest(held);
    return library_done(held->session, held_list(held->inner, hand_object, &listing));
}

struct blob_reading {
    myelin_blob_take take;
    void *context;
};

static result take_object(void *context, size_t index, struct view bytes) {
    const struct blob_reading *reading = context;
    int code = reading->take(reading->context, index, bytes.data, bytes.len);
    if (code < 0 || code >= RESULT_COUNT)
        return FAIL(INTERNAL, "the reader gave the code %d, which is none", code);
    return (result)code;
}

int myelin_hold_read(struct myelin_held *held, const char *const names[], size_t count,
                     myelin_blob_take take, void *context) {
    struct blob_reading reading = {.take = take, .context = context};
    use_newest(held);
    return library_done(held->session, held_read(held->inner, names, count, take_object, &reading));
}
