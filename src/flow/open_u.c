#include "flow/open_u.h"

#include <string.h>

#include "format/limits.h"

static const double SHORTFALL_MAX = 1.0 / (1 << 20);

/* seen[d]: the chance of d different servers so far. One more key server's u are added to them. */
static void add_key_server(double seen[], unsigned n, unsigned u) {
    double next[FORMAT_SERVERS_MAX + 1] = {0};
    for (unsigned d = 0; d <= n; d++) {
        if (seen[d] == 0)
            continue;
        /* Of u drawn from n, `fresh` are new with weight C(n - d, fresh) C(d, u - fresh): each from
         * the one before, the first taken as 1. */
        unsigned least = u > d ? u - d : 0, most = u < n - d ? u : n - d;
        double weight = 1, sum = 0;
        double weights[FORMAT_SERVERS_MAX + 1];
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

double open_u_shortfall(unsigned n, unsigned u, unsigned t, unsigned wanted) {
    double seen[FORMAT_SERVERS_MAX + 1] = {0};
    seen[0] = 1;
    for (unsigned i = 0; i < t; i++)
        add_key_server(seen, n, u);
    double shortfall = 0;
    for (unsigned d = 0; d < wanted; d++)
        shortfall += seen[d];
    return shortfall;
}

unsigned open_u_default(unsigned n, unsigned k, unsigned t) {
    unsigned having = k + (n - k + 1) / 2;
    unsigned wanted = k < having ? k + 1 : k;
    unsigned u = (wanted + t - 1) / t;
    while (u < wanted && open_u_shortfall(having, u, t, wanted) > SHORTFALL_MAX)
        u++;
    return u;
}

result open_u_check(unsigned u, unsigned n) {
    if (u > n)
        return FAIL(INVALID, "u = %u: there are %u storage servers to ask", u, n);
    return OK;
}
