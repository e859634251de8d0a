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

/* DENIED unless the caller is a user: the manager may neither have shares replaced nor begin a
 * resharing. The one gives a key server what the others' shares are made into, the other gives it
 * to whom the caller likes, and only the user could have the key whole without it (recover). */
MUST_CHECK result care_check_owner(const struct tls_peer *peer);

/* As care_check_caller, and the user's active file here, with or without a share, with the PK of
 * his certificate. NOT_FOUND; DENIED where the caller is the user under another identity key than
 * he enrolled with. */
MUST_CHECK result care_share(const struct key_service *service, const struct tls_peer *peer,
                             const char *user, struct share_record *out_record,
                             struct public_key *out_public_key);

/* The generation that a step is taken from: this server's own, or, where it holds no share of the
 * user, what the driver says that it is. All of it is bound to the user's PK, and by the
 * generation's id to what the dealers signed. */
struct care_base {
    struct share_record record;    /* this server's; its file is NULL where it has none */
    Myelin__ShareFile said;        /* what the driver says, as a file; it borrows */
    const Myelin__ShareFile *file; /* record.file or &said */
    struct public_key public_key;
    struct share_commitments commitments;
    struct holders holders;
};
#define AUTO_CARE_BASE __attribute__((cleanup(care_base_free)))
void care_base_free(struct care_base *base);

/* `said` may be NULL. Errors as care_share; INTEGRITY, PROTOCOL where what is said is not the
 * user's; DENIED where it is said by a manager of a user who is not known here. */
MUST_CHECK result care_base_open(const struct key_service *service, const struct tls_peer *peer,
                                 char *user, const Myelin__CareBase *said,
                                 struct care_base *out_base);

/* A generation of a CareBase as the file of a server that has no share of it. The user's name
 * and everything else is borrowed. INTEGRITY, PROTOCOL where it does not belong to `public_key`. */
MUST_CHECK result care_file_of(const struct key_service *service, char *user,
                               const Myelin__CareBase *said, const struct public_key *public_key,
                               Myelin__ShareFile *out_file);

/* Who holds the shares of a file's generation. */
void care_holders(const struct key_service *service, const Myelin__ShareFile *file,
                  struct holders *out);

/* The name of key server `index`, which the description has; borrowed from it. */
const char *care_server_name(const struct key_service *service, uint32_t index);

/* What a dealing must be about. */
struct care_terms {
    const char *user;
    uint8_t base[DIGEST_BYTES]; /* generation */
    unsigned t;                 /* its threshold */
    struct holders holders;     /* its holders, who may deal */
    uint32_t lost;              /* a replacement: whose share; else 0 */
    unsigned new_t;             /* a resharing: the new threshold; else 0 */
    struct holders receivers;   /* who gets a sub-share, in the order of the boxes */
    uint64_t ballot;            /* of one's own dealing for a resharing */
    uint32_t *dealers; /* one's own dealing for a replacement: all who deal; the caller's */
    size_t dealer_count;
    const struct public_key *public_key;
    const struct share_commitments *commitments; /* the base's; for a resharing */
    const struct key_share *share;               /* to deal for a resharing */
};

/* INVALID for a ballot that is more than a day ahead of this server's clock, or two when it is
 * `given_away` by others' promises, and not just above the one promised here: who could promise
 * away all that are to come would stop every later change of these shares. A ballot higher by a
 * moment than the one promised is taken whatever the time, so that a clock that was wrong once does
 * no harm. */
MUST_CHECK result care_check_ballot(const struct care_base *base, uint64_t ballot, bool given_away);

/* Terms for what `base` begins: to replace `lost`, or to reshare among `receivers` for a `new_t`
 * above 0, or to refresh. They borrow from `base`. */
void care_terms_of(const struct care_base *base, uint32_t lost, unsigned new_t,
                   ProtobufCBinaryData receivers, struct care_terms *out);

/* What the dealings of an offer claim to be for, by the first of them. PROTOCOL. */
MUST_CHECK result care_terms_offered(const struct care_base *base, const Myelin__CareOffer *offer,
                                     struct care_terms *out);

/* Dealings, checked, and this server's sub-share of each. */
struct care_dealings {
    size_t count;
    struct share_dealing *dealings;
    bool has_subshares;                          /* this server is a receiver */
    struct subshare *subshares;                  /* secret memory */
    uint32_t signed_dealers[FORMAT_SERVERS_MAX]; /* a replacement: what each signed */
    uint64_t ballot;                             /* a resharing: what all were dealt for */
    bool wrong[FORMAT_SERVERS_MAX]; /* by position: the sub-share is not what was committed to */
};
#define AUTO_CARE_DEALINGS __attribute__((cleanup(care_dealings_free)))
void care_dealings_free(struct care_dealings *dealings);

/* Opens `count` dealings of different dealers, and their boxes where this server is a receiver.
 * Those of a replacement must be by exactly the dealers that each of them was signed for, those of
 * a resharing all of one run.
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
