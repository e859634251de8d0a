#include "flow/get_objects.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "code/code.h"
#include "codec/codec.h"
#include "flow/fetch.h"
#include "flow/object.h"
#include "seal/seal.h"

enum { WORKERS_MAX = 16 };

/* An object on its way to its file; in use from its first segment to its last. */
struct restoring {
    const struct get_target *target;
    size_t index;
    uint64_t size;                 /* handed on so far */
    struct codec_decoder *decoder; /* NULL: not compressed */
    struct digest digest;          /* of what the decoder gives */
};

/* What a worker keeps between segments. */
struct opener {
    struct seal_key *key; /* of object `keyed` */
    size_t keyed;
    uint8_t *rows; /* k x k: what `decoder` is for; NULL before the first */
    unsigned k;
    struct code_map decoder;
    struct codec_decoder *spare; /* of an object that is finished; NULL: none */
};

struct get_objects {
    const struct manifests *manifests;
    Myelin__ObjectMeta *const *metas;
    const uint8_t *content_key;
    struct get_target target;
    unsigned workers;
    struct opener *openers;      /* by worker */
    struct restoring *restoring; /* by object */
};

static void restoring_end(struct restoring *restoring) {
    codec_decoder_close_at(&restoring->decoder);
    digest_abandon(&restoring->digest);
}

static void get_objects_free(struct get_objects *objects) {
    for (unsigned i = 0; objects->openers != NULL && i < objects->workers; i++) {
        seal_key_destroy_at(&objects->openers[i].key);
        code_map_clean_up(&objects->openers[i].decoder);
        codec_decoder_close(objects->openers[i].spare);
        free(objects->openers[i].rows);
    }
    for (size_t i = 0; objects->restoring != NULL && i < objects->manifests->count; i++)
        restoring_end(&objects->restoring[i]);
    free(objects->openers);
    free(objects->restoring);
}
#define AUTO_GET_OBJECTS __attribute__((cleanup(get_objects_free)))

/* ------------------------------------------------------------------ decode and open */

/* The decoder of these slices' rows: nearly always the one of the segment before. */
static result use_decoder(struct opener *opener, const Myelin__Manifest *manifest,
                          const struct fetch_segment *segment) {
    unsigned k = segment->k;
    bool is_same = opener->rows != NULL && opener->k == k;
    for (unsigned i = 0; is_same && i < k; i++)
        is_same =
            memcmp(opener->rows + (size_t)i * k, manifest->row[segment->slots[i]].data, k) == 0;
    if (is_same)
        return OK;
    free(opener->rows);
    code_map_clean_up(&opener->decoder);
    opener->rows = malloc((size_t)k * k);
    opener->k = k;
    if (opener->rows == NULL)
        return FAIL(NO_MEMORY, "no memory to decode %u slices", k);
    for (unsigned i = 0; i < k; i++)
        memcpy(opener->rows + (size_t)i * k, manifest->row[segment->slots[i]].data, k);
    result made = code_decoder_init(k, opener->rows, &opener->decoder);
    if (made != OK) {
        free(opener->rows);
        opener->rows = NULL;
    }
    return made;
}

static result use_key(const struct get_objects *objects, struct opener *opener, size_t index) {
    if (opener->key != NULL && opener->keyed == index)
        return OK;
    const Myelin__Manifest *manifest = objects->manifests->entries[index].manifest;
    uint8_t context[OBJECT_CONTEXT_BYTES];
    object_context(manifest->tau.data, manifest->object.data, context);
    opener->keyed = index;
    return seal_key_renew(objects->content_key, manifest->salt.data,
                          view_of(context, sizeof context), &opener->key);
}

static result open_segment(void *context, unsigned worker, const struct fetch_segment *segment) {
    struct get_objects *objects = context;
    struct opener *opener = &objects->openers[worker];
    const Myelin__Manifest *manifest = objects->manifests->entries[segment->object].manifest;
    TRY(use_decoder(opener, manifest, segment));
    TRY(use_key(objects, opener, segment->object));
    uint8_t *blocks[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < segment->k; i++)
        blocks[i] = segment->sealed + i * segment->slice_len;
    code_apply(&opener->decoder, segment->slices, segment->slice_len, blocks);
    result opened =
        seal_open_segment(opener->key, segment->number, segment->is_last,
                          view_of(segment->sealed, segment->sealed_len), segment->sealed);
    return opened == OK ? OK : error_at(opened, "%s", objects->metas[segment->object]->name);
}

/* ------------------------------------------------------------------ decompress and hand on */

static result write_bytes(void *context, struct view bytes) {
    struct restoring *restoring = context;
    const struct get_target *target = restoring->target;
    TRY(target->write(target->context, restoring->index, bytes));
    if (restoring->decoder != NULL)
        digest_update(&restoring->digest, bytes);
    restoring->size += bytes.len;
    return OK;
}

static result start_object(struct get_objects *objects, struct opener *opener, size_t index,
                           bool is_whole) {
    struct restoring *restoring = &objects->restoring[index];
    const Myelin__ObjectMeta *meta = objects->metas[index];
    restoring->target = &objects->target;
    restoring->index = index;
    TRY(objects->target.start(objects->target.context, index));
    if (meta->codec == CODEC_NONE)
        return OK;
    digest_start(&restoring->digest);
    enum codec_kind kind = (enum codec_kind)meta->codec;
    if (codec_decoder_restart(opener->spare, kind, meta->size, write_bytes, restoring)) {
        restoring->decoder = opener->spare;
        opener->spare = NULL;
        return OK;
    }
    return codec_decoder_open(kind, meta->size, is_whole ? 1 : objects->workers, write_bytes,
                              restoring, &restoring->decoder);
}

/* What came out of a decoder is compared with the hash of the original. Without one the bytes are
 * those that every segment's tag has vouched for, and their order and number too. */
static result finish_object(struct get_objects *objects, struct opener *opener, size_t index) {
    struct restoring *restoring = &objects->restoring[index];
    const Myelin__ObjectMeta *meta = objects->metas[index];
    bool is_as_put = true;
    if (restoring->decoder != NULL) {
        uint8_t hash[DIGEST_BYTES];
        TRY(codec_decoder_finish(restoring->decoder));
        digest_finish(&restoring->digest, hash);
        is_as_put = memcmp(hash, meta->sha256.data, DIGEST_BYTES) == 0;
    }
    if (!is_as_put || restoring->size != meta->size)
        return FAIL(INTEGRITY, "is not what its owner put");
    if (opener->spare == NULL) {
        opener->spare = restoring->decoder;
        restoring->decoder = NULL;
    }
    restoring_end(restoring);
    return objects->target.finish(objects->target.context, index);
}

static result restore(struct get_objects *objects, struct opener *opener,
                      const struct fetch_segment *segment) {
    struct restoring *restoring = &objects->restoring[segment->object];
    if (segment->number == 0)
        TRY(start_object(objects, opener, segment->object, segment->is_last));
    struct view bytes = view_of(segment->sealed, segment->sealed_len - SEAL_TAG_BYTES);
    TRY(restoring->decoder == NULL ? write_bytes(restoring, bytes)
                                   : codec_decoder_write(restoring->decoder, bytes));
    return segment->is_last ? finish_object(objects, opener, segment->object) : OK;
}

static result write_segment(void *context, unsigned worker, const struct fetch_segment *segment) {
    struct get_objects *objects = context;
    result written = restore(objects, &objects->openers[worker], segment);
    if (written == OK || written == IO) /* which names its file itself */
        return written;
    return error_at(written, "%s", objects->metas[segment->object]->name);
}

static unsigned count_workers(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

result get_objects_fetch(struct session *session, const struct contents *contents,
                         const struct manifests *manifests, Myelin__ObjectMeta *const metas[],
                         const struct get_target *target) {
    unsigned workers = count_workers();
    AUTO_GET_OBJECTS struct get_objects objects = {
        .manifests = manifests,
        .metas = metas,
        .content_key = contents->key->bytes,
        .target = *target,
        .workers = workers,
        .openers = calloc(workers, sizeof *objects.openers),
        .restoring = calloc(manifests->count + 1, sizeof *objects.restoring),
    };
    if (objects.openers == NULL || objects.restoring == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu objects", manifests->count);
    struct fetch_options options = {.manifests = manifests, .workers = workers, .step = "fetch"};
    struct fetch_sink sink = {.context = &objects, .open = open_segment, .write = write_segment};
    return fetch_objects(session, &contents->image, &options, &sink);
}
