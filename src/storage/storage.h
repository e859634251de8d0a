/*
 * A storage server, but for its routes: one store, the images in it, and the puts under way.
 *
 * Everything that was acknowledged lies in the store; memory holds puts under way, locks and
 * counters, and all of it is made anew from the store at the start. Functions that answer a request
 * are in put.h, image.h, listing.h, check.h, removal.h and forward.h. They take who asks, check
 * his rights, and are safe from any thread.
 */
#ifndef MYELIN_STORAGE_STORAGE_H
#define MYELIN_STORAGE_STORAGE_H

#include "base/sign.h"
#include "storage/place.h"
#include "system/description.h"

struct storage;

enum storage_role {
    STORAGE_ROLE_USER,
    STORAGE_ROLE_KEY_SERVER,
    STORAGE_ROLE_PEER, /* another storage server of the system */
    STORAGE_ROLE_MANAGER,
    STORAGE_ROLE_OTHER
};

/* Who asks, as his checked certificate says. */
struct storage_caller {
    const char *name;
    enum storage_role role;
    const uint8_t *identity; /* SIGN_PUBLIC_BYTES */
    struct view certificate; /* DER */
};

struct storage_options {
    const char *server;          /* own name; copied */
    const struct sign_key *key;  /* signs receipts; stays the caller's, must outlive the storage */
    uint64_t reserve_bytes;      /* uploads stop when the disk has less, so that commits have room;
                                    at most a STORAGE_RESERVE_SHAREth of the disk */
    uint64_t (*now_ms)(void);    /* NULL: the wall clock */
    uint64_t (*steady_ms)(void); /* for how long things take; NULL: one that does not step */
    const struct description *description; /* the system's, borrowed; NULL: slots are where the
                                              owners' records say */
};

enum {
    STORAGE_OVERRULE_MS = 30 * 1000,        /* a prepared put yields to the owner's next after it */
    STORAGE_SILENT_UPLOAD_MS = 3600 * 1000, /* an upload is forgotten after it */
    STORAGE_RESERVE_SHARE = 32,
    STORAGE_PUTS_MAX = 1024, /* under way at one time */
    STORAGE_PUTS_OF_USER_MAX = 256,
};
#define STORAGE_RESERVE_BYTES (UINT64_C(64) << 20)

/* Finishes or discards what the last process left: puts with a commit are published, prepared ones
 * kept, all others removed; marks that the indexes lost are made again. `store` is borrowed.
 * CONFLICT where the store is another server's; INTEGRITY, IO, NO_MEMORY. */
MUST_CHECK result storage_open(struct store *store, const struct storage_options *options,
                               struct storage **out_storage);

/* Another version of the system description takes the place of the one in use, which may be freed
 * after this returns. Puts that are not prepared, of images that have no slot here any more, go. */
void storage_set_description(struct storage *storage, const struct description *description);

/* Called, from any thread, where somebody says that an image is his that is another's here: the
 * other servers can tell. NULL ends it. */
void storage_on_doubt(struct storage *storage,
                      void (*doubt)(void *context, const struct image_id *image), void *context);

/* NULL is fine. No other call may be running. Puts under way stay as the store has them. */
void storage_close(struct storage *storage);
void storage_close_at(struct storage **storage);
#define AUTO_STORAGE __attribute__((cleanup(storage_close_at)))

/* To be called about once a minute: removes uploads that have been silent for too long, finishes
 * committed puts that the disk refused to publish at first. */
void storage_sweep(struct storage *storage);

/* Appends counters and gauges as Prometheus text. NO_MEMORY. */
MUST_CHECK result storage_metrics_text(struct storage *storage, struct bytes *out_text);

#endif
