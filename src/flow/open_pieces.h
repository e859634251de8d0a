/*
 * Open's second step: partials and symbols that belong together, and the content key from them.
 */
#ifndef MYELIN_FLOW_OPEN_PIECES_H
#define MYELIN_FLOW_OPEN_PIECES_H

#include "flow/open.h"
#include "flow/open_answers.h"

/* Answers of one (b, beta): a recipient to whom the owner forwarded twice may get answers of both
 * forwards, which do not combine with each other. */
struct pieces {
    unsigned t;                        /* partials needed */
    const struct open_answer *example; /* any answer of the group; NULL: there is none */
    size_t partial_count;
    struct partial partials[FORMAT_SERVERS_MAX];
    size_t symbol_count;
    const struct codeword_symbol *symbols[FORMAT_SERVERS_MAX]; /* one a slot */
    bool has_slot[FORMAT_SERVERS_MAX];
};

/* t partials are as good as the content key. */
#define AUTO_PIECES __attribute__((cleanup(pieces_wipe)))
void pieces_wipe(struct pieces *pieces);

bool pieces_same_group(const struct open_answer *a, const struct open_answer *b);

/* The largest group of answers but for those marked in `skip` (by key server; NULL: none); NULL
 * where nobody has answered. */
const struct open_answer *pieces_largest_group(const struct open_answers *answers,
                                               const bool skip[]);

/* The first symbol of a slot counts. */
void pieces_add_symbol(struct pieces *pieces, const struct open_symbol *symbol);

/* QUORUM where there are too few of a kind, with who is missing. */
MUST_CHECK result pieces_check(const struct session *session, const struct image *image,
                               const struct open_answers *answers, const struct pieces *pieces);

/* The content key that the pieces make. `key` changes only where it is the one committed to, else
 * INTEGRITY; CRYPTO where the symbols are not independent; NO_MEMORY. */
MUST_CHECK result pieces_combine(const struct image *image, const struct pieces *pieces,
                                 struct content_key_secret *key);

#endif
