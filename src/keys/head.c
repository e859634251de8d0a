#include "keys/head.h"

#include <string.h>

#include "base/clock.h"
#include "keys/caller.h"

static result sign(const struct key_service *service, const struct chain_head *at,
                   Myelin__Signed **out_head) {
    const Myelin__System *system = service->description->system;
    Myelin__Head head = MYELIN__HEAD__INIT;
    if (service->signing == NULL || service->index > system->n_key)
        return FAIL(INTERNAL, "this server has no key to sign its log's head with");
    head.system = system->id;
    head.server = system->key[service->index - 1]->name;
    head.sequence = at->sequence;
    head.hash = format_bytes(view_of(at->hash, sizeof at->hash));
    head.time_ms = clock_date_ms();
    return format_sign(service->signing, &head, out_head);
}

result head_sign(const struct key_service *service, Myelin__Signed **out_head) {
    struct chain_head last;
    access_log_head(service->log, &last);
    return sign(service, &last, out_head);
}

result head_append(const void *tail, struct bytes *answer) {
    size_t len = format_packed_bytes(tail);
    TRY(bytes_reserve(answer, answer->len + len));
    format_pack_to(tail, answer->data + answer->len);
    answer->len += len;
    return OK;
}

result service_head(struct key_service *service, const struct tls_peer *peer, const uint64_t *at,
                    struct bytes *out_head) {
    AUTO_FORMAT Myelin__Signed *head = NULL;
    TRY(caller_check_member(service, peer));
    if (at == NULL) {
        TRY(head_sign(service, &head));
    } else {
        struct chain_head entry = {.sequence = *at};
        TRY(access_log_hash_at(service->log, *at, entry.hash));
        TRY(sign(service, &entry, &head));
    }
    return format_pack(head, out_head);
}
