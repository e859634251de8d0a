/*
 * The owner's side of decentralised dispersal (`blocks`): every storage server draws its own
 * coefficients, and the owner believes none of it.
 *
 *     draws_request    to a server: draw, for these blocks; here are their ciphertexts
 *     draws_take       its signed answer: is it the answer to that, by that server, with
 *                      coefficients for its blocks alone, and is the envelope's symbol what they
 *                      make of the ciphertexts?
 *     draws_settle     in the order of slots: do any k of the servers decode in both fields? Where
 *                      they do not, the server that came last draws again; then all.
 *
 * For a server that takes no part, the owner draws (draws_own), so that its symbol can be made for
 * it later, by repair.
 */
#ifndef MYELIN_FLOW_PUT_DRAW_H
#define MYELIN_FLOW_PUT_DRAW_H

#include "base/digest.h"
#include "flow/put_assign.h"
#include "flow/put_choices.h"
#include "format/format.h"
#include "scheme/codeword.h"

/* One server may draw DRAWS_MAX times; DRAWS_ROWS rows each time but the first. Where one has drawn
 * DRAWS_VAIN times and none of its rows fits to those of the slots before, all draw again, so that
 * there are DRAWS_TURNS. */
enum { DRAWS_MAX = 128, DRAWS_VAIN = 32, DRAWS_TURNS = 4, DRAWS_ROWS = FORMAT_DRAWN_ROWS_MAX };

struct drawn {
    uint32_t draw; /* 0: none yet */
    uint8_t request[DIGEST_BYTES];
    uint32_t asked_rows; /* by that request */
    bool asked_symbol;
    bool is_own; /* the owner's draw */
    uint32_t row_count;
    uint8_t *candidates; /* row_count x k; owned */
    uint32_t chosen;     /* of them */
};

struct draws {
    unsigned n, k;
    uint8_t tau[FORMAT_TAU_BYTES];
    uint8_t put[FORMAT_ID_BYTES];
    const struct put_assignment *assignment;
    const struct ciphertext *ciphertexts; /* k; NULL where the put brings no envelope */
    struct codeword_symbol *symbols;      /* by slot; filled where there are ciphertexts */
    uint8_t *rows;                        /* n x k: the chosen ones */
    struct drawn drawn[FORMAT_SERVERS_MAX];
};

/* Frees what draws_take and draws_own made; the pointers above are the caller's. */
void draws_clean_up(struct draws *draws);
#define AUTO_DRAWS __attribute__((cleanup(draws_clean_up)))

/* The slot's next DrawRequest, for `rows` rows and, `with_symbol`, new coefficients in Zr; with the
 * first draw of a put that brings an envelope it must be. NO_MEMORY. */
MUST_CHECK result draws_request(struct draws *draws, unsigned slot, uint32_t rows, bool with_symbol,
                                struct bytes *out_wire);

/* The answer to the slot's last request, a Draw in Signed, by server `name` with `identity`.
 * INTEGRITY where the signature or the symbol is not right; PROTOCOL where it does not parse, is
 * for another request, put, image, slot or server, or has coefficients of the wrong blocks. On
 * failure the slot is as it was before. Different slots may be used at the same time. */
MUST_CHECK result draws_take(struct draws *draws, unsigned slot, const char *name,
                             const uint8_t identity[SIGN_PUBLIC_BYTES], struct view answer);

/* In the place of a server, which may have drawn before: its symbol of the envelope stays then,
 * unless `with_symbol`. NO_MEMORY. */
MUST_CHECK result draws_own(struct draws *draws, unsigned slot, bool with_symbol);

/* Brings it about that the slot has drawn again: by draws_take or draws_own. */
typedef result (*draws_again)(void *context, unsigned slot, bool with_symbol);

/* Chooses a row for every slot; all have drawn. CRYPTO where one has drawn DRAWS_MAX times and
 * `again` did not help; and what `again` fails with. */
MUST_CHECK result draws_settle(struct draws *draws, struct put_choices *choices, draws_again again,
                               void *context);

#endif
