#include "flow/contents.h"

#include <pthread.h>
#include <stdlib.h>

#include "flow/failure.h"
#include "flow/object.h"
#include "flow/patience.h"
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
    if (manifests->count == 0 && manifests->deleted_count > 0)
        return FAIL(NOT_FOUND, "the image has no objects: its owner deleted all of them");
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

/* Whether the envelope is still the one whose key is known. */
static result knows_key(const struct put_known *known, const struct image *image, bool *out_knows) {
    AUTO_BYTES struct bytes record = {0};
    *out_knows = false;
    if (known == NULL || known->key == NULL)
        return OK;
    TRY(format_pack(image->record, &record));
    *out_knows = view_equal(bytes_view(&record), bytes_view(&known->record));
    return OK;
}

static result copy_key(const struct put_known *known, struct content_key_secret **out_key) {
    TRY(secret_new(sizeof **out_key, (void **)out_key));
    **out_key = *known->key;
    return OK;
}

/* The key servers' work, while the storage servers list what there is. */
struct opening {
    struct session *session;
    const struct image *image;
    unsigned u;
    struct content_key_secret **key;
    struct patience_purse purse;
    struct failure failure;
};

static void *run_opening(void *argument) {
    struct opening *opening = argument;
    patience_take(&opening->purse);
    failure_keep(&opening->failure, flow_open_envelope_asking(opening->session, opening->image,
                                                              opening->u, opening->key));
    opening->purse = patience_purse();
    patience_drop();
    return NULL;
}

/* Without a thread for it: first the one, then the other. */
static result load_and_open(struct session *session, const struct contents_options *options,
                            struct contents *contents) {
    struct opening opening = {.session = session,
                              .image = &contents->image,
                              .u = options->u,
                              .key = &contents->key,
                              .purse = patience_purse()};
    pthread_t thread;
    bool is_apart = pthread_create(&thread, NULL, run_opening, &opening) == 0;
    result loaded = load_manifests(session, &contents->image, &contents->manifests);
    if (!is_apart) {
        TRY(loaded);
        return flow_open_envelope_asking(session, &contents->image, options->u, &contents->key);
    }
    pthread_join(thread, NULL);
    patience_join(&opening.purse);
    TRY(loaded);
    return failure_raise(&opening.failure);
}

result contents_load(struct session *session, const char *id,
                     const struct contents_options *options, struct contents *out_contents) {
    AUTO_CONTENTS struct contents contents = {0};
    TRY(image_find(session, id, options->from, &contents.image));
    TRY(image_load(session, id, &contents.image));
    bool knows;
    TRY(knows_key(options->known, &contents.image, &knows));
    if (knows) {
        TRY(copy_key(options->known, &contents.key));
        TRY(load_manifests(session, &contents.image, &contents.manifests));
    } else
        TRY(load_and_open(session, options, &contents));
    TRY(open_metas(&contents));
    *out_contents = contents;
    contents = (struct contents){0};
    return OK;
}
