/*
 * Rounds with the key servers: enrol's two, and renew's.
 */
#ifndef MYELIN_FLOW_ENROL_SHARES_H
#define MYELIN_FLOW_ENROL_SHARES_H

#include "flow/session.h"

/* ShareKeyGen of `secret`, and one share to each key server, with `possession` as the proof. QUORUM
 * and so on where fewer than enrol_needed took theirs; CONFLICT where the name is taken. */
MUST_CHECK result enrol_hand_shares(struct session *session, const struct secret_key *secret,
                                    const uint8_t possession[POSSESSION_BYTES]);

/* The pending shares become the user's shares. Errors as enrol_hand_shares; NOT_FOUND where the
 * key servers have no pending share of his. */
MUST_CHECK result enrol_activate(struct session *session);

/* They take the session's certificate in the place of an earlier one for the same keys. Those that
 * do not know the user have none. Errors as enrol_hand_shares; NOT_FOUND where none knows him. */
MUST_CHECK result enrol_bring_certificate(struct session *session);

#endif
