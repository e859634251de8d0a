#include "keys/care.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "format/hash.h"
#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"

void care_dealings_free(struct care_dealings *dealings) {
    for (size_t i = 0; dealings->dealings != NULL && i < dealings->count; i++)
        share_dealing_free(&dealings->dealings[i]);
    free(dealings->dealings);
    secret_free(dealings->subshares);
    *dealings = (struct care_dealings){0};
}

const char *care_server_name(const struct key_service *service, uint32_t index) {
    return service->description->system->key[index - 1]->name;
}

/* ------------------------------------------------------------------ from others */

static result check_about(const struct care_terms *terms, const Myelin__Dealing *dealing) {
    bool is_reshare = terms->new_t != 0;
    if (strcmp(dealing->user, terms->user) != 0 || dealing->lost != terms->lost ||
        dealing->t != terms->new_t ||
        (is_reshare &&
         !view_equal(format_view(dealing->receivers), holders_view(&terms->receivers))))
        return FAIL(INVALID, "a dealing for something else");
    if (!view_equal(format_view(dealing->generation), view_of(terms->base, sizeof terms->base)))
        return FAIL(CONFLICT, "a dealing for another generation of %s's shares", terms->user);
    if (dealing->dealer == dealing->lost || !holders_has(&terms->holders, dealing->dealer) ||
        dealing->n_box != terms->receivers.count)
        return FAIL(INTEGRITY, "its dealing is not for these key servers");
    return OK;
}

/* The dealings of a resharing are of one run, so that nobody puts together what several left. */
static result check_run(const struct care_terms *terms, const Myelin__Dealing *dealing,
                        struct care_dealings *all) {
    if (terms->new_t == 0)
        return OK;
    if (all->count == 0)
        all->ballot = dealing->ballot;
    if (all->ballot != dealing->ballot)
        return FAIL(INVALID, "its dealing is for another run");
    return OK;
}

/* A dealing masks shares together with those of one set of dealers only: with overlapping sets the
 * masks could be made to cancel and the shares not (docs/SCHEME.md). As dealers are there once and
 * each is among those it signed, as many equal signed sets as they have members are that set. */
static result check_set(const struct care_terms *terms, size_t count,
                        const Myelin__Dealing *dealing, struct care_dealings *all) {
    if (terms->lost == 0)
        return OK;
    size_t bytes = count * sizeof *dealing->dealers;
    if (dealing->n_dealers != count)
        return FAIL(INVALID, "its dealing is for %zu dealers, not for %zu", dealing->n_dealers,
                    count);
    if (all->count == 0)
        memcpy(all->signed_dealers, dealing->dealers, bytes);
    if (memcmp(all->signed_dealers, dealing->dealers, bytes) != 0)
        return FAIL(INVALID, "its dealing is for other dealers");
    return OK;
}

static result parse_public(const struct care_terms *terms, const Myelin__Dealing *dealing,
                           struct share_dealing *out) {
    struct view bytes = format_view(dealing->commitments);
    if (terms->new_t != 0)
        return share_reshare_parse("dealing", dealing->dealer, terms->commitments, bytes,
                                   terms->new_t, out);
    if (terms->lost == 0)
        return share_refresh_parse("dealing", dealing->dealer, bytes, terms->t, out);
    return share_replace_parse("dealing", dealing->dealer, terms->lost, bytes, terms->t, out);
}

/* Its sub-share for this server: false where the box or what is in it is wrong. */
static bool open_box(const struct key_service *service, const struct care_terms *terms,
                     const Myelin__Dealing *dealing, const struct share_dealing *parsed,
                     struct subshare *out) {
    AUTO_SECRET uint8_t *opened = NULL;
    size_t position = holders_position(&terms->receivers, service->index);
    return secret_new(SUBSHARE_BYTES, (void **)&opened) == OK &&
           sign_box_open_secret(service->signing, format_view(dealing->box[position]),
                                SUBSHARE_BYTES, opened) == OK &&
           subshare_parse("sub-share", dealing->dealer, service->index,
                          view_of(opened, SUBSHARE_BYTES), out) == OK &&
           share_dealing_check(terms->public_key, parsed, out) == OK;
}

static result open_one(const struct key_service *service, const struct care_terms *terms,
                       size_t count, const Myelin__Signed *record, struct care_dealings *out) {
    AUTO_FORMAT Myelin__Dealing *claimed = NULL;
    AUTO_FORMAT Myelin__Dealing *dealing = NULL;
    const Myelin__System *system = service->description->system;
    size_t at = out->count;
    TRY(format_parse_dealing(format_view(record->body), &claimed));
    if (claimed->dealer > system->n_key)
        return FAIL(INVALID, "a dealing of key server %u; there are %zu", claimed->dealer,
                    system->n_key);
    const Myelin__Server *dealer = system->key[claimed->dealer - 1];
    result opened = format_open_dealing(record, dealer->identity.data, &dealing);
    if (opened == OK)
        opened = check_about(terms, dealing);
    if (opened == OK)
        opened = check_set(terms, count, dealing, out);
    if (opened == OK)
        opened = check_run(terms, dealing, out);
    if (opened == OK)
        opened = parse_public(terms, dealing, &out->dealings[at]);
    if (opened != OK)
        return error_at(opened, "%s", dealer->name);
    out->count++;
    for (size_t i = 0; i < at; i++)
        if (out->dealings[i].dealer == dealing->dealer)
            return FAIL(INVALID, "%s: two dealings", dealer->name);
    if (out->has_subshares)
        out->wrong[at] =
            !open_box(service, terms, dealing, &out->dealings[at], &out->subshares[at]);
    return OK;
}

result care_dealings_open(const struct key_service *service, const struct care_terms *terms,
                          size_t count, Myelin__Signed *const records[],
                          struct care_dealings *out) {
    AUTO_CARE_DEALINGS struct care_dealings all = {
        .has_subshares = holders_has(&terms->receivers, service->index)};
    *out = (struct care_dealings){0};
    if (count < terms->t || count > service->description->system->n_key)
        return FAIL(QUORUM, "%zu dealings, at least %u are needed", count, terms->t);
    all.dealings = calloc(count, sizeof *all.dealings);
    if (all.dealings == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu dealings", count);
    TRY(secret_new(count * sizeof *all.subshares, (void **)&all.subshares));
    for (size_t i = 0; i < count; i++)
        TRY(open_one(service, terms, count, records[i], &all));
    *out = all;
    all = (struct care_dealings){0};
    return OK;
}

result care_dealings_all_right(const struct key_service *service,
                               const struct care_dealings *dealings) {
    for (size_t i = 0; i < dealings->count; i++)
        if (dealings->wrong[i])
            return FAIL(INTEGRITY, "%s dealt a wrong sub-share",
                        care_server_name(service, dealings->dealings[i].dealer));
    return OK;
}

void care_dealings_hash(size_t count, Myelin__Signed *const records[],
                        uint8_t out_hash[DIGEST_BYTES]) {
    struct digest digest;
    uint8_t hash[DIGEST_BYTES];
    digest_start(&digest);
    for (size_t i = 0; i < count; i++) {
        format_record_hash(records[i], hash);
        digest_update(&digest, view_of(hash, sizeof hash));
    }
    digest_finish(&digest, out_hash);
}

/* ------------------------------------------------------------------ one's own */

struct boxes {
    size_t count;
    struct bytes of[FORMAT_SERVERS_MAX];
    ProtobufCBinaryData fields[FORMAT_SERVERS_MAX];
};

static void boxes_free(struct boxes *boxes) {
    for (size_t i = 0; i < boxes->count; i++)
        bytes_free(&boxes->of[i]);
}

static result seal_subshares(const struct key_service *service, const struct subshare subshares[],
                             size_t count, struct boxes *out) {
    AUTO_SECRET uint8_t *plain = NULL;
    TRY(secret_new(SUBSHARE_BYTES, (void **)&plain));
    for (size_t i = 0; i < count; i++) {
        const Myelin__Server *receiver =
            service->description->system->key[subshares[i].value.j - 1];
        subshare_to_bytes(&subshares[i], plain);
        out->count = i + 1;
        TRY(sign_box_seal(receiver->identity.data, view_of(plain, SUBSHARE_BYTES), &out->of[i]));
        out->fields[i] = format_bytes(bytes_view(&out->of[i]));
    }
    return OK;
}

static result deal(const struct key_service *service, const struct care_terms *terms,
                   struct subshare subshares[], struct share_dealing *out) {
    uint32_t receivers[FORMAT_SERVERS_MAX];
    unsigned count = (unsigned)terms->receivers.count;
    holders_list(&terms->receivers, receivers);
    if (terms->new_t != 0)
        return share_reshare_deal(terms->public_key, terms->share, terms->new_t, receivers, count,
                                  subshares, out);
    if (terms->lost == 0)
        return share_refresh_deal(terms->public_key, service->index, terms->t, receivers, count,
                                  subshares, out);
    return share_replace_deal(terms->public_key, service->index, terms->lost, terms->t, receivers,
                              count, subshares, out);
}

static unsigned dealt_t(const struct care_terms *terms) {
    return terms->new_t != 0 ? terms->new_t : terms->t;
}

/* Boxes are sealed to keys of the system description. */
static result check_receivers(const struct key_service *service, const struct care_terms *terms) {
    size_t m = service->description->system->n_key;
    uint32_t last = terms->receivers.index[terms->receivers.count - 1];
    if (last > m)
        return FAIL(INVALID,
                    "there is no key server %u, as far as this one knows: it has version "
                    "%llu of the system description, with %zu",
                    last, (unsigned long long)service->description->system->version, m);
    return OK;
}

result care_deal(const struct key_service *service, const struct care_terms *terms,
                 Myelin__Signed **out_dealing) {
    AUTO_SECRET struct subshare *subshares = NULL;
    AUTO_DEALING struct share_dealing dealing = {0};
    AUTO_BYTES struct bytes commitments = {0};
    __attribute__((cleanup(boxes_free))) struct boxes boxes = {.count = 0};
    char user[FORMAT_NAME_MAX + 1];
    size_t count = terms->receivers.count;
    TRY(check_receivers(service, terms));
    TRY(secret_new(count * sizeof *subshares, (void **)&subshares));
    TRY(deal(service, terms, subshares, &dealing));
    TRY(seal_subshares(service, subshares, count, &boxes));
    TRY(bytes_reserve(&commitments, share_dealing_bytes(dealt_t(terms))));
    commitments.len = share_dealing_bytes(dealt_t(terms));
    share_dealing_to_bytes(&dealing, commitments.data);
    Myelin__Dealing record = MYELIN__DEALING__INIT;
    memcpy(user, terms->user, strlen(terms->user) + 1);
    record.user = user;
    record.generation = format_bytes(view_of(terms->base, sizeof terms->base));
    record.dealer = service->index;
    record.lost = terms->lost;
    record.n_dealers = terms->dealer_count;
    record.dealers = terms->dealers;
    if (terms->new_t != 0) {
        record.t = terms->new_t;
        record.receivers = format_bytes(holders_view(&terms->receivers));
        record.ballot = terms->ballot;
    }
    record.commitments = format_bytes(bytes_view(&commitments));
    record.n_box = count;
    record.box = boxes.fields;
    return format_sign(service->signing, &record, out_dealing);
}
