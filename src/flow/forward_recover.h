/*
 * The paper's way to a re-encryption key: the owner collects his first key shares, KeyRecover gives
 * a1, ReKeyGen the key, and a1 is wiped.
 *
 * Weaker than the threshold ReKeyGen that forward uses otherwise: for a moment a1 is whole, on the
 * owner's machine, and whoever reads it there opens all of the owner's images at k storage servers,
 * without any key server and without a line in their logs, for ever. It is here because the scheme
 * has it, for comparison, and for an owner who must forward by another program than this one.
 */
#ifndef MYELIN_FLOW_FORWARD_RECOVER_H
#define MYELIN_FLOW_FORWARD_RECOVER_H

#include "flow/image.h"
#include "scheme/rekeygen.h"

/* RK from the user to `recipient` for his image `id`; `bytes` grows by what was sent. Each share is
 * checked by itself against the commitments; a key server whose share is wrong is named by a
 * warning and done without. QUORUM where fewer than t are right; NO_MEMORY. */
MUST_CHECK result forward_recover(struct session *session, const struct image *image,
                                  const char *id, const struct session_user *recipient,
                                  struct rekey *out_rekey, uint64_t *bytes);

#endif
