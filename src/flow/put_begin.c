/*
 * Put's first word to the servers: begin. Who refuses because the image or an object is there
 * already must prove it with the owner's own signature.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/manifests.h"
#include "flow/put_batch.h"

enum { BEGIN_GRACE_MS = 2000, BEGIN_LIMIT_MS = 12000 };

struct beginning {
    struct put_batch *batch;
    struct bytes wire;
};

static result ask_begin(void *context, unsigned slot, struct http_client *client) {
    (void)slot;
    struct beginning *beginning = context;
    char path[PUT_PATH_BYTES];
    put_batch_path(beginning->batch, "", path);
    return http_call(client, "POST", path, bytes_view(&beginning->wire), "application/protobuf", 0,
                     NULL);
}

result put_batch_pack_begin(const struct put_batch *batch, struct bytes *out_wire) {
    ProtobufCBinaryData *ids = calloc(batch->count, sizeof *ids);
    if (ids == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu object ids", batch->count);
    for (size_t i = 0; i < batch->count; i++)
        ids[i] = format_bytes(view_of(batch->objects[i].id, FORMAT_ID_BYTES));
    Myelin__BeginPut message = MYELIN__BEGIN_PUT__INIT;
    message.tau = format_bytes(view_of(batch->image->tau_bytes, FORMAT_TAU_BYTES));
    message.creates = batch->envelope != NULL;
    message.n_object = batch->count;
    message.object = ids;
    result packed = format_pack(&message, out_wire);
    free(ids);
    return packed;
}

/* The name of the object in this batch that has this id. */
static const char *name_of(const struct put_batch *batch, ProtobufCBinaryData object) {
    for (size_t i = 0; i < batch->count; i++)
        if (memcmp(batch->objects[i].id, object.data, FORMAT_ID_BYTES) == 0)
            return batch->objects[i].file->name;
    return NULL;
}

static result check_deletions(const struct put_batch *batch, const Myelin__ManifestPage *page) {
    const Myelin__Envelope *envelope = batch->image->envelope;
    for (size_t i = 0; i < page->n_deletion; i++) {
        AUTO_FORMAT Myelin__Deletion *deletion = NULL;
        if (format_open_deletion(page->deletion[i], batch->session->signing->public_key,
                                 &deletion) != OK ||
            memcmp(deletion->tau.data, batch->image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
            (envelope != NULL &&
             !view_equal(format_view(deletion->made), format_view(envelope->put))))
            continue;
        const char *name = name_of(batch, deletion->object);
        if (name != NULL)
            return FAIL(CONFLICT,
                        "an object named %s was deleted from the image, where nothing can have its "
                        "name again: put it under another",
                        name);
    }
    return OK;
}

static result check_page(const struct put_batch *batch, const Myelin__ManifestPage *page) {
    TRY(check_deletions(batch, page));
    for (size_t i = 0; i < page->n_manifest; i++) {
        AUTO_FORMAT Myelin__Manifest *manifest = NULL;
        if (format_open_manifest(page->manifest[i], batch->session->signing->public_key,
                                 &manifest) != OK ||
            memcmp(manifest->tau.data, batch->image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
            image_is_outdated(batch->image, manifest))
            continue;
        const char *name = name_of(batch, manifest->object);
        if (name != NULL)
            return FAIL(CONFLICT, "the image already holds an object named %s", name);
    }
    return OK;
}

/* CONFLICT where this server has the owner's own manifest of one of the batch's objects: nobody is
 * believed without. */
static result prove_object(const struct put_batch *batch, unsigned slot) {
    AUTO_SERVER_PAGES struct pages pages = {0};
    struct http_client *client = batch->slots->slot[slot].client;
    if (manifests_fetch(batch->session, client, batch->image, &pages) != OK)
        return OK;
    for (size_t i = 0; i < pages.count; i++)
        TRY(check_page(batch, pages.page[i]));
    return OK;
}

/* Likewise where this server has the image that is to be made. */
static result prove_image(const struct put_batch *batch, unsigned slot) {
    char path[PUT_PATH_BYTES];
    snprintf(path, sizeof path, "/v1/images/%s", batch->image->hex);
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__ImageAnswer *answer = NULL;
    AUTO_FORMAT Myelin__Envelope *envelope = NULL;
    if (http_call(batch->slots->slot[slot].client, "GET", path, view_of(NULL, 0), NULL,
                  FORMAT_LIMIT_IMAGE_ANSWER, &wire) != OK ||
        format_parse_image_answer(bytes_view(&wire), &answer) != OK || answer->envelope == NULL ||
        format_open_envelope(answer->envelope, batch->session->signing->public_key, &envelope) !=
            OK ||
        memcmp(envelope->tau.data, batch->image->tau_bytes, FORMAT_TAU_BYTES) != 0 ||
        envelope->created_ms <= batch->image->removed_ms)
        return OK;
    return FAIL(CONFLICT, "another put has just made this image: try again");
}

result put_batch_prove_conflict(const struct put_batch *batch, unsigned slot,
                                const struct put_answer *answer) {
    if (!answer->was_asked || answer->code != CONFLICT)
        return OK;
    TRY(prove_object(batch, slot));
    return batch->envelope != NULL ? prove_image(batch, slot) : OK;
}

result put_batch_prove_conflicts(const struct put_batch *batch, const struct put_answer answers[]) {
    for (unsigned i = 0; i < batch->slots->n; i++)
        TRY(put_batch_prove_conflict(batch, i, &answers[i]));
    return OK;
}

static result begin(struct put_batch *batch, struct put_answer answers[]) {
    struct beginning beginning = {.batch = batch};
    result begun = put_batch_pack_begin(batch, &beginning.wire);
    struct put_patience patience = {batch->slots->quorum, BEGIN_GRACE_MS, BEGIN_LIMIT_MS};
    batch->was_sent = begun == OK;
    if (begun == OK)
        begun = put_slots_ask(batch->slots, NULL, ask_begin, &beginning, patience, answers);
    bytes_free(&beginning.wire);
    TRY(begun);
    TRY(session_check_cancel(batch->session));
    TRY(put_batch_prove_conflicts(batch, answers));
    put_slots_lose_failed(batch->slots, answers);
    TRY(put_slots_check(batch->slots, "put"));
    batch->has_begun = true;
    return OK;
}

result put_batch_begin(struct put_batch *batch) {
    struct put_answer *answers = calloc(batch->slots->n, sizeof *answers);
    if (answers == NULL)
        return FAIL(NO_MEMORY, "no memory to ask %u servers", batch->slots->n);
    result begun = begin(batch, answers);
    free(answers);
    return begun;
}
