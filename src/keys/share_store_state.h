/*
 * What the files share_store.c and share_steps.c share and nobody else sees.
 */
#ifndef MYELIN_KEYS_SHARE_STORE_STATE_H
#define MYELIN_KEYS_SHARE_STORE_STATE_H

#include <limits.h>
#include <pthread.h>

#include "keys/name_list.h"
#include "keys/share_store.h"

enum { SHARE_FILE_MAX = FORMAT_LIMIT_SHARE_FILE + 8 };

struct share_store {
    char folder[PATH_MAX];
    uint32_t index;
    uint8_t *seal_key;    /* secret memory */
    pthread_mutex_t lock; /* one writer at a time; and `active` */
    struct name_list active;
};

/* The path of a user's file. INVALID. */
MUST_CHECK result share_store_path(const struct share_store *store, const char *user,
                                   char out[PATH_MAX]);

/* Seals and writes a user's file, with the lock held. INVALID, IO, NO_MEMORY. */
MUST_CHECK result share_store_write(struct share_store *store, const Myelin__ShareFile *file,
                                    const struct key_share *share);

#endif
