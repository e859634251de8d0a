#include "storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/deletion.h"
#include "storage/image.h"
#include "storage/marks.h"
#include "storage/put.h"
#include "storage/put_table.h"
#include "storage/record.h"
#include "storage/removal.h"
#include "storage/slots.h"
#include "storage/upgrade.h"

static uint64_t steady_clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

result storage_check_space(struct storage *storage, uint64_t wanted) {
    struct store_space space;
    TRY(store_space(storage->store, &space));
    uint64_t share = space.total_bytes / STORAGE_RESERVE_SHARE;
    uint64_t reserve = share < storage->reserve_bytes ? share : storage->reserve_bytes;
    if (space.free_bytes < reserve || space.free_bytes - reserve < wanted)
        return FAIL(IO, "%s: the disk is full", storage->server);
    return OK;
}

/* ------------------------------------------------------------------ locks */

static pthread_rwlock_t *lock_of(struct storage *storage, const struct image_id *image) {
    return &storage->locks[image->bytes[0] % IMAGE_LOCKS];
}

static struct known_digest *digest_of(struct storage *storage, const struct image_id *image) {
    return &storage->digests[load_be32(image->bytes) % DIGESTS_KNOWN];
}

void storage_forget_digest(struct storage *storage, const struct image_id *image) {
    pthread_mutex_lock(&storage->digest_lock);
    struct known_digest *known = digest_of(storage, image);
    if (memcmp(known->image, image->bytes, DIGEST_BYTES) == 0)
        memset(known, 0, sizeof *known);
    pthread_mutex_unlock(&storage->digest_lock);
}

void storage_keep_digest(struct storage *storage, const struct image_id *image,
                         const uint8_t digest[DIGEST_BYTES]) {
    pthread_mutex_lock(&storage->digest_lock);
    struct known_digest *known = digest_of(storage, image);
    memcpy(known->image, image->bytes, DIGEST_BYTES);
    memcpy(known->digest, digest, DIGEST_BYTES);
    pthread_mutex_unlock(&storage->digest_lock);
}

bool storage_known_digest(struct storage *storage, const struct image_id *image,
                          uint8_t out_digest[DIGEST_BYTES]) {
    pthread_mutex_lock(&storage->digest_lock);
    const struct known_digest *known = digest_of(storage, image);
    bool is_known = memcmp(known->image, image->bytes, DIGEST_BYTES) == 0;
    if (is_known)
        memcpy(out_digest, known->digest, DIGEST_BYTES);
    pthread_mutex_unlock(&storage->digest_lock);
    return is_known;
}

void image_lock_write(struct storage *storage, const struct image_id *image,
                      struct image_lock *out_lock) {
    out_lock->held = lock_of(storage, image);
    pthread_rwlock_wrlock(out_lock->held);
    storage_forget_digest(storage, image);
}

void image_lock_release(struct image_lock *lock) {
    if (lock->held != NULL)
        pthread_rwlock_unlock(lock->held);
    lock->held = NULL;
}

result image_lock_read(struct storage *storage, const struct image_id *image,
                       struct image_lock *out_lock) {
    if (atomic_load(&storage->decided) > 0) {
        AUTO_IMAGE_LOCK struct image_lock writing = {0};
        image_lock_write(storage, image, &writing);
        TRY(put_finish_decided(storage, image));
    }
    out_lock->held = lock_of(storage, image);
    pthread_rwlock_rdlock(out_lock->held);
    return OK;
}

static void start_locks(struct storage *storage) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    for (size_t i = 0; i < IMAGE_LOCKS; i++)
        pthread_rwlock_init(&storage->locks[i], &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&storage->mutex, NULL);
    pthread_rwlock_init(&storage->description_lock, NULL);
    pthread_mutex_init(&storage->digest_lock, NULL);
}

/* ------------------------------------------------------------------ the start */

enum { FORMAT_TEXT_BYTES = FORMAT_NAME_MAX + 32, STORE_VERSION = 2 };

static void format_text(const struct storage *storage, int version, char out[FORMAT_TEXT_BYTES]) {
    snprintf(out, FORMAT_TEXT_BYTES, "storage %d %s\n", version, storage->server);
}

/* The store is this server's: symbols of one slot served under another's name would be useless.
 * `out_is_current` where it is of this version for sure. */
static result check_server(struct storage *storage, bool *out_is_current) {
    AUTO_BYTES struct bytes body = {0};
    char text[FORMAT_TEXT_BYTES], first[FORMAT_TEXT_BYTES];
    format_text(storage, STORE_VERSION, text);
    format_text(storage, 1, first);
    result got = record_get(storage->store, "format", "format", sizeof text, &body);
    if (got == INTEGRITY) /* one flipped bit of a note must not keep all images away */
        log_event(LOG_ERROR, "store-format-damaged", "reason=\"%s\"", error_text());
    *out_is_current = got == OK && view_equal(bytes_view(&body), view_of_string(text));
    if (got == NOT_FOUND || got == INTEGRITY || *out_is_current)
        return OK;
    TRY(got);
    if (!view_equal(bytes_view(&body), view_of_string(first)))
        return FAIL(CONFLICT, "the store is not of %s, or of another version", storage->server);
    return OK;
}

static result bring_up_to_date(struct storage *storage) {
    char text[FORMAT_TEXT_BYTES];
    format_text(storage, STORE_VERSION, text);
    TRY(upgrade_slots(storage));
    return record_replace(storage->store, "format", "format", view_of_string(text));
}

/* Which images an index misses cannot be told from the index: a start, which looks at all of them,
 * makes the marks that a disk lost. */
static void mend_marks(struct storage *storage, const struct image_id *image, const char *owner) {
    unsigned missing;
    if (marks_mend(storage, image, owner, &missing) != OK)
        log_event(LOG_ERROR, "damaged", "image=%s its marks: %s", image->hex, error_text());
    else if (missing > 0)
        log_event(LOG_WARNING, "index-mended", "image=%s marks=%u", image->hex, missing);
}

static void look_at_image(struct storage *storage, const struct image_id *image) {
    struct image_owner owner;
    struct image_totals totals = {0};
    result got = image_owner(storage, image, &owner);
    if (got == NOT_FOUND)
        return;
    storage->counters.images++;
    if (got == OK)
        mend_marks(storage, image, owner.name);
    if (deletion_sweep(storage, image) != OK)
        log_event(LOG_ERROR, "deletion", "image=%s %s", image->hex, error_text());
    if (image_totals(storage, image, &totals) != OK)
        log_event(LOG_ERROR, "damaged", "image=%s %s", image->hex, error_text());
    storage->counters.symbol_bytes += totals.symbol_bytes;
}

static result look_at_shard(struct storage *storage, const char *shard) {
    AUTO_NAMES struct store_names images = {0};
    char prefix[STORE_NAME_BYTES + sizeof "images/"];
    snprintf(prefix, sizeof prefix, "images/%s", shard);
    TRY(store_list(storage->store, prefix, "", "", &images));
    for (size_t i = 0; i < images.count; i++) {
        struct image_id image;
        if (image_id_parse(images.names[i], &image) == OK)
            look_at_image(storage, &image);
    }
    return OK;
}

/* Counts the images, and mends the indexes of them. */
static result look_at_images(struct storage *storage) {
    AUTO_NAMES struct store_names shards = {0};
    TRY(store_list(storage->store, "images", "", "", &shards));
    for (size_t i = 0; i < shards.count; i++)
        TRY(look_at_shard(storage, shards.names[i]));
    return OK;
}

static result recover(struct storage *storage) {
    bool is_current;
    TRY(check_server(storage, &is_current));
    if (!is_current)
        TRY(bring_up_to_date(storage));
    TRY(removal_recover(storage));
    TRY(store_delete_all(storage->store, "deleting"));
    TRY(put_recover(storage));
    memset(&storage->counters, 0, sizeof storage->counters);
    return look_at_images(storage);
}

result storage_open(struct store *store, const struct storage_options *options,
                    struct storage **out_storage) {
    if (!format_is_name(options->server))
        return FAIL(INVALID, "the server's name is not one");
    AUTO_STORAGE struct storage *storage = calloc(1, sizeof *storage);
    if (storage == NULL)
        return FAIL(NO_MEMORY, "no memory for a storage server");
    start_locks(storage);
    storage->digests = calloc(DIGESTS_KNOWN, sizeof *storage->digests);
    if (storage->digests == NULL)
        return FAIL(NO_MEMORY, "no memory for %d digests", DIGESTS_KNOWN);
    storage->store = store;
    memcpy(storage->server, options->server, strlen(options->server) + 1);
    storage->key = options->key;
    storage->reserve_bytes = options->reserve_bytes;
    storage->description = options->description;
    storage->now_ms = options->now_ms != NULL ? options->now_ms : clock_date_ms;
    storage->steady_ms = options->steady_ms != NULL ? options->steady_ms : steady_clock_ms;
    storage->started_ms = storage->steady_ms();
    TRY(recover(storage));
    *out_storage = storage;
    storage = NULL;
    return OK;
}

/* A put that is not prepared, for an image of which this server has no slot any more: a prepare
 * would be refused. In use. */
static struct put *find_moved(struct storage *storage) {
    pthread_mutex_lock(&storage->mutex);
    struct put *put = storage->puts;
    while (put != NULL && (put->doomed || put->state != PUT_OPEN ||
                           slots_belong(storage, &put->image, storage->server)))
        put = put->next;
    if (put != NULL) {
        put->users++;
        put_doom(storage, put);
    }
    pthread_mutex_unlock(&storage->mutex);
    return put;
}

void storage_set_description(struct storage *storage, const struct description *description) {
    pthread_rwlock_wrlock(&storage->description_lock);
    storage->description = description;
    pthread_rwlock_unlock(&storage->description_lock);
    for (struct put *put; (put = find_moved(storage)) != NULL;) {
        log_event(LOG_INFO, "given-up", "put=%s image=%s moved", put->id.hex, put->image.hex);
        put_release(storage, put);
    }
}

void storage_on_doubt(struct storage *storage,
                      void (*doubt)(void *context, const struct image_id *image), void *context) {
    pthread_rwlock_wrlock(&storage->description_lock);
    storage->doubt = doubt;
    storage->doubt_context = context;
    pthread_rwlock_unlock(&storage->description_lock);
}

void storage_doubt(struct storage *storage, const struct image_id *image) {
    pthread_rwlock_rdlock(&storage->description_lock);
    if (storage->doubt != NULL)
        storage->doubt(storage->doubt_context, image);
    pthread_rwlock_unlock(&storage->description_lock);
}

void storage_close(struct storage *storage) {
    if (storage == NULL)
        return;
    while (storage->puts != NULL) {
        struct put *put = storage->puts;
        storage->puts = put->next;
        put_free(put);
    }
    for (size_t i = 0; i < IMAGE_LOCKS; i++)
        pthread_rwlock_destroy(&storage->locks[i]);
    pthread_mutex_destroy(&storage->mutex);
    pthread_rwlock_destroy(&storage->description_lock);
    pthread_mutex_destroy(&storage->digest_lock);
    free(storage->digests);
    free(storage);
}

void storage_close_at(struct storage **storage) {
    storage_close(*storage);
    *storage = NULL;
}

/* ------------------------------------------------------------------ sweeping */

/* A put that nobody has touched for too long, in use; or one to finish. */
static struct put *find_to_sweep(struct storage *storage, bool *out_finish) {
    uint64_t now_ms = storage->steady_ms();
    struct put *put = storage->puts;
    for (; put != NULL; put = put->next) {
        *out_finish = put->state == PUT_DECIDED;
        bool silent = put->state == PUT_OPEN && put->users == 0 &&
                      now_ms - put->touched_ms >= STORAGE_SILENT_UPLOAD_MS;
        if (!put->doomed && (silent || *out_finish))
            break;
    }
    if (put != NULL) {
        put->users++;
        if (!*out_finish)
            put_doom(storage, put);
    }
    return put;
}

void storage_sweep(struct storage *storage) {
    for (bool finish = false; !finish;) {
        pthread_mutex_lock(&storage->mutex);
        struct put *put = find_to_sweep(storage, &finish);
        pthread_mutex_unlock(&storage->mutex);
        if (put == NULL)
            return;
        struct image_id image = put->image;
        if (!finish)
            log_event(LOG_INFO, "swept", "put=%s image=%s silent", put->id.hex, image.hex);
        put_release(storage, put);
        AUTO_IMAGE_LOCK struct image_lock lock = {0};
        if (finish && image_lock_read(storage, &image, &lock) != OK)
            log_event(LOG_ERROR, "unpublished", "image=%s %s", image.hex, error_text());
    }
}

/* ------------------------------------------------------------------ metrics */

static unsigned count_puts(struct storage *storage, bool prepared) {
    unsigned count = 0;
    pthread_mutex_lock(&storage->mutex);
    for (const struct put *put = storage->puts; put != NULL; put = put->next)
        count += (put->state != PUT_OPEN) == prepared;
    pthread_mutex_unlock(&storage->mutex);
    return count;
}

result storage_metric_append(struct bytes *out, const struct storage_metric *metric) {
    char text[512];
    int len = snprintf(text, sizeof text,
                       "# HELP myelin_storage_%s %s\n# TYPE myelin_storage_%s %s\n"
                       "myelin_storage_%s %.17g\n",
                       metric->name, metric->help, metric->name, metric->type, metric->name,
                       metric->value);
    if (len < 0 || (size_t)len >= sizeof text)
        return FAIL(INTERNAL, "a metric is too long");
    return bytes_append(out, view_of(text, (size_t)len));
}

result storage_metrics_text(struct storage *storage, struct bytes *out_text) {
    const struct storage_counters *counters = &storage->counters;
    struct store_waits waits = store_waits(storage->store);
    struct store_space space;
    if (store_space(storage->store, &space) != OK)
        space = (struct store_space){0};
    const struct storage_metric metrics[] = {
        {"images", "gauge", "Images kept.", (double)counters->images},
        {"symbol_bytes", "gauge", "Bytes of slices kept.", (double)counters->symbol_bytes},
        {"disk_free_bytes", "gauge", "Bytes free on the store's disk.", (double)space.free_bytes},
        {"puts_open", "gauge", "Puts being uploaded.", (double)count_puts(storage, false)},
        {"puts_waiting", "gauge", "Puts prepared that wait for their commit.",
         (double)count_puts(storage, true)},
        {"puts_prepared_total", "counter", "Puts prepared.", (double)counters->prepared},
        {"puts_committed_total", "counter", "Puts published.", (double)counters->committed},
        {"puts_aborted_total", "counter", "Puts aborted, swept or overruled.",
         (double)counters->aborted},
        {"reencryptions_total", "counter", "Symbols re-encrypted.",
         (double)counters->reencryptions},
        {"uploaded_bytes_total", "counter", "Bytes of slices received.",
         (double)counters->uploaded_bytes},
        {"syncs_total", "counter", "Times the store waited for the disk.", (double)waits.syncs},
        {"sync_seconds_total", "counter", "Time that the store waited for the disk.",
         (double)waits.nanoseconds / 1e9},
        {"uptime_seconds", "gauge", "Time since the start.",
         (double)(storage->steady_ms() - storage->started_ms) / 1e3},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        TRY(storage_metric_append(out_text, &metrics[i]));
    return OK;
}
