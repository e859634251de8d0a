#include "scheme/fan_out.h"

#include <string.h>

static const double SHORTFALL_MAX = 1.0 / (1 << 20);

/* seen[d]: the chance of d different servers so far. One more key server's u are added to them. */
static void add_key_server(double seen[], unsigned n, unsigned u) {
    double next[SCHEME_MAX_SERVERS + 1] = {0};
    for (unsigned d = 0; d <= n; d++) {
        if (seen[d] == 0)
            continue;
        /* Of u drawn from n, `fresh` are new with weight C(n - d, fresh) C(d, u - fresh): each from
         * the one before, the first taken as 1. */
        unsigned least = u > d ? u - d : 0, most = u < n - d ? u : n - d;
        double weight = 1, sum = 0;
        double weights[SCHEME_MAX_SERVERS + 1];
        for (unsigned fresh = least; fresh <= most; fresh++) {
            weights[fresh] = weight;
            sum += weight;
            weight *= (double)(n - d - fresh) * (u - fresh);
            weight /= (double)(fresh + 1) * (d + fresh + 1 - u);
        }
        for (unsigned fresh = least; fresh <= most; fresh++)
            next[d + fresh] += seen[d] * weights[fresh] / sum;
    }
    memcpy(seen, next, (n + 1) * sizeof *seen);
}

double fan_out_shortfall(unsigned n, unsigned u, unsigned t, unsigned wanted) {
    double seen[SCHEME_MAX_SERVERS + 1] = {0};
    seen[0] = 1;
    for (unsigned i = 0; i < t; i++)
        add_key_server(seen, n, u);
    double shortfall = 0;
    for (unsigned d = 0; d < wanted; d++)
        shortfall += seen[d];
    return shortfall;
}

unsigned fan_out_default(const struct setup *setup) {
    unsigned k = setup->k, t = setup->t;
    unsigned having = k + (setup->n - k + 1) / 2;
    unsigned wanted = k < having ? k + 1 : k;
    unsigned u = (wanted + t - 1) / t;
    while (u < wanted && fan_out_shortfall(having, u, t, wanted) > SHORTFALL_MAX)
        u++;
    return u;
}
