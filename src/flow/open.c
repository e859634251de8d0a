#include "flow/open.h"

#include <stdio.h>
#include <string.h>

#include "flow/open_answers.h"
#include "group/pairing.h"
#include "scheme/combine.h"

/* What is at hand to combine: answers of one (b, beta), and a symbol a slot. */
struct pieces {
    const struct open_answer *example; /* any answer of the group */
    size_t partial_count;
    struct partial partials[FORMAT_SERVERS_MAX];
    size_t symbol_count;
    const struct codeword_symbol *symbols[FORMAT_SERVERS_MAX];
    bool has_slot[FORMAT_SERVERS_MAX];
};

static bool same_group(const struct open_answer *a, const struct open_answer *b) {
    return a->given && b->given && a->b == b->b && g2_equal(&a->beta, &b->beta);
}

/* A recipient to whom the owner forwarded twice may get answers of both forwards: the group with
 * most answers counts. NULL where there is no answer. */
static const struct open_answer *largest_group(const struct open_answers *answers) {
    const struct open_answer *largest = NULL;
    unsigned most = 0;
    for (unsigned i = 0; i < answers->servers; i++) {
        unsigned size = 0;
        for (unsigned j = 0; j < answers->servers; j++)
            size += same_group(&answers->of[i], &answers->of[j]);
        if (size <= most)
            continue;
        most = size;
        largest = &answers->of[i];
    }
    return largest;
}

static void add_symbol(struct pieces *pieces, const struct open_symbol *symbol) {
    if (pieces->has_slot[symbol->slot])
        return;
    pieces->has_slot[symbol->slot] = true;
    pieces->symbols[pieces->symbol_count++] = &symbol->value;
}

/* ------------------------------------------------------------------ trusting everyone */

static void take_all(const struct open_answers *answers, struct pieces *pieces) {
    pieces->example = largest_group(answers);
    for (unsigned i = 0; pieces->example != NULL && i < answers->servers; i++) {
        const struct open_answer *answer = &answers->of[i];
        if (!same_group(answer, pieces->example))
            continue;
        pieces->partials[pieces->partial_count++] = answer->partial;
        for (size_t s = 0; s < answer->symbol_count; s++)
            add_symbol(pieces, &answer->symbols[s]);
    }
}

/* The content key that the pieces make: INTEGRITY where it is not the one committed to. */
static result combine(const struct session *session, const struct image *image,
                      const struct pieces *pieces, struct content_key_secret *key) {
    const Myelin__Envelope *envelope = image->envelope;
    struct g2 d;
    TRY(combine_partials(pieces->partials, pieces->partial_count, session->t, &d));
    size_t chosen[FORMAT_SERVERS_MAX];
    TRY(combine_choose(pieces->symbols, pieces->symbol_count, envelope->k, chosen));
    const struct codeword_symbol *symbols[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < envelope->k; i++)
        symbols[i] = pieces->symbols[chosen[i]];
    AUTO_GT struct gt product;
    gt_identity(&product);
    TRY(combine_product(symbols, envelope->k, &d, &product));
    content_key(&product, &image->tau, key->bytes);
    return content_key_check(key->bytes, envelope->key_commitment.data);
}

/* ------------------------------------------------------------------ trusting nobody */

/* Whether a symbol is the one that the owner signed the hash of; a re-encrypted one after the
 * re-encryption is taken off again: gamma / e(alpha, rk2). */
static bool symbol_is_signed(const struct image *image, const struct pairing_lines *rk2,
                             const struct open_symbol *symbol) {
    struct ciphertext original = symbol->value.value;
    if (original.b == 1) {
        struct gt mask;
        pairing_prepared(&original.alpha, rk2, &mask);
        gt_inverse(&mask, &mask);
        gt_mul(&original.gamma, &mask, &original.gamma);
    }
    struct ciphertext_bytes bytes;
    ciphertext_to_bytes(&original, &bytes);
    uint8_t scalars[FORMAT_SERVERS_MAX][SCALAR_BYTES];
    ProtobufCBinaryData coefficients[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < symbol->value.k; i++) {
        scalar_to_bytes(&symbol->value.coefficients[i], scalars[i]);
        coefficients[i] = format_bytes(view_of(scalars[i], SCALAR_BYTES));
    }
    Myelin__Symbol message = MYELIN__SYMBOL__INIT;
    message.alpha = format_bytes(view_of(bytes.alpha, sizeof bytes.alpha));
    message.gamma = format_bytes(view_of(bytes.gamma, sizeof bytes.gamma));
    message.n_coefficient = symbol->value.k;
    message.coefficient = coefficients;
    uint8_t hash[DIGEST_BYTES];
    format_symbol_hash(&message, hash);
    return memcmp(hash, image->envelope->symbol_hash[symbol->slot].data, DIGEST_BYTES) == 0;
}

/* A bad symbol of a slot that another key server passed on well was altered by the key server;
 * else the storage server it is. */
static void warn_bad_symbol(struct session *session, const struct image *image, unsigned key_server,
                            unsigned slot, bool good_elsewhere) {
    const char *storage = image->envelope->servers[slot];
    const char *key = session_server(session, SESSION_KEY, key_server)->name;
    if (good_elsewhere)
        session_warn(session, "%s: altered the envelope symbol of %s", key, storage);
    else
        session_warn(session, "%s: its envelope symbol is not what %s signed", storage,
                     image->owner_name);
}

static void take_signed_symbols(struct session *session, const struct image *image,
                                const struct open_answers *answers, struct pieces *pieces) {
    struct pairing_lines rk2;
    if (pieces->example->b == 1)
        pairing_prepare(&pieces->example->rekey.rk2, &rk2);
    for (unsigned pass = 0; pass < 2; pass++) /* first the good ones, then the words on the bad */
        for (unsigned i = 0; i < answers->servers; i++) {
            const struct open_answer *answer = &answers->of[i];
            for (size_t s = 0; same_group(answer, pieces->example) && s < answer->symbol_count;
                 s++) {
                const struct open_symbol *symbol = &answer->symbols[s];
                bool good = symbol_is_signed(image, &rk2, symbol);
                if (good)
                    add_symbol(pieces, symbol);
                else if (pass == 1)
                    warn_bad_symbol(session, image, i, symbol->slot,
                                    pieces->has_slot[symbol->slot]);
            }
        }
}

/* The proofs are against the user's own commitments: his shares were used, for b = 0 and 1. */
static result take_proven_partials(struct session *session, const struct open_answers *answers,
                                   struct pieces *pieces) {
    const struct session_user *self = NULL;
    TRY(session_find_user(session, session->user, &self));
    for (unsigned i = 0; i < answers->servers; i++) {
        const struct open_answer *answer = &answers->of[i];
        if (!same_group(answer, pieces->example))
            continue;
        size_t proof_len = answer->proven ? sizeof answer->proof : 0;
        result proven =
            partial_verify(&self->public_key, &self->commitments, answer->b, &answer->beta,
                           &answer->partial, view_of(answer->proof, proof_len));
        if (proven == OK)
            pieces->partials[pieces->partial_count++] = answer->partial;
        else
            session_warn(session, "%s: its partial is wrong",
                         session_server(session, SESSION_KEY, i)->name);
    }
    return OK;
}

/* ------------------------------------------------------------------ the steps */

static result fail_few_symbols(const struct image *image, const struct pieces *pieces) {
    const Myelin__Envelope *envelope = image->envelope;
    char text[ERROR_TEXT_BYTES];
    int used = snprintf(text, sizeof text,
                        "opening the envelope: %zu of the %u storage servers needed; without a "
                        "good envelope symbol from",
                        pieces->symbol_count, envelope->k);
    for (unsigned slot = 0; slot < envelope->n_servers; slot++)
        if (!pieces->has_slot[slot] && used > 0 && (size_t)used < sizeof text)
            used +=
                snprintf(text + used, sizeof text - (size_t)used, " %s", envelope->servers[slot]);
    return FAIL(QUORUM, "%s", text);
}

static result check_counts(const struct session *session, const struct image *image,
                           const struct open_answers *answers, const struct pieces *pieces) {
    if (answers->ok < session->t || pieces->example == NULL)
        return session_fail_quorum(session, SESSION_KEY, "opening the envelope", answers->answers,
                                   session->t);
    if (pieces->partial_count < session->t)
        return FAIL(QUORUM,
                    "opening the envelope: %zu of the %u key servers needed gave a right "
                    "partial",
                    pieces->partial_count, session->t);
    if (pieces->symbol_count < image->envelope->k)
        return fail_few_symbols(image, pieces);
    return OK;
}

static result open_quickly(struct session *session, const struct image *image,
                           struct content_key_secret *key) {
    AUTO_OPEN_ANSWERS struct open_answers answers = {0};
    TRY(open_answers_ask(session, image, image->envelope->k, false, &answers));
    struct pieces pieces = {0};
    take_all(&answers, &pieces);
    TRY(check_counts(session, image, &answers, &pieces));
    session_warn_failed(session, SESSION_KEY, answers.answers, OK);
    return combine(session, image, &pieces, key);
}

/* Somebody lied, or the symbols of the first round happen not to be independent: every piece
 * anew, from all servers, with proofs. */
static result open_carefully(struct session *session, const struct image *image,
                             struct content_key_secret *key) {
    AUTO_OPEN_ANSWERS struct open_answers answers = {0};
    TRY(open_answers_ask(session, image, session->n, true, &answers));
    struct pieces pieces = {.example = largest_group(&answers)};
    if (pieces.example != NULL) {
        TRY(take_proven_partials(session, &answers, &pieces));
        take_signed_symbols(session, image, &answers, &pieces);
    }
    TRY(check_counts(session, image, &answers, &pieces));
    return combine(session, image, &pieces, key);
}

result flow_open_envelope(struct session *session, const struct image *image,
                          struct content_key_secret **out_key) {
    session_step(session, "open", 0, session->t);
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(secret_new(sizeof *key, (void **)&key));
    result opened = open_quickly(session, image, key);
    if (opened == INTEGRITY || opened == CRYPTO)
        opened = open_carefully(session, image, key);
    if (opened == INTEGRITY)
        return FAIL(INTEGRITY, "what the servers gave does not open what %s signed",
                    image->owner_name);
    TRY(opened);
    session_step(session, "open", session->t, session->t);
    *out_key = key;
    key = NULL;
    return OK;
}
