/*
 * What a backend of a store provides: the functions of storage/store.h, with the same meanings.
 * Keys were checked before they come here.
 */
#ifndef MYELIN_STORAGE_STORE_BACKEND_H
#define MYELIN_STORAGE_STORE_BACKEND_H

#include <stdatomic.h>

#include "storage/store.h"

struct store_methods {
    void (*close)(struct store *store);
    result (*put)(struct store *store, const char *key, struct view value);
    result (*replace)(struct store *store, const char *key, struct view value);
    result (*get)(struct store *store, const char *key, size_t limit, struct bytes *out_value);
    result (*writer_open)(struct store *store, const char *key, struct store_writer **out_writer);
    result (*writer_append)(struct store_writer *writer, struct view part);
    result (*writer_close)(struct store_writer *writer);
    void (*writer_abandon)(struct store_writer *writer);
    result (*size)(struct store *store, const char *key, uint64_t *out_bytes);
    result (*open_range)(struct store *store, const char *key, uint64_t offset, uint64_t length,
                         int *out_fd, uint64_t *out_offset);
    result (*publish)(struct store *store, const char *from, const char *to);
    result (*publish_all)(struct store *store, const char *from, const char *to);
    result (*remove)(struct store *store, const char *key);
    result (*remove_all)(struct store *store, const char *prefix);
    result (*sync)(struct store *store, const char *prefix);
    result (*sync_names)(struct store *store, const char *prefix);
    /* Both may be NULL: then it is done step by step. */
    result (*seal)(struct store *store, const char *prefix, const char *key, struct view value);
    result (*change)(struct store *store, const struct store_step *steps, size_t count,
                     enum store_extent *out_extent);
    result (*list)(struct store *store, const char *prefix, const char *suffix, const char *after,
                   struct store_names *out_names);
    result (*space)(struct store *store, struct store_space *out_space);
};

/* The first member of a backend's own struct. */
struct store {
    const struct store_methods *methods;
    _Atomic uint64_t syncs;
    _Atomic uint64_t sync_nanoseconds;
};
struct store_writer {
    struct store *store;
};

/* The form that every key has. */
bool store_key_is_valid(const char *key);

/* storage/store_file.c. As store_open, of a folder. */
MUST_CHECK result store_file_open(const char *folder, struct store **out_store);

#endif
