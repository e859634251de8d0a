/*
 * From (t, m) to (t', m') key servers, old and new ones overlapping or not, without rebuilding the
 * key (Desmedt & Jajodia 1997; verifiable as of Wong, Wang & Wing, SISW 2002).
 *
 *     old server j -> all           commitments to d1_j, d2_j of degree t' - 1, d_j(0) = f(j)
 *     old server j -> new server i  d1_j(i), d2_j(i), which i checks (share_dealing_check)
 *     [the new servers agree on t dealers nobody has a just complaint about]
 *     new server i                  sum lambda_j d_j(i), lambda Lagrange's for the t dealers at 0
 *     anybody                       new commitments: prod (commitments of j)^lambda_j
 *
 * That d_j(0) is the dealer's share needs no proof: the commitment to it is computed from the old
 * commitments. PK, envelopes and forwards do not change; old and new shares do not mix.
 */
#ifndef MYELIN_SCHEME_SHARE_RESHARE_H
#define MYELIN_SCHEME_SHARE_RESHARE_H

#include "scheme/share_dealing.h"

/* Old server share->j deals its share to the m new servers `receivers`, NULL for 1 to m
 * (out_subshares: secret memory, m of them), any t of which will be able to use it. INVALID for t,
 * m or an index out of bounds; NO_MEMORY. */
MUST_CHECK result share_reshare_deal(const struct public_key *public_key,
                                     const struct key_share *share, unsigned t,
                                     const uint32_t receivers[], unsigned m,
                                     struct subshare out_subshares[], struct share_dealing *out);

/* A dealing from outside: `old` are the commitments to the shares dealt, t is the new threshold.
 * Errors as share_dealing_parse. */
MUST_CHECK result share_reshare_parse(const char *field, uint32_t dealer,
                                      const struct share_commitments *old, struct view bytes,
                                      unsigned t, struct share_dealing *out);

/* The new commitments, from exactly old_t dealings. INTEGRITY where their first are not PK1 and h:
 * the old commitments were not this user's; QUORUM for fewer dealings, INVALID for more, for a
 * dealer given twice or for different thresholds; NO_MEMORY. */
MUST_CHECK result share_reshare_commitments(const struct public_key *public_key,
                                            const struct share_dealing dealings[], size_t count,
                                            unsigned old_t, struct share_commitments *out);

/* New server's share (secret memory for out_share), with the new commitments: subshares[i] is of
 * dealings[i]. Errors as share_reshare_commitments; INTEGRITY too where the share does not fit,
 * because a sub-share does not (share_dealing_check names its dealer); INVALID too where dealings
 * and sub-shares do not match or are for different servers. */
MUST_CHECK result share_reshare_combine(const struct public_key *public_key,
                                        const struct share_dealing dealings[],
                                        const struct subshare subshares[], size_t count,
                                        unsigned old_t, struct key_share *out_share,
                                        struct share_commitments *out_commitments);

#endif
