#include "flow/contents.h"

#include <stdlib.h>

#include "flow/object.h"
#include "format/layout.h"

void contents_free(struct contents *contents) {
    for (size_t i = 0; i < contents->count; i++)
        format_free(contents->metas[i]);
    free(contents->metas);
    manifests_free(&contents->manifests);
    secret_free(contents->key);
    image_free(&contents->image);
    *contents = (struct contents){0};
}

/* While slots move, and where a slot was before, a server may lawfully have nothing. */
static bool should_have(const struct manifests *manifests, unsigned server) {
    return manifests->holders.is_current[server] && !manifests->is_moving;
}

static void warn_failed(struct session *session, const struct manifests *manifests) {
    for (unsigned i = 0; i < manifests->servers; i++) {
        const struct session_answer *answer = &manifests->answers[i];
        bool may_lack = answer->code == NOT_FOUND && !should_have(manifests, i);
        if (answer->code != OK && !answer->is_left_out && !may_lack)
            session_warn(session, "%s", answer->text);
    }
}

/* A server that is one of an object's and does not list it has lost it, was away when it was put,
 * or lies: the reader goes on without it. */
static void warn_lacking(struct session *session, const struct manifests *manifests) {
    for (unsigned i = 0; i < manifests->servers; i++) {
        const char *name = session_server(session, SESSION_STORAGE, i)->name;
        size_t expected = 0, listed = 0;
        bool is_expected = manifests->answers[i].code == OK && should_have(manifests, i);
        for (size_t e = 0; is_expected && e < manifests->count; e++) {
            expected++;
            listed += manifests->entries[e].is_at[i];
        }
        if (listed < expected)
            session_warn(session, "%s: lists %zu of the %zu objects that it should have", name,
                         listed, expected);
    }
}

/* The manifests from enough servers that none of them can be missing: k have answered. */
static result load_manifests(struct session *session, const struct image *image,
                             struct manifests *manifests) {
    unsigned k = image->envelope->k, answered = 0;
    TRY(manifests_load(session, image, k, manifests));
    for (unsigned i = 0; i < manifests->servers; i++)
        answered += manifests->answers[i].code == OK;
    if (answered < k)
        return session_fail_quorum(session, SESSION_STORAGE, "get", manifests->answers, k);
    if (manifests->is_incomplete)
        return FAIL(INTEGRITY,
                    "object %s of the image cannot be read: its manifest is lost or damaged at %s, "
                    "and no other server has it",
                    manifests->missing,
                    session_server(session, SESSION_STORAGE, manifests->missing_at)->name);
    if (manifests->count == 0)
        return FAIL(NOT_FOUND, "the image has no objects");
    warn_failed(session, manifests);
    warn_lacking(session, manifests);
    return OK;
}

static result open_metas(struct contents *contents) {
    const struct manifests *manifests = &contents->manifests;
    contents->metas = calloc(manifests->count + 1, sizeof(Myelin__ObjectMeta *));
    if (contents->metas == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", manifests->count);
    for (; contents->count < manifests->count; contents->count++)
        TRY(object_meta_open(contents->key->bytes, manifests->entries[contents->count].manifest,
                             &contents->metas[contents->count]));
    return OK;
}

static result open_key(struct session *session, const struct contents_options *options,
                       struct contents *contents) {
    AUTO_BYTES struct bytes record = {0};
    const struct put_known *known = options->known;
    TRY(format_pack(contents->image.record, &record));
    if (known == NULL || known->key == NULL ||
        !view_equal(bytes_view(&record), bytes_view(&known->record)))
        return flow_open_envelope_asking(session, &contents->image, options->u, &contents->key);
    TRY(secret_new(sizeof *contents->key, (void **)&contents->key));
    *contents->key = *known->key;
    return OK;
}

result contents_load(struct session *session, const char *id,
                     const struct contents_options *options, struct contents *out_contents) {
    AUTO_CONTENTS struct contents contents = {0};
    TRY(image_find(session, id, options->from, &contents.image));
    TRY(image_load(session, id, &contents.image));
    TRY(load_manifests(session, &contents.image, &contents.manifests));
    TRY(open_key(session, options, &contents));
    TRY(open_metas(&contents));
    *out_contents = contents;
    contents = (struct contents){0};
    return OK;
}
