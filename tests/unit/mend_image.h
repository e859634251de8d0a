/*
 * Images in the servers of mend_world.h: drawn, put at some or all of them, lost, mended, removed,
 * and compared with what was put.
 */
#ifndef MYELIN_TESTS_MEND_IMAGE_H
#define MYELIN_TESTS_MEND_IMAGE_H

#include "mend_world.h"
#include "put_records.h"

struct object {
    struct short_id id;
    struct format_layout layout;
    uint8_t *slices[N]; /* by slot */
    Myelin__Signed *manifest;
};

struct drawn {
    const struct person *owner;
    uint8_t tau[G2_BYTES];
    struct image_id image;
    struct short_id put;
    char *names[N];   /* by slot; the description's */
    unsigned host[N]; /* by slot */
    Myelin__Signed *envelope;
    struct bytes symbols[N], coefficients;
    struct object objects[OBJECTS];
    struct bytes commit;
};

static inline void drawn_free(struct drawn *drawn) {
    format_free(drawn->envelope);
    bytes_free(&drawn->coefficients);
    bytes_free(&drawn->commit);
    for (unsigned i = 0; i < N; i++)
        bytes_free(&drawn->symbols[i]);
    for (unsigned i = 0; i < OBJECTS; i++) {
        format_free(drawn->objects[i].manifest);
        for (unsigned slot = 0; slot < N; slot++)
            free(drawn->objects[i].slices[slot]);
    }
}
#define AUTO_DRAWN __attribute__((cleanup(drawn_free)))

static inline void random_id(struct short_id *id) {
    uint8_t bytes[FORMAT_ID_BYTES];
    secret_random(bytes, sizeof bytes);
    assert_int_equal(short_id_from(view_of(bytes, sizeof bytes), id), OK);
}

static inline struct put_signer draw_signer(const struct drawn *d) {
    return (struct put_signer){.owner = d->owner->name,
                               .key = &d->owner->key,
                               .tau = d->tau,
                               .put = d->put.bytes,
                               .servers = d->names,
                               .n = N,
                               .k = K,
                               .created_ms = world.now_ms};
}

static inline void draw_envelope(struct drawn *d, const struct g2 *tau) {
    struct gt messages[K];
    struct ciphertext ciphertexts[K];
    const struct put_signer signer = draw_signer(d);
    uint8_t hashes[N][DIGEST_BYTES], table[DIGEST_BYTES];
    enc_random_messages(K, messages);
    enc(&d->owner->public_key, tau, messages, K, ciphertexts);
    for (unsigned slot = 0; slot < N; slot++) {
        struct scalar row[K];
        uint8_t bytes[SCALAR_BYTES];
        AUTO_SYMBOL struct codeword_symbol symbol = {0};
        encode_coefficients(NULL, K, row);
        assert_int_equal(encode(ciphertexts, row, K, &symbol), OK);
        assert_int_equal(format_symbol_pack(slot, &symbol, &d->symbols[slot], hashes[slot]), OK);
        for (unsigned i = 0; i < K; i++) {
            scalar_to_bytes(&row[i], bytes);
            assert_int_equal(bytes_append(&d->coefficients, view_of(bytes, sizeof bytes)), OK);
        }
    }
    digest_sha256(bytes_view(&d->coefficients), table);
    assert_int_equal(
        put_records_envelope(&signer, hashes, view_of(table, sizeof table), &d->envelope), OK);
}

static inline void draw_slices(struct object *object, uint8_t rows[N][K]) {
    AUTO_CODE_MAP struct code_map encoder = {0};
    for (unsigned slot = 0; slot < N; slot++) {
        assert_int_equal(code_cauchy_row(K, slot, rows[slot]), OK);
        object->slices[slot] = malloc(object->layout.symbol_bytes);
        assert_non_null(object->slices[slot]);
    }
    assert_int_equal(code_encoder_init(N, K, rows[0], &encoder), OK);
    for (uint64_t i = 0; i < object->layout.segments; i++) {
        size_t len = format_slice_len(&object->layout, i);
        uint8_t segment[K * (SEGMENT + 16)], *out[N];
        const uint8_t *blocks[K];
        secret_random(segment, K * len);
        for (unsigned b = 0; b < K; b++)
            blocks[b] = segment + b * len;
        for (unsigned slot = 0; slot < N; slot++)
            out[slot] = object->slices[slot] + format_slice_offset(&object->layout, i);
        code_apply(&encoder, blocks, len, out);
    }
}

static inline void draw_object(struct drawn *d, struct object *object, uint64_t bytes) {
    const struct put_signer signer = draw_signer(d);
    uint8_t rows[N][K], roots[N][DIGEST_BYTES];
    random_id(&object->id);
    assert_int_equal(format_layout_plan(bytes, SEGMENT, K, &object->layout), OK);
    draw_slices(object, rows);
    for (unsigned slot = 0; slot < N; slot++)
        put_records_root(&object->layout, object->slices[slot], roots[slot]);
    assert_int_equal(put_records_manifest(&signer, object->id.bytes, &object->layout, rows[0],
                                          roots, &object->manifest),
                     OK);
}

static inline void draw_commit(struct drawn *d) {
    const struct put_signer signer = draw_signer(d);
    Myelin__Signed *manifests[OBJECTS];
    for (unsigned i = 0; i < OBJECTS; i++)
        manifests[i] = d->objects[i].manifest;
    assert_int_equal(put_records_commit(&signer, d->envelope, manifests, OBJECTS, &d->commit), OK);
}

/* An image of `owner`'s under the token of `id`, which is the same whoever the owner is: so a
 * stranger can claim it. */
static inline void image_draw(struct drawn *d, const struct person *owner, const char *id) {
    struct scalar a3;
    struct g2 tau;
    const char *names[FORMAT_SERVERS_MAX];
    *d = (struct drawn){.owner = owner};
    scalar_from_u64(12345, &a3);
    assert_int_equal(token(&a3, view_of_string(id), &tau), OK);
    g2_to_bytes(&tau, d->tau);
    image_id_of_tau(view_of(d->tau, G2_BYTES), &d->image);
    random_id(&d->put);
    assert_int_equal(placement_slots(&world.description, d->tau, names), N);
    for (unsigned slot = 0; slot < N; slot++) {
        d->names[slot] = (char *)(uintptr_t)names[slot]; /* read only */
        d->host[slot] = (unsigned)host_of(names[slot]);
    }
    draw_envelope(d, &tau);
    draw_object(d, &d->objects[0], 20000); /* five segments */
    draw_object(d, &d->objects[1], 100);
    draw_commit(d);
}

static inline result put_object(struct drawn *d, unsigned slot, struct object *object) {
    struct host *host = &world.hosts[d->host[slot]];
    struct upload_options options = {
        .object = object->id, .slot = slot, .slice_bytes = object->layout.slice_len};
    struct upload *upload = NULL;
    AUTO_BYTES struct bytes receipt = {0};
    TRY(upload_open(host->storage, &d->owner->caller, &d->image, &d->put, &options, &upload));
    assert_int_equal(
        upload_append(upload, view_of(object->slices[slot], object->layout.symbol_bytes)), OK);
    return upload_finish(upload, &receipt);
}

/* A put's begin and its uploads at the holder of one slot. */
static inline result image_stage(struct drawn *d, unsigned slot) {
    struct host *host = &world.hosts[d->host[slot]];
    ProtobufCBinaryData ids[OBJECTS];
    AUTO_BYTES struct bytes body = {0};
    Myelin__BeginPut begin = MYELIN__BEGIN_PUT__INIT;
    for (unsigned i = 0; i < OBJECTS; i++)
        ids[i] = format_bytes(view_of(d->objects[i].id.bytes, FORMAT_ID_BYTES));
    begin.tau = format_bytes(view_of(d->tau, G2_BYTES));
    begin.creates = 1;
    begin.object = ids;
    begin.n_object = OBJECTS;
    assert_int_equal(format_pack(&begin, &body), OK);
    TRY(put_begin(host->storage, &d->owner->caller, &d->image, &d->put, bytes_view(&body)));
    for (unsigned i = 0; i < OBJECTS; i++)
        TRY(put_object(d, slot, &d->objects[i]));
    return OK;
}

static inline result image_prepare(struct drawn *d, unsigned slot) {
    struct host *host = &world.hosts[d->host[slot]];
    Myelin__Signed *manifests[OBJECTS];
    AUTO_BYTES struct bytes body = {0};
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    Myelin__PreparePut prepare = MYELIN__PREPARE_PUT__INIT;
    for (unsigned i = 0; i < OBJECTS; i++)
        manifests[i] = d->objects[i].manifest;
    assert_int_equal(format_parse_symbol(bytes_view(&d->symbols[slot]), &symbol), OK);
    prepare.tau = format_bytes(view_of(d->tau, G2_BYTES));
    prepare.envelope = d->envelope;
    prepare.symbol = symbol;
    prepare.coefficients = format_bytes(bytes_view(&d->coefficients));
    prepare.manifest = manifests;
    prepare.n_manifest = OBJECTS;
    assert_int_equal(format_pack(&prepare, &body), OK);
    return put_prepare(host->storage, &d->owner->caller, &d->image, &d->put, bytes_view(&body));
}

static inline result image_commit(struct drawn *d, unsigned slot) {
    return put_commit(world.hosts[d->host[slot]].storage, &d->owner->caller, &d->image, &d->put,
                      bytes_view(&d->commit));
}

/* The whole put at the holder of one slot; without its commit where `commit` is not set. */
static inline result image_put(struct drawn *d, unsigned slot, bool commit) {
    TRY(image_stage(d, slot));
    TRY(image_prepare(d, slot));
    return commit ? image_commit(d, slot) : OK;
}

static inline void image_put_all(struct drawn *d) {
    for (unsigned slot = 0; slot < N; slot++)
        assert_int_equal(image_put(d, slot, true), OK);
}

/* All that the holder of a slot has of the image is lost. */
static inline void image_lose(struct drawn *d, unsigned slot) {
    assert_int_equal(store_delete_all(world.hosts[d->host[slot]].store, place_image(&d->image).key),
                     OK);
}

static inline result image_mend(struct drawn *d, unsigned slot, const struct storage_caller *caller,
                                struct mend_report *report) {
    const struct mend_options options = {.caller = caller};
    mend_report_free(report);
    return mend_image(world.hosts[d->host[slot]].mender, &d->image, &options, report);
}

/* What the holder of a slot has is what was put there. */
static inline void image_expect(struct drawn *d, unsigned slot) {
    struct host *host = &world.hosts[d->host[slot]];
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__CheckAnswer *answer = NULL;
    AUTO_FORMAT Myelin__Symbol *symbol = NULL;
    assert_int_equal(image_check(host->storage, &d->owner->caller, &d->image, slot, &wire), OK);
    assert_int_equal(format_parse_check_answer(bytes_view(&wire), &answer), OK);
    assert_true(answer->envelope_good);
    assert_int_equal(answer->n_object, OBJECTS);
    for (unsigned i = 0; i < OBJECTS; i++) {
        uint8_t bytes[32768];
        struct image_range range;
        assert_true(answer->object[i]->good);
        assert_int_equal(image_open_symbol(host->storage, &d->owner->caller, &d->image,
                                           &d->objects[i].id, slot, &range),
                         OK);
        AUTO_FD int fd = range.fd;
        assert_int_equal(pread(fd, bytes, range.length, (off_t)range.offset), range.length);
        assert_memory_equal(bytes, d->objects[i].slices[slot], range.length);
    }
    wire.len = 0;
    assert_int_equal(image_symbol(host->storage, &d->image, slot, &symbol), OK);
    assert_int_equal(format_pack(symbol, &wire), OK);
    assert_true(view_equal(bytes_view(&wire), bytes_view(&d->symbols[slot])));
}

static inline void image_expect_none(struct drawn *d, unsigned slot) {
    struct image_owner owner;
    assert_int_equal(image_owner(world.hosts[d->host[slot]].storage, &d->image, &owner), NOT_FOUND);
}

/* A removal by `who`, signed now. */
static inline void removal_sign(struct drawn *d, const struct person *who, struct bytes *out_body) {
    char owner[16];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    Myelin__Removal removal = MYELIN__REMOVAL__INIT;
    memcpy(owner, who->name, sizeof owner);
    removal.owner = owner;
    removal.tau = format_bytes(view_of(d->tau, G2_BYTES));
    removal.serial_ms = world.now_ms;
    assert_int_equal(format_sign(&who->key, &removal, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline result image_remove(struct drawn *d, unsigned slot, const struct person *who) {
    AUTO_BYTES struct bytes body = {0};
    removal_sign(d, who, &body);
    return removal_take(world.hosts[d->host[slot]].storage, &who->caller, &d->image,
                        bytes_view(&body));
}

#endif
