/*
 * The records of a put as its client signs them, for what plays one: the tests of the storage
 * servers, and their bench.
 */
#ifndef MYELIN_TESTS_PUT_RECORDS_H
#define MYELIN_TESTS_PUT_RECORDS_H

#include "format/hash.h"
#include "format/layout.h"

/* Who signs, and for which slots. All borrowed. */
struct put_signer {
    const char *owner;
    const struct sign_key *key;
    const uint8_t *tau;   /* FORMAT_TAU_BYTES */
    const uint8_t *put;   /* FORMAT_ID_BYTES */
    char *const *servers; /* by slot; `n` of them */
    unsigned n, k;
    uint64_t created_ms;
};

/* `count` fields of `bytes` each, back to back in `values`. */
static inline void put_records_fields(const uint8_t *values, size_t bytes, size_t count,
                                      ProtobufCBinaryData out_fields[]) {
    for (size_t i = 0; i < count; i++)
        out_fields[i] = format_bytes(view_of(values + i * bytes, bytes));
}

/* `hashes`: of the symbols by slot. `coefficients_hash` is empty in an envelope of the first
 * version. */
static inline result put_records_envelope(const struct put_signer *signer,
                                          const uint8_t hashes[][DIGEST_BYTES],
                                          struct view coefficients_hash,
                                          Myelin__Signed **out_record) {
    static const uint8_t commitment[DIGEST_BYTES] = {1};
    ProtobufCBinaryData fields[FORMAT_SERVERS_MAX];
    put_records_fields(hashes[0], DIGEST_BYTES, signer->n, fields);
    Myelin__Envelope envelope = MYELIN__ENVELOPE__INIT;
    envelope.format = 1;
    envelope.owner = (char *)(uintptr_t)signer->owner; /* read only, and so are the others */
    envelope.tau = format_bytes(view_of(signer->tau, FORMAT_TAU_BYTES));
    envelope.k = signer->k;
    envelope.servers = (char **)(uintptr_t)signer->servers;
    envelope.symbol_hash = fields;
    envelope.n_servers = envelope.n_symbol_hash = signer->n;
    envelope.key_commitment = format_bytes(view_of(commitment, sizeof commitment));
    envelope.owner_label = format_bytes(view_of("label", 5));
    envelope.sealed_id = format_bytes(view_of("sealed", 6));
    envelope.put = format_bytes(view_of(signer->put, FORMAT_ID_BYTES));
    envelope.created_ms = signer->created_ms;
    envelope.coefficients_hash = format_bytes(coefficients_hash);
    return format_sign(signer->key, &envelope, out_record);
}

/* The root of a slot's slices, which lie back to back. */
static inline void put_records_root(const struct format_layout *layout, const uint8_t *slices,
                                    uint8_t out_root[DIGEST_BYTES]) {
    struct format_slice_table table;
    format_slice_table_start(&table);
    for (uint64_t i = 0; i < layout->segments; i++) {
        uint8_t hash[DIGEST_BYTES];
        digest_sha256(view_of(slices + format_slice_offset(layout, i), format_slice_len(layout, i)),
                      hash);
        format_slice_table_add(&table, hash);
    }
    format_slice_table_finish(&table, out_root);
}

/* `rows`: k bytes a slot. `roots`: by slot. */
static inline result put_records_manifest(const struct put_signer *signer,
                                          const uint8_t object[FORMAT_ID_BYTES],
                                          const struct format_layout *layout, const uint8_t *rows,
                                          const uint8_t roots[][DIGEST_BYTES],
                                          Myelin__Signed **out_record) {
    static const uint8_t salt[FORMAT_SALT_BYTES] = {1};
    ProtobufCBinaryData root_fields[FORMAT_SERVERS_MAX], row_fields[FORMAT_SERVERS_MAX];
    put_records_fields(roots[0], DIGEST_BYTES, signer->n, root_fields);
    put_records_fields(rows, signer->k, signer->n, row_fields);
    Myelin__Manifest manifest = MYELIN__MANIFEST__INIT;
    manifest.format = 1;
    manifest.owner = (char *)(uintptr_t)signer->owner;
    manifest.tau = format_bytes(view_of(signer->tau, FORMAT_TAU_BYTES));
    manifest.object = format_bytes(view_of(object, FORMAT_ID_BYTES));
    manifest.put = format_bytes(view_of(signer->put, FORMAT_ID_BYTES));
    manifest.salt = format_bytes(view_of(salt, sizeof salt));
    manifest.sealed_meta = format_bytes(view_of("meta", 4));
    manifest.sealed_bytes = layout->sealed_bytes;
    manifest.segment_bytes = layout->sealed_len - FORMAT_TAG_BYTES;
    manifest.segments = layout->segments;
    manifest.k = signer->k;
    manifest.servers = (char **)(uintptr_t)signer->servers;
    manifest.symbol_root = root_fields;
    manifest.row = row_fields;
    manifest.n_servers = manifest.n_symbol_root = manifest.n_row = signer->n;
    manifest.created_ms = signer->created_ms;
    return format_sign(signer->key, &manifest, out_record);
}

/* `envelope` is NULL where the image is there. A Signed, appended. */
static inline result put_records_commit(const struct put_signer *signer,
                                        const Myelin__Signed *envelope,
                                        Myelin__Signed *const manifests[], size_t count,
                                        struct bytes *out_commit) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    uint8_t contents[DIGEST_BYTES];
    TRY(format_commit_contents(envelope, manifests, count, contents));
    Myelin__Commit commit = MYELIN__COMMIT__INIT;
    commit.owner = (char *)(uintptr_t)signer->owner;
    commit.tau = format_bytes(view_of(signer->tau, FORMAT_TAU_BYTES));
    commit.put = format_bytes(view_of(signer->put, FORMAT_ID_BYTES));
    commit.contents = format_bytes(view_of(contents, sizeof contents));
    TRY(format_sign(signer->key, &commit, &record));
    return format_pack(record, out_commit);
}

#endif
