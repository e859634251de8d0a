/*
 * myelin-keyd with another mouth. The lies:
 *
 * - open: `partial` another valid point, `partial-of user=` another user's partial, `proof` a proof
 *   that does not hold, `index` answers as the next one, `beta` another point than tau or rk1,
 *   `symbols` alters what storage said, `few` one symbol only, `forward` a forged forward
 * - user: `unknown` does not know anybody, `swapped user=` gives another's entry, `commitments` of
 *   another polynomial with the same constant term
 * - rekey: `rekey` another valid point
 * - several: `framing` commitments and partial, `threshold` one key server is enough; all:
 *   `nonsense` no message, `refuse` 403
 */
#include "group/g2.h"
#include "keys/caller.h"
#include "lie.h"
#include "scheme/codeword.h"
#include "scheme/share_dec.h"
#include "system/user.h"

#define WRAP(returned, name, ...)                                                                  \
    returned __real_##name(__VA_ARGS__);                                                           \
    returned __wrap_##name(__VA_ARGS__);                                                           \
    returned __wrap_##name(__VA_ARGS__)

static void flip(ProtobufCBinaryData *field) {
    field->data[field->len - 1] ^= 1;
}

/* Another point of G2, in the same bytes. */
static result move_point(ProtobufCBinaryData *field) {
    struct g2 point, h;
    TRY(g2_parse("point", format_view(*field), &point));
    g2_generator(&h);
    g2_mul(&point, &h, &point);
    g2_to_bytes(&point, field->data);
    return OK;
}

static result move_g1(ProtobufCBinaryData *field) {
    struct g1 point, g;
    TRY(g1_parse("point", format_view(*field), &point));
    g1_generator(&g);
    g1_mul(&point, &g, &point);
    g1_to_bytes(&point, field->data);
    return OK;
}

static result alter_symbols(Myelin__OpenAnswer *answer) {
    for (size_t i = 0; i < answer->n_symbol; i++)
        TRY(move_g1(&answer->symbol[i]->symbol->alpha));
    return OK;
}

/* The partial, and its proof where one is asked for, by another user's share. */
static result use_share_of(struct key_service *service, const char *user,
                           Myelin__OpenAnswer *answer) {
    AUTO_SHARE struct share_record record = {0};
    struct public_key public_key;
    struct partial partial;
    struct g2 beta;
    TRY(share_store_get(service->shares, user, &record));
    TRY(user_public_key(format_view(record.file->certificate), &public_key));
    TRY(g2_parse("beta", format_view(answer->beta), &beta));
    TRY(share_dec(record.share, answer->b, &beta, &partial));
    g2_to_bytes(&partial.d, answer->partial.data);
    if (answer->proof.len == 0)
        return OK;
    return share_dec_prove(record.share, &public_key, answer->b, &beta, &partial,
                           answer->proof.data);
}

static result lie_open(struct key_service *service, const struct lie *lie,
                       Myelin__OpenAnswer *answer) {
    char user[256];
    if (lie_is(lie, "partial") || lie_is(lie, "framing"))
        return move_point(&answer->partial);
    if (lie_is(lie, "partial-of"))
        return use_share_of(service, lie_option(lie, "user", user), answer);
    if (lie_is(lie, "proof") && answer->proof.len > 0)
        flip(&answer->proof);
    if (lie_is(lie, "index"))
        answer->index = answer->index % (uint32_t)service->description->system->n_key + 1;
    if (lie_is(lie, "beta"))
        return move_point(&answer->beta);
    if (lie_is(lie, "symbols"))
        return alter_symbols(answer);
    if (lie_is(lie, "few"))
        answer->n_symbol = 1; /* the others stay allocated with the answer, in one piece */
    if (lie_is(lie, "threshold"))
        answer->t = 1;
    if (lie_is(lie, "forward") && answer->forward != NULL)
        flip(&answer->forward->signature);
    return OK;
}

WRAP(result, service_open, struct key_service *service, const struct tls_peer *peer,
     struct view body, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__OpenRequest *request = NULL;
    AUTO_FORMAT Myelin__OpenAnswer *answer = NULL;
    struct lie lie;
    TRY(format_parse_open_request(body, &request));
    lie_load(peer->name, request->prove, &lie);
    if (lie_is(&lie, "refuse"))
        return FAIL(DENIED, "not to you");
    TRY(__real_service_open(service, peer, body, out_answer));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_answer);
    TRY(format_parse_open_answer(bytes_view(out_answer), &answer));
    size_t symbols = answer->n_symbol;
    TRY(lie_open(service, &lie, answer));
    TRY(lie_pack(answer, out_answer));
    answer->n_symbol = symbols;
    return OK;
}

/* As if each key server had the key itself: the first commitments fit every public key. */
static result say_one_opens(Myelin__UserAnswer *answer, struct bytes *out_answer) {
    size_t t = answer->n_commitment1;
    answer->n_commitment1 = answer->n_commitment2 = 1;
    result packed = lie_pack(answer, out_answer);
    answer->n_commitment1 = answer->n_commitment2 = t;
    return packed;
}

WRAP(result, service_user, struct key_service *service, const struct tls_peer *peer,
     const char *user, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__UserAnswer *answer = NULL;
    struct lie lie;
    char other[256];
    lie_load(peer->name, false, &lie);
    if (lie_is(&lie, "unknown"))
        return FAIL(NOT_FOUND, "no user %s here", user);
    if (lie_is(&lie, "refuse"))
        return FAIL(DENIED, "not to you");
    bool is_swapped = lie_is(&lie, "swapped");
    TRY(__real_service_user(service, peer, is_swapped ? lie_option(&lie, "user", other) : user,
                            out_answer));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_answer);
    if (!lie_is(&lie, "commitments") && !lie_is(&lie, "framing") && !lie_is(&lie, "threshold"))
        return OK;
    TRY(format_parse_user_answer(bytes_view(out_answer), &answer));
    if (lie_is(&lie, "threshold"))
        return say_one_opens(answer, out_answer);
    TRY(move_g1(&answer->commitment1[1]));
    TRY(move_point(&answer->commitment2[1]));
    return lie_pack(answer, out_answer);
}

WRAP(result, service_rekey, struct key_service *service, const struct tls_peer *peer,
     struct view body, struct bytes *out_answer) {
    AUTO_FORMAT Myelin__RekeyAnswer *answer = NULL;
    struct lie lie;
    lie_load(peer->name, false, &lie);
    if (lie_is(&lie, "refuse"))
        return FAIL(DENIED, "not to you");
    TRY(__real_service_rekey(service, peer, body, out_answer));
    if (lie_is(&lie, "nonsense"))
        return lie_nonsense(out_answer);
    TRY(format_parse_rekey_answer(bytes_view(out_answer), &answer));
    if (lie_is(&lie, "rekey"))
        TRY(move_point(&answer->p));
    if (lie_is(&lie, "threshold"))
        answer->t = 1;
    if (lie_is(&lie, "index"))
        answer->index = answer->index % (uint32_t)service->description->system->n_key + 1;
    return lie_pack(answer, out_answer);
}
