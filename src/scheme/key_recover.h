/*
 * KeyRecover: a1 from t key shares by Lagrange interpolation. The paper's way to forward, and the
 * only place where a1 exists again; the threshold ReKeyGen never needs it.
 */
#ifndef MYELIN_SCHEME_KEY_RECOVER_H
#define MYELIN_SCHEME_KEY_RECOVER_H

#include "scheme/share_keygen.h"

/* a1 from the first t of `count` shares, checked against PK1. QUORUM where there are fewer than t;
 * INVALID for a zero or repeated index; INTEGRITY where the result is not PK1's secret. */
MUST_CHECK result key_recover(const struct key_share shares[], size_t count, unsigned t,
                              const struct public_key *public_key, struct scalar *out_a1);

/* Whether a share's s1 is what f1's commitments say; its s2 is not looked at. INTEGRITY where not;
 * INVALID for an index outside 1 to 255. */
MUST_CHECK result key_recover_check(const struct share_commitments *commitments,
                                    const struct key_share *share);

#endif
