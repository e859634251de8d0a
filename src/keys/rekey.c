/* Forwarding and its end: a part of a re-encryption key, revocations; and the access log read. */
#include <string.h>

#include "base/digest.h"
#include "keys/caller.h"
#include "keys/head.h"
#include "scheme/threshold_rekeygen.h"

enum { AUDIT_PAGE = 1000 };

static result rekey_parsed(struct key_service *service, const struct tls_peer *peer,
                           const Myelin__RekeyRequest *request, struct bytes *out_answer) {
    AUTO_SHARE struct share_record record = {0};
    struct rekey_request question;
    struct rekey_part part;
    uint8_t p[G2_BYTES], q[G2_BYTES];
    struct share_choice choice;
    Myelin__RekeyAnswer answer = MYELIN__REKEY_ANSWER__INIT;
    TRY(caller_share(service, peer, &record));
    TRY(share_store_choose(service->shares, format_view(request->generation), &record, &choice));
    TRY(rekey_request_parse("rekey", format_view(request->p), format_view(request->q), &question));
    threshold_rekeygen_part(record.share, &question, &part);
    g2_to_bytes(&part.p, p);
    g2_to_bytes(&part.q, q);
    answer.index = part.j;
    answer.generation = format_bytes(view_of(choice.generation, sizeof choice.generation));
    answer.t = (uint32_t)record.file->n_commitment1;
    answer.holders = record.file->holders;
    if (choice.has_also)
        answer.also = format_bytes(view_of(choice.also, sizeof choice.also));
    answer.p = format_bytes(view_of(p, sizeof p));
    answer.q = format_bytes(view_of(q, sizeof q));
    return format_pack(&answer, out_answer);
}

static result add_head(const struct key_service *service, struct bytes *answer) {
    AUTO_FORMAT Myelin__Signed *head = NULL;
    Myelin__RekeyAnswer tail = MYELIN__REKEY_ANSWER__INIT;
    TRY(head_sign(service, &head));
    tail.head = head;
    return head_append(&tail, answer);
}

result service_rekey(struct key_service *service, const struct tls_peer *peer, struct view body,
                     struct bytes *out_answer) {
    AUTO_FORMAT Myelin__RekeyRequest *request = NULL;
    TRY(format_parse_rekey_request(body, &request));
    result answered = rekey_parsed(service, peer, request, out_answer);
    struct access access = {.action = "rekey",
                            .owner = peer->name,
                            .tau = format_view(request->tau),
                            .recipient = request->recipient};
    answered = caller_settle(service, peer, &access, answered);
    if (answered == OK)
        answered = add_head(service, out_answer);
    if (answered != OK)
        bytes_free(out_answer);
    else
        atomic_fetch_add(&service->counters.rekeys, 1);
    return answered;
}

static result revoke_parsed(struct key_service *service, const struct tls_peer *peer,
                            const Myelin__Signed *record, const Myelin__Revocation *revocation) {
    AUTO_SHARE struct share_record share = {0};
    if (strcmp(revocation->owner, peer->name) != 0)
        return FAIL(DENIED, "%s may not revoke what %s forwarded", peer->name, revocation->owner);
    TRY(caller_share(service, peer, &share)); /* so his identity key is the one he enrolled with */
    return revocations_add(service->revocations, record, peer->identity);
}

result service_revoke(struct key_service *service, const struct tls_peer *peer, struct view body) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__Revocation *revocation = NULL;
    TRY(caller_check_user(service, peer));
    TRY(format_parse_signed(body, &record));
    TRY(format_parse_revocation(format_view(record->body), &revocation));
    result revoked = revoke_parsed(service, peer, record, revocation);
    if (revoked == OK)
        atomic_fetch_add(&service->counters.revocations, 1);
    struct access access = {.action = "revoke",
                            .owner = revocation->owner,
                            .tau = format_view(revocation->tau),
                            .recipient = revocation->recipient};
    return caller_settle(service, peer, &access, revoked);
}

result service_audit(struct key_service *service, const struct tls_peer *peer, const char *image,
                     uint64_t after, struct bytes *out_page) {
    uint8_t id[DIGEST_BYTES];
    TRY(caller_check_himself(service, peer));
    if (image != NULL && hex_decode(image, id, sizeof id) != OK)
        return error_at(INVALID, "image");
    return access_log_page(service->log, peer->name, image == NULL ? NULL : id, after, AUDIT_PAGE,
                           out_page);
}
