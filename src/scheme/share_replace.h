/*
 * A new share for a key server that lost its own, made by others without the key (share recovery of
 * Herzberg, Jarecki, Krawczyk & Yung, CRYPTO 1995).
 *
 *     [the set of all dealers, at least t, is known to each before it deals]
 *     helper j -> all       commitments to w1_j, w2_j with w1_j(lost) = w2_j(lost) = 0
 *     helper j -> helper i  w1_j(i), w2_j(i), which i checks (share_dealing_check)
 *     [where there is a just complaint about one, all others deal anew without it]
 *     helper i -> lost      b(i) = f(i) + sum w_j(i) over exactly that set
 *     lost                  checks each b(i), interpolates t of them at its own index: f(lost)
 *
 * b = f + sum w_j is uniform among the polynomials with b(lost) = f(lost) as long as one dealer of
 * the set is honest: the lost server learns its own share and nothing else, the helpers nothing.
 * No share and no commitment of the others changes.
 *
 * The caller must see to it that a dealing is never used with another set than the one it was made
 * for: sums over overlapping sets of the same dealings give f away (docs/SCHEME.md, "Share care").
 */
#ifndef MYELIN_SCHEME_SHARE_REPLACE_H
#define MYELIN_SCHEME_SHARE_REPLACE_H

#include "scheme/share_dealing.h"

/* Server `dealer`'s mask for `helpers` (out_subshares: secret memory, `count` of them), itself
 * included where it is one. INVALID for t or an index out of bounds, or where `lost` is among the
 * helpers; NO_MEMORY. */
MUST_CHECK result share_replace_deal(const struct public_key *public_key, uint32_t dealer,
                                     uint32_t lost, unsigned t, const uint32_t helpers[],
                                     size_t count, struct subshare out_subshares[],
                                     struct share_dealing *out);

/* A mask's dealing from outside. Errors as share_dealing_parse. */
MUST_CHECK result share_replace_parse(const char *field, uint32_t dealer, uint32_t lost,
                                      struct view bytes, unsigned t, struct share_dealing *out);

/* Commitments to b, from f's and the agreed dealings: with them share_check_fits tells the lost
 * server whether b(i) is right, and so which helper lied. Errors as share_dealing_sum. */
MUST_CHECK result share_replace_commitments(const struct share_commitments *commitments,
                                            const struct share_dealing dealings[], size_t count,
                                            struct share_commitments *out_blinded);

/* Helper's b(i), which it sends to the lost server: share->j is its index; the sub-shares are those
 * of the agreed dealers (secret memory for out_blinded). INVALID where one is for another helper or
 * a dealer is there twice; QUORUM for fewer than t dealers. */
MUST_CHECK result share_replace_blind(const struct key_share *share, unsigned t,
                                      const struct subshare subshares[], size_t count,
                                      struct key_share *out_blinded);

/* The lost server's share, from the first t of `count` blinded ones, which have been checked
 * (secret memory for out_share). `commitments` are f's, and the result is checked against them:
 * INTEGRITY. QUORUM where there are fewer than t; INVALID for indices out of bounds or given twice.
 */
MUST_CHECK result share_replace_combine(const struct public_key *public_key,
                                        const struct share_commitments *commitments, uint32_t lost,
                                        const struct key_share blinded[], size_t count,
                                        struct key_share *out_share);

#endif
