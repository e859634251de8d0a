/*
 * Servers that lie, for the tests: the real programs with some of their functions wrapped. What
 * they lie about stands in the file that the environment variable MYELIN_LIE names, and may change
 * at any time; without a word in it they are honest.
 *
 *     gamma                  the lie's name; then options in any order:
 *     to=key-2               only to this caller
 *     unproven               only where nobody asks for proofs
 *     image=HEX object=HEX   what else the lie needs
 */
#ifndef MYELIN_TESTS_LIE_H
#define MYELIN_TESTS_LIE_H

#include <stdbool.h>

#include "base/bytes.h"

struct lie {
    char text[512];
};

/* What is told to `caller` now, where `is_proving` or not. */
void lie_load(const char *caller, bool is_proving, struct lie *out_lie);

bool lie_is(const struct lie *lie, const char *name);

/* The value of an option, "" where it is not given; of a lie, until its next lie_option. */
const char *lie_option(const struct lie *lie, const char *name, char out[256]);

/* Appends what no message parses as. */
result lie_nonsense(struct bytes *out_answer);

/* Appends a message's encoding, in the place of what was there. */
result lie_pack(const void *message, struct bytes *out_answer);

#endif
