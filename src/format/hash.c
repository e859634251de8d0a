#include "format/hash.h"

#include <stdlib.h>
#include <string.h>

static const char image_domain[] = "myelin image v1";   /* with its zero byte */
static const char slices_domain[] = "myelin slices v1"; /* with its zero byte */

void format_image_id(const uint8_t tau[FORMAT_TAU_BYTES], uint8_t out_id[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, view_of(image_domain, sizeof image_domain));
    digest_update(&digest, view_of(tau, FORMAT_TAU_BYTES));
    digest_finish(&digest, out_id);
}

void format_symbol_hash(const Myelin__Symbol *symbol, uint8_t out_hash[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, format_view(symbol->alpha));
    digest_update(&digest, format_view(symbol->gamma));
    for (size_t i = 0; i < symbol->n_coefficient; i++)
        digest_update(&digest, format_view(symbol->coefficient[i]));
    digest_finish(&digest, out_hash);
}

result format_check_coefficients(const Myelin__Envelope *envelope, struct view coefficients) {
    uint8_t hash[DIGEST_BYTES];
    if (coefficients.len != (size_t)envelope->n_servers * envelope->k * FORMAT_SCALAR_BYTES)
        return FAIL(INTEGRITY, "%zu bytes of coefficients for %zu slots of %u", coefficients.len,
                    envelope->n_servers, envelope->k);
    digest_sha256(coefficients, hash);
    if (!view_equal(format_view(envelope->coefficients_hash), view_of(hash, sizeof hash)))
        return FAIL(INTEGRITY, "the coefficients are not those that the envelope was signed with");
    return OK;
}

void format_record_hash(const Myelin__Signed *record, uint8_t out_hash[DIGEST_BYTES]) {
    digest_sha256(format_view(record->body), out_hash);
}

static int compare_hashes(const void *a, const void *b) {
    return memcmp(a, b, DIGEST_BYTES);
}

result format_commit_contents(const Myelin__Signed *envelope, Myelin__Signed *const manifests[],
                              size_t count, uint8_t out_contents[DIGEST_BYTES]) {
    uint8_t envelope_hash[DIGEST_BYTES];
    uint8_t(*hashes)[DIGEST_BYTES] = calloc(count + 1, DIGEST_BYTES);
    if (hashes == NULL)
        return FAIL(NO_MEMORY, "no memory for the hashes of %zu manifests", count);
    for (size_t i = 0; i < count; i++)
        format_record_hash(manifests[i], hashes[i]);
    qsort(hashes, count, DIGEST_BYTES, compare_hashes);
    struct digest digest;
    digest_start(&digest);
    if (envelope != NULL) {
        format_record_hash(envelope, envelope_hash);
        digest_update(&digest, view_of(envelope_hash, sizeof envelope_hash));
    }
    digest_update(&digest, view_of(hashes, count * DIGEST_BYTES));
    digest_finish(&digest, out_contents);
    free(hashes);
    return OK;
}

void format_audit_hash(struct view previous, struct view body, uint8_t out_hash[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, previous);
    digest_update(&digest, body);
    digest_finish(&digest, out_hash);
}

void format_slice_table_start(struct format_slice_table *table) {
    digest_start(&table->digest);
    digest_update(&table->digest, view_of(slices_domain, sizeof slices_domain));
}

void format_slice_table_add(struct format_slice_table *table,
                            const uint8_t slice_hash[DIGEST_BYTES]) {
    digest_update(&table->digest, view_of(slice_hash, DIGEST_BYTES));
}

void format_slice_table_finish(struct format_slice_table *table, uint8_t out_root[DIGEST_BYTES]) {
    digest_finish(&table->digest, out_root);
}

void format_slice_table_abandon(struct format_slice_table *table) {
    digest_abandon(&table->digest);
}

result format_slice_table_root(struct view hashes, uint8_t out_root[DIGEST_BYTES]) {
    if (hashes.len % DIGEST_BYTES != 0)
        return FAIL(PROTOCOL, "slice hashes: %zu bytes are not a multiple of %d", hashes.len,
                    DIGEST_BYTES);
    struct format_slice_table table;
    format_slice_table_start(&table);
    digest_update(&table.digest, hashes);
    format_slice_table_finish(&table, out_root);
    return OK;
}
