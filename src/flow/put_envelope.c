#include "flow/put_envelope.h"

#include <stdlib.h>
#include <string.h>

#include "flow/put_choices.h"
#include "format/symbol.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "seal/seal.h"
#include "system/user.h"

static const char ID_PURPOSE[] = "MYELIN-V1-ID-KEY";

void put_envelope_free(struct put_envelope *envelope) {
    format_free(envelope->record);
    for (unsigned i = 0; envelope->symbols != NULL && i < envelope->n; i++)
        bytes_free(&envelope->symbols[i]);
    free(envelope->symbols);
    bytes_free(&envelope->coefficients);
    *envelope = (struct put_envelope){0};
}

void envelope_draft_free(struct envelope_draft *draft) {
    free(draft->ciphertexts);
    for (unsigned i = 0; draft->symbols != NULL && i < draft->n; i++)
        codeword_symbol_free(&draft->symbols[i]);
    free(draft->symbols);
    *draft = (struct envelope_draft){0};
}

result envelope_draft_new(struct session *session, const struct image *image, unsigned n,
                          unsigned k, struct envelope_draft *out_draft,
                          struct content_key_secret **out_key) {
    AUTO_ENVELOPE_DRAFT struct envelope_draft draft = {.n = n, .k = k};
    AUTO_SECRET struct content_key_secret *key = NULL;
    AUTO_SECRET struct gt *messages = NULL;
    AUTO_GT struct gt product;
    struct public_key public_key;
    TRY(secret_new(k * sizeof *messages, (void **)&messages));
    TRY(secret_new(sizeof *key, (void **)&key));
    draft.ciphertexts = calloc(k, sizeof *draft.ciphertexts);
    draft.symbols = calloc(n, sizeof *draft.symbols);
    if (draft.ciphertexts == NULL || draft.symbols == NULL)
        return FAIL(NO_MEMORY, "no memory for an envelope of %u symbols", n);
    TRY(user_public_key(bytes_view(&session->keystore.certificate), &public_key));
    enc_random_messages(k, messages);
    enc(&public_key, &image->tau, messages, k, draft.ciphertexts);
    content_key_product(messages, k, &product);
    content_key(&product, &image->tau, key->bytes);
    *out_draft = draft;
    draft = (struct envelope_draft){0};
    *out_key = key;
    key = NULL;
    return OK;
}

/* With random coefficients for everybody. */
static result encode_symbols(struct envelope_draft *draft) {
    const struct scalar *rows[FORMAT_SERVERS_MAX];
    struct scalar coefficients[FORMAT_SERVERS_MAX];
    AUTO_PUT_CHOICES struct put_choices choices = {0};
    TRY(put_choices_init(draft->n, draft->k, &choices));
    for (unsigned slot = 0; slot < draft->n; slot++) {
        struct codeword_symbol *symbol = &draft->symbols[slot];
        encode_coefficients(NULL, draft->k, coefficients);
        TRY(encode(draft->ciphertexts, coefficients, draft->k, symbol));
        rows[slot] = symbol->coefficients;
        TRY(put_choices_add_envelope(&choices, slot, rows));
    }
    return OK;
}

static result sign_record(struct session *session, const struct image *image, const char *id,
                          char *const names[], const struct envelope_draft *draft,
                          uint8_t (*symbol_hashes)[DIGEST_BYTES], struct view coefficients,
                          const uint8_t put[FORMAT_ID_BYTES], const uint8_t *key,
                          Myelin__Signed **out_record) {
    uint8_t commitment[KEY_COMMITMENT_BYTES], coefficients_hash[DIGEST_BYTES];
    digest_sha256(coefficients, coefficients_hash);
    content_key_commitment(key, commitment);
    AUTO_BYTES struct bytes label = {0}, sealed_id = {0};
    TRY(image_label_seal(session, image->tau_bytes, id, &label));
    TRY(seal_text(key, ID_PURPOSE, view_of(image->tau_bytes, FORMAT_TAU_BYTES), view_of_string(id),
                  &sealed_id));
    ProtobufCBinaryData hashes[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < draft->n; i++)
        hashes[i] = format_bytes(view_of(symbol_hashes[i], DIGEST_BYTES));

    Myelin__Envelope envelope = MYELIN__ENVELOPE__INIT;
    envelope.format = 1;
    envelope.owner = (char *)(uintptr_t)session->user; /* read only */
    envelope.tau = format_bytes(view_of(image->tau_bytes, FORMAT_TAU_BYTES));
    envelope.k = draft->k;
    envelope.n_servers = envelope.n_symbol_hash = draft->n;
    envelope.servers = (char **)(uintptr_t)names; /* read only */
    envelope.symbol_hash = hashes;
    envelope.key_commitment = format_bytes(view_of(commitment, sizeof commitment));
    envelope.owner_label = format_bytes(bytes_view(&label));
    envelope.sealed_id = format_bytes(bytes_view(&sealed_id));
    envelope.put = format_bytes(view_of(put, FORMAT_ID_BYTES));
    envelope.created_ms = image->signing_ms;
    envelope.coefficients_hash = format_bytes(view_of(coefficients_hash, sizeof coefficients_hash));
    return format_sign(session->signing, &envelope, out_record);
}

static result pack_coefficients(const struct envelope_draft *draft, struct bytes *out_bytes) {
    TRY(bytes_reserve(out_bytes, (size_t)draft->n * draft->k * SCALAR_BYTES));
    for (unsigned slot = 0; slot < draft->n; slot++)
        for (unsigned i = 0; i < draft->k; i++) {
            uint8_t coefficient[SCALAR_BYTES];
            scalar_to_bytes(&draft->symbols[slot].coefficients[i], coefficient);
            TRY(bytes_append(out_bytes, view_of(coefficient, sizeof coefficient)));
        }
    return OK;
}

result put_envelope_sign(struct session *session, const struct image *image, const char *id,
                         char *const names[], const struct envelope_draft *draft,
                         const uint8_t put[FORMAT_ID_BYTES], const struct content_key_secret *key,
                         struct put_envelope *out_envelope) {
    AUTO_PUT_ENVELOPE struct put_envelope envelope = {.n = draft->n};
    uint8_t hashes[FORMAT_SERVERS_MAX][DIGEST_BYTES];
    envelope.symbols = calloc(draft->n, sizeof *envelope.symbols);
    if (envelope.symbols == NULL)
        return FAIL(NO_MEMORY, "no memory for an envelope of %u symbols", draft->n);
    for (unsigned slot = 0; slot < draft->n; slot++)
        TRY(format_symbol_pack(slot, &draft->symbols[slot], &envelope.symbols[slot], hashes[slot]));
    TRY(pack_coefficients(draft, &envelope.coefficients));
    TRY(sign_record(session, image, id, names, draft, hashes, bytes_view(&envelope.coefficients),
                    put, key->bytes, &envelope.record));
    *out_envelope = envelope;
    envelope = (struct put_envelope){0};
    return OK;
}

result put_envelope_new(struct session *session, const struct image *image, const char *id,
                        char *const names[], unsigned n, unsigned k,
                        const uint8_t put[FORMAT_ID_BYTES], struct put_envelope *out_envelope,
                        struct content_key_secret **out_key) {
    AUTO_ENVELOPE_DRAFT struct envelope_draft draft = {0};
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(envelope_draft_new(session, image, n, k, &draft, &key));
    TRY(encode_symbols(&draft));
    TRY(put_envelope_sign(session, image, id, names, &draft, put, key, out_envelope));
    *out_key = key;
    key = NULL;
    return OK;
}
