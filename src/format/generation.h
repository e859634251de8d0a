/*
 * Generations of a user's shares: which polynomials a share is a point of.
 *
 * Refreshing and resharing make a new generation; shares and partials of two do not mix. Each has
 * its own t, the number of its commitments, and its own holders. Its id is SHA-256 of
 * "myelin generation v2" 0x00, the epoch (8 bytes, big-endian), t and the number of holders (a byte
 * each), the holders' share indices (a byte each, ascending), then all commitments, those in G1
 * first. Enrolment makes epoch 0. Where a file has no holders, for they are all key servers, it is
 * "myelin generation v1" 0x00, the epoch and the commitments.
 */
#ifndef MYELIN_FORMAT_GENERATION_H
#define MYELIN_FORMAT_GENERATION_H

#include "base/digest.h"
#include "format/holders.h"
#include "scheme/share_keygen.h"

/* Of fields as a message has them; their lengths must have been checked. */
struct generation_fields {
    uint64_t epoch;
    struct view holders; /* empty: all key servers, and none in the file */
    size_t t;
    const ProtobufCBinaryData *commitment1, *commitment2; /* t of each */
};
void format_generation_id(const struct generation_fields *fields, uint8_t out_id[DIGEST_BYTES]);

/* The fields of any message that has them: CareState, CareBase, CareRestore, ShareFile. */
#define GENERATION_FIELDS(message)                                                                 \
    (&(const struct generation_fields){.epoch = (message)->epoch,                                  \
                                       .holders = format_view((message)->holders),                 \
                                       .t = (message)->n_commitment1,                              \
                                       .commitment1 = (message)->commitment1,                      \
                                       .commitment2 = (message)->commitment2})

/* Commitments from a message. PROTOCOL, naming the field; NO_MEMORY. */
MUST_CHECK result format_commitments_parse(size_t count1, const ProtobufCBinaryData commitment1[],
                                           size_t count2, const ProtobufCBinaryData commitment2[],
                                           struct share_commitments *out);

/* Commitments as a message's fields: t of each kind. Freed with format_commitment_fields_free. */
struct commitment_fields {
    size_t t;
    ProtobufCBinaryData *commitment1, *commitment2;
    void *block; /* that they lie in and point into */
};
#define AUTO_COMMITMENT_FIELDS __attribute__((cleanup(format_commitment_fields_free)))
void format_commitment_fields_free(struct commitment_fields *fields);
MUST_CHECK result format_commitment_fields(const struct share_commitments *commitments,
                                           struct commitment_fields *out);

/* How many of m key servers must hold a generation before the one before it goes: t, and half of
 * the spare ones. Two such sets have at least t in common. */
unsigned format_generation_quorum(unsigned m, unsigned t);

#endif
