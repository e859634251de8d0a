/*
 * u, the storage servers that each key server asks for envelope symbols at an opening: its fan-out.
 *
 * Each key server draws its own u servers at random, so that t key servers together see between u
 * and t u different ones, and k different symbols open an envelope. A larger u costs traffic: each
 * symbol is 720 + 32 k bytes. A smaller one fails more often, and then all key servers are asked
 * again for all symbols with proofs.
 */
#ifndef MYELIN_SCHEME_FAN_OUT_H
#define MYELIN_SCHEME_FAN_OUT_H

#include "scheme/setup.h"

/* The probability that t independent sets of u of n servers, each uniform among all such sets, have
 * fewer than `wanted` different servers in them together. Exact but for rounding; 1 <= u <= n. */
double fan_out_shortfall(unsigned n, unsigned u, unsigned t, unsigned wanted);

/*
 * The smallest u by which t key servers see k + 1 different symbols, one to spare (all, where there
 * are fewer), but for a chance of 2^-20, when no more servers have the image than a put makes sure
 * of: k and half of the others. The fewer there are, the more often key servers meet at the same
 * ones, so that more servers make it likelier. `setup` is one that setup_check passes.
 */
unsigned fan_out_default(const struct setup *setup);

#endif
