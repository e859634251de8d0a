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
    unsigned t;                                   /* how many such answers are needed */
    struct holders holders;                       /* who can give them */
};

/* From an answer's fields; those that it lacks are the system's. */
void generation_hold(const struct session *session, struct held_generation *held,
                     ProtobufCBinaryData id, ProtobufCBinaryData also, uint32_t t,
                     ProtobufCBinaryData holders);

/* What the answers given come to: the generation that most of those servers can use, with its t and
 * holders; those of the system where none is given. Two that are said to be one, and to have
 * different t or holders, are two. */
struct generation_choice {
    bool differ; /* the answers given are of more than one */
    struct held_generation best;
    unsigned used; /* answers that are of it */
};
void generations_choose(const struct session *session, const struct held_generation held[],
                        struct generation_choice *out);

/* Whether an answer is of the generation that was chosen. */
bool generation_is(const struct held_generation *held, const struct generation_choice *choice);

/* What an answer of another generation than the one chosen is turned into. */
void generation_refuse(const struct session *session, unsigned server,
                       struct session_answer *answer);

/* Whoever holds no share of the generation chosen need not have answered: what it said is no
 * failure. Nothing happens where no answer was given. */
void generation_excuse(const struct session *session, const struct generation_choice *choice,
                       struct session_answer answers[]);

/* session_fail_quorum of the key servers' answers, for the t of the generation chosen. */
result generation_fail(const struct session *session, const struct generation_choice *choice,
                       const char *what, const struct session_answer answers[]);

#endif
