/*
 * The hashes that messages, records and paths carry.
 */
#ifndef MYELIN_FORMAT_HASH_H
#define MYELIN_FORMAT_HASH_H

#include "base/digest.h"
#include "format/format.h"

/* What an image is called in paths: SHA-256 of "myelin image v1" 0x00 tau. */
void format_image_id(const uint8_t tau[FORMAT_TAU_BYTES], uint8_t out_id[DIGEST_BYTES]);

/* SHA-256 of alpha, gamma, then the coefficients: Envelope.symbol_hash. Meaningful for original
 * symbols (b = 0); the symbol's lengths must have been checked. */
void format_symbol_hash(const Myelin__Symbol *symbol, uint8_t out_hash[DIGEST_BYTES]);

/* INTEGRITY where `coefficients` are not those of the envelope, n x k x 32 bytes with its hash. */
MUST_CHECK result format_check_coefficients(const Myelin__Envelope *envelope,
                                            struct view coefficients);

/* SHA-256 of a record's body: what a commit's contents are made of. */
void format_record_hash(const Myelin__Signed *record, uint8_t out_hash[DIGEST_BYTES]);

/* Commit.contents: SHA-256 of the envelope's hash (nothing where `envelope` is NULL), then the
 * hashes of `count` manifests in ascending order, whatever the order given. NO_MEMORY. */
MUST_CHECK result format_commit_contents(const Myelin__Signed *envelope,
                                         Myelin__Signed *const manifests[], size_t count,
                                         uint8_t out_contents[DIGEST_BYTES]);

/* AuditEntry.hash: SHA-256 of the previous entry's hash, then the body. */
void format_audit_hash(struct view previous, struct view body, uint8_t out_hash[DIGEST_BYTES]);

/* The root of a slice table: SHA-256 of "myelin slices v1" 0x00, then every slice's SHA-256, in
 * order: Manifest.symbol_root, Receipt.symbol_root. One by one: */
struct format_slice_table {
    struct digest digest;
};
void format_slice_table_start(struct format_slice_table *table);
void format_slice_table_add(struct format_slice_table *table,
                            const uint8_t slice_hash[DIGEST_BYTES]);
void format_slice_table_finish(struct format_slice_table *table, uint8_t out_root[DIGEST_BYTES]);
/* Ends a table that is not wanted; finishing it also ends it. */
void format_slice_table_abandon(struct format_slice_table *table);

/* Or of a whole table of 32 bytes a slice, as GET .../hashes answers it. PROTOCOL where its length
 * is not a multiple of 32. */
MUST_CHECK result format_slice_table_root(struct view hashes, uint8_t out_root[DIGEST_BYTES]);

#endif
