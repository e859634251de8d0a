/*
 * How long a reader waits for servers, all its questions and its fetch together: one purse for the
 * whole of a read, however many rounds it takes, so that the worst sum of their waits is a number
 * and not a product.
 *
 *     questions   6 s   all rounds of session_ask; 9 s where no fetch follows
 *     fetch       3 s   for each segment to stand still, and what the questions left
 *     in all      9 s
 *
 * A fetch stands still while of the segment that all others wait for a slice is missing that
 * nobody delivers, or delivers at less than 2 KiB/s. Time in which bytes come costs nothing, where
 * nobody gave them before.
 *
 * A thread's purse is its own and goes by no argument: who reads opens it, who waits pays from it.
 * Without one, as in a put, each round has its own bound (session_ask).
 */
#ifndef MYELIN_FLOW_PATIENCE_H
#define MYELIN_FLOW_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { PATIENCE_MS = 9000, PATIENCE_FETCH_MS = 3000 };

/* Open from patience_begin to patience_end. Within another one it is that one. */
struct patience {
    bool is_outer;
};

/* What is read ends with a fetch, for which the questions leave its part, or with the questions. */
enum patience_of { PATIENCE_OF_GET, PATIENCE_OF_LIST };

void patience_begin(struct patience *patience, enum patience_of what);
void patience_end(struct patience *patience);
#define AUTO_PATIENCE __attribute__((cleanup(patience_end)))

/* What is left for questions, and for a fetch that stands still; UINT64_MAX where this thread has
 * no purse. */
uint64_t patience_for_questions_ms(void);
uint64_t patience_for_fetch_ms(void);

/* So long was waited. */
void patience_spend(uint64_t ms);

/*
 * Two threads that wait at the same time for one read pay from the same purse, and time that both
 * waited counts once: the second one takes what the first one has, and once both have ended the
 * first one takes what of both has less left.
 */
struct patience_purse {
    bool is_open;
    uint64_t questions_ms, spent_ms;
};

/* This thread's; and that from now on, or until patience_drop, it is `purse`. */
struct patience_purse patience_purse(void);
void patience_take(const struct patience_purse *purse);
void patience_drop(void);

/* After another thread spent from a copy, which it left like `other`. */
void patience_join(const struct patience_purse *other);

#endif
