/* An opening: the caller's share -> whose forward -> symbols -> partial -> access log -> answer. */
#include <string.h>

#include "base/clock.h"
#include "keys/caller.h"
#include "keys/head.h"
#include "scheme/share_dec.h"
#include "system/user.h"

/* Which symbols the caller may open. */
static result set_terms(struct key_service *service, const struct tls_peer *peer,
                        const Myelin__OpenRequest *request, struct symbol_terms *out) {
    const struct description *description = service->description;
    *out = (struct symbol_terms){.description = description,
                                 .n = description_slots(description),
                                 .k = description->system->k,
                                 .prove = request->prove};
    memcpy(out->owner, request->owner, strlen(request->owner) + 1);
    memcpy(out->user, peer->name, strlen(peer->name) + 1);
    memcpy(out->tau, request->tau.data, sizeof out->tau);
    if (symbol_terms_b(out) == 0)
        return OK;
    TRY(caller_identity_of(service, request->owner, out->owner_identity));
    return revocations_serial(service->revocations, out->owner, out->owner_identity, out->user,
                              format_view(request->tau), &out->revoked_ms);
}

/* How many symbols: one more than needed, so that one server that lies does not cost a round. */
static unsigned choose_u(const struct key_service *service, const Myelin__OpenRequest *request) {
    unsigned n = description_slots(service->description);
    unsigned spare = service->description->system->k + 1;
    if (request->u != 0)
        return request->u;
    return spare < n ? spare : n;
}

/* D_j, and its proof where asked for. */
struct opened {
    struct partial partial;
    uint8_t d[G2_BYTES];
    uint8_t proof[PARTIAL_PROOF_BYTES];
};

static result decrypt(const struct share_record *record, const Myelin__Symbol *symbol, bool prove,
                      struct opened *out) {
    struct g2 beta;
    struct public_key public_key;
    TRY(g2_parse("beta", format_view(symbol->beta), &beta));
    TRY(share_dec(record->share, symbol->b, &beta, &out->partial));
    g2_to_bytes(&out->partial.d, out->d);
    if (!prove)
        return OK;
    TRY(user_public_key(format_view(record->file->certificate), &public_key));
    return share_dec_prove(record->share, &public_key, symbol->b, &beta, &out->partial, out->proof);
}

static result pack_answer(const struct gathered *gathered, const struct opened *opened, bool prove,
                          const struct share_choice *choice, const Myelin__ShareFile *used,
                          struct bytes *out_answer) {
    const Myelin__Symbol *first = gathered->symbols[0].answer->symbol;
    Myelin__OpenAnswer answer = MYELIN__OPEN_ANSWER__INIT;
    Myelin__ServedSymbol served[FORMAT_SERVERS_MAX], *listed[FORMAT_SERVERS_MAX];
    char names[FORMAT_SERVERS_MAX][FORMAT_NAME_MAX + 1];
    for (size_t i = 0; i < gathered->count; i++) {
        memcpy(names[i], gathered->symbols[i].server, strlen(gathered->symbols[i].server) + 1);
        myelin__served_symbol__init(&served[i]);
        served[i].server = names[i];
        served[i].symbol = gathered->symbols[i].answer->symbol;
        if (prove)
            served[i].signature = gathered->symbols[i].answer->signature;
        listed[i] = &served[i];
    }
    answer.index = opened->partial.j;
    answer.b = first->b;
    answer.beta = first->beta;
    answer.partial = format_bytes(view_of(opened->d, sizeof opened->d));
    answer.generation = format_bytes(view_of(choice->generation, sizeof choice->generation));
    answer.t = (uint32_t)used->n_commitment1;
    answer.holders = used->holders;
    if (choice->has_also)
        answer.also = format_bytes(view_of(choice->also, sizeof choice->also));
    answer.n_symbol = gathered->count;
    answer.symbol = listed;
    if (prove)
        answer.proof = format_bytes(view_of(opened->proof, sizeof opened->proof));
    if (first->b == 1)
        answer.forward = gathered->symbols[0].answer->forward;
    return format_pack(&answer, out_answer);
}

static result open_parsed(struct key_service *service, const struct tls_peer *peer,
                          const Myelin__OpenRequest *request, struct bytes *out_answer) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_GATHERED struct gathered gathered = {0};
    struct symbol_terms terms;
    struct opened opened;
    struct share_choice choice;
    TRY(caller_share(service, peer, &record));
    TRY(share_store_choose(service->shares, format_view(request->generation), &record, &choice));
    TRY(set_terms(service, peer, request, &terms));
    TRY(gather_symbols(service->gatherer, &terms, choose_u(service, request), &gathered));
    TRY(decrypt(&record, gathered.symbols[0].answer->symbol, request->prove, &opened));
    return pack_answer(&gathered, &opened, request->prove, &choice, record.file, out_answer);
}

static result add_head(const struct key_service *service, struct bytes *answer) {
    AUTO_FORMAT Myelin__Signed *head = NULL;
    Myelin__OpenAnswer tail = MYELIN__OPEN_ANSWER__INIT;
    TRY(head_sign(service, &head));
    tail.head = head;
    return head_append(&tail, answer);
}

result service_open(struct key_service *service, const struct tls_peer *peer, struct view body,
                    struct bytes *out_answer) {
    AUTO_FORMAT Myelin__OpenRequest *request = NULL;
    uint64_t started_us = clock_ns() / 1000;
    TRY(format_parse_open_request(body, &request));
    result opened = open_parsed(service, peer, request, out_answer);
    struct access access = {.action = "open",
                            .owner = request->owner,
                            .tau = format_view(request->tau),
                            .recipient = strcmp(request->owner, peer->name) == 0 ? "" : peer->name};
    opened = caller_settle(service, peer, &access, opened);
    if (opened == OK)
        opened = add_head(service, out_answer);
    if (opened != OK)
        bytes_free(out_answer);
    atomic_fetch_add(opened == OK ? &service->counters.opens_ok : &service->counters.opens_refused,
                     1);
    atomic_fetch_add(&service->counters.open_us, clock_ns() / 1000 - started_us);
    return opened;
}
