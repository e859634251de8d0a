/*
 * Share care inside a key server: who may ask for it, and dealings that came from others.
 */
#ifndef MYELIN_KEYS_CARE_H
#define MYELIN_KEYS_CARE_H

#include "keys/caller.h"
#include "scheme/share_dealing.h"

/* DENIED unless the caller is `user` or a manager. */
MUST_CHECK result care_check_caller(const struct key_service *service, const struct tls_peer *peer,
                                    const char *user);

/* DENIED unless the caller is a user: the manager may not have shares replaced. A replacement gives
 * one key server what the others' shares are made into, and only the user could have the key whole
 * without it (recover). */
MUST_CHECK result care_check_replacer(const struct tls_peer *peer);

/* As care_check_caller, and the user's active share here, with the PK of his certificate.
 * NOT_FOUND; DENIED where the caller is the user under another identity key than he enrolled with.
 */
MUST_CHECK result care_share(const struct key_service *service, const struct tls_peer *peer,
                             const char *user, struct share_record *out_record,
                             struct public_key *out_public_key);

/* Key server `index`'s position among the receivers of a dealing; `lost` is 0 for a refresh. */
size_t care_position(uint32_t index, uint32_t lost);

const char *care_server_name(const struct key_service *service, uint32_t index);

/* What a dealing must be about. */
struct care_terms {
    const char *user;
    uint8_t base[DIGEST_BYTES]; /* generation */
    uint32_t lost;              /* 0: a refresh */
    uint32_t *dealers; /* one's own dealing for a replacement: all who deal; the caller's */
    size_t dealer_count;
    unsigned t;
    const struct public_key *public_key;
};

/* Dealings, checked, and this server's sub-share of each. */
struct care_dealings {
    size_t count;
    struct share_dealing *dealings;
    struct subshare *subshares;                  /* secret memory; none for the lost one itself */
    uint32_t signed_dealers[FORMAT_SERVERS_MAX]; /* a replacement: what each signed */
    bool wrong[FORMAT_SERVERS_MAX]; /* by position: the sub-share is not what was committed to */
};
#define AUTO_CARE_DEALINGS __attribute__((cleanup(care_dealings_free)))
void care_dealings_free(struct care_dealings *dealings);

/* Opens `count` dealings of different dealers, and their boxes where this server is no lost one.
 * Those of a replacement must be by exactly the dealers that each of them was signed for.
 * INTEGRITY or PROTOCOL, naming the dealer, where its signature or what everybody sees of it is
 * wrong; CONFLICT where one is about another generation; INVALID for a dealer given twice, or
 * dealings that were signed for another set of dealers. */
MUST_CHECK result care_dealings_open(const struct key_service *service,
                                     const struct care_terms *terms, size_t count,
                                     Myelin__Signed *const records[], struct care_dealings *out);

/* INTEGRITY, naming the dealers, where a sub-share is wrong. */
MUST_CHECK result care_dealings_all_right(const struct key_service *service,
                                          const struct care_dealings *dealings);

/* Blinded.dealings. */
void care_dealings_hash(size_t count, Myelin__Signed *const records[],
                        uint8_t out_hash[DIGEST_BYTES]);

/* This server's dealing for `terms`, signed. */
MUST_CHECK result care_deal(const struct key_service *service, const struct care_terms *terms,
                            Myelin__Signed **out_dealing);

#endif
