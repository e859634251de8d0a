/*
 * Whether what a storage server answered is a symbol of the envelope that the caller may open.
 */
#ifndef MYELIN_KEYS_SYMBOL_CHECK_H
#define MYELIN_KEYS_SYMBOL_CHECK_H

#include <string.h>

#include "format/format.h"
#include "system/description.h"

/* Which envelope, for whom. */
struct symbol_terms {
    char owner[FORMAT_NAME_MAX + 1];
    char user[FORMAT_NAME_MAX + 1]; /* the caller */
    uint8_t tau[FORMAT_TAU_BYTES];
    uint8_t owner_identity[SIGN_PUBLIC_BYTES]; /* of this server's own directory */
    uint64_t revoked_ms;                       /* forwards with a higher serial only */
    const struct description *description;     /* who has which slot */
    unsigned n, k;                             /* slots of an image; needed */
    bool prove; /* only symbols that their servers have signed, and no haste */
};

/* The owner reads his original envelope, anybody else the one re-encrypted to him. */
static inline uint32_t symbol_terms_b(const struct symbol_terms *terms) {
    return strcmp(terms->owner, terms->user) == 0 ? 0 : 1;
}

/*
 * Checks the symbol in full: alpha, beta and gamma in their groups, k coefficients, slot < n; with
 * b = 0 that beta is tau; with b = 1 that beta is rk1 of a forward of this image to the caller that
 * the owner signed and has not revoked since. `server` is for the text. `out_serial_ms` is the
 * forward's, also where it is revoked; 0 with b = 0 and where there is none that the owner signed.
 *
 * DENIED where the forward is revoked; PROTOCOL or INTEGRITY where the server lies or errs;
 * NO_MEMORY.
 */
MUST_CHECK result symbol_check(const struct symbol_terms *terms, const char *server,
                               const Myelin__SymbolAnswer *answer, uint64_t *out_serial_ms);

#endif
