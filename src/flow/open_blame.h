/*
 * Open's last resort, where the first round's pieces do not make the key that the owner committed
 * to: every piece anew from all servers, with proofs, nobody believed, and whoever lied is named.
 *
 *     a partial     is proven against the commitments published at enrolment, or its key server
 *                   lies; the first round's must be the same
 *     a symbol      has the hash that the owner signed (a re-encrypted one once the re-encryption
 *                   is taken off), or the storage server lies that signed it, or the key server
 *                   that passed it on unsigned
 *     all is right  and yet opens nothing: the owner's own envelope or forward is wrong
 *
 * Who lies only where nothing is proven stays one of two: a wrong symbol of the first round that
 * the second does not show is the storage server's or the key server's.
 */
#ifndef MYELIN_FLOW_OPEN_BLAME_H
#define MYELIN_FLOW_OPEN_BLAME_H

#include "flow/open.h"
#include "flow/open_answers.h"

/* `first` are the first round's answers. The content key into `key`; QUORUM, INTEGRITY as
 * flow_open_envelope. */
MUST_CHECK result open_blame(struct session *session, const struct image *image,
                             struct open_answers *first, struct content_key_secret *key);

#endif
