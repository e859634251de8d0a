/*
 * SetUp: the numbers among the public parameters mu. The suite is fixed (BLS12-381,
 * docs/SCHEME.md); the lists of servers belong to the system description.
 */
#ifndef MYELIN_SCHEME_SETUP_H
#define MYELIN_SCHEME_SETUP_H

#include "base/result.h"

enum { SCHEME_MAX_SERVERS = 255 };

struct setup {
    unsigned n; /* storage servers */
    unsigned k; /* storage servers needed to decode */
    unsigned m; /* key servers */
    unsigned t; /* key servers needed to decrypt */
};

/* 1 <= k <= n <= 255 and 1 <= t <= m <= 255. INVALID, saying which number is out of which bounds
 * and why. */
MUST_CHECK result setup_check(const struct setup *setup);

/* v, the copies of each block in the `blocks` dispersal: n - k + 1 <= v <= n, for fewer copies
 * leave k servers none of which has the block, whatever their coefficients. INVALID. */
MUST_CHECK result setup_check_copies(const struct setup *setup, unsigned v);

/* The paper's v = b ln k for the least b above 5 n / k, at most n; but never below n - k + 1. */
unsigned setup_default_copies(const struct setup *setup);

/* u, the storage servers that each key server asks: t * u >= k, or t answers can never hold the
 * symbols of k servers, and u <= n. INVALID. */
MUST_CHECK result setup_check_fan_out(const struct setup *setup, unsigned u);

#endif
