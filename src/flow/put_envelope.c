#include "flow/put_envelope.h"

#include <stdlib.h>
#include <string.h>

#include "scheme/combine.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "seal/seal.h"
#include "system/user.h"

static const char ID_PURPOSE[] = "MYELIN-V1-ID-KEY";

/* All k-subsets of the n servers are checked where they are no more than this. */
enum { SUBSETS_ALL = 256, SUBSETS_SAMPLE = 64, SUBSETS_SAMPLE_LARGE = 4, LARGE_K = 32 };

void put_envelope_free(struct put_envelope *envelope) {
    format_free(envelope->record);
    for (unsigned i = 0; envelope->symbols != NULL && i < envelope->n; i++)
        bytes_free(&envelope->symbols[i]);
    free(envelope->symbols);
    *envelope = (struct put_envelope){0};
}

/* What lives only while an envelope is made. */
struct making {
    unsigned n, k;
    struct gt *messages; /* secret */
    struct ciphertext *ciphertexts;
    struct codeword_symbol *symbols; /* n */
    uint8_t (*hashes)[DIGEST_BYTES]; /* n */
};

static void making_free(struct making *making) {
    secret_free(making->messages);
    free(making->ciphertexts);
    for (unsigned i = 0; making->symbols != NULL && i < making->n; i++)
        codeword_symbol_free(&making->symbols[i]);
    free(making->symbols);
    free(making->hashes);
}
#define AUTO_MAKING __attribute__((cleanup(making_free)))

static result making_init(struct making *making, unsigned n, unsigned k) {
    *making = (struct making){.n = n, .k = k};
    TRY(secret_new(k * sizeof *making->messages, (void **)&making->messages));
    making->ciphertexts = calloc(k, sizeof *making->ciphertexts);
    making->symbols = calloc(n, sizeof *making->symbols);
    making->hashes = calloc(n, sizeof *making->hashes);
    if (making->ciphertexts == NULL || making->symbols == NULL || making->hashes == NULL)
        return FAIL(NO_MEMORY, "no memory for an envelope of %u symbols", n);
    return OK;
}

/* The next k-subset in lexicographic order; false after the last. */
static bool next_subset(unsigned n, unsigned k, unsigned subset[]) {
    unsigned i = k;
    while (i > 0 && subset[i - 1] == n - k + i - 1)
        i--;
    if (i == 0)
        return false;
    subset[i - 1]++;
    for (; i < k; i++)
        subset[i] = subset[i - 1] + 1;
    return true;
}

/* A random k-subset: the first k of a shuffle. */
static void random_subset(unsigned n, unsigned k, unsigned subset[]) {
    unsigned order[FORMAT_SERVERS_MAX];
    uint32_t draws[FORMAT_SERVERS_MAX];
    secret_random(draws, sizeof draws);
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = 0; i < k; i++) {
        unsigned j = i + draws[i] % (n - i), chosen = order[j];
        order[j] = order[i];
        subset[i] = order[i] = chosen;
    }
}

static result check_subset(const struct making *making, const unsigned subset[]) {
    const struct scalar *rows[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < making->k; i++)
        rows[i] = making->symbols[subset[i]].coefficients;
    return combine_check_rows(rows, making->k);
}

/* min(C(n, k), limit + 1) */
static unsigned count_subsets(unsigned n, unsigned k, unsigned limit) {
    uint64_t count = 1;
    for (unsigned i = 1; i <= k; i++) {
        count = count * (n - k + i) / i;
        if (count > limit)
            return limit + 1;
    }
    return (unsigned)count;
}

static result check_decodable(const struct making *making) {
    unsigned subset[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < making->k; i++)
        subset[i] = i;
    if (count_subsets(making->n, making->k, SUBSETS_ALL) <= SUBSETS_ALL) {
        do
            TRY(check_subset(making, subset));
        while (next_subset(making->n, making->k, subset));
        return OK;
    }
    unsigned sample = making->k < LARGE_K ? SUBSETS_SAMPLE : SUBSETS_SAMPLE_LARGE;
    for (unsigned i = 0; i < sample; i++) {
        random_subset(making->n, making->k, subset);
        TRY(check_subset(making, subset));
    }
    return OK;
}

static result encode_symbols(struct making *making) {
    struct scalar coefficients[FORMAT_SERVERS_MAX];
    for (unsigned slot = 0; slot < making->n; slot++) {
        encode_coefficients(NULL, making->k, coefficients);
        TRY(encode(making->ciphertexts, coefficients, making->k, &making->symbols[slot]));
    }
    return check_decodable(making);
}

/* One slot's symbol as a message, and its hash for the envelope. */
static result pack_symbol(const struct making *making, unsigned slot, struct bytes *out_wire,
                          uint8_t out_hash[DIGEST_BYTES]) {
    const struct codeword_symbol *symbol = &making->symbols[slot];
    struct ciphertext_bytes value;
    ciphertext_to_bytes(&symbol->value, &value);
    uint8_t coefficients[FORMAT_SERVERS_MAX][SCALAR_BYTES];
    ProtobufCBinaryData fields[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < symbol->k; i++) {
        scalar_to_bytes(&symbol->coefficients[i], coefficients[i]);
        fields[i] = format_bytes(view_of(coefficients[i], SCALAR_BYTES));
    }
    Myelin__Symbol message = MYELIN__SYMBOL__INIT;
    message.slot = slot;
    message.b = symbol->value.b;
    message.alpha = format_bytes(view_of(value.alpha, sizeof value.alpha));
    message.beta = format_bytes(view_of(value.beta, sizeof value.beta));
    message.gamma = format_bytes(view_of(value.gamma, sizeof value.gamma));
    message.n_coefficient = symbol->k;
    message.coefficient = fields;
    format_symbol_hash(&message, out_hash);
    return format_pack(&message, out_wire);
}

static result sign_envelope(struct session *session, const struct image *image, const char *id,
                            char *const names[], const struct making *making,
                            const uint8_t put[FORMAT_ID_BYTES], const uint8_t *key,
                            Myelin__Signed **out_record) {
    uint8_t commitment[KEY_COMMITMENT_BYTES];
    content_key_commitment(key, commitment);
    AUTO_BYTES struct bytes label = {0}, sealed_id = {0};
    TRY(image_label_seal(session, image->tau_bytes, id, &label));
    TRY(seal_text(key, ID_PURPOSE, view_of(image->tau_bytes, FORMAT_TAU_BYTES), view_of_string(id),
                  &sealed_id));
    ProtobufCBinaryData hashes[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < making->n; i++)
        hashes[i] = format_bytes(view_of(making->hashes[i], DIGEST_BYTES));

    Myelin__Envelope envelope = MYELIN__ENVELOPE__INIT;
    envelope.format = 1;
    envelope.owner = (char *)(uintptr_t)session->user; /* read only */
    envelope.tau = format_bytes(view_of(image->tau_bytes, FORMAT_TAU_BYTES));
    envelope.k = making->k;
    envelope.n_servers = envelope.n_symbol_hash = making->n;
    envelope.servers = (char **)(uintptr_t)names; /* read only */
    envelope.symbol_hash = hashes;
    envelope.key_commitment = format_bytes(view_of(commitment, sizeof commitment));
    envelope.owner_label = format_bytes(bytes_view(&label));
    envelope.sealed_id = format_bytes(bytes_view(&sealed_id));
    envelope.put = format_bytes(view_of(put, FORMAT_ID_BYTES));
    envelope.created_ms = session_now_ms();
    return format_sign(session->signing, &envelope, out_record);
}

/* The content key of fresh messages, whose ciphertexts stay in `making`. */
static result make_key(struct session *session, const struct image *image, struct making *making,
                       struct content_key_secret **out_key) {
    struct public_key public_key;
    TRY(user_public_key(bytes_view(&session->keystore.certificate), &public_key));
    enc_random_messages(making->k, making->messages);
    enc(&public_key, &image->tau, making->messages, making->k, making->ciphertexts);
    AUTO_GT struct gt product;
    content_key_product(making->messages, making->k, &product);
    TRY(secret_new(sizeof **out_key, (void **)out_key));
    content_key(&product, &image->tau, (*out_key)->bytes);
    return OK;
}

result put_envelope_new(struct session *session, const struct image *image, const char *id,
                        char *const names[], unsigned n, unsigned k,
                        const uint8_t put[FORMAT_ID_BYTES], struct put_envelope *out_envelope,
                        struct content_key_secret **out_key) {
    AUTO_MAKING struct making making;
    TRY(making_init(&making, n, k));
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(make_key(session, image, &making, &key));
    TRY(encode_symbols(&making));

    AUTO_PUT_ENVELOPE struct put_envelope envelope = {.n = n};
    envelope.symbols = calloc(n, sizeof *envelope.symbols);
    if (envelope.symbols == NULL)
        return FAIL(NO_MEMORY, "no memory for an envelope of %u symbols", n);
    for (unsigned slot = 0; slot < n; slot++)
        TRY(pack_symbol(&making, slot, &envelope.symbols[slot], making.hashes[slot]));
    TRY(sign_envelope(session, image, id, names, &making, put, key->bytes, &envelope.record));
    *out_envelope = envelope;
    envelope = (struct put_envelope){0};
    *out_key = key;
    key = NULL;
    return OK;
}
