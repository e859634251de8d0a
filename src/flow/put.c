#include "flow/put.h"

#include <string.h>

#include "flow/put_batch.h"
#include "system/placement.h"

/* One image's way through a put. */
struct putting {
    struct session *session;
    const struct put_options *options;
    const struct put_paths *paths;
    const struct put_image *target;
    atomic_uint_least64_t *bytes_done;

    struct image image;
    struct put_slots slots;
    const char *placed[FORMAT_SERVERS_MAX]; /* a new image's servers */
    char *const *servers;                   /* by slot */
    struct content_key_secret *key;
    bool is_new;
    bool has_begun; /* some servers have agreed to a put */
};

static void putting_clean_up(struct putting *putting) {
    put_slots_give(&putting->slots);
    image_free(&putting->image);
    secret_free(putting->key);
}

/* Whether the image exists, where it lies, and its content key if it does. */
static result find_image(struct putting *putting) {
    struct session *session = putting->session;
    TRY(image_own(session, putting->target->id, &putting->image));
    result loaded = image_load(session, putting->target->id, &putting->image);
    putting->is_new = loaded == NOT_FOUND;
    unsigned n, k;
    if (putting->is_new) {
        k = session->k;
        n = placement_slots(&session->description, putting->image.tau_bytes, putting->placed);
        putting->servers = (char *const *)(uintptr_t)putting->placed; /* read only */
    } else {
        TRY(loaded);
        k = putting->image.envelope->k;
        n = (unsigned)putting->image.envelope->n_servers;
        putting->servers = putting->image.envelope->servers;
        TRY(flow_open_envelope(session, &putting->image, &putting->key));
    }
    return put_slots_take(session, putting->servers, n, k, &putting->slots);
}

static result run_batch(struct putting *putting, struct put_batch *batch) {
    TRY(put_batch_begin(batch));
    putting->has_begun = true;
    TRY(put_batch_stream(batch));
    return put_batch_publish(batch);
}

/* `envelope` is the image's where this put makes it. */
static result put_files(struct putting *putting, size_t first, size_t count,
                        const struct put_envelope *envelope, const uint8_t put[FORMAT_ID_BYTES]) {
    struct put_plan plan = {
        .session = putting->session,
        .image = &putting->image,
        .slots = &putting->slots,
        .servers = putting->servers,
        .envelope = envelope,
        .content_key = putting->key->bytes,
        .codec = putting->options->codec,
        .put = put,
        .files = putting->paths->files + first,
        .count = count,
        .bytes_done = putting->bytes_done,
        .bytes_total = putting->paths->bytes,
    };
    AUTO_PUT_BATCH struct put_batch batch = {0};
    TRY(put_batch_init(&plan, &batch));
    result done = run_batch(putting, &batch);
    if (done != OK)
        put_batch_abort(&batch);
    return done;
}

static result put_image(struct putting *putting) {
    TRY(find_image(putting));
    const struct put_image *target = putting->target;
    unsigned n = putting->slots.n, k = putting->slots.k;
    size_t most = put_batch_files_max(n, k);
    for (size_t done = 0, count; done < target->count; done += count) {
        count = target->count - done < most ? target->count - done : most;
        uint8_t put[FORMAT_ID_BYTES];
        secret_random(put, sizeof put);
        AUTO_PUT_ENVELOPE struct put_envelope envelope = {0};
        bool is_first = putting->is_new && done == 0;
        if (is_first)
            TRY(put_envelope_new(putting->session, &putting->image, target->id, putting->servers, n,
                                 k, put, &envelope, &putting->key));
        TRY(put_files(putting, target->first + done, count, is_first ? &envelope : NULL, put));
    }
    put_slots_warn(&putting->slots);
    return OK;
}

/* Where an image turns out to be there after all, the files are added to it. */
static result put_target(struct session *session, const struct put_options *options,
                         const struct put_paths *paths, const struct put_image *target,
                         atomic_uint_least64_t *bytes_done) {
    bool was_new = false;
    for (;;) {
        __attribute__((cleanup(putting_clean_up))) struct putting putting = {
            .session = session,
            .options = options,
            .paths = paths,
            .target = target,
            .bytes_done = bytes_done,
        };
        result done = put_image(&putting);
        if (done != CONFLICT || !putting.is_new || putting.has_begun || was_new)
            return done;
        was_new = true;
    }
}

result flow_put(struct session *session, const struct put_options *options,
                const char *const paths[], size_t count) {
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    TRY(put_paths_sort(options->id, paths, count, &sorted));
    atomic_uint_least64_t bytes_done = 0;
    for (size_t i = 0; i < sorted.image_count; i++) {
        TRY(put_target(session, options, &sorted, &sorted.images[i], &bytes_done));
        if (options->done != NULL)
            options->done(options->context, sorted.images[i].id);
    }
    return OK;
}
