/* Share care, as docs/PROTOCOL.md has it: who may ask, what a step is taken from, begin and check.
 */
#include "keys/care.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/secret.h"
#include "system/user.h"

result care_check_caller(const struct key_service *service, const struct tls_peer *peer,
                         const char *user) {
    TRY(caller_check_member(service, peer));
    if (peer->role == TLS_ROLE_MANAGER ||
        (peer->role == TLS_ROLE_USER && strcmp(peer->name, user) == 0))
        return OK;
    return FAIL(DENIED, "%s may not care for the shares of %s", peer->name, user);
}

result care_check_owner(const struct tls_peer *peer) {
    if (peer->role == TLS_ROLE_USER)
        return OK;
    return FAIL(DENIED, "%s may not have shares replaced or reshared: that is for the user himself",
                peer->name);
}

result care_share(const struct key_service *service, const struct tls_peer *peer, const char *user,
                  struct share_record *out_record, struct public_key *out_public_key) {
    AUTO_SHARE struct share_record record = {0};
    TRY(care_check_caller(service, peer, user));
    TRY(share_store_get(service->shares, user, &record));
    if (!record.file->active)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    if (peer->role == TLS_ROLE_USER) {
        uint8_t identity[SIGN_PUBLIC_BYTES];
        TRY(caller_identity_of(service, user, identity));
        if (memcmp(identity, peer->identity, sizeof identity) != 0)
            return FAIL(DENIED, "%s enrolled with another identity key", user);
    }
    TRY(user_public_key(format_view(record.file->certificate), out_public_key));
    *out_record = record;
    record = (struct share_record){0};
    return OK;
}

/* ------------------------------------------------------------------ the base */

void care_base_free(struct care_base *base) {
    share_record_free(&base->record);
    share_commitments_free(&base->commitments);
}

void care_holders(const struct key_service *service, const Myelin__ShareFile *file,
                  struct holders *out) {
    holders_of(file->holders, (unsigned)service->description->system->n_key, out);
}

result care_file_of(const struct key_service *service, char *user, const Myelin__CareBase *said,
                    const struct public_key *public_key, Myelin__ShareFile *out_file) {
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    struct holders holders;
    Myelin__ShareFile file = MYELIN__SHARE_FILE__INIT;
    TRY(format_commitments_parse(said->n_commitment1, said->commitment1, said->n_commitment2,
                                 said->commitment2, &commitments));
    TRY(share_commitments_check(public_key, &commitments, (unsigned)said->n_commitment1));
    file.format = 1;
    file.user = user;
    file.index = service->index;
    file.certificate = said->certificate;
    file.enrolled_ms = said->enrolled_ms;
    file.epoch = said->epoch;
    file.n_commitment1 = file.n_commitment2 = said->n_commitment1;
    file.commitment1 = said->commitment1;
    file.commitment2 = said->commitment2;
    file.holders = said->holders;
    file.active = file.shareless = true;
    care_holders(service, &file, &holders);
    if (holders.count < file.n_commitment1)
        return FAIL(PROTOCOL, "%zu holders, fewer than t = %zu", holders.count, file.n_commitment1);
    *out_file = file;
    return OK;
}

/* Whose generation it is said to be: by the CA's word and, where he is known here, by the key that
 * he enrolled with. */
static result check_said(const struct key_service *service, const struct tls_peer *peer,
                         const char *user, const Myelin__CareBase *said, bool is_known,
                         struct public_key *out_public_key) {
    struct user person;
    uint8_t identity[SIGN_PUBLIC_BYTES];
    TRY(user_from_certificate(format_view(said->certificate), service->description, user,
                              time(NULL), &person));
    memcpy(identity, peer->identity, sizeof identity);
    if (is_known)
        TRY(caller_identity_of(service, user, identity));
    else
        TRY(care_check_owner(peer));
    if (memcmp(identity, person.identity, sizeof identity) != 0)
        return FAIL(DENIED, "the certificate of %s is for another identity key", user);
    *out_public_key = person.public_key;
    return OK;
}

static result base_said(const struct key_service *service, const struct tls_peer *peer, char *user,
                        const Myelin__CareBase *said, struct care_base *base) {
    TRY(check_said(service, peer, user, said, base->record.file != NULL, &base->public_key));
    TRY(care_file_of(service, user, said, &base->public_key, &base->said));
    base->file = &base->said;
    return OK;
}

static result base_find(const struct key_service *service, const struct tls_peer *peer, char *user,
                        const Myelin__CareBase *said, struct care_base *base) {
    result got = care_share(service, peer, user, &base->record, &base->public_key);
    bool holds = got == OK && share_file_holds(base->record.file);
    if (holds || said == NULL) {
        base->file = base->record.file;
        return got;
    }
    if (got != OK && got != NOT_FOUND && got != INTEGRITY)
        return got;
    return base_said(service, peer, user, said, base);
}

result care_base_open(const struct key_service *service, const struct tls_peer *peer, char *user,
                      const Myelin__CareBase *said, struct care_base *out_base) {
    struct care_base *base = out_base;
    *base = (struct care_base){0};
    result found = base_find(service, peer, user, said, base);
    if (found == OK)
        found = format_commitments_parse(base->file->n_commitment1, base->file->commitment1,
                                         base->file->n_commitment2, base->file->commitment2,
                                         &base->commitments);
    if (found == OK)
        care_holders(service, base->file, &base->holders);
    else
        care_base_free(base);
    return found;
}

void care_terms_of(const struct care_base *base, uint32_t lost, unsigned new_t,
                   ProtobufCBinaryData receivers, struct care_terms *out) {
    *out = (struct care_terms){.user = base->file->user,
                               .t = base->commitments.t,
                               .holders = base->holders,
                               .lost = lost,
                               .new_t = new_t,
                               .receivers = base->holders,
                               .public_key = &base->public_key,
                               .commitments = &base->commitments,
                               .share = base->record.share};
    share_file_generation(base->file, out->base);
    if (new_t != 0)
        holders_of(receivers, 0, &out->receivers);
    holders_remove(&out->receivers, lost);
}

result care_terms_offered(const struct care_base *base, const Myelin__CareOffer *offer,
                          struct care_terms *out) {
    AUTO_FORMAT Myelin__Dealing *first = NULL;
    TRY(format_parse_dealing(format_view(offer->dealing[0]->body), &first));
    care_terms_of(base, first->lost, first->t, first->receivers, out);
    return OK;
}

/* ------------------------------------------------------------------ ballots */

enum { DAY_MS = 24 * 60 * 60 * 1000 };

result care_check_ballot(const struct care_base *base, uint64_t ballot, bool given_away) {
    const uint64_t moment = UINT64_C(1) << FORMAT_BALLOT_RANDOM_BITS;
    const Myelin__ShareFile *own = base->record.file;
    uint64_t promised = own != NULL ? own->promised : 0;
    uint64_t latest_ms = clock_date_ms() + (given_away ? 2 : 1) * (uint64_t)DAY_MS;
    if (ballot / moment <= latest_ms || ballot <= promised ||
        (promised > 0 && ballot - promised < 2 * moment))
        return OK;
    return FAIL(INVALID,
                "a ballot from days ahead: the clock of who asks is wrong, or this server's");
}

/* ------------------------------------------------------------------ begin */

static result pack_state(const struct key_service *service, const Myelin__ShareFile *file,
                         Myelin__Signed *dealing, struct bytes *out_state) {
    AUTO_SHARE struct share_record next = {0};
    uint8_t generation[DIGEST_BYTES];
    Myelin__CareState state = MYELIN__CARE_STATE__INIT;
    state.certificate = file->certificate;
    state.enrolled_ms = file->enrolled_ms;
    state.epoch = file->epoch;
    state.n_commitment1 = file->n_commitment1;
    state.commitment1 = file->commitment1;
    state.n_commitment2 = file->n_commitment2;
    state.commitment2 = file->commitment2;
    state.holders = file->holders;
    state.shareless = !share_file_holds(file);
    state.promised = file->promised;
    state.dealing = dealing;
    result got = share_store_next(service->shares, file, &next);
    if (got == OK) {
        share_file_generation(next.file, generation);
        state.accepted = file->accepted;
        state.next = format_bytes(view_of(generation, sizeof generation));
        state.n_next_dealing = file->n_next_dealing;
        state.next_dealing = file->next_dealing;
    } else if (got != NOT_FOUND) {
        return got;
    }
    return format_pack(&state, out_state);
}

/* Fewer than t dealers might all be corrupted. */
static result check_replacement(const struct key_service *service, const struct care_base *base,
                                const Myelin__CareRequest *request) {
    size_t count = request->n_dealers;
    bool is_mine = false;
    if (request->lost == service->index || !holders_has(&base->holders, request->lost))
        return FAIL(INVALID, "key server %u is none that this one could help", request->lost);
    for (size_t i = 0; i < count; i++) {
        is_mine = is_mine || request->dealers[i] == service->index;
        if (!holders_has(&base->holders, request->dealers[i]))
            return FAIL(INVALID, "key server %u is no dealer: it holds no share",
                        request->dealers[i]);
    }
    if (!is_mine)
        return FAIL(INVALID, "these are no dealers that this key server could be one of");
    if (count < base->commitments.t)
        return FAIL(QUORUM, "%zu dealers, at least %u are needed", count, base->commitments.t);
    return OK;
}

/* Not where only the state is asked for, nor where t is 1 and there is nothing to refresh: the
 * share is the key. */
static bool can_deal(const struct care_base *base, const Myelin__CareRequest *request) {
    bool is_look = request->ballot == 0 && request->lost == 0;
    return share_file_holds(base->file) && !is_look &&
           (request->t != 0 || request->lost != 0 || base->commitments.t > 1);
}

static result deal_for(const struct key_service *service, const struct care_base *base,
                       const Myelin__CareRequest *request, Myelin__Signed **out_dealing) {
    struct care_terms terms;
    if (!can_deal(base, request))
        return OK;
    care_terms_of(base, request->lost, request->t, request->holders, &terms);
    terms.dealers = request->dealers;
    terms.dealer_count = request->n_dealers;
    terms.ballot = request->ballot;
    return care_deal(service, &terms, out_dealing);
}

result service_care_begin(struct key_service *service, const struct tls_peer *peer,
                          struct view body, struct bytes *out_state) {
    AUTO_FORMAT Myelin__CareRequest *request = NULL;
    AUTO_FORMAT Myelin__Signed *dealing = NULL;
    AUTO_CARE_BASE struct care_base base = {0};
    TRY(format_parse_care_request(body, &request));
    TRY(care_check_caller(service, peer, request->user));
    if (request->lost != 0 || request->t != 0)
        TRY(care_check_owner(peer));
    TRY(care_base_open(service, peer, request->user, NULL, &base));
    if (request->lost != 0) {
        TRY(check_replacement(service, &base, request));
    } else if (request->ballot != 0) {
        AUTO_SHARE struct share_record promised = {0};
        TRY(care_check_ballot(&base, request->ballot, false));
        TRY(share_store_promise(service->shares, request->user, request->ballot, &promised));
        care_base_free(&base);
        TRY(care_base_open(service, peer, request->user, NULL, &base));
    }
    TRY(deal_for(service, &base, request, &dealing));
    return pack_state(service, base.file, dealing, out_state);
}

/* ------------------------------------------------------------------ check */

result service_care_check(struct key_service *service, const struct tls_peer *peer,
                          struct view body, struct bytes *out_complaint) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_CARE_BASE struct care_base base = {0};
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    struct care_terms terms;
    uint32_t wrong[FORMAT_SERVERS_MAX];
    Myelin__CareComplaint complaint = MYELIN__CARE_COMPLAINT__INIT;
    TRY(format_parse_care_offer(body, &offer));
    TRY(care_base_open(service, peer, offer->user, offer->from, &base));
    TRY(care_terms_offered(&base, offer, &terms));
    if (terms.lost != 0 || terms.new_t != 0)
        TRY(care_check_owner(peer));
    TRY(care_dealings_open(service, &terms, offer->n_dealing, offer->dealing, &dealings));
    complaint.server = wrong;
    for (size_t i = 0; i < dealings.count; i++)
        if (dealings.wrong[i])
            wrong[complaint.n_server++] = dealings.dealings[i].dealer;
    return format_pack(&complaint, out_complaint);
}
