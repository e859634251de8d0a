/*
 * Open's first step: what the key servers answer, each checked as far as it can be by itself.
 */
#ifndef MYELIN_FLOW_OPEN_ANSWERS_H
#define MYELIN_FLOW_OPEN_ANSWERS_H

#include "flow/generations.h"
#include "flow/image.h"
#include "scheme/codeword.h"
#include "scheme/partial.h"
#include "scheme/rekeygen.h"

/* An envelope symbol as one key server passed it on. */
struct open_symbol {
    unsigned server; /* the storage server that it is said to be from */
    unsigned slot;   /* one that the server may have */
    bool is_vouched; /* the storage server signed it */
    bool is_formed;  /* `value` is set: a symbol of that slot, with the answer's b and beta */
    bool is_right;   /* set by open_blame: it has the hash that the owner signed */
    struct codeword_symbol value;
};

/* One key server's answer. Its forward, with b = 1, is the owner's, for this user and image. */
struct open_answer {
    bool given;
    struct held_generation held;
    uint32_t b;
    struct g2 beta;
    struct rekey rekey; /* with b = 1 */
    struct partial partial;
    bool proven;
    uint8_t proof[PARTIAL_PROOF_BYTES];
    size_t symbol_count;
    struct open_symbol *symbols;
};

struct open_answers {
    unsigned servers; /* m */
    unsigned ok;
    struct generation_choice generation; /* of all that are given: its t is how many are needed */
    struct open_answer *of;              /* by key server */
    struct session_answer *answers;
};

#define AUTO_OPEN_ANSWERS __attribute__((cleanup(open_answers_free)))
void open_answers_free(struct open_answers *answers);

struct open_question {
    const struct image *image;
    unsigned u;      /* storage servers that each key server asks */
    bool prove;      /* with proofs of the partials and signatures of the symbols */
    unsigned enough; /* answers after which others are not waited for long: session_ask */
};

/* Asks all key servers. Where their shares are of several generations, those that hold the one that
 * most have are asked for it, and the answers of the others count as refused. Of those who are no
 * holders of it none is missed. INTERNAL, NO_MEMORY.
 */
MUST_CHECK result open_answers_ask(struct session *session, const struct open_question *question,
                                   struct open_answers *out_answers);

#endif
