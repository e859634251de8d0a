/*
 * One user, one image, one forward and one round of dealings in one process, for the programs that
 * measure the claims about cost; and how they take a median.
 */
#ifndef MYELIN_BENCH_CLAIMS_WORLD_H
#define MYELIN_BENCH_CLAIMS_WORLD_H

#include "scheme/combine.h"
#include "scheme/content_key.h"
#include "scheme/enc.h"
#include "scheme/encode.h"
#include "scheme/reenc.h"
#include "scheme/setup.h"
#include "scheme/share_dec.h"
#include "scheme/share_refresh.h"
#include "scheme/share_replace.h"
#include "scheme/share_reshare.h"
#include "scheme/threshold_rekeygen.h"
#include "scheme/token.h"

enum { MAX = SCHEME_MAX_SERVERS, ROUNDS_MAX = 1000 };

struct claims_world {
    unsigned k, t, m, n; /* n symbols */
    struct secret_key secret;
    struct public_key key, recipient;
    struct key_share shares[MAX];
    struct share_commitments commitments;
    struct g2 tau, d;
    struct gt messages[MAX], product;
    struct ciphertext ciphertexts[MAX], reencrypted;
    struct codeword_symbol symbols[MAX];
    const struct codeword_symbol *pointers[MAX];
    struct rekey rekey;
    struct reenc_key reenc_key;
    struct rekey_request request;
    struct rekey_part parts[MAX];
    struct partial partials[MAX], partial_1; /* for b = 0; one for b = 1 */
    uint8_t possession[POSSESSION_BYTES], proof[2][PARTIAL_PROOF_BYTES];
    uint8_t content_key[CONTENT_KEY_BYTES];
    struct share_dealing refresh[MAX], reshare[MAX];
    struct subshare refresh_subs[MAX], reshare_subs[MAX]; /* server 1's, by dealer */
    struct key_share blinded[MAX];
    uint32_t helpers[MAX]; /* 1 to t: they replace server m's share */
};

extern struct claims_world w;
extern const char world_id[]; /* the image's */

/* The user with shares for m key servers, the image with n codeword symbols, t partials and D, and
 * a forward. */
void world_new(unsigned k, unsigned t, unsigned m, unsigned n);

/* Dealings of key servers 1 to t for each purpose, and what 1 to t send to replace m's share. */
void world_deal(void);

void world_free(void);

/* Exits with the error text where `code` is not OK. */
void require(result code);

/* Of `rounds` runs, at most ROUNDS_MAX, in microseconds. */
double median_time(void (*run)(void), unsigned rounds);

/* A number of an argument, between `least` and `most`, and the ':' behind it; exits on others. */
unsigned take_number(char **text, unsigned least, unsigned most);

#endif
