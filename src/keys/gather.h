/*
 * Gathering an envelope's symbols: u good ones from storage servers, several at a time: first, in
 * random order, those that have the image's slots now, then those that had them in the version
 * before, then all others, which may have slots that were never moved.
 *
 * A server that is dead, lies or does not have it is replaced by a spare at once, one that is slow
 * after GATHER_PATIENCE_MS without being given up. Slow servers are waited for only until there are
 * k symbols, and nothing waits longer than GATHER_DEADLINE_MS. Where symbols must be proven, some
 * of those that came may be lies: then slow servers are waited for until they have answered or
 * failed.
 *
 * A recipient may meet several generations of a forward: of those with k symbols or more the newest
 * counts, so that key servers that ask everybody agree; else the one with most symbols.
 */
#ifndef MYELIN_KEYS_GATHER_H
#define MYELIN_KEYS_GATHER_H

#include "keys/symbol_check.h"
#include "system/storage_fleet.h"

enum { GATHER_PATIENCE_MS = 500, GATHER_DEADLINE_MS = 6000 };

struct gatherer;

/* `fleet` must outlive the gatherer. NO_MEMORY. */
MUST_CHECK result gatherer_new(struct storage_fleet *fleet, struct gatherer **out_gatherer);

/* Gatherings from now on ask the servers of `fleet`; those under way go on with the one before,
 * which must outlive the gatherer too. */
void gatherer_set_fleet(struct gatherer *gatherer, struct storage_fleet *fleet);

/* Waits for calls under way: at most about two timeouts of a call. NULL is fine. */
void gatherer_free(struct gatherer *gatherer);

/* Good symbols with one beta, from distinct servers and slots. */
struct gathered {
    size_t count;
    struct gathered_symbol {
        const char *server;
        Myelin__SymbolAnswer *answer;
    } symbols[FORMAT_SERVERS_MAX];
};

#define AUTO_GATHERED __attribute__((cleanup(gathered_free)))
void gathered_free(struct gathered *gathered);

/*
 * `u` symbols, or as many as there are, at least one. Every one has passed symbol_check.
 *
 * DENIED     the forward is revoked, or so many servers refused or have no such image that the
 *            others could not decode it, and one refused
 * NOT_FOUND  the same, and none refused
 * TIMEOUT    nobody who might have it answered in time
 * QUORUM     the same, for other reasons as well; the text counts them
 * INVALID    u is 0 or larger than n
 * NO_MEMORY
 */
MUST_CHECK result gather_symbols(struct gatherer *gatherer, const struct symbol_terms *terms,
                                 unsigned u, struct gathered *out_gathered);

#endif
