/*
 * Answers of key servers whose shares are of more than one generation: because one of them missed a
 * refresh, or because a refresh is under way or was broken off. Partials and parts of one
 * generation combine, of two they do not.
 */
#ifndef MYELIN_FLOW_GENERATIONS_H
#define MYELIN_FLOW_GENERATIONS_H

#include "base/digest.h"
#include "flow/session.h"

/* What one key server's answer is of, and which other generation it can use now. */
struct held_generation {
    bool given;
    uint8_t id[DIGEST_BYTES], also[DIGEST_BYTES]; /* zero where the server did not say */
};

/* From an answer's fields. */
void generation_hold(struct held_generation *held, ProtobufCBinaryData id,
                     ProtobufCBinaryData also);

/* Whether the answers given are of more than one generation. If so `out_best` is the one that most
 * of those servers can use, and `out_used` counts the answers that are of it. */
bool generations_differ(const struct held_generation held[], unsigned count,
                        uint8_t out_best[DIGEST_BYTES], unsigned *out_used);

/* What an answer of another generation than `best` is turned into. */
void generation_refuse(const struct session *session, unsigned server,
                       struct session_answer *answer);

#endif
