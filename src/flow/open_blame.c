#include "flow/open_blame.h"

#include <string.h>

#include "flow/failure.h"
#include "flow/open_pieces.h"
#include "format/hash.h"
#include "group/pairing.h"

struct blaming {
    struct session *session;
    const struct image *image;
    const struct session_user *self;
    struct open_answers *first, *proven; /* the two rounds */
    bool key_lies[FORMAT_SERVERS_MAX];   /* by server: for certain */
    bool storage_lies[FORMAT_SERVERS_MAX];
};

static const char *key_name(const struct blaming *blaming, unsigned server) {
    return session_server(blaming->session, SESSION_KEY, server)->name;
}

static const char *storage_name(const struct blaming *blaming, unsigned server) {
    return session_server(blaming->session, SESSION_STORAGE, server)->name;
}

/* ------------------------------------------------------------------ which symbols are right */

/* Whether a symbol is the one that the owner signed the hash of; a re-encrypted one after the
 * re-encryption is taken off again: gamma / e(alpha, rk2). */
static bool is_as_signed(const struct image *image, const struct pairing_lines *rk2,
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

static void judge_symbols(const struct image *image, const struct open_answers *answers) {
    for (unsigned i = 0; i < answers->servers; i++) {
        const struct open_answer *answer = &answers->of[i];
        struct pairing_lines rk2;
        if (!answer->given)
            continue;
        if (answer->b == 1)
            pairing_prepare(&answer->rekey.rk2, &rk2);
        for (size_t s = 0; s < answer->symbol_count; s++) {
            struct open_symbol *symbol = &answer->symbols[s];
            symbol->is_right = symbol->is_formed && is_as_signed(image, &rk2, symbol);
        }
    }
}

/* ------------------------------------------------------------------ the proven round */

/* The proofs are against the user's own commitments: his shares were used, for b = 0 and 1. */
static bool is_proven(const struct blaming *blaming, const struct share_commitments *commitments,
                      const struct open_answer *answer) {
    return answer->proven &&
           partial_verify(&blaming->self->public_key, commitments, answer->b, &answer->beta,
                          &answer->partial, view_of(answer->proof, sizeof answer->proof)) == OK;
}

static void take_proven(const struct blaming *blaming, const struct share_commitments *commitments,
                        const struct open_answer *group, struct pieces *out_pieces) {
    *out_pieces = (struct pieces){.t = blaming->proven->generation.best.t, .example = group};
    for (unsigned i = 0; group != NULL && i < blaming->proven->servers; i++) {
        const struct open_answer *answer = &blaming->proven->of[i];
        if (!pieces_same_group(answer, group))
            continue;
        if (is_proven(blaming, commitments, answer))
            out_pieces->partials[out_pieces->partial_count++] = answer->partial;
        for (size_t s = 0; s < answer->symbol_count; s++)
            if (answer->symbols[s].is_right)
                pieces_add_symbol(out_pieces, &answer->symbols[s]);
    }
}

static result open_group(const struct blaming *blaming, const struct share_commitments *commitments,
                         const struct open_answer *group, struct content_key_secret *key) {
    AUTO_PIECES struct pieces pieces;
    take_proven(blaming, commitments, group, &pieces);
    TRY(pieces_check(blaming->session, blaming->image, blaming->proven, &pieces));
    result opened = pieces_combine(blaming->image, &pieces, key);
    if (opened != INTEGRITY)
        return opened;
    return FAIL(
        INTEGRITY,
        "what the servers gave is right, and yet opens nothing: the %s that %s signed is wrong",
        group->b == 1 ? "forward" : "envelope", blaming->image->owner_name);
}

/* The largest group of answers that opens, under whichever of the commitments that are told of the
 * user: of each the right ones open. What failed first counts where nothing does. */
static result open_proven(const struct blaming *blaming,
                          const struct share_commitments **out_commitments,
                          struct content_key_secret *key) {
    struct failure why = {0};
    bool tried[FORMAT_SERVERS_MAX] = {false};
    *out_commitments = &blaming->self->shares.commitments;
    for (;;) {
        const struct open_answer *group = pieces_largest_group(blaming->proven, tried);
        for (unsigned v = 0; v <= blaming->self->other_count; v++) {
            const struct share_commitments *commitments =
                v == 0 ? &blaming->self->shares.commitments
                       : &blaming->self->others[v - 1].commitments;
            result opened = open_group(blaming, commitments, group, key);
            if (opened == OK) {
                *out_commitments = commitments;
                return OK;
            }
            failure_keep(&why, opened);
        }
        if (group == NULL)
            return failure_raise(&why);
        for (unsigned i = 0; i < blaming->proven->servers; i++)
            tried[i] |= pieces_same_group(&blaming->proven->of[i], group);
    }
}

/* ------------------------------------------------------------------ names */

static void name_wrong_partials(struct blaming *blaming,
                                const struct share_commitments *commitments) {
    for (unsigned i = 0; i < blaming->proven->servers; i++) {
        const struct open_answer *answer = &blaming->proven->of[i], *first = &blaming->first->of[i];
        if (!answer->given)
            continue;
        bool is_right = is_proven(blaming, commitments, answer);
        bool was_right =
            !pieces_same_group(answer, first) || g2_equal(&answer->partial.d, &first->partial.d);
        blaming->key_lies[i] = !is_right || !was_right;
        if (!is_right)
            session_warn(blaming->session, "%s: its partial is wrong", key_name(blaming, i));
        else if (!was_right)
            session_warn(blaming->session, "%s: its partial was wrong until a proof was asked for",
                         key_name(blaming, i));
    }
}

/* A wrong symbol that its server signed is that server's; one that it did not is the key server's
 * that passed it on, for honest ones pass on what is signed alone. */
static void name_wrong_symbols(struct blaming *blaming) {
    for (unsigned i = 0; i < blaming->proven->servers; i++) {
        const struct open_answer *answer = &blaming->proven->of[i];
        unsigned unsigned_count = 0;
        for (size_t s = 0; answer->given && s < answer->symbol_count; s++) {
            const struct open_symbol *symbol = &answer->symbols[s];
            if (symbol->is_right)
                continue;
            unsigned_count += !symbol->is_vouched;
            if (!symbol->is_vouched)
                continue;
            blaming->storage_lies[symbol->server] = true;
            session_warn(blaming->session, "%s: its envelope symbol is not what %s signed",
                         storage_name(blaming, symbol->server), blaming->image->owner_name);
        }
        if (unsigned_count == 0)
            continue;
        blaming->key_lies[i] = true;
        session_warn(blaming->session,
                     "%s: passed on %u wrong envelope symbols that their servers did not sign",
                     key_name(blaming, i), unsigned_count);
    }
}

/* The first round's wrong symbols, which nobody signed, where neither of the two is known to lie.
 */
static void name_suspects(struct blaming *blaming) {
    for (unsigned i = 0; i < blaming->first->servers; i++) {
        const struct open_answer *answer = &blaming->first->of[i];
        for (size_t s = 0; answer->given && s < answer->symbol_count; s++) {
            unsigned storage = answer->symbols[s].server;
            if (!answer->symbols[s].is_right && !blaming->key_lies[i] &&
                !blaming->storage_lies[storage])
                session_warn(blaming->session,
                             "%s or %s: the envelope symbol of the one, passed on by the other, "
                             "was wrong until proofs were asked for",
                             storage_name(blaming, storage), key_name(blaming, i));
        }
    }
}

/* ------------------------------------------------------------------ both */

result open_blame(struct session *session, const struct image *image, struct open_answers *first,
                  struct content_key_secret *key) {
    AUTO_OPEN_ANSWERS struct open_answers proven = {0};
    struct blaming blaming = {
        .session = session, .image = image, .first = first, .proven = &proven};
    const struct open_question question = {.image = image, .u = session->n, .prove = true};
    TRY(open_answers_ask(session, &question, &proven));
    TRY(session_find_user_anew(session, session->user, &blaming.self));
    judge_symbols(image, first);
    judge_symbols(image, &proven);
    const struct share_commitments *commitments = NULL;
    result opened = open_proven(&blaming, &commitments, key);
    struct failure why = {0};
    failure_keep(&why, opened); /* what follows may touch the text */
    session_warn_failed(session, SESSION_KEY, proven.answers, OK);
    /* Without an opening, commitments that differ do not tell who is wrong. */
    if (opened == OK || blaming.self->other_count == 0)
        name_wrong_partials(&blaming, commitments);
    name_wrong_symbols(&blaming);
    name_suspects(&blaming);
    return failure_raise(&why);
}
