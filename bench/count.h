/*
 * Counts what the scheme's algorithms ask of the group, without a line in the code that is counted:
 * the linker puts count.c's functions between (--wrap, see bench/CMakeLists.txt). What runs in a
 * counting program is therefore the very object code that is shipped.
 *
 * Exponentiations are counted where src/scheme calls src/group, so one that a group function uses
 * inside another does not count twice; Miller loops and final exponentiations where src/group calls
 * the pairing library. One thread only.
 */
#ifndef MYELIN_BENCH_COUNT_H
#define MYELIN_BENCH_COUNT_H

#include <stdint.h>

enum counted {
    COUNT_MILLER, /* Miller loops, with prepared lines or without */
    COUNT_FINAL,  /* final exponentiations: a pairing is one of each */
    COUNT_LINES,  /* preparations of a G2 point's lines */
    COUNT_G1,     /* exponentiations with a full exponent */
    COUNT_G2,
    COUNT_GT,
    COUNT_G1_TERMS, /* powers inside a product of powers, with public exponents */
    COUNT_G2_TERMS,
    COUNT_GT_TERMS,
    COUNT_G1_SMALL, /* exponents of one byte: server indices */
    COUNT_G2_SMALL,
    COUNT_HASH, /* hashes to a scalar */
    COUNT_KINDS
};

/* Their names in JSON. */
extern const char *const count_names[COUNT_KINDS];

/* Grows while the program runs; set it to zero before what is to be counted. */
extern uint64_t counts[COUNT_KINDS];

#endif
