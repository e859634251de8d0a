#include "claims_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct claims_world w;
const char world_id[] = "1.2.840.113619.2.55.3";

void require(result code) {
    if (code == OK)
        return;
    fprintf(stderr, "%s\n", error_text());
    exit(2);
}

static void make_image(void) {
    require(token(&w.secret.a3, view_of_string(world_id), &w.tau));
    enc_random_messages(w.k, w.messages);
    enc(&w.key, &w.tau, w.messages, w.k, w.ciphertexts);
    for (unsigned j = 0; j < w.n; j++) {
        struct scalar coefficients[MAX];
        encode_coefficients(NULL, w.k, coefficients);
        require(encode(w.ciphertexts, coefficients, w.k, &w.symbols[j]));
        w.pointers[j] = &w.symbols[j];
    }
    for (unsigned j = 0; j < w.t; j++)
        require(share_dec(&w.shares[j], 0, &w.tau, &w.partials[j]));
    require(combine_partials(w.partials, w.t, w.t, &w.d));
}

static void make_forward(void) {
    struct view image = view_of_string(world_id);
    require(threshold_rekeygen_request(&w.secret.a3, image, &w.recipient, &w.request));
    for (unsigned j = 0; j < w.t; j++)
        threshold_rekeygen_part(&w.shares[j], &w.request, &w.parts[j]);
    require(threshold_rekeygen_combine(w.parts, w.t, w.t, &w.rekey));
    reenc_prepare(&w.rekey, &w.reenc_key);
    require(share_dec(&w.shares[0], 1, &w.rekey.rk1, &w.partial_1));
}

void world_deal(void) {
    struct subshare subs[MAX], masks[MAX][MAX];
    for (unsigned d = 0; d < w.t; d++) {
        require(share_refresh_deal(&w.key, d + 1, w.t, NULL, w.m, subs, &w.refresh[d]));
        w.refresh_subs[d] = subs[0];
        require(share_reshare_deal(&w.key, &w.shares[d], w.t, NULL, w.m, subs, &w.reshare[d]));
        w.reshare_subs[d] = subs[0];
        w.helpers[d] = d + 1;
    }
    for (unsigned d = 0; d < w.t; d++) {
        AUTO_DEALING struct share_dealing mask = {0};
        require(share_replace_deal(&w.key, d + 1, w.m, w.t, w.helpers, w.t, subs, &mask));
        for (unsigned h = 0; h < w.t; h++)
            masks[h][d] = subs[h];
    }
    for (unsigned h = 0; h < w.t; h++)
        require(share_replace_blind(&w.shares[h], w.t, masks[h], w.t, &w.blinded[h]));
}

void world_new(unsigned k, unsigned t, unsigned m, unsigned n) {
    struct secret_key other;
    w.k = k;
    w.t = t;
    w.m = m;
    w.n = n;
    keygen(&w.secret, &w.key);
    keygen(&other, &w.recipient);
    require(share_keygen(&w.secret, t, m, w.shares, &w.commitments));
    make_image();
    make_forward();
}

void world_free(void) {
    share_commitments_free(&w.commitments);
    for (unsigned j = 0; j < w.n; j++)
        codeword_symbol_free(&w.symbols[j]);
    for (unsigned d = 0; d < w.t; d++) {
        share_dealing_free(&w.refresh[d]);
        share_dealing_free(&w.reshare[d]);
    }
}

static double microseconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_time(void (*run)(void), unsigned rounds) {
    double times[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        double start = microseconds_now();
        run();
        times[i] = microseconds_now() - start;
    }
    qsort(times, rounds, sizeof times[0], by_size);
    return times[rounds / 2];
}

unsigned take_number(char **text, unsigned least, unsigned most) {
    char *end;
    unsigned long value = strtoul(*text, &end, 10);
    if (end == *text || value < least || value > most)
        require(FAIL(INVALID, "%s: a number between %u and %u is expected", *text, least, most));
    *text = *end == ':' ? end + 1 : end;
    return (unsigned)value;
}
