/* Share care's second half: accept keeps the next generation beside the share, finish puts it in
 * the share's place. */
#include <string.h>

#include "base/secret.h"
#include "keys/care.h"
#include "scheme/share_refresh.h"
#include "scheme/share_reshare.h"

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

/* What the dealings make of the base: this server's share of it, where it is to have one, and the
 * commitments. */
static result apply(const struct care_base *base, const struct care_terms *terms,
                    const struct care_dealings *dealings, struct key_share *out_share,
                    struct share_commitments *out_commitments) {
    if (terms->new_t == 0)
        return share_refresh_apply(terms->public_key, base->record.share, terms->commitments,
                                   dealings->dealings, dealings->subshares, dealings->count,
                                   out_share, out_commitments);
    if (!dealings->has_subshares)
        return share_reshare_commitments(terms->public_key, dealings->dealings, dealings->count,
                                         terms->t, out_commitments);
    return share_reshare_combine(terms->public_key, dealings->dealings, dealings->subshares,
                                 dealings->count, terms->t, out_share, out_commitments);
}

/* The holders of what is made, as files have them. */
static struct view made_holders(const struct care_base *base, const struct care_terms *terms) {
    return terms->new_t == 0 ? format_view(base->file->holders) : holders_view(&terms->receivers);
}

/* The offer's generation must be what its dealings make. */
static result check_made(const Myelin__CareOffer *offer, uint64_t epoch, struct view holders,
                         const struct share_commitments *commitments) {
    AUTO_COMMITMENT_FIELDS struct commitment_fields fields = {0};
    uint8_t made[DIGEST_BYTES];
    TRY(format_commitment_fields(commitments, &fields));
    format_generation_id(&(struct generation_fields){.epoch = epoch,
                                                     .holders = holders,
                                                     .t = fields.t,
                                                     .commitment1 = fields.commitment1,
                                                     .commitment2 = fields.commitment2},
                         made);
    if (!view_equal(format_view(offer->generation), view_of(made, sizeof made)))
        return FAIL(INVALID, "the dealings make another generation than the offer says");
    return OK;
}

static result accept_offer(struct key_service *service, const struct care_base *base,
                           const struct care_terms *terms, const Myelin__CareOffer *offer) {
    AUTO_CARE_DEALINGS struct care_dealings dealings = {0};
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    AUTO_SECRET struct key_share *share = NULL;
    TRY(care_dealings_open(service, terms, offer->n_dealing, offer->dealing, &dealings));
    TRY(care_dealings_all_right(service, &dealings));
    TRY(secret_new(sizeof *share, (void **)&share));
    TRY(apply(base, terms, &dealings, share, &commitments));
    TRY(check_made(offer, base->file->epoch + 1, made_holders(base, terms), &commitments));
    const struct share_step step = {.base = terms->base,
                                    .stand_in = base->file == &base->said ? base->file : NULL,
                                    .ballot = offer->ballot,
                                    .share = dealings.has_subshares ? share : NULL,
                                    .commitments = &commitments,
                                    .holders = made_holders(base, terms),
                                    .dealing_count = offer->n_dealing,
                                    .dealings = offer->dealing};
    return share_store_accept(service->shares, offer->user, &step);
}

/* Whether a server has nothing to do for a generation any more: it is its share, or the one of
 * which it knows that it holds none. */
static bool is_done(const struct key_service *service, const Myelin__ShareFile *file,
                    const Myelin__CareOffer *offer) {
    uint8_t own[DIGEST_BYTES];
    struct holders holders;
    if (file == NULL)
        return false;
    share_file_generation(file, own);
    care_holders(service, file, &holders);
    return view_equal(format_view(offer->generation), view_of(own, sizeof own)) &&
           share_file_holds(file) == holders_has(&holders, service->index);
}

/* Who holds no share takes a refresh's offer for nothing: it has none to add to. */
static result check_concerned(const struct key_service *service, const struct care_base *base,
                              const struct care_terms *terms) {
    if (terms->lost != 0)
        return FAIL(INVALID, "dealings of a replacement make no generation");
    if (!share_file_holds(base->file) &&
        (terms->new_t == 0 || !holders_has(&terms->receivers, service->index)))
        return FAIL(CONFLICT, "this server holds no share of %s", base->file->user);
    return OK;
}

result service_care_accept(struct key_service *service, const struct tls_peer *peer,
                           struct view body, struct bytes *out_acceptance) {
    AUTO_FORMAT Myelin__CareOffer *offer = NULL;
    AUTO_CARE_BASE struct care_base base = {0};
    struct care_terms terms;
    TRY(format_parse_care_offer(body, &offer));
    if (offer->ballot == 0)
        return FAIL(INVALID, "an offer without a ballot");
    TRY(care_base_open(service, peer, offer->user, offer->from, &base));
    if (is_done(service, base.record.file, offer))
        return sign_acceptance(service, offer, out_acceptance);
    TRY(care_check_ballot(&base, offer->ballot, true));
    TRY(care_terms_offered(&base, offer, &terms));
    TRY(check_concerned(service, &base, &terms));
    TRY(accept_offer(service, &base, &terms, offer));
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

/* Whether enough of a generation's holders are among those that accepted. */
static result check_enough(const bool has_accepted[], const struct holders *holders, unsigned t) {
    unsigned needed = format_generation_quorum((unsigned)holders->count, t), count = 0;
    for (size_t i = 0; i < holders->count; i++)
        count += has_accepted[holders->index[i] - 1];
    if (count < needed)
        return FAIL(QUORUM, "%u key servers hold the new shares, %u are needed", count, needed);
    return OK;
}

static result open_acceptances(const struct key_service *service, const Myelin__CareFinish *finish,
                               bool has_accepted[FORMAT_SERVERS_MAX]) {
    uint64_t ballot = 0;
    for (size_t i = 0; i < finish->n_acceptance; i++) {
        int server;
        TRY(open_acceptance(service, finish, finish->acceptance[i], &ballot, &server));
        has_accepted[server] = true;
    }
    return OK;
}

/* Of both: of those before, so that no two generations can follow theirs; of those after, so that
 * the shares are there. */
static result check_quorums(const struct key_service *service, const Myelin__CareFinish *finish,
                            const Myelin__ShareFile *before, const Myelin__ShareFile *after) {
    bool has_accepted[FORMAT_SERVERS_MAX] = {false};
    struct holders holders;
    TRY(open_acceptances(service, finish, has_accepted));
    care_holders(service, before, &holders);
    TRY(check_enough(has_accepted, &holders, (unsigned)before->n_commitment1));
    care_holders(service, after, &holders);
    return check_enough(has_accepted, &holders, (unsigned)after->n_commitment1);
}

/* Enough of those who hold shares of a later generation say so, and t of those who held them with
 * this server: anybody can make up a generation of one holder, which fits every public key, but not
 * in the name of so many. */
static result check_later(const struct key_service *service, const Myelin__CareFinish *finish,
                          const Myelin__ShareFile *own, const Myelin__ShareFile *later) {
    bool has_accepted[FORMAT_SERVERS_MAX] = {false};
    struct holders holders;
    size_t count = 0;
    TRY(open_acceptances(service, finish, has_accepted));
    care_holders(service, own, &holders);
    for (size_t i = 0; i < holders.count; i++)
        count += has_accepted[holders.index[i] - 1];
    if (count < own->n_commitment1)
        return FAIL(QUORUM, "%zu of those who held shares know of the later ones, %zu are needed",
                    count, own->n_commitment1);
    care_holders(service, later, &holders);
    return check_enough(has_accepted, &holders, (unsigned)later->n_commitment1);
}

static bool is_of(const Myelin__ShareFile *file, ProtobufCBinaryData generation) {
    uint8_t own[DIGEST_BYTES];
    share_file_generation(file, own);
    return view_equal(format_view(generation), view_of(own, sizeof own));
}

/* A generation that was made while this server was away, and has no share for it. */
static result leave(struct key_service *service, const Myelin__CareFinish *finish,
                    const Myelin__ShareFile *own, const struct public_key *public_key) {
    Myelin__ShareFile made;
    struct holders holders;
    TRY(care_file_of(service, finish->user, finish->made, public_key, &made));
    care_holders(service, &made, &holders);
    if (!is_of(&made, finish->generation))
        return FAIL(INVALID, "the generation is another than the one that was accepted");
    if (holders_has(&holders, service->index))
        return FAIL(INVALID, "this server is to hold a share of that generation");
    TRY(check_later(service, finish, own, &made));
    return share_store_leave(service->shares, &made);
}

/* What the access log calls it. */
static const char *action_of(const Myelin__ShareFile *file) {
    AUTO_FORMAT Myelin__Dealing *first = NULL;
    if (file->n_next_dealing == 0 ||
        format_parse_dealing(format_view(file->next_dealing[0]->body), &first) != OK)
        return "refresh";
    return first->t != 0 ? "reshare" : "refresh";
}

static result finish_parsed(struct key_service *service, const struct tls_peer *peer,
                            const Myelin__CareFinish *finish, const char **out_action) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_SHARE struct share_record next = {0};
    struct public_key public_key;
    TRY(care_share(service, peer, finish->user, &record, &public_key));
    if (is_of(record.file, finish->generation))
        return OK;
    result got = share_store_next(service->shares, record.file, &next);
    *out_action = finish->made != NULL ? "reshare" : action_of(record.file);
    if (finish->made != NULL && !(got == OK && is_of(next.file, finish->generation)))
        return leave(service, finish, record.file, &public_key);
    if (got == NOT_FOUND || (got == OK && !is_of(next.file, finish->generation)))
        return FAIL(CONFLICT, "that generation of %s's share was not accepted here", finish->user);
    TRY(got);
    TRY(check_quorums(service, finish, record.file, next.file));
    return share_store_finish(service->shares, finish->user, finish->generation.data);
}

result service_care_finish(struct key_service *service, const struct tls_peer *peer,
                           struct view body) {
    AUTO_FORMAT Myelin__CareFinish *finish = NULL;
    TRY(format_parse_care_finish(body, &finish));
    TRY(caller_check_member(service, peer));
    const char *action = "refresh";
    result finished = finish_parsed(service, peer, finish, &action);
    if (finished == OK)
        atomic_fetch_add(&service->counters.refreshes, 1);
    struct access access = {.action = action, .owner = finish->user, .recipient = ""};
    return caller_settle(service, peer, &access, finished);
}
