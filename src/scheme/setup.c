#include "scheme/setup.h"

#include <math.h>

static result check_pair(const char *kind, unsigned needed, const char *needed_name, unsigned all,
                         const char *all_name) {
    if (all < 1 || all > SCHEME_MAX_SERVERS)
        return FAIL(INVALID,
                    "%u %s servers (%s): between 1 and %d are possible, since a share index "
                    "and a coded row are one byte",
                    all, kind, all_name, SCHEME_MAX_SERVERS);
    if (needed < 1)
        return FAIL(INVALID, "%s = 0: at least one %s server must be needed", needed_name, kind);
    if (needed > all)
        return FAIL(INVALID, "%s = %u %s servers would be needed, but there are only %s = %u",
                    needed_name, needed, kind, all_name, all);
    return OK;
}

result setup_check(const struct setup *setup) {
    TRY(check_pair("storage", setup->k, "k", setup->n, "n"));
    return check_pair("key", setup->t, "t", setup->m, "m");
}

result setup_check_copies(const struct setup *setup, unsigned v) {
    if (v < 1 || v > setup->n)
        return FAIL(INVALID,
                    "v = %u copies of each block: between 1 and the n = %u storage servers "
                    "can hold one",
                    v, setup->n);
    if (v + setup->k <= setup->n)
        return FAIL(INVALID,
                    "v = %u copies of each block: some %u of the %u storage servers would lack a "
                    "block, and any %u must suffice; at least n - k + 1 = %u copies are needed",
                    v, setup->k, setup->n, setup->k, setup->n - setup->k + 1);
    return OK;
}

unsigned setup_default_copies(const struct setup *setup) {
    double bound = 5.0 * setup->n / setup->k * log(setup->k);
    unsigned least = setup->n - setup->k + 1;
    unsigned v = bound >= setup->n ? setup->n : (unsigned)bound + 1;
    return v < least ? least : v;
}

result setup_check_fan_out(const struct setup *setup, unsigned u) {
    if (u < 1 || u > setup->n)
        return FAIL(INVALID, "u = %u storage servers to ask: there are n = %u", u, setup->n);
    if (setup->t * u < setup->k)
        return FAIL(INVALID,
                    "u = %u storage servers asked by each of t = %u key servers never bring "
                    "the k = %u symbols that decoding needs",
                    u, setup->t, setup->k);
    return OK;
}
