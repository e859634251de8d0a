#include "flow/get.h"

#include <stdlib.h>
#include <unistd.h>

#include "flow/get_objects.h"
#include "flow/object.h"
#include "flow/open.h"
#include "format/layout.h"

enum { WORKERS_MAX = 16 };

/* What the objects of an image are called and hold, as their owner sealed it. */
struct descriptions {
    size_t count;
    Myelin__ObjectMeta **metas;
    const char **names;
};

static void descriptions_free(struct descriptions *descriptions) {
    for (size_t i = 0; descriptions->metas != NULL && i < descriptions->count; i++)
        format_free(descriptions->metas[i]);
    free(descriptions->metas);
    free(descriptions->names);
}
#define AUTO_DESCRIPTIONS __attribute__((cleanup(descriptions_free)))

static result open_descriptions(const struct manifests *manifests, const uint8_t *content_key,
                                struct descriptions *out_descriptions) {
    out_descriptions->metas = calloc(manifests->count + 1, sizeof *out_descriptions->metas);
    out_descriptions->names = calloc(manifests->count + 1, sizeof *out_descriptions->names);
    if (out_descriptions->metas == NULL || out_descriptions->names == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", manifests->count);
    for (size_t i = 0; i < manifests->count; i++) {
        TRY(object_meta_open(content_key, manifests->entries[i].manifest,
                             &out_descriptions->metas[i]));
        out_descriptions->count++;
        out_descriptions->names[i] = out_descriptions->metas[i]->name;
    }
    return OK;
}

/* A server that is one of an object's and does not list it has lost it, was away when it was put,
 * or lies: the reader goes on without it. */
static void warn_lacking(struct session *session, const struct manifests *manifests) {
    for (unsigned i = 0; i < manifests->servers; i++) {
        const char *name = session_server(session, SESSION_STORAGE, i)->name;
        size_t expected = 0, listed = 0;
        for (size_t e = 0; manifests->answers[i].code == OK && e < manifests->count; e++) {
            const Myelin__Manifest *manifest = manifests->entries[e].manifest;
            expected += format_slot_of(manifest->servers, manifest->n_servers, name) >= 0;
            listed += manifests->entries[e].is_at[i];
        }
        if (listed < expected)
            session_warn(session, "%s: lists %zu of the %zu objects that it should have", name,
                         listed, expected);
    }
}

/* The manifests from enough servers that none of them can be missing: k have answered. */
static result load_manifests(struct session *session, const struct image *image,
                             struct manifests *out_manifests) {
    unsigned k = image->envelope->k, answered = 0;
    AUTO_MANIFESTS struct manifests manifests = {0};
    TRY(manifests_load(session, image, k, &manifests));
    for (unsigned i = 0; i < manifests.servers; i++)
        answered += manifests.answers[i].code == OK;
    if (answered < k)
        return session_fail_quorum(session, SESSION_STORAGE, "get", manifests.answers, k);
    if (manifests.count == 0)
        return FAIL(NOT_FOUND, "the image has no objects");
    session_warn_failed(session, SESSION_STORAGE, manifests.answers, OK);
    warn_lacking(session, &manifests);
    *out_manifests = manifests;
    manifests = (struct manifests){0};
    return OK;
}

static unsigned count_workers(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

static result fetch_into(struct session *session, const struct image *image,
                         const struct manifests *manifests, const uint8_t *content_key,
                         const char *folder) {
    AUTO_DESCRIPTIONS struct descriptions descriptions = {0};
    TRY(open_descriptions(manifests, content_key, &descriptions));
    AUTO_GET_OUTPUT struct get_output output = {0};
    TRY(get_output_open(folder, descriptions.names, descriptions.count, &output));
    unsigned workers = count_workers();
    AUTO_GET_OBJECTS struct get_objects *objects = NULL;
    TRY(get_objects_new(manifests, descriptions.metas, content_key, &output, workers, &objects));
    struct fetch_options options = {.manifests = manifests, .workers = workers, .step = "fetch"};
    struct fetch_sink sink = get_objects_sink(objects);
    TRY(fetch_objects(session, image, &options, &sink));
    return get_output_publish(&output);
}

result flow_get(struct session *session, const char *id, const struct get_options *options,
                const char *folder) {
    AUTO_IMAGE struct image image = {0};
    TRY(image_find(session, id, options->from, &image));
    TRY(image_load(session, id, &image));
    AUTO_MANIFESTS struct manifests manifests = {0};
    TRY(load_manifests(session, &image, &manifests));
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(flow_open_envelope_asking(session, &image, options->u, &key));
    return fetch_into(session, &image, &manifests, key->bytes, folder);
}
