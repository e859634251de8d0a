/*
 * For the tests of src/storage: a put as its client has it. Group elements are genuine, content is
 * random.
 */
#ifndef MYELIN_TESTS_STORAGE_DRAFT_H
#define MYELIN_TESTS_STORAGE_DRAFT_H

#include "put_records.h"
#include "storage_server.h"

struct draft_object {
    struct short_id id;
    struct format_layout layout;
    uint8_t *slices; /* layout.symbol_bytes */
    Myelin__Signed *manifest;
};

/* One put, as the client that makes it knows it. */
struct draft {
    const struct person *owner;
    uint8_t tau[G2_BYTES];
    struct image_id image;
    struct short_id put;
    bool creates;
    uint64_t created_ms;
    Myelin__Signed *envelope;
    Myelin__Symbol *symbol;
    struct draft_object objects[FIXTURE_OBJECTS];
    size_t object_count;
    struct bytes commit; /* Signed */
};

static inline void draft_free(struct draft *draft) {
    format_free(draft->envelope);
    format_free(draft->symbol);
    for (size_t i = 0; i < draft->object_count; i++) {
        free(draft->objects[i].slices);
        format_free(draft->objects[i].manifest);
    }
    bytes_free(&draft->commit);
    *draft = (struct draft){0};
}
#define AUTO_DRAFT __attribute__((cleanup(draft_free)))

static inline void random_id(struct short_id *id) {
    uint8_t bytes[FORMAT_ID_BYTES];
    secret_random(bytes, sizeof bytes);
    assert_int_equal(short_id_from(view_of(bytes, sizeof bytes), id), OK);
}

static char *fixture_servers[FIXTURE_N] = {"storage-1", "storage-2", "storage-3"};

static inline struct put_signer draft_signer(const struct draft *draft) {
    return (struct put_signer){.owner = draft->owner->name,
                               .key = &draft->owner->key,
                               .tau = draft->tau,
                               .put = draft->put.bytes,
                               .servers = fixture_servers,
                               .n = FIXTURE_N,
                               .k = FIXTURE_K,
                               .created_ms = draft->created_ms};
}

static inline Myelin__Symbol *draft_make_symbol(const struct draft *draft) {
    struct scalar exponent, coefficient;
    struct ciphertext value = {0};
    struct ciphertext_bytes bytes;
    uint8_t coefficients[FIXTURE_K][SCALAR_BYTES];
    ProtobufCBinaryData fields[FIXTURE_K];
    scalar_random(&exponent);
    g1_exp_generator(&exponent, &value.alpha);
    scalar_random(&exponent);
    gt_exp_generator(&exponent, &value.gamma);
    assert_int_equal(g2_parse("tau", view_of(draft->tau, G2_BYTES), &value.beta), OK);
    ciphertext_to_bytes(&value, &bytes);
    for (size_t i = 0; i < FIXTURE_K; i++) {
        scalar_random(&coefficient);
        scalar_to_bytes(&coefficient, coefficients[i]);
        fields[i] = format_bytes(view_of(coefficients[i], SCALAR_BYTES));
    }
    Myelin__Symbol symbol = MYELIN__SYMBOL__INIT;
    symbol.slot = FIXTURE_SLOT;
    symbol.alpha = format_bytes(view_of(bytes.alpha, sizeof bytes.alpha));
    symbol.beta = format_bytes(view_of(bytes.beta, sizeof bytes.beta));
    symbol.gamma = format_bytes(view_of(bytes.gamma, sizeof bytes.gamma));
    symbol.coefficient = fields;
    symbol.n_coefficient = FIXTURE_K;
    AUTO_BYTES struct bytes wire = {0};
    Myelin__Symbol *copy = NULL;
    assert_int_equal(format_pack(&symbol, &wire), OK);
    assert_int_equal(format_parse_symbol(bytes_view(&wire), &copy), OK);
    return copy;
}

static inline void draft_make_envelope(struct draft *draft) {
    const struct put_signer signer = draft_signer(draft);
    uint8_t hashes[FIXTURE_N][DIGEST_BYTES];
    draft->symbol = draft_make_symbol(draft);
    secret_random(hashes, sizeof hashes);
    format_symbol_hash(draft->symbol, hashes[FIXTURE_SLOT]);
    assert_int_equal(put_records_envelope(&signer, hashes, view_of(NULL, 0), &draft->envelope), OK);
}

static inline void draft_make_manifest(const struct draft *draft, struct draft_object *object) {
    static const uint8_t rows[FIXTURE_N][FIXTURE_K] = {{1, 0}, {0, 1}, {1, 1}};
    const struct put_signer signer = draft_signer(draft);
    uint8_t roots[FIXTURE_N][DIGEST_BYTES];
    secret_random(roots, sizeof roots);
    put_records_root(&object->layout, object->slices, roots[FIXTURE_SLOT]);
    assert_int_equal(put_records_manifest(&signer, object->id.bytes, &object->layout, rows[0],
                                          roots, &object->manifest),
                     OK);
}

static inline void draft_make_commit(struct draft *draft) {
    const struct put_signer signer = draft_signer(draft);
    Myelin__Signed *manifests[FIXTURE_OBJECTS];
    for (size_t i = 0; i < draft->object_count; i++)
        manifests[i] = draft->objects[i].manifest;
    assert_int_equal(put_records_commit(&signer, draft->envelope, manifests, draft->object_count,
                                        &draft->commit),
                     OK);
}

/* A put of `objects` objects of different sizes to `owner`'s image called `id`. */
static inline void draft_make(struct draft *draft, const struct person *owner, const char *id,
                              bool creates, size_t objects) {
    struct scalar a3;
    struct g2 tau;
    scalar_from_u64(12345, &a3);
    assert_int_equal(token(&a3, view_of_string(id), &tau), OK);
    *draft = (struct draft){.owner = owner, .creates = creates, .created_ms = fixture_now_ms};
    g2_to_bytes(&tau, draft->tau);
    image_id_of_tau(view_of(draft->tau, G2_BYTES), &draft->image);
    random_id(&draft->put);
    if (creates)
        draft_make_envelope(draft);
    assert_in_range(objects, 0, FIXTURE_OBJECTS);
    for (draft->object_count = 0; draft->object_count < objects; draft->object_count++) {
        struct draft_object *object = &draft->objects[draft->object_count];
        random_id(&object->id);
        assert_int_equal(format_layout_plan(100 + 9000 * draft->object_count, FIXTURE_SEGMENT,
                                            FIXTURE_K, &object->layout),
                         OK);
        object->slices = malloc(object->layout.symbol_bytes);
        assert_non_null(object->slices);
        secret_random(object->slices, object->layout.symbol_bytes);
        draft_make_manifest(draft, object);
    }
    draft_make_commit(draft);
}

#endif
