/*
 * What src/storage keeps in memory; for src/storage alone.
 */
#ifndef MYELIN_STORAGE_STORAGE_STATE_H
#define MYELIN_STORAGE_STORAGE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/storage.h"

enum { IMAGE_LOCKS = 256, DIGESTS_KNOWN = 1 << 16 };

/* An image's digest (state.h) since its last change; looks ask for it again and again. */
struct known_digest {
    uint8_t image[DIGEST_BYTES];
    uint8_t digest[DIGEST_BYTES];
};

struct storage_counters {
    _Atomic uint64_t images;
    _Atomic uint64_t symbol_bytes;
    _Atomic uint64_t prepared;
    _Atomic uint64_t committed;
    _Atomic uint64_t aborted;
    _Atomic uint64_t reencryptions;
    _Atomic uint64_t uploaded_bytes;
};

struct storage {
    struct store *store;
    char server[FORMAT_NAME_MAX + 1];
    const struct sign_key *key;
    uint64_t reserve_bytes;
    uint64_t (*now_ms)(void);    /* the time of day: may step, either way */
    uint64_t (*steady_ms)(void); /* how long something is: does not */
    uint64_t started_ms;         /* steady */
    pthread_rwlock_t description_lock;
    const struct description *description; /* under description_lock; NULL: none is known */
    struct storage_counters counters;
    pthread_mutex_t mutex; /* guards puts and all that put_table.h says of them; held shortly */
    struct put *puts;
    void (*doubt)(void *context,
                  const struct image_id *image); /* under description_lock; or NULL */
    void *doubt_context;
    _Atomic unsigned decided; /* puts that are committed and not published: PUT_DECIDED */
    pthread_rwlock_t locks[IMAGE_LOCKS];
    pthread_mutex_t digest_lock;
    struct known_digest *digests; /* DIGESTS_KNOWN of them, under digest_lock: state.c's */
};

/* A lock on an image, many images a lock: never take two. It comes before the mutex. */
struct image_lock {
    pthread_rwlock_t *held;
};
void image_lock_release(struct image_lock *lock);
#define AUTO_IMAGE_LOCK __attribute__((cleanup(image_lock_release)))

/* For reading what readers may see. Where a committed put of the image could not be published it
 * is finished first; IO where that fails again, for half a put is never shown. */
MUST_CHECK result image_lock_read(struct storage *storage, const struct image_id *image,
                                  struct image_lock *out_lock);

/* For changing what readers see. */
void image_lock_write(struct storage *storage, const struct image_id *image,
                      struct image_lock *out_lock);

/* Somebody says that the image is his. */
void storage_doubt(struct storage *storage, const struct image_id *image);

/* Forgets the image's digest: it is about to change. */
void storage_forget_digest(struct storage *storage, const struct image_id *image);

/* Keeps it, under the image's read lock, in the place of another image's perhaps; and gives it
 * back, false where it is not known. */
void storage_keep_digest(struct storage *storage, const struct image_id *image,
                         const uint8_t digest[DIGEST_BYTES]);
bool storage_known_digest(struct storage *storage, const struct image_id *image,
                          uint8_t out_digest[DIGEST_BYTES]);

/* IO where less than `wanted` bytes and the reserve are free. */
MUST_CHECK result storage_check_space(struct storage *storage, uint64_t wanted);

/* One line of Prometheus text with its head; `name` without "myelin_storage_". */
struct storage_metric {
    const char *name, *type, *help;
    double value;
};
MUST_CHECK result storage_metric_append(struct bytes *out, const struct storage_metric *metric);

/* Records that are a message of src/format, already encoded. */
#define RECORD_ENVELOPE     "envelope"
#define RECORD_SYMBOL       "symbol"
#define RECORD_COEFFICIENTS "coefficients"
#define RECORD_MANIFEST     "manifest"
#define RECORD_REMOVAL      "removal"
#define RECORD_DELETION     "deletion"

#endif
