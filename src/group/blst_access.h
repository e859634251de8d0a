/*
 * The one door to blst: the layer's opaque types are blst's in memory.
 *
 * blst runs behind calls that the compiler does not see through, and is only ever handed pointers:
 * no code here reads or writes one type's memory as the other's.
 */
#ifndef MYELIN_GROUP_BLST_ACCESS_H
#define MYELIN_GROUP_BLST_ACCESS_H

#include <blst.h>

#include "group/pairing.h"

_Static_assert(sizeof(struct scalar) == sizeof(blst_fr), "scalar is blst_fr");
_Static_assert(sizeof(struct g1) == sizeof(blst_p1), "g1 is blst_p1");
_Static_assert(sizeof(struct g2) == sizeof(blst_p2), "g2 is blst_p2");
_Static_assert(sizeof(struct gt) == sizeof(blst_fp12), "gt is blst_fp12");
_Static_assert(sizeof((struct pairing_lines *)0)->limb == 68 * sizeof(blst_fp6), "68 lines");
_Static_assert(_Alignof(struct g1) >= _Alignof(blst_p1), "alignment");

static inline blst_fr *fr_of(struct scalar *a) {
    return (blst_fr *)a;
}
static inline const blst_fr *fr_in(const struct scalar *a) {
    return (const blst_fr *)a;
}
static inline blst_p1 *p1_of(struct g1 *a) {
    return (blst_p1 *)a;
}
static inline const blst_p1 *p1_in(const struct g1 *a) {
    return (const blst_p1 *)a;
}
static inline blst_p2 *p2_of(struct g2 *a) {
    return (blst_p2 *)a;
}
static inline const blst_p2 *p2_in(const struct g2 *a) {
    return (const blst_p2 *)a;
}
static inline blst_fp12 *fp12_of(struct gt *a) {
    return (blst_fp12 *)a;
}
static inline const blst_fp12 *fp12_in(const struct gt *a) {
    return (const blst_fp12 *)a;
}

/* The exponent as blst takes it: 32 bytes, little-endian, canonical. Wipe it after use. */
static inline void scalar_exponent(const struct scalar *scalar, blst_scalar *out) {
    blst_scalar_from_fr(out, fr_in(scalar));
}

/* blst's verdict on a point's encoding, as an error that names the field. */
result blst_access_error(const char *field, BLST_ERROR error);

#endif
