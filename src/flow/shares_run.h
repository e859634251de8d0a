/*
 * One run of share care, for one user: what the key servers said, and the rounds that ask them.
 * Inside src/flow/shares*.c only.
 */
#ifndef MYELIN_FLOW_SHARES_RUN_H
#define MYELIN_FLOW_SHARES_RUN_H

#include "base/digest.h"
#include "flow/shares.h"
#include "format/generation.h"
#include "scheme/share_dealing.h"

/* What one key server said. */
struct shares_member {
    Myelin__CareState *state; /* NULL: none that holds together */
    uint8_t generation[DIGEST_BYTES];
    struct public_key public_key;         /* by the certificate */
    struct share_commitments commitments; /* t of them */
    struct holders holders;
    bool holds; /* it has its share of that generation */
    bool dealt; /* its dealing is signed and of the right form */
    struct share_dealing dealing;
    bool complains[FORMAT_SERVERS_MAX]; /* by dealer's server */
    Myelin__Signed *word;               /* its Acceptance or Blinded */
    struct session_answer answer;       /* to the last question */
};

struct shares_run {
    struct session *session;
    const char *user;
    uint64_t ballot;                  /* 0 for a replacement */
    uint32_t lost;                    /* a replacement: whose share; else 0 */
    struct shares_target target;      /* a resharing: t is 0 for the others */
    bool dealers[FORMAT_SERVERS_MAX]; /* a replacement: for which set all deal */
    struct bytes wire;
    bool asked[FORMAT_SERVERS_MAX]; /* who is asked in this round */
    struct shares_member *of;       /* by key server: m */
};

#define AUTO_SHARES_RUN __attribute__((cleanup(shares_run_free)))
void shares_run_free(struct shares_run *run);

/* One question to those in `to`; the others' last answers stay. Errors as shares_look. */
MUST_CHECK result shares_ask(struct shares_run *run, session_question question, void *context,
                             const bool to[], unsigned *out_ok);

/* Asks all key servers for their states, and for nothing more. INTERNAL where cancelled, NO_MEMORY.
 */
MUST_CHECK result shares_look(struct shares_run *run);

/* Begins a run at all key servers, or at the dealers of a replacement, and keeps their states and
 * dealings. A run may be begun again: of those that are no dealers any more the states stay. Errors
 * as shares_look. */
MUST_CHECK result shares_begin(struct shares_run *run);

const char *shares_name(const struct shares_run *run, unsigned server);

/* Whether the server promised this run's ballot. */
bool shares_granted(const struct shares_run *run, unsigned server);

/* How many have a state. */
unsigned shares_count(const struct shares_run *run, const bool set[]);

/* Whether a server has its share of the generation that it is in, and whether it is to have one of
 * that which `base` is in. */
bool shares_holds(const struct shares_run *run, unsigned server);
bool shares_is_holder(const struct shares_run *run, unsigned base, unsigned server);

/* Of the generation that `base` is in: how many make a quorum. */
unsigned shares_quorum(const struct shares_run *run, unsigned base);

/* The server whose generation most holders in `among` share: one of which there is a quorum before
 * others, and the later one where two are as common; m where `among` has no holders. */
unsigned shares_commonest(const struct shares_run *run, const bool among[]);

bool shares_same_generation(const struct shares_run *run, unsigned a, unsigned b);

/* The dealers and receivers who have nothing against each other, from `members` of one generation
 * and those to whom they dealt: asks each of `receivers` what it thinks of the dealings. Who is
 * left out is named in a warning; where that is a dealer of a replacement, the others must deal
 * anew. Of a resharing exactly t dealers are left. */
struct shares_agreed {
    bool dealers[FORMAT_SERVERS_MAX], receivers[FORMAT_SERVERS_MAX];
    size_t dealing_count;
    Myelin__Signed *dealings[FORMAT_SERVERS_MAX]; /* the run's */
};
MUST_CHECK result shares_agree(struct shares_run *run, const bool members[], const bool receivers[],
                               struct shares_agreed *out);

/* What an offer says. */
struct shares_offered {
    unsigned base; /* a server of the generation that the dealings are of */
    const uint8_t *generation;
    size_t count;
    Myelin__Signed *const *dealings;
};

/* Sends a CareOffer to `path` of the servers in `to` and keeps the Signed that each answers as its
 * word; *out_ok counts them. */
MUST_CHECK result shares_offer(struct shares_run *run, const char *path, const bool to[],
                               const struct shares_offered *offered, unsigned *out_ok);

/* A server's generation, for one that does not hold it; it borrows. */
void shares_base(const struct shares_run *run, unsigned base, Myelin__CareBase *out);

/* Sends the run's wire to `path` of the servers in `to`. */
MUST_CHECK result shares_tell(struct shares_run *run, const char *path, const bool to[],
                              unsigned *out_ok);

/* QUORUM: "<what>: 3 of the 4 key servers needed", with what each of the others said. */
result shares_fail(const struct shares_run *run, const char *what, unsigned count, unsigned needed);

/* ------------------------------------------------------------------ shares_ballot.c */

/* Begins `run` under a ballot that enough key servers promise; what they are of is then
 * shares_commonest of those that did. QUORUM. */
MUST_CHECK result shares_begin_ballot(struct shares_run *run);

void shares_find_granted(const struct shares_run *run, bool out_granted[]);

/* A generation to be made. */
struct shares_made {
    uint8_t generation[DIGEST_BYTES];
    uint64_t epoch;
    unsigned t;
    struct holders holders;
};

/* What became of everybody, for those in `held` that they hold the new share. */
void shares_report(const struct shares_run *run, const bool held[], const struct shares_made *made,
                   struct shares_done *out_done);

/* Two steps: `to` keep the generation beside the share; once enough do, it takes the share's place.
 * `offered` has the generation. `out_held` says who finished with a share of it. QUORUM. */
MUST_CHECK result shares_carry_through(struct shares_run *run, const bool to[],
                                       const struct shares_offered *offered,
                                       const struct shares_made *made, bool out_held[]);

/* Those of `to`, who hold the generation of `base`, say so, and all in `leavers`, who missed that
 * they are no holders of it, drop their shares. */
MUST_CHECK result shares_retire(struct shares_run *run, const struct shares_offered *offered,
                                const bool to[], const bool leavers[]);

/* ------------------------------------------------------------------ shares_settle.c */

/* A run of share care that was broken off is completed where it may have been decided. OK where
 * there was none. `out_settled` says whether anything was done. */
MUST_CHECK result shares_settle(struct shares_run *run, bool *out_settled);

/* Servers that missed something are brought up to date: holders get their share back, those that
 * are none any more drop theirs. A failure costs a warning. */
MUST_CHECK result shares_catch_up(struct shares_run *run, bool *out_changed);

/* ------------------------------------------------------------------ attempts */

/* Begins, settles, catches up and then has `make` make a new generation, again where another driver
 * came between. */
typedef result (*shares_make)(struct shares_run *run, struct shares_done *out_done);
MUST_CHECK result shares_attempt(struct shares_run *run, shares_make make,
                                 struct shares_done *out_done);

/* The members of the generation to go on from, and one of them; holders of it that gave no right
 * answer are named in warnings. QUORUM where they are too few. */
MUST_CHECK result shares_find_members(const struct shares_run *run, const char *what,
                                      bool out_members[], unsigned *out_base);

#endif
