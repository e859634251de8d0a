/*
 * A small system for the tests of a key server: key-1 in this process, people with certificates,
 * one image, and storage servers that behave as they are told.
 */
#ifndef MYELIN_TESTS_KEY_SYSTEM_H
#define MYELIN_TESTS_KEY_SYSTEM_H

#include "keys_files.h"

#include <stdatomic.h>
#include <time.h>

#include "format/statement.h"
#include "keys/service.h"
#include "net/server.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/reenc.h"
#include "scheme/token.h"
#include "system/ca.h"
#include "system/identity.h"
#include "system/local.h"
#include "system/placement.h"

enum { N = 6, K = 3, M = 5, T = 3, J = 1 };

struct person {
    char name[FORMAT_NAME_MAX + 1];
    struct sign_key identity;
    struct secret_key secret;
    struct public_key public_key;
    struct bytes certificate;
    struct tls_peer peer;
    struct key_share shares[M];
    struct share_commitments commitments;
};

/* What a storage server does when it is asked for a symbol. */
enum behaviour {
    GOOD,
    REFUSES,       /* 403 */
    HAS_NONE,      /* 404 */
    HANGS,         /* longer than a key server waits */
    IS_SLOW,       /* not as long */
    SAYS_NONSENSE, /* no SymbolAnswer */
    LIES_ON_BETA,  /* another valid point */
    LIES_ON_GAMMA, /* outside GT */
    LIES_ON_SLOT,  /* the next server's */
    NO_FORWARD,
    OTHERS_FORWARD, /* signed by somebody else */
    OLD_FORWARD,    /* an older generation */
    UNSIGNED,       /* its symbol right, but without its word that it is */
};

struct storage {
    struct identity identity;
    struct server *server; /* NULL: dead */
    atomic_int behaviour;
    atomic_int asked;
    unsigned slot;
};

struct generation {
    struct rekey rekey;
    Myelin__Signed *forward;
    struct ciphertext values[N]; /* re-encrypted */
};

struct world {
    char dir[PATH_MAX], store[PATH_MAX];
    struct description description;
    struct ca *ca;
    struct identity self; /* key-1 */
    struct person alice, bob, mallory;
    struct g2 tau;
    uint8_t tau_bytes[G2_BYTES];
    struct codeword_symbol symbols[N]; /* alice's image */
    struct generation old, current;    /* alice's forward to bob, serials 1000 and 2000 */
    Myelin__Signed *forged;            /* mallory's signature under the current forward */
    struct storage storage[N];
    struct key_service service;
    int stores; /* how many there were */
};

static struct world world;

static inline ProtobufCBinaryData field(void *data, size_t len) {
    return (ProtobufCBinaryData){len, data};
}

/* ------------------------------------------------------------------ people */

static inline void person_certify(struct person *person) {
    struct ca_request request = {.user = person->name, .public_key = person->public_key};
    memcpy(request.identity, person->identity.public_key, sizeof request.identity);
    keygen_prove(&person->secret, &person->public_key, view_of_string(person->name),
                 request.possession);
    person->certificate.len = 0;
    assert_int_equal(ca_issue_user(world.ca, &request, 0, &person->certificate), OK);
    assert_int_equal(tls_peer_check(bytes_view(&person->certificate), ca_certificate(world.ca),
                                    time(NULL), &person->peer),
                     OK);
}

static inline void person_make(const char *name, struct person *person) {
    snprintf(person->name, sizeof person->name, "%s", name);
    sign_key_random(&person->identity);
    keygen(&person->secret, &person->public_key);
    assert_int_equal(share_keygen(&person->secret, T, M, person->shares, &person->commitments), OK);
    person_certify(person);
}

static inline void person_free(struct person *person) {
    bytes_free(&person->certificate);
    share_commitments_free(&person->commitments);
}

/* The message that brings a person's share to key-1. */
struct offer {
    Myelin__EnrollShare message;
    uint8_t s1[SCALAR_BYTES], s2[SCALAR_BYTES], proof[POSSESSION_BYTES];
    uint8_t f1[T][G1_BYTES], f2[T][G2_BYTES];
    ProtobufCBinaryData commitment1[T], commitment2[T];
};

static inline void offer_make(struct person *person, struct offer *out) {
    memset(out, 0, sizeof *out);
    myelin__enroll_share__init(&out->message);
    scalar_to_bytes(&person->shares[J - 1].s1, out->s1);
    scalar_to_bytes(&person->shares[J - 1].s2, out->s2);
    keygen_prove(&person->secret, &person->public_key, view_of_string(person->name), out->proof);
    for (size_t i = 0; i < T; i++) {
        g1_to_bytes(&person->commitments.f1[i], out->f1[i]);
        g2_to_bytes(&person->commitments.f2[i], out->f2[i]);
        out->commitment1[i] = field(out->f1[i], G1_BYTES);
        out->commitment2[i] = field(out->f2[i], G2_BYTES);
    }
    out->message.user = person->name;
    out->message.index = J;
    out->message.s1 = field(out->s1, sizeof out->s1);
    out->message.s2 = field(out->s2, sizeof out->s2);
    out->message.n_commitment1 = out->message.n_commitment2 = T;
    out->message.commitment1 = out->commitment1;
    out->message.commitment2 = out->commitment2;
    out->message.proof = field(out->proof, sizeof out->proof);
}

static inline result offer_send(const struct offer *offer, const struct tls_peer *peer) {
    AUTO_BYTES struct bytes wire = {0};
    assert_int_equal(format_pack(&offer->message, &wire), OK);
    return service_enroll(&world.service, peer, bytes_view(&wire));
}

static inline void enrol(struct person *person) {
    struct offer offer;
    offer_make(person, &offer);
    assert_int_equal(offer_send(&offer, &person->peer), OK);
    assert_int_equal(service_activate(&world.service, &person->peer), OK);
}

/* ------------------------------------------------------------------ the image */

static inline Myelin__Signed *sign_forward(const struct person *signer, struct rekey *rekey,
                                           uint64_t serial_ms) {
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES], label[64] = {0};
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    Myelin__Signed *record = NULL;
    rekey_to_bytes(rekey, rk1, rk2);
    forward.owner = world.alice.name;
    forward.recipient = world.bob.name;
    forward.tau = field(world.tau_bytes, G2_BYTES);
    forward.rk1 = field(rk1, sizeof rk1);
    forward.rk2 = field(rk2, sizeof rk2);
    forward.serial_ms = serial_ms;
    forward.label = field(label, sizeof label);
    assert_int_equal(format_sign(&signer->identity, &forward, &record), OK);
    return record;
}

static inline void generation_make(uint64_t serial_ms, struct generation *out) {
    struct reenc_key key;
    assert_int_equal(rekeygen(&world.alice.secret.a1, &world.alice.secret.a3,
                              view_of_string("a study"), &world.bob.public_key, &out->rekey),
                     OK);
    out->forward = sign_forward(&world.alice, &out->rekey, serial_ms);
    reenc_prepare(&out->rekey, &key);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(reenc(&key, &world.symbols[i].value, &out->values[i]), OK);
}

static inline void image_make(void) {
    struct gt messages[K];
    struct ciphertext ciphertexts[K];
    assert_int_equal(token(&world.alice.secret.a3, view_of_string("a study"), &world.tau), OK);
    g2_to_bytes(&world.tau, world.tau_bytes);
    enc_random_messages(K, messages);
    enc(&world.alice.public_key, &world.tau, messages, K, ciphertexts);
    for (size_t i = 0; i < N; i++) {
        struct scalar coefficients[K];
        encode_coefficients(NULL, K, coefficients);
        assert_int_equal(encode(ciphertexts, coefficients, K, &world.symbols[i]), OK);
    }
    generation_make(1000, &world.old);
    generation_make(2000, &world.current);
    world.forged = sign_forward(&world.mallory, &world.current.rekey, 3000);
}

/* ------------------------------------------------------------------ storage servers */

/* A SymbolAnswer with its bytes. */
struct told {
    Myelin__SymbolAnswer answer;
    Myelin__Symbol symbol;
    struct ciphertext_bytes value;
    uint8_t coefficients[K][SCALAR_BYTES];
    ProtobufCBinaryData coefficient[K];
};

static inline void tell(const struct storage *storage, bool to_owner, int behaviour,
                        struct told *out) {
    const struct generation *generation = behaviour == OLD_FORWARD ? &world.old : &world.current;
    const struct codeword_symbol *original = &world.symbols[storage->slot];
    myelin__symbol_answer__init(&out->answer);
    myelin__symbol__init(&out->symbol);
    ciphertext_to_bytes(to_owner ? &original->value : &generation->values[storage->slot],
                        &out->value);
    if (behaviour == LIES_ON_BETA)
        g2_to_bytes(&world.old.rekey.rk2, out->value.beta);
    if (behaviour == LIES_ON_GAMMA)
        out->value.gamma[GT_BYTES - 1] ^= 1;
    for (size_t i = 0; i < K; i++) {
        scalar_to_bytes(&original->coefficients[i], out->coefficients[i]);
        out->coefficient[i] = field(out->coefficients[i], SCALAR_BYTES);
    }
    out->symbol.slot = behaviour == LIES_ON_SLOT ? (storage->slot + 1) % N : storage->slot;
    out->symbol.b = to_owner ? 0 : 1;
    out->symbol.alpha = field(out->value.alpha, G1_BYTES);
    out->symbol.beta = field(out->value.beta, G2_BYTES);
    out->symbol.gamma = field(out->value.gamma, GT_BYTES);
    out->symbol.n_coefficient = K;
    out->symbol.coefficient = out->coefficient;
    out->answer.symbol = &out->symbol;
    if (!to_owner && behaviour != NO_FORWARD)
        out->answer.forward = behaviour == OTHERS_FORWARD ? world.forged : generation->forward;
}

static inline result storage_answer(struct server_exchange *exchange) {
    struct storage *storage = exchange_context(exchange);
    const char *user = exchange_query(exchange, "for");
    AUTO_BYTES struct bytes wire = {0};
    struct told told;
    int behaviour = storage->behaviour;
    uint8_t image[DIGEST_BYTES], signature[SIGN_BYTES];
    storage->asked++;
    if (exchange_peer(exchange)->role != TLS_ROLE_KEY || user == NULL)
        return FAIL(INTERNAL, "a key server asks, and for somebody");
    bool to_owner = strcmp(user, world.alice.name) == 0;
    if (behaviour == REFUSES || (!to_owner && strcmp(user, world.bob.name) != 0))
        return FAIL(DENIED, "not yours");
    if (behaviour == HAS_NONE)
        return FAIL(NOT_FOUND, "no such image");
    if (behaviour == HANGS)
        nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    if (behaviour == IS_SLOW)
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    tell(storage, to_owner, behaviour, &told);
    if (exchange_query(exchange, "signed") != NULL && behaviour != UNSIGNED &&
        hex_decode(exchange_param(exchange, "image"), image, sizeof image) == OK) {
        const struct format_statement statement = {storage->identity.name, user, image,
                                                   &told.symbol};
        if (format_statement_sign(storage->identity.key, &statement, signature) == OK)
            told.answer.signature = field(signature, sizeof signature);
    }
    result packed = behaviour == SAYS_NONSENSE ? bytes_append(&wire, view_of_string("nonsense"))
                                               : format_pack(&told.answer, &wire);
    return packed == OK ? exchange_answer(exchange, "application/protobuf", &wire) : packed;
}

static const struct server_route storage_routes[] = {
    {"GET", "/v1/images/{image}/symbol", .end = storage_answer},
};

/* Each server has the slot of the image that placement gives it. */
static inline void storage_place(void) {
    const char *names[FORMAT_SERVERS_MAX];
    unsigned n = placement_slots(&world.description, world.tau_bytes, names);
    for (unsigned slot = 0; slot < n; slot++)
        world.storage[description_find_storage(&world.description, names[slot])].slot = slot;
}

static inline void storage_start(unsigned server) {
    struct storage *storage = &world.storage[server];
    struct server_options options = {
        .listen = world.description.system->storage[server]->address,
        .identity = storage->identity.tls,
        .routes = storage_routes,
        .route_count = 1,
        .context = storage,
    };
    assert_int_equal(server_start(&options, &storage->server), OK);
}

static inline void storage_stop(unsigned server) {
    server_stop(world.storage[server].server, 0);
    world.storage[server].server = NULL;
}

static inline void all_storage(enum behaviour behaviour) {
    for (unsigned i = 0; i < N; i++)
        world.storage[i].behaviour = (int)behaviour;
}

static inline void identity_of(const char *name, enum tls_role role, struct identity *out) {
    char config[PATH_MAX];
    assert_int_equal(local_config_path(world.dir, name, config, sizeof config), OK);
    assert_int_equal(identity_load_server(config, role, &world.description, out), OK);
}

/* ------------------------------------------------------------------ the whole */

static const uint8_t seal_key[SEAL_KEY_BYTES] = {7};

static inline int world_setup(void **state) {
    char template[64], manager[PATH_MAX], name[32];
    (void)state;
    /* In memory where there is such a folder: most of the time would be spent waiting for a disk.
     */
    snprintf(template, sizeof template, "%s/myelin-keyd-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (secret_start() != OK || mkdtemp(template) == NULL)
        return -1;
    log_set_level(LOG_ERROR + 1);
    snprintf(world.dir, sizeof world.dir, "%s", template);
    assert_int_equal(local_create(world.dir, N, K, M, T), OK);
    assert_int_equal(description_load(world.dir, NULL, &world.description), OK);
    assert_int_equal(local_manager_path(world.dir, manager, sizeof manager), OK);
    assert_int_equal(ca_load(manager, &world.ca), OK);
    identity_of("key-1", TLS_ROLE_KEY, &world.self);
    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof name, "storage-%u", i + 1);
        identity_of(name, TLS_ROLE_STORAGE, &world.storage[i].identity);
    }
    person_make("alice", &world.alice);
    person_make("bob", &world.bob);
    person_make("mallory", &world.mallory);
    image_make();
    storage_place();
    return 0;
}

static inline int world_teardown(void **state) {
    (void)state;
    person_free(&world.alice);
    person_free(&world.bob);
    person_free(&world.mallory);
    for (unsigned i = 0; i < N; i++) {
        codeword_symbol_free(&world.symbols[i]);
        identity_free(&world.storage[i].identity);
    }
    format_free(world.old.forward);
    format_free(world.current.forward);
    format_free(world.forged);
    identity_free(&world.self);
    ca_free_at(&world.ca);
    description_free(&world.description);
    return file_remove_tree(world.dir) == OK ? 0 : -1;
}

static inline void service_reopen(void) {
    key_service_close(&world.service);
    assert_int_equal(key_service_open(world.store, seal_key, J, &world.description, world.self.tls,
                                      &world.service),
                     OK);
    world.service.signing = world.self.key;
}

/* A fresh key server for each test, and storage servers that all do what they should. */
static inline int service_setup(void **state) {
    (void)state;
    snprintf(world.store, sizeof world.store, "%.1000s/fresh-%d", world.dir, world.stores++);
    all_storage(GOOD);
    for (unsigned i = 0; i < N; i++)
        storage_start(i);
    assert_int_equal(file_make_folders(world.store, 0700), OK);
    service_reopen();
    return 0;
}

static inline int service_teardown(void **state) {
    (void)state;
    key_service_close(&world.service);
    for (unsigned i = 0; i < N; i++)
        storage_stop(i);
    return 0;
}

static inline uint64_t test_clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
