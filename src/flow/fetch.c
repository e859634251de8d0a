#include "flow/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/fetch_window.h"
#include "flow/object.h"
#include "flow/patience.h"

enum {
    PATH_BYTES = 1024,
    WINDOW_BYTES = 24 << 20,
    TOGETHER_MAX = 16, /* objects of one request */
};

struct fetch {
    struct session *session;
    const struct image *image;
    const struct fetch_options *options;
    const struct fetch_sink *sink;
    unsigned servers;
    size_t count; /* objects */
    uint64_t sealed_bytes;
    struct fetch_object *objects;
    int (*slots)[HOLDER_SLOTS]; /* the objects' slots_of */
    enum fetch_standing *standing;
    const char **names;
    struct http_client **clients; /* by server */
    struct fetch_window *window;
};

struct fetch_thread {
    struct fetch *fetch;
    unsigned index; /* server or worker */
    pthread_t thread;
    bool is_started;
};

/* ------------------------------------------------------------------ a server's thread */

/* Lanes on their way in, one behind the other: one download. */
struct delivery {
    struct fetch *fetch;
    struct fetch_job *jobs;
    size_t count;
    size_t at; /* the job that is being delivered; those before it have been left */
    const char *name;
    struct bytes table; /* slice hashes; empty for an object of one segment */
    uint8_t *slice;     /* where the current one goes; NULL between slices */
    size_t filled;
    bool has_begun; /* some of the answer came */
};

static struct fetch_job *job_of(const struct delivery *delivery) {
    return &delivery->jobs[delivery->at];
}

static const struct format_layout *layout_of(const struct delivery *delivery, size_t job) {
    return &delivery->fetch->objects[delivery->jobs[job].object].layout;
}

static const Myelin__Manifest *manifest_of(const struct delivery *delivery,
                                           const struct fetch_job *job) {
    return delivery->fetch->options->manifests->entries[job->object].manifest;
}

static const uint8_t *root_of(const struct delivery *delivery) {
    const struct fetch_job *job = job_of(delivery);
    return manifest_of(delivery, job)->symbol_root[job->slot].data;
}

static void object_path(const struct delivery *delivery, const char *what, char out[PATH_BYTES]) {
    char id[OBJECT_HEX];
    const struct fetch_job *job = job_of(delivery);
    hex_encode(format_view(manifest_of(delivery, job)->object), id);
    snprintf(out, PATH_BYTES, "/v1/images/%s/objects/%s/%s?slot=%u", delivery->fetch->image->hex,
             id, what, job->slot);
}

/* All of them, with their slots. */
static void objects_path(const struct delivery *delivery, char out[PATH_BYTES]) {
    int len = snprintf(out, PATH_BYTES, "/v1/images/%s/symbols?of=", delivery->fetch->image->hex);
    for (size_t i = 0; i < delivery->count; i++) {
        char id[OBJECT_HEX];
        const struct fetch_job *job = &delivery->jobs[i];
        hex_encode(format_view(manifest_of(delivery, job)->object), id);
        len += snprintf(out + len, (size_t)(PATH_BYTES - len), "%s%s.%u", i == 0 ? "" : ",", id,
                        job->slot);
    }
}

/* The hashes of all slices, which must be those that the owner signed. */
static result fetch_table(struct delivery *delivery, struct http_client *client) {
    uint64_t segments = layout_of(delivery, 0)->segments;
    if (segments == 1)
        return OK; /* the root itself tells */
    char path[PATH_BYTES];
    object_path(delivery, "hashes", path);
    size_t len = (size_t)segments * DIGEST_BYTES;
    uint8_t root[DIGEST_BYTES];
    TRY(http_call(client, "GET", path, view_of(NULL, 0), NULL, len, &delivery->table));
    if (delivery->table.len == len &&
        format_slice_table_root(bytes_view(&delivery->table), root) == OK &&
        memcmp(root, root_of(delivery), sizeof root) == 0)
        return OK;
    job_of(delivery)->is_object_bad = true;
    return FAIL(INTEGRITY, "%s: the slice hashes are not what was signed", delivery->name);
}

static bool is_as_signed(const struct delivery *delivery, size_t len) {
    uint8_t hash[DIGEST_BYTES];
    digest_sha256(view_of(delivery->slice, len), hash);
    if (delivery->table.len > 0)
        return memcmp(hash, delivery->table.data + job_of(delivery)->number * DIGEST_BYTES,
                      DIGEST_BYTES) == 0;
    uint8_t root[DIGEST_BYTES];
    return format_slice_table_root(view_of(hash, sizeof hash), root) == OK &&
           memcmp(root, root_of(delivery), sizeof root) == 0;
}

/* The slice there is complete. */
static result take_slice(struct delivery *delivery, size_t len) {
    struct fetch *fetch = delivery->fetch;
    struct fetch_job *job = job_of(delivery);
    if (!is_as_signed(delivery, len))
        return FAIL(INTEGRITY, "%s: slice %llu of an object is not what was signed", delivery->name,
                    (unsigned long long)job->number);
    fetch_window_delivered(fetch->window, job);
    delivery->slice = NULL;
    delivery->filled = 0;
    if (job->number == layout_of(delivery, delivery->at)->segments) {
        (void)fetch_window_leave(fetch->window, job, OK);
        delivery->at++;
    }
    return OK;
}

static result push_slices(void *context, struct view part) {
    struct delivery *delivery = context;
    delivery->has_begun = true;
    while (part.len > 0) {
        if (delivery->at == delivery->count)
            return FAIL(PROTOCOL, "%s: more slices than were asked for", delivery->name);
        if (delivery->slice == NULL)
            TRY(fetch_window_room(delivery->fetch->window, job_of(delivery), &delivery->slice));
        size_t len = format_slice_len(layout_of(delivery, delivery->at), job_of(delivery)->number);
        size_t left = len - delivery->filled, step = part.len < left ? part.len : left;
        memcpy(delivery->slice + delivery->filled, part.data, step);
        delivery->filled += step;
        fetch_window_moved(delivery->fetch->window, job_of(delivery), delivery->filled);
        part = view_of(part.data + step, part.len - step);
        if (delivery->filled == len)
            TRY(take_slice(delivery, len));
    }
    return OK;
}

static result deliver(struct delivery *delivery, struct http_client *client) {
    char path[PATH_BYTES];
    uint64_t bytes = 0;
    if (delivery->count > 1) {
        for (size_t i = 0; i < delivery->count; i++)
            bytes += layout_of(delivery, i)->symbol_bytes;
        objects_path(delivery, path);
        return http_download(client, path, 0, bytes, push_slices, delivery);
    }
    TRY(fetch_table(delivery, client));
    const struct format_layout *layout = layout_of(delivery, 0);
    uint64_t offset = format_slice_offset(layout, delivery->jobs->number);
    object_path(delivery, "symbol", path);
    return http_download(client, path, offset, layout->symbol_bytes - offset, push_slices,
                         delivery);
}

/* A server that has not all of what it was asked for at once gives nothing: nobody knows yet what
 * it lacks. */
static bool is_refused(const struct delivery *delivery, result delivered) {
    return delivery->count > 1 && !delivery->has_begun && delivered != OK && delivered != TIMEOUT;
}

/* What did not come is left to whoever takes it next; the job at hand is what failed. */
static void end_delivery(const struct delivery *delivery, result delivered) {
    struct fetch *fetch = delivery->fetch;
    bool may_blame = !is_refused(delivery, delivered);
    char text[ERROR_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", error_text());
    for (size_t i = delivery->at; i < delivery->count; i++) {
        bool is_at_hand = i == delivery->at && may_blame;
        if (fetch_window_leave(fetch->window, &delivery->jobs[i], is_at_hand ? delivered : OK) &&
            !session_is_cancelled(fetch->session))
            session_warn(fetch->session, "%s", text);
    }
}

static void *run_server(void *argument) {
    struct fetch_thread *thread = argument;
    struct fetch *fetch = thread->fetch;
    struct fetch_job jobs[TOGETHER_MAX];
    size_t alone = 0; /* jobs to be done one by one, to find out which was refused */
    while (fetch_window_job(fetch->window, thread->index, &jobs[0])) {
        struct delivery delivery = {.fetch = fetch, .jobs = jobs, .count = 1};
        delivery.name = fetch->names[thread->index];
        if (alone == 0)
            delivery.count += fetch_window_more(fetch->window, jobs, jobs + 1, TOGETHER_MAX - 1);
        else
            alone--;
        result delivered = deliver(&delivery, fetch->clients[thread->index]);
        bytes_free(&delivery.table);
        end_delivery(&delivery, delivered);
        if (is_refused(&delivery, delivered))
            alone = delivery.count;
    }
    return NULL;
}

/* ------------------------------------------------------------------ a worker */

static result open_segment(struct fetch *fetch, unsigned worker, struct fetch_segment *segment) {
    TRY(fetch->sink->open(fetch->sink->context, worker, segment));
    if (fetch->objects[segment->object].layout.segments > 1) {
        fetch_window_opened(fetch->window, segment);
        return OK;
    }
    TRY(fetch->sink->write(fetch->sink->context, worker, segment));
    fetch_window_written(fetch->window, segment);
    return OK;
}

static result write_segment(struct fetch *fetch, unsigned worker, struct fetch_segment *segment) {
    TRY(fetch->sink->write(fetch->sink->context, worker, segment));
    fetch_window_written(fetch->window, segment);
    return OK;
}

static void *run_worker(void *argument) {
    struct fetch_thread *thread = argument;
    struct fetch *fetch = thread->fetch;
    for (result done = OK; done == OK;) {
        struct fetch_segment *segment;
        enum fetch_work work = fetch_window_take(fetch->window, &segment);
        if (work == FETCH_END)
            break;
        done = work == FETCH_OPEN ? open_segment(fetch, thread->index, segment)
                                  : write_segment(fetch, thread->index, segment);
        if (done != OK)
            fetch_window_fail(fetch->window, done);
    }
    return NULL;
}

/* ------------------------------------------------------------------ all together */

static void cancel_server(void *context, unsigned server) {
    http_client_cancel(((struct fetch *)context)->clients[server]);
}

static void resume_server(void *context, unsigned server) {
    http_client_resume(((struct fetch *)context)->clients[server]);
}

static void warn_slow(void *context, unsigned server) {
    struct fetch *fetch = context;
    session_warn(fetch->session, "%s: too slow, a spare server took over", fetch->names[server]);
}

static void fetch_clean_up(struct fetch *fetch) {
    for (unsigned i = 0; fetch->clients != NULL && i < fetch->servers; i++)
        session_client_give(fetch->session, fetch->clients[i]);
    free(fetch->clients);
    free(fetch->objects);
    free(fetch->slots);
    free(fetch->standing);
    free(fetch->names);
    fetch_window_free(fetch->window);
}

/* A server that does not list the object, although it answered, does not have it. */
static void init_object(struct fetch *fetch, size_t index) {
    const struct manifests *manifests = fetch->options->manifests;
    const struct manifest_entry *entry = &manifests->entries[index];
    const Myelin__Manifest *manifest = entry->manifest;
    struct fetch_object *object = &fetch->objects[index];
    int(*slots_of)[HOLDER_SLOTS] = fetch->slots + index * fetch->servers;
    object->k = manifest->k;
    object->slots_of = slots_of;
    format_layout_of(manifest, &object->layout);
    fetch->sealed_bytes += manifest->sealed_bytes;
    struct slot_holders holders;
    slot_holders_find(fetch->session, fetch->image->tau_bytes, manifest->servers,
                      manifest->n_servers, &holders);
    for (unsigned i = 0; i < fetch->servers; i++) {
        bool may_have = entry->is_at[i] || manifests->answers[i].code == TIMEOUT;
        unsigned count = 0;
        for (unsigned j = 0; may_have && j < HOLDER_SLOTS; j++)
            if (holders.slots[i][j] >= 0 && (size_t)holders.slots[i][j] < manifest->n_servers)
                slots_of[i][count++] = holders.slots[i][j];
        while (count < HOLDER_SLOTS)
            slots_of[i][count++] = -1;
    }
}

static result fetch_init(struct fetch *fetch) {
    const struct manifests *manifests = fetch->options->manifests;
    fetch->servers = manifests->servers;
    fetch->count = manifests->count;
    fetch->objects = calloc(fetch->count + 1, sizeof *fetch->objects);
    fetch->slots = calloc((fetch->count + 1) * fetch->servers, sizeof *fetch->slots);
    fetch->standing = calloc(fetch->servers, sizeof *fetch->standing);
    fetch->names = calloc(fetch->servers, sizeof *fetch->names);
    fetch->clients = calloc(fetch->servers, sizeof(struct http_client *));
    if (fetch->objects == NULL || fetch->slots == NULL || fetch->standing == NULL ||
        fetch->names == NULL || fetch->clients == NULL)
        return FAIL(NO_MEMORY, "no memory to fetch %zu objects", fetch->count);
    for (unsigned i = 0; i < fetch->servers; i++) {
        result code = manifests->answers[i].code;
        fetch->standing[i] = code == OK        ? FETCH_GOOD
                             : code == TIMEOUT ? FETCH_SUSPECT
                                               : FETCH_FAILED;
        fetch->names[i] = session_server(fetch->session, SESSION_STORAGE, i)->name;
        TRY(session_client_take(fetch->session, SESSION_STORAGE, i, &fetch->clients[i]));
    }
    for (size_t i = 0; i < fetch->count; i++)
        init_object(fetch, i);
    struct fetch_window_options options = {
        .objects = fetch->objects,
        .object_count = fetch->count,
        .servers = fetch->servers,
        .names = fetch->names,
        .standing = fetch->standing,
        .why = manifests->answers,
        .plain_buffers = fetch->options->workers + 2,
        .window_bytes = WINDOW_BYTES,
        .patience_ms = patience_for_fetch_ms(),
        .cancel = cancel_server,
        .resume = resume_server,
        .context = fetch,
    };
    return fetch_window_new(&options, &fetch->window);
}

static result start_threads(struct fetch *fetch, struct fetch_thread threads[]) {
    unsigned all = fetch->servers + fetch->options->workers;
    for (unsigned i = 0; i < all; i++) {
        bool is_server = i < fetch->servers;
        threads[i].fetch = fetch;
        threads[i].index = is_server ? i : i - fetch->servers;
        threads[i].is_started =
            pthread_create(&threads[i].thread, NULL, is_server ? run_server : run_worker,
                           &threads[i]) == 0;
        if (!threads[i].is_started)
            return FAIL(NO_MEMORY, "no thread to fetch with");
    }
    return OK;
}

static void watch(struct fetch *fetch) {
    while (!fetch_window_watch(fetch->window, warn_slow, fetch)) {
        result cancelled = session_check_cancel(fetch->session);
        if (cancelled != OK)
            fetch_window_fail(fetch->window, cancelled);
        session_step(fetch->session, fetch->options->step, fetch_window_done(fetch->window),
                     fetch->sealed_bytes);
        fetch_window_rest(fetch->window);
    }
}

static result run(struct fetch *fetch) {
    unsigned all = fetch->servers + fetch->options->workers;
    struct fetch_thread *threads = calloc(all, sizeof *threads);
    if (threads == NULL)
        return FAIL(NO_MEMORY, "no memory for the threads of a fetch");
    result started = start_threads(fetch, threads);
    if (started != OK)
        fetch_window_fail(fetch->window, started);
    watch(fetch);
    for (unsigned i = 0; i < fetch->servers; i++)
        http_client_cancel(fetch->clients[i]); /* whoever still delivers is not needed */
    for (unsigned i = 0; i < all; i++)
        if (threads[i].is_started)
            pthread_join(threads[i].thread, NULL);
    for (unsigned i = 0; i < fetch->servers; i++)
        http_client_resume(fetch->clients[i]);
    free(threads);
    if (started == OK)
        session_step(fetch->session, fetch->options->step, fetch_window_done(fetch->window),
                     fetch->sealed_bytes);
    return fetch_window_check(fetch->window);
}

result fetch_objects(struct session *session, const struct image *image,
                     const struct fetch_options *options, const struct fetch_sink *sink) {
    __attribute__((cleanup(fetch_clean_up))) struct fetch fetch = {
        .session = session, .image = image, .options = options, .sink = sink};
    TRY(fetch_init(&fetch));
    return run(&fetch);
}
