/*
 * The other storage servers, as this one's sources when it mends its store. Nothing that they say
 * is believed: what they give is signed by owners, or checked against what owners signed.
 */
#ifndef MYELIN_STORAGE_PEERS_H
#define MYELIN_STORAGE_PEERS_H

#include "storage/place.h"
#include "system/storage_fleet.h"

/* Safe from any thread. */
struct peers;

/* Copies the description; `identity` must outlive it. `self` is this server's own name. NO_MEMORY.
 */
MUST_CHECK result peers_new(const struct description *description,
                            const struct tls_identity *identity, const char *self,
                            struct peers **out_peers);

/* No call may be running. NULL is fine. */
void peers_free(struct peers *peers);

/* Another version of the description takes the place of the one in use; work under way goes on with
 * the old one. NO_MEMORY. */
MUST_CHECK result peers_set_description(struct peers *peers, const struct description *description);

/* One version of the description, and connections by it, for as long as it is held. */
struct peer_group {
    struct description description;
    struct storage_fleet *fleet;
    int self; /* this server's number in it; -1 where it is none of them */
    unsigned references;
};
struct peer_group *peers_hold(struct peers *peers);
void peers_release(struct peers *peers, struct peer_group *group);

/* GET or POST `path` at one server, with an answer of at most `limit` bytes, appended. Errors as
 * http_call. A POST has no body, and may take `patience_ms` (0: the fleet's default). */
MUST_CHECK result peers_call(struct peer_group *group, unsigned server, const char *method,
                             const char *path, uint32_t patience_ms, size_t limit,
                             struct bytes *out_answer);

/* Exactly `length` bytes from `offset` on. Errors as http_download. */
MUST_CHECK result peers_download(struct peer_group *group, unsigned server, const char *path,
                                 uint64_t offset, uint64_t length, struct bytes *out_bytes);

/* Whose a user's certificate is, by the CA's word alone; its time is not looked at, for what was
 * signed stays signed. DENIED, PROTOCOL. */
MUST_CHECK result peers_identify(const struct peer_group *group, struct view certificate,
                                 char out_name[FORMAT_NAME_MAX + 1],
                                 uint8_t out_identity[SIGN_PUBLIC_BYTES]);

/* Runs `work` for each server that `is_wanted`, on threads, and waits for all. */
typedef void (*peers_work)(void *context, unsigned server);
void peers_each(const bool is_wanted[], unsigned count, peers_work work, void *context);

#endif
