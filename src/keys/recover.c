/* KeyRecover's share: the owner's own f1(j), and no other user's, for his eyes only. */
#include <string.h>

#include "base/secret.h"
#include "keys/caller.h"
#include "keys/head.h"

_Static_assert(FORMAT_FIRST_SHARE_BOX_BYTES == SCALAR_BYTES + SIGN_BOX_OVERHEAD,
               "the box holds one scalar");

/* Boxed although TLS hides the answer already: nothing on the way, from here to the owner's secret
 * memory, has the share in the clear. */
static result box_first_share(const struct key_share *share, const struct tls_peer *peer,
                              struct bytes *out_box) {
    AUTO_SECRET uint8_t *s1 = NULL;
    TRY(secret_new(SCALAR_BYTES, (void **)&s1));
    scalar_to_bytes(&share->s1, s1);
    return sign_box_seal(peer->identity, view_of(s1, SCALAR_BYTES), out_box);
}

static result recover_parsed(struct key_service *service, const struct tls_peer *peer,
                             struct bytes *out_answer) {
    AUTO_SHARE struct share_record record = {0};
    AUTO_BYTES struct bytes box = {0};
    Myelin__RecoverAnswer answer = MYELIN__RECOVER_ANSWER__INIT;
    struct share_choice choice;
    TRY(caller_share(service, peer, &record));
    TRY(share_store_choose(service->shares, (struct view){0}, &record, &choice));
    TRY(box_first_share(record.share, peer, &box));
    answer.index = record.share->j;
    answer.box = format_bytes(bytes_view(&box));
    return format_pack(&answer, out_answer);
}

static result add_head(const struct key_service *service, struct bytes *answer) {
    AUTO_FORMAT Myelin__Signed *head = NULL;
    Myelin__RecoverAnswer tail = MYELIN__RECOVER_ANSWER__INIT;
    TRY(head_sign(service, &head));
    tail.head = head;
    return head_append(&tail, answer);
}

result service_recover(struct key_service *service, const struct tls_peer *peer, struct view body,
                       struct bytes *out_answer) {
    AUTO_FORMAT Myelin__RecoverRequest *request = NULL;
    TRY(format_parse_recover_request(body, &request));
    result recovered = recover_parsed(service, peer, out_answer);
    struct access access = {.action = "recover",
                            .owner = peer->name,
                            .tau = format_view(request->tau),
                            .recipient = request->recipient};
    recovered = caller_settle(service, peer, &access, recovered);
    if (recovered == OK)
        recovered = add_head(service, out_answer);
    if (recovered != OK)
        bytes_free(out_answer);
    else
        atomic_fetch_add(&service->counters.recovers, 1);
    return recovered;
}
