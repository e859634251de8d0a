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
    struct share_commitments commitments;
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
    uint32_t lost;                    /* 0 for a refresh */
    bool dealers[FORMAT_SERVERS_MAX]; /* a replacement: for which set all deal */
    struct bytes wire;
    bool asked[FORMAT_SERVERS_MAX]; /* who is asked in this round */
    struct shares_member *of;       /* by key server: m */
};

#define AUTO_SHARES_RUN __attribute__((cleanup(shares_run_free)))
void shares_run_free(struct shares_run *run);

/* Begins a run at all key servers, or at the dealers of a replacement, and keeps their states and
 * dealings. A run may be begun again: of those that are no dealers any more the states stay.
 * INTERNAL where cancelled, NO_MEMORY. */
MUST_CHECK result shares_begin(struct shares_run *run);

const char *shares_name(const struct shares_run *run, unsigned server);

/* Whether the server promised this run's ballot. */
bool shares_granted(const struct shares_run *run, unsigned server);

/* How many have a state. */
unsigned shares_count(const struct shares_run *run, const bool set[]);

/* The server whose generation most of `among` share, the later one where two are as common; m where
 * `among` is empty. */
unsigned shares_commonest(const struct shares_run *run, const bool among[]);

bool shares_same_generation(const struct shares_run *run, unsigned a, unsigned b);

/* The dealers and receivers who have nothing against each other, from `members` of one generation:
 * asks each member what it thinks of the dealings. Who is left out is named in a warning; where
 * that is a dealer of a replacement, the others must deal anew. */
struct shares_agreed {
    bool dealers[FORMAT_SERVERS_MAX], receivers[FORMAT_SERVERS_MAX];
    size_t dealing_count;
    Myelin__Signed *dealings[FORMAT_SERVERS_MAX]; /* the run's */
};
MUST_CHECK result shares_agree(struct shares_run *run, const bool members[],
                               struct shares_agreed *out);

/* Sends a CareOffer to `path` of the servers in `to` and keeps the Signed that each answers as its
 * word; *out_ok counts them. */
MUST_CHECK result shares_offer(struct shares_run *run, const char *path, const bool to[],
                               const uint8_t generation[DIGEST_BYTES], size_t dealing_count,
                               Myelin__Signed *const dealings[], unsigned *out_ok);

/* Sends the run's wire to `path` of the servers in `to`. */
MUST_CHECK result shares_tell(struct shares_run *run, const char *path, const bool to[],
                              unsigned *out_ok);

/* QUORUM: "<what>: 3 of the 4 key servers needed", with what each of the others said. */
result shares_fail(const struct shares_run *run, const char *what, unsigned count, unsigned needed);

/* What became of everybody, for those in `held` that they hold the new share. */
void shares_report(const struct shares_run *run, const bool held[], uint64_t epoch,
                   struct shares_done *out_done);

/* A run of share care that was broken off is completed where it may have been decided. OK where
 * there was none. `out_settled` says whether anything was done. */
MUST_CHECK result shares_settle(struct shares_run *run, bool *out_settled);

/* Begins `run` under a ballot that enough key servers promise. QUORUM. */
MUST_CHECK result shares_begin_ballot(struct shares_run *run);

#endif
