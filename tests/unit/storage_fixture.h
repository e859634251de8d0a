/*
 * For the tests of src/storage: a storage server in a folder of its own, and users who make images
 * for it. The tests play all clients; group elements are genuine, content is random.
 */
#ifndef MYELIN_TESTS_STORAGE_FIXTURE_H
#define MYELIN_TESTS_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "format/hash.h"
#include "format/layout.h"
#include "group/pairing.h"
#include "scheme/codeword.h"
#include "scheme/rekeygen.h"
#include "scheme/token.h"
#include "storage/check.h"
#include "storage/forward.h"
#include "storage/image.h"
#include "storage/listing.h"
#include "storage/put.h"
#include "storage/removal.h"

enum {
    FIXTURE_K = 2,
    FIXTURE_N = 3,
    FIXTURE_SLOT = 1, /* of this server, "storage-2" */
    FIXTURE_OBJECTS = 5,
    FIXTURE_SEGMENT = 4096,
};

static uint64_t fixture_now_ms = 1700000000000;

static int64_t fixture_step_ms; /* by which the time of day is wrong */

static inline uint64_t fixture_clock(void) {
    return fixture_now_ms + (uint64_t)fixture_step_ms;
}

static inline uint64_t fixture_steady_clock(void) {
    return fixture_now_ms;
}

/* ------------------------------------------------------------------ who */

struct person {
    char name[16];
    struct sign_key key;
    struct storage_caller caller;
};

static inline void person_make(struct person *person, const char *name, enum storage_role role) {
    snprintf(person->name, sizeof person->name, "%s", name);
    sign_key_random(&person->key);
    person->caller = (struct storage_caller){person->name, role, person->key.public_key,
                                             view_of("a certificate", 13)};
}

struct fixture {
    char folder[64];
    struct store *store;
    struct storage *storage;
    struct sign_key server;
    struct person alice, bob, mallory, key_server, other_server;
};

static inline struct storage_options fixture_options(const struct fixture *fixture) {
    return (struct storage_options){.server = "storage-2",
                                    .key = &fixture->server,
                                    .now_ms = fixture_clock,
                                    .steady_ms = fixture_steady_clock};
}

static inline void fixture_start(struct fixture *fixture) {
    struct storage_options options = fixture_options(fixture);
    assert_int_equal(store_open(fixture->folder, &fixture->store), OK);
    assert_int_equal(storage_open(fixture->store, &options, &fixture->storage), OK);
}

static inline void fixture_stop(struct fixture *fixture) {
    storage_close(fixture->storage);
    store_close(fixture->store);
    fixture->storage = NULL;
    fixture->store = NULL;
}

static inline void fixture_restart(struct fixture *fixture) {
    fixture_stop(fixture);
    fixture_start(fixture);
}

/* In memory where there is such a folder: most of the time would be spent waiting for a disk. */
static inline void fixture_folder(char folder[64]) {
    snprintf(folder, 64, "%s/myelin-storage-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static inline int fixture_setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(secret_start(), OK);
    log_set_level(LOG_ERROR + 1);
    fixture_folder(fixture->folder);
    sign_key_random(&fixture->server);
    person_make(&fixture->alice, "alice", STORAGE_ROLE_USER);
    person_make(&fixture->bob, "bob", STORAGE_ROLE_USER);
    person_make(&fixture->mallory, "mallory", STORAGE_ROLE_USER);
    person_make(&fixture->key_server, "key-1", STORAGE_ROLE_KEY_SERVER);
    person_make(&fixture->other_server, "storage-1", STORAGE_ROLE_OTHER);
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    fixture_stop(fixture);
    assert_int_equal(file_remove_tree(fixture->folder), OK);
    free(fixture);
    return 0;
}

/* ------------------------------------------------------------------ what a client has */

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

/* ------------------------------------------------------------------ its requests */

static inline void draft_begin_body(const struct draft *draft, struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    ProtobufCBinaryData ids[FIXTURE_OBJECTS];
    for (size_t i = 0; i < draft->object_count; i++)
        ids[i] = format_bytes(view_of(draft->objects[i].id.bytes, FORMAT_ID_BYTES));
    memcpy(tau, draft->tau, sizeof tau);
    Myelin__BeginPut begin = MYELIN__BEGIN_PUT__INIT;
    begin.tau = format_bytes(view_of(tau, sizeof tau));
    begin.creates = draft->creates;
    begin.object = ids;
    begin.n_object = draft->object_count;
    assert_int_equal(format_pack(&begin, out_body), OK);
}

static inline result ask_begin(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    draft_begin_body(draft, &body);
    return put_begin(fixture->storage, &who->caller, &draft->image, &draft->put, bytes_view(&body));
}

static inline struct upload_options upload_options_of(const struct draft_object *object) {
    return (struct upload_options){
        .object = object->id, .slot = FIXTURE_SLOT, .slice_bytes = object->layout.slice_len};
}

/* In parts of an odd length. */
static inline result ask_upload(struct fixture *fixture, const struct person *who,
                                const struct draft *draft, size_t index) {
    const struct draft_object *object = &draft->objects[index];
    struct upload_options options = upload_options_of(object);
    struct upload *upload = NULL;
    AUTO_BYTES struct bytes receipt = {0};
    TRY(upload_open(fixture->storage, &who->caller, &draft->image, &draft->put, &options, &upload));
    for (uint64_t done = 0; done < object->layout.symbol_bytes;) {
        uint64_t left = object->layout.symbol_bytes - done;
        size_t part = left < 777 ? (size_t)left : 777;
        result appended = upload_append(upload, view_of(object->slices + done, part));
        if (appended != OK) {
            upload_abandon(upload);
            return appended;
        }
        done += part;
    }
    return upload_finish(upload, &receipt);
}

static inline void draft_prepare_body(const struct draft *draft, struct bytes *out_body) {
    Myelin__Signed *manifests[FIXTURE_OBJECTS];
    uint8_t tau[G2_BYTES];
    memcpy(tau, draft->tau, sizeof tau);
    for (size_t i = 0; i < draft->object_count; i++)
        manifests[i] = draft->objects[i].manifest;
    Myelin__PreparePut prepare = MYELIN__PREPARE_PUT__INIT;
    prepare.tau = format_bytes(view_of(tau, G2_BYTES));
    prepare.envelope = draft->creates ? draft->envelope : NULL;
    prepare.symbol = draft->creates ? draft->symbol : NULL;
    prepare.manifest = manifests;
    prepare.n_manifest = draft->object_count;
    assert_int_equal(format_pack(&prepare, out_body), OK);
}

static inline result ask_prepare(struct fixture *fixture, const struct person *who,
                                 const struct draft *draft) {
    AUTO_BYTES struct bytes body = {0};
    draft_prepare_body(draft, &body);
    return put_prepare(fixture->storage, &who->caller, &draft->image, &draft->put,
                       bytes_view(&body));
}

static inline result ask_commit(struct fixture *fixture, const struct person *who,
                                const struct draft *draft) {
    return put_commit(fixture->storage, &who->caller, &draft->image, &draft->put,
                      bytes_view(&draft->commit));
}

static inline result ask_stage(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    TRY(ask_begin(fixture, who, draft));
    for (size_t i = 0; i < draft->object_count; i++)
        TRY(ask_upload(fixture, who, draft, i));
    return ask_prepare(fixture, who, draft);
}

static inline result ask_put(struct fixture *fixture, const struct person *who,
                             const struct draft *draft) {
    TRY(ask_stage(fixture, who, draft));
    return ask_commit(fixture, who, draft);
}

/* A forward of `draft`'s image with genuine points. */
static inline void make_forward(const struct draft *draft, const struct person *recipient,
                                uint64_t serial_ms, struct bytes *out_body) {
    struct scalar exponent;
    struct g2 point;
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES], tau[G2_BYTES];
    char owner[16], to[16];
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &point);
    g2_to_bytes(&point, rk1);
    scalar_random(&exponent);
    g2_exp_generator(&exponent, &point);
    g2_to_bytes(&point, rk2);
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    memcpy(to, recipient->name, sizeof to);
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    forward.owner = owner;
    forward.recipient = to;
    forward.tau = format_bytes(view_of(tau, sizeof tau));
    forward.rk1 = format_bytes(view_of(rk1, sizeof rk1));
    forward.rk2 = format_bytes(view_of(rk2, sizeof rk2));
    forward.serial_ms = serial_ms;
    forward.label = format_bytes(view_of("label", 5));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &forward, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline void make_revocation(const struct draft *draft, const struct person *recipient,
                                   uint64_t serial_ms, struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    char owner[16], to[16];
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    memcpy(to, recipient->name, sizeof to);
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = owner;
    revocation.recipient = to;
    revocation.tau = format_bytes(view_of(tau, sizeof tau));
    revocation.serial_ms = serial_ms;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &revocation, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline void make_removal(const struct draft *draft, uint64_t serial_ms,
                                struct bytes *out_body) {
    uint8_t tau[G2_BYTES];
    char owner[16];
    memcpy(tau, draft->tau, sizeof tau);
    memcpy(owner, draft->owner->name, sizeof owner);
    Myelin__Removal removal = MYELIN__REMOVAL__INIT;
    removal.owner = owner;
    removal.tau = format_bytes(view_of(tau, sizeof tau));
    removal.serial_ms = serial_ms;
    AUTO_FORMAT Myelin__Signed *record = NULL;
    assert_int_equal(format_sign(&draft->owner->key, &removal, &record), OK);
    assert_int_equal(format_pack(record, out_body), OK);
}

static inline result ask_forward(struct fixture *fixture, const struct draft *draft,
                                 const struct person *recipient, uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_forward(draft, recipient, serial_ms, &body);
    return forward_put(fixture->storage, &draft->owner->caller, &draft->image, recipient->name,
                       bytes_view(&body));
}

static inline result ask_revoke(struct fixture *fixture, const struct draft *draft,
                                const struct person *recipient, uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_revocation(draft, recipient, serial_ms, &body);
    return forward_revoke(fixture->storage, &draft->owner->caller, &draft->image, recipient->name,
                          bytes_view(&body));
}

static inline result ask_remove(struct fixture *fixture, const struct draft *draft,
                                uint64_t serial_ms) {
    AUTO_BYTES struct bytes body = {0};
    make_removal(draft, serial_ms, &body);
    return removal_take(fixture->storage, &draft->owner->caller, &draft->image, bytes_view(&body));
}

/* ------------------------------------------------------------------ what a reader sees */

static inline result ask_image(struct fixture *fixture, const struct person *who,
                               const struct draft *draft) {
    AUTO_BYTES struct bytes answer = {0};
    return image_answer(fixture->storage, &who->caller, &draft->image, &answer);
}

static inline result ask_symbol_for(struct fixture *fixture, const struct person *who,
                                    const struct draft *draft, const struct person *user) {
    AUTO_BYTES struct bytes answer = {0};
    return forward_symbol(fixture->storage, &who->caller, &draft->image, user->name, SLOT_ANY,
                          &answer);
}

/* The object's slices as served, compared with the draft's; INTEGRITY where they differ. */
static inline result ask_slices(struct fixture *fixture, const struct person *who,
                                const struct draft *draft, size_t index) {
    const struct draft_object *object = &draft->objects[index];
    struct image_range range;
    TRY(image_open_symbol(fixture->storage, &who->caller, &draft->image, &object->id, SLOT_ANY,
                          &range));
    assert_int_equal(range.length, object->layout.symbol_bytes);
    uint8_t *bytes = malloc(range.length);
    assert_non_null(bytes);
    ssize_t got = pread(range.fd, bytes, range.length, (off_t)range.offset);
    bool same = got == (ssize_t)range.length && memcmp(bytes, object->slices, range.length) == 0;
    free(bytes);
    close(range.fd);
    return same ? OK : FAIL(INTEGRITY, "other slices than were put");
}

static inline Myelin__ManifestPage *objects_of(struct fixture *fixture, const struct person *who,
                                               const struct draft *draft) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__ManifestPage *page = NULL;
    if (listing_objects(fixture->storage, &who->caller, &draft->image, "", &wire) != OK)
        return NULL;
    assert_int_equal(format_parse_manifest_page(bytes_view(&wire), &page), OK);
    return page;
}

static inline Myelin__CheckAnswer *check_of(struct fixture *fixture, const struct person *who,
                                            const struct draft *draft) {
    AUTO_BYTES struct bytes wire = {0};
    Myelin__CheckAnswer *answer = NULL;
    assert_int_equal(image_check(fixture->storage, &who->caller, &draft->image, SLOT_ANY, &wire),
                     OK);
    assert_int_equal(format_parse_check_answer(bytes_view(&wire), &answer), OK);
    return answer;
}

/* All of the draft is there, and good. */
static inline void assert_whole(struct fixture *fixture, const struct draft *draft) {
    for (size_t i = 0; i < draft->object_count; i++)
        assert_int_equal(ask_slices(fixture, draft->owner, draft, i), OK);
    AUTO_FORMAT Myelin__CheckAnswer *answer = check_of(fixture, draft->owner, draft);
    assert_true(answer->envelope_good);
    for (size_t i = 0; i < answer->n_object; i++)
        assert_true(answer->object[i]->good);
}

#endif
