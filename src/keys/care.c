/* Refreshing, as docs/PROTOCOL.md has it under "Share care": begin, check, accept, finish. */
#include "keys/care.h"

#include <string.h>

#include "base/secret.h"
#include "scheme/share_refresh.h"
#include "system/user.h"

result care_check_caller(const struct key_service *service, const struct tls_peer *peer,
                         const char *user) {
    TRY(caller_check_member(service, peer));
    if (peer->role == TLS_ROLE_MANAGER ||
        (peer->role == TLS_ROLE_USER && strcmp(peer->name, user) == 0))
        return OK;
    return FAIL(DENIED, "%s may not care for the shares of %s", peer->name, user);
}

result care_check_replacer(const struct tls_peer *peer) {
    if (peer->role == TLS_ROLE_USER)
        return OK;
    return FAIL(DENIED, "%s may not have a share replaced: that is for the user himself",
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

static void set_terms(const struct share_record *record, const struct public_key *public_key,
                      uint32_t lost, struct care_terms *out) {
    *out = (struct care_terms){.user = record->file->user,
                               .lost = lost,
                               .t = (unsigned)record->file->n_commitment1,
                               .public_key = public_key};
    share_file_generation(record->file, out->base);
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
static result check_replacement(const struct key_service *service, const struct tls_peer *peer,
                                const Myelin__CareRequest *request) {
    const Myelin__System *system = service->description->system;
    bool is_mine = false;
    TRY(care_check_replacer(peer));
    for (size_t i = 0; i < request->n_dealers; i++)
        is_mine = is_mine || request->dealers[i] == service->index;
    if (!is_mine || request->dealers[request->n_dealers - 1] > system->n_key)
        return FAIL(INVALID, "these are no dealers that this key server could be one of");
    if (request->n_dealers < system->t)
        return FAIL(QUORUM, "%zu dealers, at least %u are needed", request->n_dealers, system->t);
    return OK;
}

result service_care_begin(struct key_service *service, const struct tls_peer *peer,
                          struct view body, struct bytes *out_state) {
    AUTO_FORMAT Myelin__CareRequest *request = NULL;
    AUTO_FORMAT Myelin__Signed *dealing = NULL;
    AUTO_SHARE struct share_record record = {0};
    struct public_key public_key;
    struct care_terms terms;
    TRY(format_parse_care_request(body, &request));
    if (request->lost > service->description->system->n_key || request->lost == service->index)
        return FAIL(INVALID, "key server %u is none that this one could help", request->lost);
    if (request->lost != 0)
        TRY(check_replacement(service, peer, request));
    TRY(care_share(service, peer, request->user, &record, &public_key));
    if (request->lost == 0) {
        AUTO_SHARE struct share_record promised = {0};
        TRY(share_store_promise(service->shares, request->user, request->ballot, &promised));
        struct share_record before = record;
        record = promised;
        promised = before; /* to be freed */
    }
    set_terms(&record, &public_key, request->lost, &terms);
    terms.dealers = request->dealers;
    terms.dealer_count = request->n_dealers;
    TRY(care_deal(service, &terms, &dealing));
    return pack_state(service, record.file, dealing, out_state);
}

/* ------------------------------------------------------------------ check */

/* What the dealings of an offer claim to be for: all must be for the same. */
static result offered_lost(const Myelin__CareOffer *offer, uint32_t *out_lost) {
    AUTO_FORMAT Myelin__Dealing *first = NULL;
    TRY(format_parse_dealing(format_view(offer->dealing[0]->body), &first));
    *out_lost = first->lost;
    return OK;
}

result service_care_check(struct key_service *service, const struct tls_peer *peer,
                          struct view body, struct bytes *out_complaint) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_SHARE struct share_record record = {0};
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    struct public_key public_key;
    struct care_terms terms;
    uint32_t lost, wrong[FORMAT_SERVERS_MAX];
    Myelin__CareComplaint complaint = MYELIN__CARE_COMPLAINT__INIT;
    TRY(format_parse_care_offer(body, &offer));
    TRY(offered_lost(offer, &lost));
    if (lost != 0)
        TRY(care_check_replacer(peer));
    TRY(care_share(service, peer, offer->user, &record, &public_key));
    set_terms(&record, &public_key, lost, &terms);
    TRY(care_dealings_open(service, &terms, offer->n_dealing, offer->dealing, &dealings));
    complaint.server = wrong;
    for (size_t i = 0; i < dealings.count; i++)
        if (dealings.wrong[i])
            wrong[complaint.n_server++] = dealings.dealings[i].dealer;
    return format_pack(&complaint, out_complaint);
}

/* ------------------------------------------------------------------ accept */

static result sign_acceptance(const struct key_service *service, const Myelin__CareOffer *offer,
                              struct bytes *out_acceptance) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    char server[FORMAT_NAME_MAX + 1];
    const char *name = care_server_name(service, service->index);
    memcpy(server, name, strlen(name) + 1);
    Myelin__Acceptance acceptance = MYELIN__ACCEPTANCE__INIT;
    acceptance.server = server;
    acceptance.user = offer->user;
    acceptance.ballot = offer->ballot;
    acceptance.generation = offer->generation;
    TRY(format_sign(service->signing, &acceptance, &record));
    return format_pack(record, out_acceptance);
}

static result apply(const struct share_record *record, const struct care_terms *terms,
                    const struct care_dealings *dealings, struct key_share *out_share,
                    struct share_commitments *out_commitments) {
    const Myelin__ShareFile *file = record->file;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    TRY(format_commitments_parse(file->n_commitment1, file->commitment1, file->n_commitment2,
                                 file->commitment2, &commitments));
    return share_refresh_apply(terms->public_key, record->share, &commitments, dealings->dealings,
                               dealings->subshares, dealings->count, out_share, out_commitments);
}

/* The offer's generation must be what its dealings make. */
static result check_made(const Myelin__CareOffer *offer, uint64_t epoch,
                         const struct share_commitments *commitments) {
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    uint8_t made[DIGEST_BYTES];
    TRY(format_commitment_fields(commitments, &fields));
    format_generation_id(epoch, fields.t, fields.commitment1, fields.commitment2, made);
    if (!view_equal(format_view(offer->generation), view_of(made, sizeof made)))
        return FAIL(INVALID, "the dealings make another generation than the offer says");
    return OK;
}

static result accept_offer(struct key_service *service, const struct share_record *record,
                           const struct care_terms *terms, const Myelin__CareOffer *offer) {
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    AUTO_SECRET struct key_share *share = NULL;
    TRY(care_dealings_open(service, terms, offer->n_dealing, offer->dealing, &dealings));
    TRY(care_dealings_all_right(service, &dealings));
    TRY(secret_new(sizeof *share, (void **)&share));
    TRY(apply(record, terms, &dealings, share, &commitments));
    TRY(check_made(offer, record->file->epoch + 1, &commitments));
    const struct share_step step = {.base = terms->base,
                                    .ballot = offer->ballot,
                                    .share = share,
                                    .commitments = &commitments,
                                    .dealing_count = offer->n_dealing,
                                    .dealings = offer->dealing};
    return share_store_accept(service->shares, offer->user, &step);
}

result service_care_accept(struct key_service *service, const struct tls_peer *peer,
                           struct view body, struct bytes *out_acceptance) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_SHARE struct share_record record = {0};
    struct public_key public_key;
    struct care_terms terms;
    TRY(format_parse_care_offer(body, &offer));
    if (offer->ballot == 0)
        return FAIL(INVALID, "an offer without a ballot");
    TRY(care_share(service, peer, offer->user, &record, &public_key));
    set_terms(&record, &public_key, 0, &terms);
    if (view_equal(format_view(offer->generation), view_of(terms.base, sizeof terms.base)))
        return sign_acceptance(service, offer, out_acceptance); /* it is the share already */
    TRY(accept_offer(service, &record, &terms, offer));
    return sign_acceptance(service, offer, out_acceptance);
}

/* ------------------------------------------------------------------ finish */

/* Whose word an acceptance is; 0 for nobody's that counts. `ballot` of 0 takes any. */
static result open_acceptance(const struct key_service *service, const Myelin__CareFinish *finish,
                              const Myelin__Signed *record, uint64_t *ballot, int *out_server) {
    AUTO_FORMAT Myelin__Acceptance *claimed = NULL;
    AUTO_FORMAT Myelin__Acceptance *acceptance = NULL;
    TRY(format_parse_acceptance(format_view(record->body), &claimed));
    *out_server = description_find_key(service->description, claimed->server);
    if (*out_server < 0)
        return FAIL(INVALID, "%s is no key server", claimed->server);
    TRY(format_open_acceptance(
        record, service->description->system->key[*out_server]->identity.data, &acceptance));
    if (strcmp(acceptance->user, finish->user) != 0 ||
        !view_equal(format_view(acceptance->generation), format_view(finish->generation)) ||
        (*ballot != 0 && *ballot != acceptance->ballot))
        return FAIL(INVALID, "%s accepted something else", acceptance->server);
    *ballot = acceptance->ballot;
    return OK;
}

static result check_quorum(const struct key_service *service, const Myelin__CareFinish *finish,
                           unsigned t) {
    unsigned m = (unsigned)service->description->system->n_key;
    unsigned needed = format_generation_quorum(m, t), count = 0;
    bool has_accepted[FORMAT_SERVERS_MAX] = {false};
    uint64_t ballot = 0;
    for (size_t i = 0; i < finish->n_acceptance; i++) {
        int server;
        TRY(open_acceptance(service, finish, finish->acceptance[i], &ballot, &server));
        count += !has_accepted[server];
        has_accepted[server] = true;
    }
    if (count < needed)
        return FAIL(QUORUM, "%u key servers hold the new shares, %u are needed", count, needed);
    return OK;
}

static result finish_parsed(struct key_service *service, const struct tls_peer *peer,
                            const Myelin__CareFinish *finish) {
    AUTO_SHARE struct share_record record = {0};
    struct public_key public_key;
    TRY(care_share(service, peer, finish->user, &record, &public_key));
    TRY(check_quorum(service, finish, (unsigned)record.file->n_commitment1));
    return share_store_finish(service->shares, finish->user, finish->generation.data);
}

result service_care_finish(struct key_service *service, const struct tls_peer *peer,
                           struct view body) {
    AUTO_FORMAT Myelin__CareFinish *finish = NULL;
    TRY(format_parse_care_finish(body, &finish));
    TRY(caller_check_member(service, peer));
    result finished = finish_parsed(service, peer, finish);
    if (finished == OK)
        atomic_fetch_add(&service->counters.refreshes, 1);
    struct access access = {.action = "refresh", .owner = finish->user, .recipient = ""};
    return caller_settle(service, peer, &access, finished);
}
