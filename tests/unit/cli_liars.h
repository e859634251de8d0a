/*
 * A system for the tests of opening: key servers in this process that lie as they are told, two
 * users, and one image of alice's that she has forwarded to bob. There are no storage servers: the
 * key servers have the envelope symbols at hand, and the storage servers' keys to sign them with.
 */
#ifndef MYELIN_TESTS_CLI_LIARS_H
#define MYELIN_TESTS_CLI_LIARS_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "flow/open.h"
#include "flow/put_envelope.h"
#include "format/statement.h"
#include "net/server.h"
#include "scheme/reenc.h"
#include "scheme/share_dec.h"
#include "system/ca.h"
#include "system/identity.h"
#include "system/local.h"

enum { N = 4, K = 2, M = 4, T = 2 };

enum lie {
    HONEST,
    WRONG_PARTIAL,
    ALTERED_SYMBOLS,  /* two of them have others' alpha */
    LYING_STORAGE,    /* the same, and their servers have signed it */
    ALTERED_AT_FIRST, /* the same, until proofs are asked for */
    OTHER_INDEX,      /* answers as the next key server */
    FORGED_FORWARD,   /* signed by the recipient himself */
    OWN_COMMITMENTS,  /* its directory entries are made up; and WRONG_PARTIAL */
    WRONG_SHARE,      /* gives another key share than the user's */
    OTHERS_BOX,       /* gives the share in a box to somebody else */
    FEW_SYMBOLS,      /* one, of the same storage server as the others */
    NO_HEAD,          /* does not sign the head of its log */
    OLD_HEAD,         /* of a log that does not grow */
    FOREIGN_HEAD,     /* another server's */
    HAS_NONE,         /* 404 */
    REFUSES,          /* 403 */
    HANGS,
};

struct key_server {
    unsigned index; /* from 0 */
    atomic_int lie;
    atomic_uint entries; /* of its log */
    struct identity identity;
    struct server *server;
};

struct person {
    const char *name;
    struct secret_key *secret;
    struct public_key public_key;
    struct key_share *shares; /* M */
    struct share_commitments commitments, made_up;
    struct bytes certificate;
    struct session *session;
};

struct world {
    char dir[64];
    struct description description;
    struct key_server keys[M];
    struct identity storage[N];
    struct person alice, bob;
    struct image image;
    struct content_key_secret *content_key;
    Myelin__Symbol *original[N];
    struct bytes re_encrypted[N]; /* packed */
    struct rekey rekey;
    Myelin__Signed *forward, *forged;
};

static struct world world;

/* ------------------------------------------------------------------ the key servers */

/* As after an entry for the question at hand; NULL from one that has none. */
static result sign_head(struct key_server *self, Myelin__Signed **out_head) {
    unsigned signer = self->lie == FOREIGN_HEAD ? (self->index + 1) % M : self->index;
    uint8_t hash[DIGEST_BYTES] = {1};
    Myelin__Head head = MYELIN__HEAD__INIT;
    *out_head = NULL;
    if (self->lie == NO_HEAD)
        return OK;
    head.system = world.description.system->id;
    head.server = world.description.system->key[signer]->name;
    head.sequence = self->lie == OLD_HEAD ? 1 : 1 + atomic_fetch_add(&self->entries, 1);
    head.hash = format_bytes(view_of(hash, sizeof hash));
    head.time_ms = clock_date_ms();
    return format_sign(world.keys[signer].identity.key, &head, out_head);
}

static const struct person *caller_of(struct server_exchange *exchange) {
    bool is_alice = strcmp(exchange_peer(exchange)->name, "alice") == 0;
    return is_alice ? &world.alice : &world.bob;
}

static result answer_user(struct server_exchange *exchange) {
    struct key_server *self = exchange_context(exchange);
    bool is_alice = strcmp(exchange_param(exchange, "user"), "alice") == 0;
    const struct person *person = is_alice ? &world.alice : &world.bob;
    const struct share_commitments *commitments =
        self->lie == OWN_COMMITMENTS ? &person->made_up : &person->commitments;
    uint8_t f1[M][G1_BYTES], f2[M][G2_BYTES];
    ProtobufCBinaryData fields1[M], fields2[M];
    for (unsigned i = 0; i < commitments->t; i++) {
        g1_to_bytes(&commitments->f1[i], f1[i]);
        g2_to_bytes(&commitments->f2[i], f2[i]);
        fields1[i] = format_bytes(view_of(f1[i], G1_BYTES));
        fields2[i] = format_bytes(view_of(f2[i], G2_BYTES));
    }
    Myelin__UserAnswer answer = MYELIN__USER_ANSWER__INIT;
    answer.certificate = format_bytes(bytes_view(&person->certificate));
    answer.n_commitment1 = answer.n_commitment2 = commitments->t;
    answer.commitment1 = fields1;
    answer.commitment2 = fields2;
    answer.enrolled_ms = 1;
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(&answer, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

/* The partial and its proof; a liar's proof is the best that he has, that of the right partial. */
static result make_partial(const struct key_server *self, const struct person *person, bool b,
                           uint8_t d[G2_BYTES], uint8_t proof[PARTIAL_PROOF_BYTES]) {
    const struct key_share *share = &person->shares[self->index];
    const struct g2 *beta = b ? &world.rekey.rk1 : &world.image.tau;
    struct partial partial;
    TRY(share_dec(share, b, beta, &partial));
    TRY(share_dec_prove(share, &person->public_key, b, beta, &partial, proof));
    if (self->lie == WRONG_PARTIAL || self->lie == OWN_COMMITMENTS)
        g2_mul(&partial.d, &partial.d, &partial.d);
    g2_to_bytes(&partial.d, d);
    return OK;
}

/* The storage server's word for its symbol: a key server that alters it has the one for the right
 * symbol only. */
static result sign_symbol(struct server_exchange *exchange, const struct key_server *self,
                          unsigned slot, const Myelin__Symbol *right, const Myelin__Symbol *sent,
                          uint8_t out_signature[SIGN_BYTES]) {
    uint8_t image[DIGEST_BYTES];
    format_image_id(world.image.tau_bytes, image);
    const struct format_statement statement = {world.storage[slot].name, caller_of(exchange)->name,
                                               image, self->lie == LYING_STORAGE ? sent : right};
    return format_statement_sign(world.storage[slot].key, &statement, out_signature);
}

static result send_answer(struct server_exchange *exchange, struct key_server *self, bool b,
                          Myelin__Symbol *right[N], Myelin__Symbol *symbols[N], bool prove) {
    static const char *const names[N] = {"storage-1", "storage-2", "storage-3", "storage-4"};
    uint8_t d[G2_BYTES], proof[PARTIAL_PROOF_BYTES], rk2[G2_BYTES], beta[G2_BYTES];
    char copies[N][16];
    uint8_t signatures[N][SIGN_BYTES];
    Myelin__ServedSymbol served[N], *list[N];
    for (unsigned i = 0; i < N; i++) {
        served[i] = (Myelin__ServedSymbol)MYELIN__SERVED_SYMBOL__INIT;
        snprintf(copies[i], sizeof copies[i], "%s", names[i]);
        served[i].server = copies[i];
        served[i].symbol = symbols[i];
        list[i] = &served[i];
        if (!prove)
            continue;
        TRY(sign_symbol(exchange, self, i, right[i], symbols[i], signatures[i]));
        served[i].signature = format_bytes(view_of(signatures[i], SIGN_BYTES));
    }
    TRY(make_partial(self, caller_of(exchange), b, d, proof));
    g2_to_bytes(&world.image.tau, beta);
    if (b)
        rekey_to_bytes(&world.rekey, beta, rk2);
    Myelin__OpenAnswer answer = MYELIN__OPEN_ANSWER__INIT;
    answer.index = self->index + (self->lie == OTHER_INDEX ? 2 : 1);
    answer.b = b;
    answer.beta = format_bytes(view_of(beta, sizeof beta));
    answer.partial = format_bytes(view_of(d, sizeof d));
    answer.proof = format_bytes(view_of(proof, sizeof proof));
    answer.t = caller_of(exchange)->commitments.t;
    answer.n_symbol = self->lie == FEW_SYMBOLS ? 1 : N;
    answer.symbol = list;
    if (b)
        answer.forward = self->lie == FORGED_FORWARD ? world.forged : world.forward;
    AUTO_FORMAT Myelin__Signed *head = NULL;
    TRY(sign_head(self, &head));
    answer.head = head;
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(&answer, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static result answer_open(struct server_exchange *exchange) {
    struct key_server *self = exchange_context(exchange);
    bool b = caller_of(exchange) == &world.bob;
    if (self->lie == HAS_NONE)
        return FAIL(NOT_FOUND, "no such image");
    if (self->lie == REFUSES)
        return FAIL(DENIED, "the forward was revoked");
    if (self->lie == HANGS)
        nanosleep(&(struct timespec){.tv_sec = 4}, NULL);
    AUTO_FORMAT Myelin__OpenRequest *request = NULL;
    TRY(format_parse_open_request(exchange_body(exchange), &request));
    Myelin__Symbol copies[N], *symbols[N], *right[N];
    Myelin__Symbol *parsed[N] = {NULL};
    for (unsigned i = 0; i < N; i++) {
        if (b)
            TRY(format_parse_symbol(bytes_view(&world.re_encrypted[i]), &parsed[i]));
        right[i] = b ? parsed[i] : world.original[i];
        copies[i] = *right[i];
        symbols[i] = &copies[i];
    }
    if (self->lie == ALTERED_SYMBOLS || self->lie == LYING_STORAGE ||
        (self->lie == ALTERED_AT_FIRST && !request->prove)) {
        copies[0].alpha = symbols[2]->alpha;
        copies[1].alpha = symbols[3]->alpha;
    }
    result sent = send_answer(exchange, self, b, right, symbols, request->prove);
    for (unsigned i = 0; i < N; i++)
        format_free(parsed[i]);
    return sent;
}

static result answer_recover(struct server_exchange *exchange) {
    struct key_server *self = exchange_context(exchange);
    const struct person *caller = caller_of(exchange);
    const struct person *owner = self->lie == WRONG_SHARE ? &world.bob : caller;
    const struct person *reader = self->lie == OTHERS_BOX ? &world.bob : caller;
    if (self->lie == REFUSES)
        return FAIL(DENIED, "not to you");
    if (self->lie == HANGS)
        nanosleep(&(struct timespec){.tv_sec = 4}, NULL);
    AUTO_FORMAT Myelin__RecoverRequest *request = NULL;
    TRY(format_parse_recover_request(exchange_body(exchange), &request));
    uint8_t s1[SCALAR_BYTES];
    scalar_to_bytes(&owner->shares[self->index].s1, s1);
    AUTO_BYTES struct bytes box = {0}, wire = {0};
    TRY(sign_box_seal(reader->session->signing->public_key, view_of(s1, sizeof s1), &box));
    Myelin__RecoverAnswer answer = MYELIN__RECOVER_ANSWER__INIT;
    answer.index = self->index + (self->lie == OTHER_INDEX ? 2 : 1);
    answer.box = format_bytes(bytes_view(&box));
    AUTO_FORMAT Myelin__Signed *head = NULL;
    TRY(sign_head(self, &head));
    answer.head = head;
    TRY(format_pack(&answer, &wire));
    return exchange_answer(exchange, "application/protobuf", &wire);
}

static const struct server_route routes[] = {
    {.method = "GET", .pattern = "/v1/users/{user}", .end = answer_user},
    {.method = "POST",
     .pattern = "/v1/open",
     .body = SERVER_BODY_BUFFERED,
     .body_limit = FORMAT_LIMIT_OPEN_REQUEST,
     .end = answer_open},
    {.method = "POST",
     .pattern = "/v1/recover",
     .body = SERVER_BODY_BUFFERED,
     .body_limit = FORMAT_LIMIT_RECOVER_REQUEST,
     .end = answer_recover},
};

static void load_storage_server(unsigned slot) {
    const Myelin__Server *server = world.description.system->storage[slot];
    char config[PATH_MAX];
    assert_int_equal(local_config_path(world.dir, server->name, config, sizeof config), OK);
    assert_int_equal(
        identity_load_server(config, TLS_ROLE_STORAGE, &world.description, &world.storage[slot]),
        OK);
}

static void start_key_server(unsigned index) {
    struct key_server *self = &world.keys[index];
    const Myelin__Server *server = world.description.system->key[index];
    char config[PATH_MAX];
    self->index = index;
    assert_int_equal(local_config_path(world.dir, server->name, config, sizeof config), OK);
    assert_int_equal(
        identity_load_server(config, TLS_ROLE_KEY, &world.description, &self->identity), OK);
    struct server_options options = {.listen = server->address,
                                     .identity = self->identity.tls,
                                     .routes = routes,
                                     .route_count = sizeof routes / sizeof *routes,
                                     .context = self};
    assert_int_equal(server_start(&options, &self->server), OK);
}

/* ------------------------------------------------------------------ people and the image */

static void open_session_of(struct person *person, struct keystore *keystore) {
    AUTO_DESCRIPTION struct description description = {0};
    memcpy(keystore->trust.ca_key, world.description.ca_key, FORMAT_IDENTITY_BYTES);
    memcpy(keystore->trust.system_id, world.description.system->id.data, FORMAT_ID_BYTES);
    assert_int_equal(description_load(world.dir, &keystore->trust, &description), OK);
    assert_int_equal(session_new(&description, keystore, &person->session), OK);
}

static void make_person(struct person *person, const char *name) {
    char manager[PATH_MAX];
    AUTO_CA struct ca *ca = NULL;
    AUTO_KEYSTORE struct keystore keystore = {0};
    struct key_share *other_shares = NULL;
    person->name = name;
    assert_int_equal(secret_new(sizeof *person->secret, (void **)&person->secret), OK);
    assert_int_equal(secret_new(M * sizeof *person->shares, (void **)&person->shares), OK);
    assert_int_equal(secret_new(M * sizeof *other_shares, (void **)&other_shares), OK);
    assert_int_equal(secret_new(sizeof *keystore.secrets, (void **)&keystore.secrets), OK);
    keygen(person->secret, &person->public_key);
    assert_int_equal(share_keygen(person->secret, T, M, person->shares, &person->commitments), OK);
    assert_int_equal(share_keygen(person->secret, T, M, other_shares, &person->made_up), OK);
    secret_free(other_shares);
    sign_key_random(&keystore.secrets->identity);
    keystore.secrets->a3 = person->secret->a3;
    snprintf(keystore.user, sizeof keystore.user, "%s", name);
    struct ca_request request = {.user = name, .public_key = person->public_key};
    memcpy(request.identity, keystore.secrets->identity.public_key, sizeof request.identity);
    keygen_prove(person->secret, &person->public_key, view_of_string(name), request.possession);
    assert_int_equal(local_manager_path(world.dir, manager, sizeof manager), OK);
    assert_int_equal(ca_load(manager, &ca), OK);
    assert_int_equal(ca_issue_user(ca, &request, 0, &keystore.certificate), OK);
    assert_int_equal(bytes_append(&person->certificate, bytes_view(&keystore.certificate)), OK);
    open_session_of(person, &keystore);
}

/* Other polynomials for a person's key, which t key servers open, as after a resharing; what stood
 * before goes to `shares` and `commitments`, and comes back from there. */
static inline void swap_shares(struct person *person, struct key_share **shares,
                               struct share_commitments *commitments) {
    struct key_share *other = *shares;
    struct share_commitments others = *commitments;
    *shares = person->shares;
    *commitments = person->commitments;
    person->shares = other;
    person->commitments = others;
}

static void make_image(void) {
    static char names[N][16];
    char *list[N];
    const uint8_t put[FORMAT_ID_BYTES] = {1};
    AUTO_PUT_ENVELOPE struct put_envelope envelope = {0};
    for (unsigned i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "storage-%u", i + 1);
        list[i] = names[i];
    }
    assert_int_equal(image_own(world.alice.session, "scan", &world.image), OK);
    assert_int_equal(put_envelope_new(world.alice.session, &world.image, "scan", list, N, K, put,
                                      &envelope, &world.content_key),
                     OK);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(format_parse_symbol(bytes_view(&envelope.symbols[i]), &world.original[i]),
                         OK);
    assert_int_equal(format_open_envelope(envelope.record, world.alice.session->signing->public_key,
                                          &world.image.envelope),
                     OK);
    world.image.record = envelope.record;
    envelope.record = NULL;
}

static void re_encrypt(unsigned slot, const struct reenc_key *key) {
    const Myelin__Symbol *original = world.original[slot];
    struct ciphertext value;
    struct ciphertext_bytes bytes;
    assert_int_equal(ciphertext_parse("symbol", 0, format_view(original->alpha),
                                      format_view(original->beta), format_view(original->gamma),
                                      &value),
                     OK);
    assert_int_equal(reenc(key, &value, &value), OK);
    ciphertext_to_bytes(&value, &bytes);
    Myelin__Symbol symbol = *original;
    symbol.b = 1;
    symbol.alpha = format_bytes(view_of(bytes.alpha, sizeof bytes.alpha));
    symbol.beta = format_bytes(view_of(bytes.beta, sizeof bytes.beta));
    symbol.gamma = format_bytes(view_of(bytes.gamma, sizeof bytes.gamma));
    assert_int_equal(format_pack(&symbol, &world.re_encrypted[slot]), OK);
}

static void make_forward(void) {
    uint8_t rk1[G2_BYTES], rk2[G2_BYTES];
    char owner[] = "alice", recipient[] = "bob";
    uint8_t label[SIGN_BOX_OVERHEAD + 4] = {1};
    static struct reenc_key key;
    assert_int_equal(rekeygen(&world.alice.secret->a1, &world.alice.secret->a3,
                              view_of_string("scan"), &world.bob.public_key, &world.rekey),
                     OK);
    rekey_to_bytes(&world.rekey, rk1, rk2);
    Myelin__Forward forward = MYELIN__FORWARD__INIT;
    forward.owner = owner;
    forward.recipient = recipient;
    forward.tau = format_bytes(view_of(world.image.tau_bytes, FORMAT_TAU_BYTES));
    forward.rk1 = format_bytes(view_of(rk1, sizeof rk1));
    forward.rk2 = format_bytes(view_of(rk2, sizeof rk2));
    forward.serial_ms = 1000;
    forward.label = format_bytes(view_of(label, sizeof label));
    assert_int_equal(format_sign(world.alice.session->signing, &forward, &world.forward), OK);
    assert_int_equal(format_sign(world.bob.session->signing, &forward, &world.forged), OK);
    reenc_prepare(&world.rekey, &key);
    for (unsigned slot = 0; slot < N; slot++)
        re_encrypt(slot, &key);
}

static int start_world(void **state) {
    (void)state;
    snprintf(world.dir, sizeof world.dir, "/tmp/myelin-open-XXXXXX");
    assert_int_equal(secret_start(), OK);
    assert_non_null(mkdtemp(world.dir));
    assert_int_equal(local_create(world.dir, N, K, M, T), OK);
    assert_int_equal(description_load(world.dir, NULL, &world.description), OK);
    for (unsigned i = 0; i < M; i++)
        start_key_server(i);
    for (unsigned slot = 0; slot < N; slot++)
        load_storage_server(slot);
    make_person(&world.alice, "alice");
    make_person(&world.bob, "bob");
    make_image();
    make_forward();
    return 0;
}

static void drop_person(struct person *person) {
    session_close(person->session);
    secret_free(person->secret);
    secret_free(person->shares);
    share_commitments_free(&person->commitments);
    share_commitments_free(&person->made_up);
    bytes_free(&person->certificate);
}

static int end_world(void **state) {
    (void)state;
    for (unsigned i = 0; i < M; i++) {
        server_stop(world.keys[i].server, 0); /* waits for what still hangs */
        identity_free(&world.keys[i].identity);
    }
    drop_person(&world.alice);
    drop_person(&world.bob);
    for (unsigned i = 0; i < N; i++) {
        identity_free(&world.storage[i]);
        format_free(world.original[i]);
        bytes_free(&world.re_encrypted[i]);
    }
    format_free(world.forward);
    format_free(world.forged);
    image_free(&world.image);
    secret_free(world.content_key);
    description_free(&world.description);
    return (int)file_remove_tree(world.dir);
}

#endif
