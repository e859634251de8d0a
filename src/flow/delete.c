#include "flow/delete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/manifests.h"
#include "flow/tell.h"

/* All that one deletion works with. */
struct deleting {
    struct session *session;
    struct image image;
    struct manifests manifests;
    uint8_t (*ids)[FORMAT_ID_BYTES];
    size_t count;
};

static void deleting_clean_up(struct deleting *deleting) {
    free(deleting->ids);
    manifests_free(&deleting->manifests);
    image_free(&deleting->image);
}

static result load(struct deleting *deleting, const char *id) {
    struct session *session = deleting->session;
    unsigned answered = 0;
    TRY(image_own(session, id, &deleting->image));
    TRY(image_load(session, id, &deleting->image));
    const unsigned k = deleting->image.envelope->k;
    TRY(manifests_load(session, &deleting->image, k, &deleting->manifests));
    for (unsigned i = 0; i < deleting->manifests.servers; i++)
        answered += deleting->manifests.answers[i].code == OK;
    return answered >= k ? OK
                         : session_fail_quorum(session, SESSION_STORAGE, "deleting",
                                               deleting->manifests.answers, k);
}

/* An object whose manifest nobody shows may be deleted all the same. */
static bool is_known(const struct manifests *manifests, const uint8_t id[FORMAT_ID_BYTES]) {
    char hex[OBJECT_HEX];
    hex_encode(view_of(id, FORMAT_ID_BYTES), hex);
    if (manifests->is_incomplete && strcmp(manifests->missing, hex) == 0)
        return true;
    for (size_t i = 0; i < manifests->count; i++)
        if (memcmp(manifests->entries[i].manifest->object.data, id, FORMAT_ID_BYTES) == 0)
            return true;
    return manifests_has_deleted(manifests, id);
}

static result find_objects(struct deleting *deleting, const char *id, const char *const names[],
                           size_t count, enum delete_unknown unknown) {
    deleting->ids = calloc(count, sizeof *deleting->ids);
    if (deleting->ids == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *object = deleting->ids[deleting->count];
        if (!format_is_object_name(names[i]))
            return FAIL(INVALID, "'%.100s' is no object's name", names[i]);
        TRY(object_id(deleting->session, deleting->image.tau_bytes, names[i], object));
        bool is_object = is_known(&deleting->manifests, object);
        if (!is_object && unknown == DELETE_REFUSES_UNKNOWN)
            return FAIL(NOT_FOUND, "image '%.100s' has no object '%.200s': see 'myelin show'", id,
                        names[i]);
        deleting->count += is_object;
    }
    return OK;
}

/* ------------------------------------------------------------------ some at a time */

struct signed_part {
    Myelin__Signed *records[FORMAT_DELETIONS_MAX];
    size_t count;
};

static void signed_part_free(struct signed_part *part) {
    for (size_t i = 0; i < part->count; i++)
        format_free(part->records[i]);
}

static result sign_one(struct deleting *deleting, uint8_t id[FORMAT_ID_BYTES],
                       Myelin__Signed **out_record) {
    char owner[FORMAT_NAME_MAX + 1];
    snprintf(owner, sizeof owner, "%s", deleting->session->user);
    Myelin__Deletion deletion = MYELIN__DELETION__INIT;
    deletion.owner = owner;
    deletion.tau = format_bytes(view_of(deleting->image.tau_bytes, FORMAT_TAU_BYTES));
    deletion.object = format_bytes(view_of(id, FORMAT_ID_BYTES));
    deletion.serial_ms = deleting->image.signing_ms;
    deletion.made = deleting->image.envelope->put;
    return format_sign(deleting->session->signing, &deletion, out_record);
}

/* Only the servers that may hold the image: others have never heard of it. */
static result tell_part(struct deleting *deleting, struct signed_part *part) {
    struct session *session = deleting->session;
    const struct slot_holders *holders = &deleting->manifests.holders;
    struct session_answer answers[FORMAT_SERVERS_MAX];
    char path[48 + IMAGE_HEX];
    unsigned ok = 0;
    Myelin__DeleteObjects message = MYELIN__DELETE_OBJECTS__INIT;
    message.deletion = part->records;
    message.n_deletion = part->count;
    snprintf(path, sizeof path, "/v1/images/%s/objects", deleting->image.hex);
    TRY(tell_all(session, SESSION_STORAGE, holders->is_holder, "DELETE", path, &message, answers,
                 &ok, NULL));
    unsigned untold =
        tell_warn(session, SESSION_STORAGE, "the deletion", holders->is_holder, answers, NOT_FOUND);
    if (untold >= session->k || ok == 0)
        return FAIL(QUORUM,
                    "deleting: %u storage servers could not be told, %u are enough to read the "
                    "objects; run it again when they are back",
                    untold, session->k);
    return OK;
}

static result delete_part(struct deleting *deleting, size_t first, size_t count) {
    __attribute__((cleanup(signed_part_free))) struct signed_part part = {.count = 0};
    for (; part.count < count; part.count++)
        TRY(sign_one(deleting, deleting->ids[first + part.count], &part.records[part.count]));
    return tell_part(deleting, &part);
}

result flow_delete(struct session *session, const char *id, const char *const names[], size_t count,
                   enum delete_unknown unknown) {
    __attribute__((cleanup(deleting_clean_up))) struct deleting deleting = {.session = session};
    if (count == 0)
        return FAIL(INVALID, "no object to delete");
    TRY(load(&deleting, id));
    TRY(find_objects(&deleting, id, names, count, unknown));
    for (size_t done = 0; done < deleting.count; done += FORMAT_DELETIONS_MAX) {
        size_t left = deleting.count - done;
        TRY(session_check_cancel(session));
        TRY(delete_part(&deleting, done,
                        left < FORMAT_DELETIONS_MAX ? left : FORMAT_DELETIONS_MAX));
    }
    return OK;
}
