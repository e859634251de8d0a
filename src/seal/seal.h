/*
 * Objects in sealed segments: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway,
 * Vizar, CRYPTO 2015), by GnuTLS, which uses the processor's AES instructions.
 *
 *   object key  HKDF-SHA256(content key, salt = the object's 32 random bytes,
 *                           info = "MYELIN-V1-OBJECT-KEY")
 *   segment     every segment holds segment_bytes bytes, the last one 0 .. segment_bytes (0 only
 *               where the object is empty): an object has at least one segment
 *   nonce       segment number, 8 bytes big-endian; 3 zero bytes; 1 for the last segment, else 0
 *   context     associated data of every segment: what the object belongs to
 *   sealed      ciphertext, then the 16-byte tag
 *
 * A key serves one object once: it never sees two plaintexts under one nonce because no object is
 * sealed twice under one salt. Dropping, reordering, cutting off or adding segments makes
 * seal_open_segment fail.
 */
#ifndef MYELIN_SEAL_SEAL_H
#define MYELIN_SEAL_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/result.h"

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_SALT_BYTES = 32,
    SEAL_TAG_BYTES = 16,
    SEAL_CONTEXT_MAX = 256,
    SEAL_SEGMENT_BYTES = 4 << 20, /* the default plaintext length of a segment */
    SEAL_SEGMENT_BYTES_MIN = 4 << 10,
    SEAL_SEGMENT_BYTES_MAX = 16 << 20,
};

/* One object's key, ready for use by one thread at a time. The key bytes lie in secret memory; the
 * cipher's key schedule lies in GnuTLS's, which wipes it when it is freed. */
struct seal_key;

#define AUTO_SEAL_KEY __attribute__((cleanup(seal_key_destroy_at)))
void seal_key_destroy(struct seal_key *key);
void seal_key_destroy_at(struct seal_key **key);

/* `context` is at most SEAL_CONTEXT_MAX bytes and is copied. INVALID, NO_MEMORY, INTERNAL. */
MUST_CHECK result seal_key_new(const uint8_t content_key[SEAL_KEY_BYTES],
                               const uint8_t salt[SEAL_SALT_BYTES], struct view context,
                               struct seal_key **out_key);

/* The same in the memory of `*key`, where it is not NULL: for many objects one after the other.
 * After an error `*key` is NULL. */
MUST_CHECK result seal_key_renew(const uint8_t content_key[SEAL_KEY_BYTES],
                                 const uint8_t salt[SEAL_SALT_BYTES], struct view context,
                                 struct seal_key **key);

/* Forgets what it is the key of; nothing but seal_key_renew and seal_key_destroy may follow. */
void seal_key_clear(struct seal_key *key);

/* Seals one segment into plaintext.len + SEAL_TAG_BYTES bytes at `out_sealed`, which may be where
 * the plaintext stands. INVALID where it is longer than SEAL_SEGMENT_BYTES_MAX; INTERNAL. */
MUST_CHECK result seal_segment(struct seal_key *key, uint64_t number, bool is_last,
                               struct view plaintext, uint8_t *out_sealed);

/* Opens one segment into sealed.len - SEAL_TAG_BYTES bytes at `out_plaintext`, which may be where
 * the sealed bytes stand. INTEGRITY, with the number in the text and nothing but zeros in the
 * output, where it is not this key's segment of that number, place and context. */
MUST_CHECK result seal_open_segment(struct seal_key *key, uint64_t number, bool is_last,
                                    struct view sealed, uint8_t *out_plaintext);

/* Segments of an object of `size` plaintext bytes; `segment_bytes` is within its bounds. */
uint64_t seal_segments_count(uint64_t size, uint32_t segment_bytes);
/* The plaintext length of segment `number` < seal_segments_count(...). */
uint32_t seal_segment_len(uint64_t size, uint32_t segment_bytes, uint64_t number);

/*
 * Short texts, such as an object's name: each under a key of its own,
 * HKDF-SHA256(content key, 32 random bytes, info = `purpose`), with a zero nonce.
 * A box is the 32 bytes, the ciphertext, the tag.
 */
enum { SEAL_TEXT_MAX = 64 << 10, SEAL_TEXT_OVERHEAD = SEAL_SALT_BYTES + SEAL_TAG_BYTES };

/* Appends the box to `out_box`. `purpose` is a constant such as "MYELIN-V1-NAME-KEY"; `context` is
 * associated data. INVALID where the text is longer than SEAL_TEXT_MAX; NO_MEMORY, INTERNAL. */
MUST_CHECK result seal_text(const uint8_t content_key[SEAL_KEY_BYTES], const char *purpose,
                            struct view context, struct view text, struct bytes *out_box);

/* Appends the text to `out_text`. INTEGRITY, NO_MEMORY, INTERNAL. */
MUST_CHECK result seal_open_text(const uint8_t content_key[SEAL_KEY_BYTES], const char *purpose,
                                 struct view context, struct view box, struct bytes *out_text);

#endif
