#include "flow/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/fetch_window.h"
#include "flow/object.h"
#include "flow/patience.h"

enum { PATH_BYTES = 256, WINDOW_BYTES = 24 << 20 };

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

/* A lane on its way in: one download. */
struct delivery {
    struct fetch *fetch;
    struct fetch_job *job;
    const char *name;
    const struct fetch_object *object;
    struct bytes table; /* slice hashes; empty for an object of one segment */
    uint8_t *slice;     /* where the current one goes; NULL between slices */
    size_t filled;
};

static const Myelin__Manifest *manifest_of(const struct delivery *delivery) {
    return delivery->fetch->options->manifests->entries[delivery->job->object].manifest;
}

static const uint8_t *root_of(const struct delivery *delivery) {
    return manifest_of(delivery)->symbol_root[delivery->job->slot].data;
}

static void object_path(const struct delivery *delivery, const char *what, char out[PATH_BYTES]) {
    char id[OBJECT_HEX];
    hex_encode(format_view(manifest_of(delivery)->object), id);
    snprintf(out, PATH_BYTES, "/v1/images/%s/objects/%s/%s?slot=%u", delivery->fetch->image->hex,
             id, what, delivery->job->slot);
}

/* The hashes of all slices, which must be those that the owner signed. */
static result fetch_table(struct delivery *delivery, struct http_client *client) {
    uint64_t segments = delivery->object->layout.segments;
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
    delivery->job->is_object_bad = true;
    return FAIL(INTEGRITY, "%s: the slice hashes are not what was signed", delivery->name);
}

static bool is_as_signed(const struct delivery *delivery, size_t len) {
    uint8_t hash[DIGEST_BYTES];
    digest_sha256(view_of(delivery->slice, len), hash);
    if (delivery->table.len > 0)
        return memcmp(hash, delivery->table.data + delivery->job->number * DIGEST_BYTES,
                      DIGEST_BYTES) == 0;
    uint8_t root[DIGEST_BYTES];
    return format_slice_table_root(view_of(hash, sizeof hash), root) == OK &&
           memcmp(root, root_of(delivery), sizeof root) == 0;
}

static result push_slices(void *context, struct view part) {
    struct delivery *delivery = context;
    while (part.len > 0) {
        if (delivery->slice == NULL)
            TRY(fetch_window_room(delivery->fetch->window, delivery->job, &delivery->slice));
        size_t len = format_slice_len(&delivery->object->layout, delivery->job->number);
        size_t left = len - delivery->filled, step = part.len < left ? part.len : left;
        memcpy(delivery->slice + delivery->filled, part.data, step);
        delivery->filled += step;
        fetch_window_moved(delivery->fetch->window, delivery->job, step);
        part = view_of(part.data + step, part.len - step);
        if (delivery->filled < len)
            continue;
        if (!is_as_signed(delivery, len))
            return FAIL(INTEGRITY, "%s: slice %llu of an object is not what was signed",
                        delivery->name, (unsigned long long)delivery->job->number);
        fetch_window_delivered(delivery->fetch->window, delivery->job);
        delivery->slice = NULL;
        delivery->filled = 0;
    }
    return OK;
}

static result deliver(struct delivery *delivery, struct http_client *client) {
    TRY(fetch_table(delivery, client));
    const struct format_layout *layout = &delivery->object->layout;
    uint64_t offset = format_slice_offset(layout, delivery->job->number);
    char path[PATH_BYTES];
    object_path(delivery, "symbol", path);
    return http_download(client, path, offset, layout->symbol_bytes - offset, push_slices,
                         delivery);
}

static void *run_server(void *argument) {
    struct fetch_thread *thread = argument;
    struct fetch *fetch = thread->fetch;
    struct http_client *client = fetch->clients[thread->index];
    struct fetch_job job;
    while (fetch_window_job(fetch->window, thread->index, &job)) {
        struct delivery delivery = {
            .fetch = fetch,
            .job = &job,
            .name = fetch->names[thread->index],
            .object = &fetch->objects[job.object],
        };
        result delivered = deliver(&delivery, client);
        bytes_free(&delivery.table);
        char text[ERROR_TEXT_BYTES];
        snprintf(text, sizeof text, "%s", error_text());
        if (fetch_window_leave(fetch->window, &job, delivered) &&
            !session_is_cancelled(fetch->session))
            session_warn(fetch->session, "%s", text);
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
