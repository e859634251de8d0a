/*
 * For the tests of src/storage: a put as its client has it. Group elements are genuine, content is
 * random.
 */
#ifndef MYELIN_TESTS_STORAGE_DRAFT_H
#define MYELIN_TESTS_STORAGE_DRAFT_H

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

static char fixture_servers[FIXTURE_N][16] = {"storage-1", "storage-2", "storage-3"};

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
    uint8_t hashes[FIXTURE_N][DIGEST_BYTES], commitment[DIGEST_BYTES] = {1};
    ProtobufCBinaryData fields[FIXTURE_N];
    char *servers[FIXTURE_N], owner[16];
    draft->symbol = draft_make_symbol(draft);
    for (size_t i = 0; i < FIXTURE_N; i++) {
        secret_random(hashes[i], DIGEST_BYTES);
        fields[i] = format_bytes(view_of(hashes[i], DIGEST_BYTES));
        servers[i] = fixture_servers[i];
    }
    format_symbol_hash(draft->symbol, hashes[FIXTURE_SLOT]);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Envelope envelope = MYELIN__ENVELOPE__INIT;
    envelope.format = 1;
    envelope.owner = owner;
    envelope.tau = format_bytes(view_of(draft->tau, G2_BYTES));
    envelope.k = FIXTURE_K;
    envelope.servers = servers;
    envelope.n_servers = FIXTURE_N;
    envelope.symbol_hash = fields;
    envelope.n_symbol_hash = FIXTURE_N;
    envelope.key_commitment = format_bytes(view_of(commitment, sizeof commitment));
    envelope.owner_label = format_bytes(view_of("label", 5));
    envelope.sealed_id = format_bytes(view_of("sealed", 6));
    envelope.put = format_bytes(view_of(draft->put.bytes, FORMAT_ID_BYTES));
    envelope.created_ms = draft->created_ms;
    assert_int_equal(format_sign(&draft->owner->key, &envelope, &draft->envelope), OK);
}

static inline void draft_root(const struct draft_object *object, uint8_t root[DIGEST_BYTES]) {
    struct format_slice_table table;
    format_slice_table_start(&table);
    for (uint64_t i = 0; i < object->layout.segments; i++) {
        uint8_t hash[DIGEST_BYTES];
        digest_sha256(view_of(object->slices + format_slice_offset(&object->layout, i),
                              format_slice_len(&object->layout, i)),
                      hash);
        format_slice_table_add(&table, hash);
    }
    format_slice_table_finish(&table, root);
}

static inline void draft_make_manifest(const struct draft *draft, struct draft_object *object) {
    uint8_t roots[FIXTURE_N][DIGEST_BYTES], salt[FORMAT_SALT_BYTES] = {1};
    uint8_t rows[FIXTURE_N][FIXTURE_K] = {{1, 0}, {0, 1}, {1, 1}};
    ProtobufCBinaryData root_fields[FIXTURE_N], row_fields[FIXTURE_N];
    char *servers[FIXTURE_N], owner[16];
    for (size_t i = 0; i < FIXTURE_N; i++) {
        secret_random(roots[i], DIGEST_BYTES);
        root_fields[i] = format_bytes(view_of(roots[i], DIGEST_BYTES));
        row_fields[i] = format_bytes(view_of(rows[i], FIXTURE_K));
        servers[i] = fixture_servers[i];
    }
    draft_root(object, roots[FIXTURE_SLOT]);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Manifest manifest = MYELIN__MANIFEST__INIT;
    manifest.format = 1;
    manifest.owner = owner;
    manifest.tau = format_bytes(view_of(draft->tau, G2_BYTES));
    manifest.object = format_bytes(view_of(object->id.bytes, FORMAT_ID_BYTES));
    manifest.put = format_bytes(view_of(draft->put.bytes, FORMAT_ID_BYTES));
    manifest.salt = format_bytes(view_of(salt, sizeof salt));
    manifest.sealed_meta = format_bytes(view_of("meta", 4));
    manifest.sealed_bytes = object->layout.sealed_bytes;
    manifest.segment_bytes = FIXTURE_SEGMENT;
    manifest.segments = object->layout.segments;
    manifest.k = FIXTURE_K;
    manifest.servers = servers;
    manifest.n_servers = FIXTURE_N;
    manifest.symbol_root = root_fields;
    manifest.n_symbol_root = FIXTURE_N;
    manifest.row = row_fields;
    manifest.n_row = FIXTURE_N;
    manifest.created_ms = draft->created_ms;
    assert_int_equal(format_sign(&draft->owner->key, &manifest, &object->manifest), OK);
}

static inline void draft_make_commit(struct draft *draft) {
    Myelin__Signed *manifests[FIXTURE_OBJECTS];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    uint8_t contents[DIGEST_BYTES];
    char owner[16];
    for (size_t i = 0; i < draft->object_count; i++)
        manifests[i] = draft->objects[i].manifest;
    assert_int_equal(
        format_commit_contents(draft->envelope, manifests, draft->object_count, contents), OK);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Commit commit = MYELIN__COMMIT__INIT;
    commit.owner = owner;
    commit.tau = format_bytes(view_of(draft->tau, G2_BYTES));
    commit.put = format_bytes(view_of(draft->put.bytes, FORMAT_ID_BYTES));
    commit.contents = format_bytes(view_of(contents, sizeof contents));
    assert_int_equal(format_sign(&draft->owner->key, &commit, &record), OK);
    assert_int_equal(format_pack(record, &draft->commit), OK);
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
