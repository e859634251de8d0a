/*
 * The optimal ate pairing e: G1 x G2 -> GT, as blst computes it. Where either side is the identity
 * so is the result.
 */
#ifndef MYELIN_GROUP_PAIRING_H
#define MYELIN_GROUP_PAIRING_H

#include "group/g1.h"
#include "group/g2.h"
#include "group/gt.h"

/* e(p, q). The time does not depend on the points, but for the identity and for whether they are in
 * affine form already. */
void pairing(const struct g1 *p, const struct g2 *q, struct gt *out);

/* The part of the work that depends on the G2 side only, for a q that many pairings share: about
 * 20 KiB. Opaque; to be shared between threads once prepared. */
struct pairing_lines {
    uint64_t limb[68 * 36];
    bool identity;
};

/* For lines of a q that is secret, such as D of Combine. */
#define AUTO_LINES __attribute__((cleanup(pairing_lines_wipe)))
void pairing_lines_wipe(struct pairing_lines *lines);

/* The lines of q; of any q, the identity too. */
void pairing_prepare(const struct g2 *q, struct pairing_lines *out_lines);

/* e(p, q) for the q of `lines`. */
void pairing_prepared(const struct g1 *p, const struct pairing_lines *lines, struct gt *out);

/* prod e(p[i], q[i]), i < count, with one final exponentiation for all. */
void pairing_product(const struct g1 p[], const struct g2 q[], size_t count, struct gt *out);

/* Whether e(a, b) = e(c, d). */
bool pairing_equal(const struct g1 *a, const struct g2 *b, const struct g1 *c, const struct g2 *d);

#endif
