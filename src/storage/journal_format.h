/*
 * The bytes of a journal's heads and transactions; for src/storage/journal*.c alone.
 */
#ifndef MYELIN_STORAGE_JOURNAL_FORMAT_H
#define MYELIN_STORAGE_JOURNAL_FORMAT_H

#include "base/digest.h"
#include "storage/journal.h"

enum {
    JOURNAL_NONCE_BYTES = 16,
    JOURNAL_HEADS = 4,
    JOURNAL_START = JOURNAL_HEADS * JOURNAL_BLOCK, /* where the first transaction stands */
    JOURNAL_HEAD_BYTES = 8 + 8 + JOURNAL_NONCE_BYTES + DIGEST_BYTES,
    JOURNAL_TRANSACTION_HEAD_BYTES = 8 + 8 + 8 + 8 + 4 + 2 * DIGEST_BYTES,
};

struct journal_window {
    uint64_t number;
    uint8_t nonce[JOURNAL_NONCE_BYTES];
};

/* A transaction's head, and the body that follows it. */
struct journal_transaction {
    uint64_t sequence;            /* from 0 in each window */
    uint64_t durable;             /* the file up to here was on the disk when this was written */
    uint8_t before[DIGEST_BYTES]; /* the hash of the transaction before; zeros for the first */
    uint8_t hash[DIGEST_BYTES];   /* of nonce, head and body */
    struct view body;
};

/* What copies are taken from. All of them together are no longer than what they are taken from. */
struct journal_source {
    struct view before; /* the file up to the transaction, whole */
    uint64_t copied;    /* in all so far */
};

/* Every change of a transaction's body; `visit` may be NULL. Without a source copies are visited as
 * what they are, without a value. INTEGRITY where it does not parse. */
MUST_CHECK result journal_visit(struct view body, struct journal_source *source,
                                result (*visit)(void *context, const struct journal_change *change),
                                void *context);

/* Where in the file the two copies of a window's head stand. */
void journal_head_offsets(const struct journal_window *window, uint64_t out[2]);
void journal_head_encode(const struct journal_window *window, uint8_t out[JOURNAL_HEAD_BYTES]);

/* Head and body and zeros up to a block's end; fills in the hash. NO_MEMORY. */
MUST_CHECK result journal_transaction_encode(const struct journal_window *window,
                                             struct journal_transaction *transaction,
                                             struct bytes *out);

/* How many bytes of the file a transaction with such a body takes. */
uint64_t journal_transaction_bytes(size_t body_len);

#endif
