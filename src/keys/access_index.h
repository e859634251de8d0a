/*
 * Finding a user's entries in the access log without reading all of it: 40 bytes of memory an
 * entry. Tags are short hashes, so that a match is a hint and the entry on disk decides.
 */
#ifndef MYELIN_KEYS_ACCESS_INDEX_H
#define MYELIN_KEYS_ACCESS_INDEX_H

#include <stdbool.h>

#include "format/format.h"

/* Where a record starts. */
struct access_place {
    uint32_t segment;
    uint64_t offset;
};

struct access_index_entry {
    uint64_t sequence;
    struct access_place place;
    uint32_t user, owner, image; /* tags */
};

/* Zeroed memory is an empty one. */
struct access_index {
    struct access_index_entry *entries; /* by sequence */
    size_t count, capacity;
};

void access_index_free(struct access_index *index);

/* Makes room for one more entry. NO_MEMORY. */
MUST_CHECK result access_index_reserve(struct access_index *index);

/* Adds an entry, for which there must be room. */
void access_index_add(struct access_index *index, uint64_t sequence, struct access_place place,
                      const Myelin__AuditBody *body);

/* Drops the entries after `sequence`. */
void access_index_cut(struct access_index *index, uint64_t sequence);

/* Puts the entries of `older`, which is left empty, before those of `index`. NO_MEMORY, which
 * leaves both as they are. */
MUST_CHECK result access_index_prepend(struct access_index *index, struct access_index *older);

/* The entries after `sequence` stand in a new segment, each `back` bytes nearer to its beginning.
 */
void access_index_move(struct access_index *index, uint64_t sequence, uint32_t segment,
                       uint64_t back);

/* Where the entry is; false where there is none. */
bool access_index_place(const struct access_index *index, uint64_t sequence,
                        struct access_place *out_place);

/* Collects up to `limit` entries with after < sequence <= last that may be of this name and, where
 * not NULL, image (32 bytes). */
size_t access_index_find(const struct access_index *index, const char *name, const uint8_t *image,
                         uint64_t after, uint64_t last, size_t limit,
                         struct access_index_entry out_found[]);

#endif
