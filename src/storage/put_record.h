/*
 * What a storage server remembers of a put: the body of staging/PUT/prepared, and, with the owner's
 * commit, of PUT.put, which decides the put and stays with the image.
 *
 *     format 2 (1) flags (1): 1 the put creates the image
 *     slot (4); not in format 1, which is still read
 *     image (32) contents (32) prepared_ms (8) sealed_bytes (8) symbol_bytes (8)
 *     caller: length (1), name       objects: count (4), ids (16 each), ascending
 *     commit: length (4), the Signed message; none while the put is only prepared
 */
#ifndef MYELIN_STORAGE_PUT_RECORD_H
#define MYELIN_STORAGE_PUT_RECORD_H

#include "storage/place.h"

enum {
    PUT_RECORD_OBJECTS_MAX = 1 << 16, /* of an image, of which repairs may have gathered a put */
    PUT_RECORD_LIMIT = PUT_RECORD_OBJECTS_MAX * FORMAT_ID_BYTES + 8192,
};

struct put_record {
    bool creates;
    uint32_t slot; /* of this server's symbols; SLOT_ANY in records of the first version */
    struct image_id image;
    uint8_t contents[DIGEST_BYTES];
    uint64_t prepared_ms;
    uint64_t sealed_bytes; /* of the put's objects, as a whole */
    uint64_t symbol_bytes; /* of this server's slices of them */
    char caller[FORMAT_NAME_MAX + 1];
    struct short_id *objects; /* owned */
    size_t object_count;
    struct bytes commit; /* owned; the Signed message as it came */
};

void put_record_clean_up(struct put_record *record);
#define AUTO_PUT_RECORD __attribute__((cleanup(put_record_clean_up)))

/* The body as a byte string, appended to `out_body`: one form for each record. NO_MEMORY. */
MUST_CHECK result put_record_encode(const struct put_record *record, struct bytes *out_body);

/* INTEGRITY where it is anything else; NO_MEMORY. */
MUST_CHECK result put_record_parse(struct view body, struct put_record *out_record);

/* As record_wrap, record_put, record_replace, record_seal and record_get. */
MUST_CHECK result put_record_wrap(const struct put_record *record, struct bytes *out_value);
MUST_CHECK result put_record_put(struct store *store, const char *key,
                                 const struct put_record *record);
MUST_CHECK result put_record_replace(struct store *store, const char *key,
                                     const struct put_record *record);
MUST_CHECK result put_record_seal(struct store *store, const char *prefix, const char *key,
                                  const struct put_record *record);
MUST_CHECK result put_record_get(struct store *store, const char *key,
                                 struct put_record *out_record);

#endif
