#include "flow/put.h"

#include <string.h>

#include "flow/put_batch.h"
#include "scheme/setup.h"
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
    const char *placed[FORMAT_SERVERS_MAX]; /* who has its slots now */
    char *const *servers;                   /* the same */
    struct content_key_secret *own_key;     /* found or made here */
    const struct content_key_secret *key;   /* that one, or what is known */
    unsigned copies;                        /* of each block; 0: `symbols` */
    struct put_known *known;                /* may be NULL */
    bool is_new;
    bool has_begun; /* some servers have agreed to a put */
};

static void putting_clean_up(struct putting *putting) {
    put_slots_give(&putting->slots);
    image_free(&putting->image);
    secret_free(putting->own_key);
}

/* Where to look for the envelope and the key next time; without, it asks again. */
static void remember(struct putting *putting, const Myelin__Signed *record) {
    struct put_known *known = putting->known;
    if (known == NULL)
        return;
    put_known_forget(known);
    if (put_known_keep(&putting->image, record, putting->key, known) != OK)
        put_known_forget(known);
}

/* The image as the put before this one left it. */
static result recall(struct putting *putting) {
    struct put_known *known = putting->known;
    struct image *image = &putting->image;
    TRY(format_parse_signed(bytes_view(&known->record), &image->record));
    TRY(format_parse_envelope(format_view(image->record->body), &image->envelope));
    image_date(image);
    putting->key = known->key;
    return OK;
}

static result open_found(struct putting *putting) {
    TRY(flow_open_envelope(putting->session, &putting->image, &putting->own_key));
    putting->key = putting->own_key;
    remember(putting, putting->image.record);
    return OK;
}

/* Whether the image exists, where it lies, and its content key if it does. */
static result find_image(struct putting *putting) {
    struct session *session = putting->session;
    bool is_known = putting->known != NULL && putting->known->key != NULL;
    if (is_known)
        image_own_again(session, &putting->known->tau, putting->known->tau_bytes, &putting->image);
    else
        TRY(image_own(session, putting->target->id, &putting->image));
    result loaded = OK;
    if (is_known)
        TRY(recall(putting));
    else
        loaded = image_load(session, putting->target->id, &putting->image);
    putting->is_new = loaded == NOT_FOUND;
    unsigned n, k;
    if (putting->is_new) {
        k = session->k;
        n = placement_slots(&session->description, putting->image.tau_bytes, putting->placed);
    } else {
        TRY(loaded);
        k = putting->image.envelope->k;
        n = (unsigned)putting->image.envelope->n_servers;
        if (n == session->n)
            placement_slots(&session->description, putting->image.tau_bytes, putting->placed);
        else
            memcpy(putting->placed, putting->image.envelope->servers, n * sizeof *putting->placed);
        if (!is_known)
            TRY(open_found(putting));
    }
    putting->servers = (char *const *)(uintptr_t)putting->placed; /* read only */
    return put_slots_take(session, putting->servers, n, k, &putting->slots);
}

static result choose_copies(struct putting *putting) {
    const struct put_options *options = putting->options;
    const struct setup setup = {.n = putting->slots.n, .k = putting->slots.k};
    if (options->dispersal == PUT_SYMBOLS)
        return OK;
    putting->copies = options->copies != 0 ? options->copies : setup_default_copies(&setup);
    return setup_check_copies(&setup, putting->copies);
}

static result run_batch(struct put_batch *batch) {
    TRY(put_batch_begin(batch));
    TRY(put_batch_choose(batch));
    TRY(put_batch_stream(batch));
    return put_batch_publish(batch);
}

/* The servers hear of it once all of it is there. */
static result run_small(struct put_batch *batch) {
    TRY(put_batch_choose(batch));
    TRY(put_batch_code(batch));
    return put_batch_publish(batch);
}

/* What the first put of a new image brings. */
struct bringing {
    struct put_envelope envelope;
    struct envelope_draft draft; /* `blocks`: what the envelope will be made of */
    struct put_envelope_parts parts;
};

static void bringing_clean_up(struct bringing *bringing) {
    put_envelope_free(&bringing->envelope);
    envelope_draft_free(&bringing->draft);
}

static result make_envelope(struct putting *putting, const uint8_t put[FORMAT_ID_BYTES],
                            struct bringing *bringing) {
    unsigned n = putting->slots.n, k = putting->slots.k;
    const char *id = putting->target->id;
    bringing->parts = (struct put_envelope_parts){id, &bringing->draft};
    if (putting->copies != 0)
        return envelope_draft_new(putting->session, &putting->image, n, k, &bringing->draft,
                                  &putting->own_key);
    return put_envelope_new(putting->session, &putting->image, id, putting->servers, n, k, put,
                            &bringing->envelope, &putting->own_key);
}

/* The envelope, or its draft, and the content key. */
static result bring_envelope(struct putting *putting, const uint8_t put[FORMAT_ID_BYTES],
                             struct bringing *bringing) {
    TRY(make_envelope(putting, put, bringing));
    putting->key = putting->own_key;
    return OK;
}

/* `bringing` NULL where the image is there. */
static result put_files(struct putting *putting, size_t first, size_t count,
                        struct bringing *bringing, const uint8_t put[FORMAT_ID_BYTES]) {
    struct put_plan plan = {
        .session = putting->session,
        .image = &putting->image,
        .slots = &putting->slots,
        .servers = putting->servers,
        .envelope = bringing != NULL ? &bringing->envelope : NULL,
        .parts = bringing != NULL ? &bringing->parts : NULL,
        .content_key = putting->key,
        .copies = putting->copies,
        .codec = putting->options->codec,
        .put = put,
        .files = putting->paths->files + first,
        .count = count,
        .bytes_done = putting->bytes_done,
        .bytes_total = putting->paths->bytes,
    };
    AUTO_PUT_BATCH struct put_batch batch = {0};
    TRY(put_batch_init(&plan, &batch));
    result done = batch.is_small ? run_small(&batch) : run_batch(&batch);
    putting->has_begun |= batch.has_begun;
    if (done != OK && batch.was_sent && !batch.may_be_decided)
        put_batch_abort(&batch);
    return done;
}

static result put_image(struct putting *putting) {
    TRY(find_image(putting));
    if (putting->options->is_alone && session_is_outdated(putting->session))
        return FAIL(CONFLICT, "a newer version of the system description is there");
    TRY(choose_copies(putting));
    const struct put_image *target = putting->target;
    size_t most = put_batch_files_max(putting->slots.n, putting->slots.k);
    for (size_t done = 0, count; done < target->count; done += count) {
        count = target->count - done < most ? target->count - done : most;
        uint8_t put[FORMAT_ID_BYTES];
        secret_random(put, sizeof put);
        __attribute__((cleanup(bringing_clean_up))) struct bringing bringing = {0};
        bool is_first = putting->is_new && done == 0;
        if (is_first)
            TRY(bring_envelope(putting, put, &bringing));
        TRY(put_files(putting, target->first + done, count, is_first ? &bringing : NULL, put));
        if (is_first)
            remember(putting, bringing.envelope.record);
    }
    put_slots_warn(&putting->slots);
    return OK;
}

/* Where an image turns out to be there after all, the files are added to it. */
static result put_target(struct session *session, const struct put_options *options,
                         const struct put_paths *paths, const struct put_image *target,
                         struct put_known *known, atomic_uint_least64_t *bytes_done) {
    bool was_new = false;
    for (;;) {
        __attribute__((cleanup(putting_clean_up))) struct putting putting = {
            .session = session,
            .options = options,
            .paths = paths,
            .target = target,
            .known = known,
            .bytes_done = bytes_done,
        };
        result done = put_image(&putting);
        if (done != CONFLICT || !putting.is_new || putting.has_begun || was_new)
            return done;
        was_new = true;
    }
}

/* Before it begins, a put that has met a newer version gives way to one by that: storage servers
 * refuse a slot that it gives to another. */
static result put_by_newest(struct session *session, const struct put_options *options,
                            const struct put_paths *paths, const struct put_image *target,
                            atomic_uint_least64_t *bytes_done) {
    char why[ERROR_TEXT_BYTES];
    bool changed = false;
    uint64_t before = *bytes_done;
    result done = put_target(session, options, paths, target, NULL, bytes_done);
    if (done == OK || !options->is_alone)
        return done;
    memcpy(why, error_text(), sizeof why);
    bool was_outdated = session_is_outdated(session);
    if (session_catch_up(session, &changed) != OK || !(changed || was_outdated))
        return FAIL(done, "%s", why);
    *bytes_done = before;
    return put_target(session, options, paths, target, NULL, bytes_done);
}

result flow_put(struct session *session, const struct put_options *options,
                const char *const paths[], size_t count) {
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    TRY(put_paths_sort(options->id, paths, count, &sorted));
    atomic_uint_least64_t bytes_done = 0;
    for (size_t i = 0; i < sorted.image_count; i++) {
        TRY(put_by_newest(session, options, &sorted, &sorted.images[i], &bytes_done));
        if (options->done != NULL)
            options->done(options->context, sorted.images[i].id);
    }
    return OK;
}

/* A refusal, or too many of them for a quorum, may come from what is no longer so: the image was
 * removed, or put again. */
static bool may_be_outdated(result code) {
    return code == NOT_FOUND || code == CONFLICT || code == INTEGRITY || code == QUORUM;
}

result flow_put_blobs(struct session *session, const char *id, enum codec_kind codec,
                      const struct put_blob blobs[], size_t count, struct put_known *known) {
    const struct put_options options = {.id = id, .codec = codec};
    AUTO_PUT_PATHS struct put_paths sorted = {0};
    TRY(put_paths_of_blobs(id, blobs, count, &sorted));
    atomic_uint_least64_t bytes_done = 0;
    bool was_known = known->key != NULL;
    result done = put_target(session, &options, &sorted, &sorted.images[0], known, &bytes_done);
    if (done == OK || !was_known || !may_be_outdated(done))
        return done;
    put_known_forget(known);
    return put_target(session, &options, &sorted, &sorted.images[0], known, &bytes_done);
}
