/* Replacing a lost share: what its helpers do, and what the server that lost it does. */
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "keys/care.h"
#include "scheme/share_replace.h"
#include "system/user.h"

/* ------------------------------------------------------------------ helpers */

static result pack_blinded(const struct key_service *service, const struct care_terms *terms,
                           const Myelin__CareOffer *offer, const struct key_share *blinded,
                           struct bytes *out_blinded) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_SECRET uint8_t *plain = NULL;
    AUTO_BYTES struct bytes box = {0};
    uint8_t hash[DIGEST_BYTES];
    const Myelin__Server *lost = service->description->system->key[terms->lost - 1];
    TRY(secret_new(SUBSHARE_BYTES, (void **)&plain));
    scalar_to_bytes(&blinded->s1, plain);
    scalar_to_bytes(&blinded->s2, plain + SCALAR_BYTES);
    TRY(sign_box_seal(lost->identity.data, view_of(plain, SUBSHARE_BYTES), &box));
    care_dealings_hash(offer->n_dealing, offer->dealing, hash);
    Myelin__Blinded message = MYELIN__BLINDED__INIT;
    message.user = offer->user;
    message.generation = format_bytes(view_of(terms->base, sizeof terms->base));
    message.helper = service->index;
    message.lost = terms->lost;
    message.dealings = format_bytes(view_of(hash, sizeof hash));
    message.box = format_bytes(bytes_view(&box));
    TRY(format_sign(service->signing, &message, &record));
    return format_pack(record, out_blinded);
}

static result blind_parsed(struct key_service *service, const struct tls_peer *peer,
                           const Myelin__CareOffer *offer, uint32_t lost,
                           struct bytes *out_blinded) {
    AUTO_CARE_BASE struct care_base base = {0};
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    AUTO_SECRET struct key_share *blinded = NULL;
    struct care_terms terms;
    TRY(care_check_owner(peer));
    TRY(care_base_open(service, peer, offer->user, NULL, &base));
    if (!share_file_holds(base.file) || !holders_has(&base.holders, lost))
        return FAIL(CONFLICT, "this server, or the one to help, holds no share of %s", offer->user);
    care_terms_of(&base, lost, 0, (ProtobufCBinaryData){0}, &terms);
    TRY(care_dealings_open(service, &terms, offer->n_dealing, offer->dealing, &dealings));
    TRY(care_dealings_all_right(service, &dealings));
    TRY(secret_new(sizeof *blinded, (void **)&blinded));
    TRY(share_replace_blind(base.record.share, terms.t, dealings.subshares, dealings.count,
                            blinded));
    return pack_blinded(service, &terms, offer, blinded, out_blinded);
}

result service_care_blind(struct key_service *service, const struct tls_peer *peer,
                          struct view body, struct bytes *out_blinded) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_FORMAT Myelin__Dealing *first = NULL;
    TRY(caller_check_member(service, peer));
    TRY(format_parse_care_offer(body, &offer));
    TRY(format_parse_dealing(format_view(offer->dealing[0]->body), &first));
    if (first->lost < 1 || first->lost > service->description->system->n_key ||
        first->lost == service->index)
        return FAIL(INVALID, "key server %u is none that this one could help", first->lost);
    result blinded = blind_parsed(service, peer, offer, first->lost, out_blinded);
    struct access access = {.action = "replace",
                            .owner = offer->user,
                            .recipient = care_server_name(service, first->lost)};
    blinded = caller_settle(service, peer, &access, blinded);
    if (blinded != OK)
        bytes_free(out_blinded);
    return blinded;
}

/* ------------------------------------------------------------------ the lost one */

struct restoring {
    struct key_service *service;
    const Myelin__CareRestore *request;
    struct user user;
    struct care_terms terms;
    struct share_commitments commitments; /* of the share */
    struct share_commitments blinded;     /* of what the helpers send */
    uint8_t dealings_hash[DIGEST_BYTES];
    size_t count;
    struct key_share *from;             /* secret memory: right ones, one a helper */
    uint32_t wrong[FORMAT_SERVERS_MAX]; /* helpers */
    size_t wrong_count;
};

static void restoring_free(struct restoring *restoring) {
    share_commitments_free(&restoring->commitments);
    share_commitments_free(&restoring->blinded);
    secret_free(restoring->from);
}

/* Where he is known here, by the key that he enrolled with: a namesake with another one could bring
 * a generation of his own, of t = 1 and one friendly key server, in the place of the share. */
static result check_known(const struct restoring *r) {
    uint8_t enrolled[SIGN_PUBLIC_BYTES];
    result got = caller_identity_of(r->service, r->request->user, enrolled);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK; /* lost or damaged: that is what is to be mended */
    TRY(got);
    if (memcmp(enrolled, r->user.identity, sizeof enrolled) != 0)
        return FAIL(DENIED, "%s enrolled with another identity key", r->request->user);
    return OK;
}

/* Whose certificate and commitments these are. */
static result restoring_start(struct restoring *r, const struct tls_peer *peer) {
    const Myelin__CareRestore *request = r->request;
    TRY(care_check_caller(r->service, peer, request->user));
    TRY(care_check_owner(peer));
    TRY(user_from_certificate(format_view(request->certificate), r->service->description,
                              request->user, time(NULL), &r->user));
    if (memcmp(peer->identity, r->user.identity, sizeof r->user.identity) != 0)
        return FAIL(DENIED, "the certificate of %s is for another identity key", peer->name);
    TRY(check_known(r));
    TRY(format_commitments_parse(request->n_commitment1, request->commitment1,
                                 request->n_commitment2, request->commitment2, &r->commitments));
    TRY(share_commitments_check(&r->user.public_key, &r->commitments, r->commitments.t));
    r->terms = (struct care_terms){.user = request->user,
                                   .lost = r->service->index,
                                   .t = r->commitments.t,
                                   .public_key = &r->user.public_key};
    holders_of(request->holders, (unsigned)r->service->description->system->n_key,
               &r->terms.holders);
    if (!holders_has(&r->terms.holders, r->service->index))
        return FAIL(INVALID, "this server is no holder of %s's shares", request->user);
    r->terms.receivers = r->terms.holders;
    holders_remove(&r->terms.receivers, r->service->index);
    format_generation_id(GENERATION_FIELDS(request), r->terms.base);
    return OK;
}

static result restoring_dealings(struct restoring *r) {
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    const Myelin__CareRestore *request = r->request;
    TRY(care_dealings_open(r->service, &r->terms, request->n_dealing, request->dealing, &dealings));
    TRY(share_replace_commitments(&r->commitments, dealings.dealings, dealings.count, &r->blinded));
    care_dealings_hash(request->n_dealing, request->dealing, r->dealings_hash);
    return OK;
}

/* Opens a helper's box; false where its content is not what the commitments say. */
static bool open_blinded(struct restoring *r, const Myelin__Blinded *blinded,
                         struct key_share *out) {
    AUTO_SECRET uint8_t *opened = NULL;
    AUTO_SECRET struct subshare *value = NULL;
    if (secret_new(SUBSHARE_BYTES, (void **)&opened) != OK ||
        secret_new(sizeof *value, (void **)&value) != OK ||
        sign_box_open_secret(r->service->signing, format_view(blinded->box), SUBSHARE_BYTES,
                             opened) != OK ||
        subshare_parse("blinded", blinded->helper, blinded->helper, view_of(opened, SUBSHARE_BYTES),
                       value) != OK ||
        share_check_fits(&r->user.public_key, &r->blinded, &value->value) != OK)
        return false;
    *out = value->value;
    return true;
}

static result take_blinded(struct restoring *r, const Myelin__Signed *record) {
    AUTO_FORMAT Myelin__Blinded *claimed = NULL;
    AUTO_FORMAT Myelin__Blinded *blinded = NULL;
    const Myelin__System *system = r->service->description->system;
    TRY(format_parse_blinded(format_view(record->body), &claimed));
    if (claimed->helper > system->n_key)
        return FAIL(INVALID, "key server %u: there are %zu", claimed->helper, system->n_key);
    const Myelin__Server *helper = system->key[claimed->helper - 1];
    TRY(format_open_blinded(record, helper->identity.data, &blinded));
    if (strcmp(blinded->user, r->request->user) != 0 || blinded->lost != r->service->index ||
        !view_equal(format_view(blinded->generation),
                    view_of(r->terms.base, sizeof r->terms.base)) ||
        !view_equal(format_view(blinded->dealings),
                    view_of(r->dealings_hash, sizeof r->dealings_hash)))
        return FAIL(INVALID, "%s blinded its share for something else", helper->name);
    for (size_t i = 0; i < r->count; i++)
        if (r->from[i].j == blinded->helper)
            return FAIL(INVALID, "%s: two blinded shares", helper->name);
    if (open_blinded(r, blinded, &r->from[r->count]))
        r->count++;
    else
        r->wrong[r->wrong_count++] = blinded->helper;
    return OK;
}

static result keep_share(struct restoring *r, const struct key_share *share) {
    const Myelin__CareRestore *request = r->request;
    Myelin__ShareFile file = MYELIN__SHARE_FILE__INIT;
    file.user = request->user;
    file.certificate = request->certificate;
    file.enrolled_ms = request->enrolled_ms;
    file.epoch = request->epoch;
    file.holders = request->holders;
    file.n_commitment1 = request->n_commitment1;
    file.commitment1 = request->commitment1;
    file.n_commitment2 = request->n_commitment2;
    file.commitment2 = request->commitment2;
    return share_store_restore(r->service->shares, &file, share);
}

/* OK with fewer than t right ones too: the complaint then says which were wrong. */
static result restore_parsed(struct restoring *r, const struct tls_peer *peer) {
    AUTO_SECRET struct key_share *share = NULL;
    TRY(restoring_start(r, peer));
    TRY(restoring_dealings(r));
    TRY(secret_new(r->request->n_blinded * sizeof *r->from, (void **)&r->from));
    TRY(secret_new(sizeof *share, (void **)&share));
    for (size_t i = 0; i < r->request->n_blinded; i++)
        TRY(take_blinded(r, r->request->blinded[i]));
    if (r->count < r->terms.t)
        return FAIL(QUORUM, "%zu key servers blinded their shares rightly, %u are needed%s%s",
                    r->count, r->terms.t, r->wrong_count > 0 ? "; wrong: " : "",
                    r->wrong_count > 0 ? care_server_name(r->service, r->wrong[0]) : "");
    TRY(share_replace_combine(&r->user.public_key, &r->commitments, r->service->index, r->from,
                              r->count, share));
    return keep_share(r, share);
}

result service_care_restore(struct key_service *service, const struct tls_peer *peer,
                            struct view body, struct bytes *out_complaint) {
    AUTO_FORMAT Myelin__CareRestore *request = NULL;
    TRY(caller_check_member(service, peer));
    TRY(format_parse_care_restore(body, &request));
    __attribute__((cleanup(restoring_free))) struct restoring restoring = {.service = service,
                                                                           .request = request};
    result restored = restore_parsed(&restoring, peer);
    if (restored == OK)
        atomic_fetch_add(&service->counters.replacements, 1);
    struct access access = {.action = "replace",
                            .owner = request->user,
                            .recipient = care_server_name(service, service->index)};
    TRY(caller_settle(service, peer, &access, restored));
    Myelin__CareComplaint complaint = MYELIN__CARE_COMPLAINT__INIT;
    complaint.n_server = restoring.wrong_count;
    complaint.server = restoring.wrong;
    return format_pack(&complaint, out_complaint);
}
