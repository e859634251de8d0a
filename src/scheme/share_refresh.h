/*
 * Proactive refresh (Herzberg, Jarecki, Krawczyk & Yung, CRYPTO 1995): the same key, new
 * independent shares, so that shares stolen before and after do not add up.
 *
 *     dealer j -> all       commitments to z1_j, z2_j with z1_j(0) = z2_j(0) = 0
 *     dealer j -> server i  z1_j(i), z2_j(i), which i checks (share_dealing_check)
 *     [the servers agree on a set of at least t dealers nobody has a just complaint about]
 *     server i              f(i) + sum z_j(i) over the set; the commitments are multiplied alike
 *
 * An adversary who holds t - 1 shares of before and t - 1 of after learns nothing as long as one
 * dealer of the set is honest. PK, envelopes and forwards do not change. The old share is the
 * caller's to wipe, once enough servers have the new one on disk; until then t servers of either
 * generation can open, but never a mixture of both.
 */
#ifndef MYELIN_SCHEME_SHARE_REFRESH_H
#define MYELIN_SCHEME_SHARE_REFRESH_H

#include "scheme/share_dealing.h"

/* Server `dealer`'s dealing to the m `receivers`, NULL for 1 to m (out_subshares: secret memory, m
 * of them), itself included. INVALID for t or m out of bounds, or t = 1, where every server holds
 * the key itself; NO_MEMORY. */
MUST_CHECK result share_refresh_deal(const struct public_key *public_key, uint32_t dealer,
                                     unsigned t, const uint32_t receivers[], unsigned m,
                                     struct subshare out_subshares[], struct share_dealing *out);

/* A dealing from outside. Errors as share_dealing_parse. */
MUST_CHECK result share_refresh_parse(const char *field, uint32_t dealer, struct view bytes,
                                      unsigned t, struct share_dealing *out);

/* The next generation of `share` (secret memory for out_share) and `commitments`: subshares[i] is
 * of dealings[i]. INTEGRITY where the result does not fit, because a sub-share does not
 * (share_dealing_check names its dealer); INVALID where dealings and sub-shares do not match or
 * repeat; QUORUM for fewer than t; NO_MEMORY. */
MUST_CHECK result share_refresh_apply(const struct public_key *public_key,
                                      const struct key_share *share,
                                      const struct share_commitments *commitments,
                                      const struct share_dealing dealings[],
                                      const struct subshare subshares[], size_t count,
                                      struct key_share *out_share,
                                      struct share_commitments *out_commitments);

#endif
