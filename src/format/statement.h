/*
 * What a storage server says of an envelope symbol, signed: this one it gave to be opened by this
 * user. With it, a wrong symbol that came through a key server is the one's fault or the other's,
 * and never in doubt.
 *
 * Signed under "myelin symbol v1" are the server's name, 0x00, the user's name, 0x00, the image's
 * id, then the symbol's encoding.
 */
#ifndef MYELIN_FORMAT_STATEMENT_H
#define MYELIN_FORMAT_STATEMENT_H

#include "base/digest.h"
#include "format/format.h"

struct format_statement {
    const char *server;
    const char *user;
    const uint8_t *image; /* DIGEST_BYTES: format_image_id */
    const Myelin__Symbol *symbol;
};

/* INVALID where the symbol breaks a rule of its message; NO_MEMORY. */
MUST_CHECK result format_statement_sign(const struct sign_key *key,
                                        const struct format_statement *statement,
                                        uint8_t out_signature[SIGN_BYTES]);

/* INTEGRITY where `signature`, of any length, is not the signature by `identity`; as above. */
MUST_CHECK result format_statement_verify(const uint8_t identity[SIGN_PUBLIC_BYTES],
                                          const struct format_statement *statement,
                                          struct view signature);

#endif
