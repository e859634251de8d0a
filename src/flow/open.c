#include "flow/open.h"

#include "flow/open_blame.h"
#include "flow/open_pieces.h"
#include "scheme/fan_out.h"

/* The first round: everyone is believed, and the key that comes out is compared with what the owner
 * committed to. */
static result open_quickly(struct session *session, const struct image *image,
                           const struct open_answers *answers, struct content_key_secret *key) {
    AUTO_PIECES struct pieces pieces = {.t = answers->generation.best.t,
                                        .example = pieces_largest_group(answers, NULL)};
    for (unsigned i = 0; pieces.example != NULL && i < answers->servers; i++) {
        const struct open_answer *answer = &answers->of[i];
        if (!pieces_same_group(answer, pieces.example))
            continue;
        pieces.partials[pieces.partial_count++] = answer->partial;
        for (size_t s = 0; s < answer->symbol_count; s++)
            if (answer->symbols[s].is_formed)
                pieces_add_symbol(&pieces, &answer->symbols[s]);
    }
    TRY(pieces_check(session, image, answers, &pieces));
    session_warn_failed(session, SESSION_KEY, answers->answers, OK);
    return pieces_combine(image, &pieces, key);
}

static bool has_malformed_symbol(const struct open_answers *answers) {
    for (unsigned i = 0; i < answers->servers; i++)
        for (size_t s = 0; s < answers->of[i].symbol_count; s++)
            if (answers->of[i].given && !answers->of[i].symbols[s].is_formed)
                return true;
    return false;
}

/* Whether somebody lied, or the pieces of the first round happen not to fit, although there were
 * answers enough. */
static bool is_doubtful(const struct open_answers *answers, result opened) {
    bool has_failed = opened == INTEGRITY || opened == CRYPTO || opened == QUORUM;
    return answers->ok >= answers->generation.best.t &&
           (has_failed || has_malformed_symbol(answers));
}

/* The caller's u, where it can be, or the default: of the image's own servers and threshold, as far
 * as there are so many to ask now. */
static result choose_u(struct session *session, const struct image *image, unsigned u,
                       unsigned *out_u) {
    unsigned n = (unsigned)image->envelope->n_servers;
    struct setup setup = {
        .n = session->n, .k = image->envelope->k, .m = session->m, .t = session->t};
    const struct session_user *self = NULL;
    if (u != 0) {
        TRY(session_find_user(session, session->user, &self));
        setup.t = self->shares.commitments.t;
        TRY(setup_check_fan_out(&setup, u));
    }
    if (n < setup.n)
        setup.n = n;
    *out_u = u != 0 ? u : setup.n < setup.k ? setup.n : fan_out_default(&setup);
    return OK;
}

static result open_into(struct session *session, const struct image *image, unsigned u,
                        struct content_key_secret *key) {
    AUTO_OPEN_ANSWERS struct open_answers answers = {0};
    struct open_question question = {.image = image, .enough = session->t};
    TRY(choose_u(session, image, u, &question.u));
    TRY(open_answers_ask(session, &question, &answers));
    result opened = open_quickly(session, image, &answers, key);
    if (!is_doubtful(&answers, opened))
        return opened;
    result blamed = open_blame(session, image, &answers, key);
    return opened == OK ? OK : blamed;
}

result flow_open_envelope(struct session *session, const struct image *image,
                          struct content_key_secret **out_key) {
    return flow_open_envelope_asking(session, image, 0, out_key);
}

result flow_open_envelope_asking(struct session *session, const struct image *image, unsigned u,
                                 struct content_key_secret **out_key) {
    session_step(session, "open", 0, session->t);
    AUTO_SECRET struct content_key_secret *key = NULL;
    TRY(secret_new(sizeof *key, (void **)&key));
    TRY(open_into(session, image, u, key));
    session_step(session, "open", session->t, session->t);
    *out_key = key;
    key = NULL;
    return OK;
}
