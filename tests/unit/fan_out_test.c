/* How many storage servers a key server is asked to ask. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "scheme/fan_out.h"

static const double CHANCE = 1.0 / (1 << 20);

static unsigned count_bits(unsigned set) {
    unsigned bits = 0;
    for (; set != 0; set &= set - 1)
        bits++;
    return bits;
}

/* By trying every choice of t sets: the unions of i sets, each with the number of its choices. */
static double shortfall_by_counting(unsigned n, unsigned u, unsigned t, unsigned wanted) {
    double ways[1 << 8] = {1}, all = 1;
    for (unsigned i = 0; i < t; i++) {
        double next[1 << 8] = {0};
        unsigned sets = 0;
        for (unsigned drawn = 0; drawn < 1u << n; drawn++) {
            if (count_bits(drawn) != u)
                continue;
            sets++;
            for (unsigned seen = 0; seen < 1u << n; seen++)
                next[seen | drawn] += ways[seen];
        }
        memcpy(ways, next, sizeof ways);
        all *= sets;
    }
    double few = 0;
    for (unsigned seen = 0; seen < 1u << n; seen++)
        few += count_bits(seen) < wanted ? ways[seen] : 0;
    return few / all;
}

static void the_chance_is_what_counting_gives(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 7; n++)
        for (unsigned u = 1; u <= n; u++)
            for (unsigned t = 1; t <= 4; t++)
                for (unsigned wanted = 0; wanted <= n + 1; wanted++)
                    assert_true(fabs(fan_out_shortfall(n, u, t, wanted) -
                                     shortfall_by_counting(n, u, t, wanted)) < 1e-12);
}

static void the_chance_by_hand(void **state) {
    (void)state;
    assert_true(fabs(fan_out_shortfall(6, 1, 2, 2) - 1.0 / 6) < 1e-12);
    assert_true(fabs(fan_out_shortfall(5, 3, 3, 4) - 1.0 / 100) < 1e-12);
    assert_true(fan_out_shortfall(255, 127, 1, 127) == 0);
    assert_true(fabs(fan_out_shortfall(255, 127, 1, 128) - 1) < 1e-12);
    assert_true(fabs(fan_out_shortfall(255, 254, 1, 255) - 1) < 1e-12);
    double both = fan_out_shortfall(255, 254, 2, 255);
    assert_true(fabs(both - 1.0 / 255) < 1e-12);
}

/* u of n servers, drawn as a key server draws them. */
static void draw(unsigned n, unsigned u, bool seen[]) {
    unsigned order[SCHEME_MAX_SERVERS];
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = 0; i < u; i++) {
        uint64_t random;
        secret_random(&random, sizeof random);
        unsigned j = i + (unsigned)(random % (n - i)), swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
        seen[order[i]] = true;
    }
}

static void the_chance_is_what_drawing_gives(void **state) {
    enum { TRIALS = 20000 };
    const struct {
        unsigned n, u, t, wanted;
    } cases[] = {{96, 8, 16, 70}, {40, 3, 9, 20}, {12, 5, 2, 8}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned few = 0;
        for (unsigned trial = 0; trial < TRIALS; trial++) {
            bool seen[SCHEME_MAX_SERVERS] = {false};
            unsigned count = 0;
            for (unsigned i = 0; i < cases[c].t; i++)
                draw(cases[c].n, cases[c].u, seen);
            for (unsigned i = 0; i < cases[c].n; i++)
                count += seen[i];
            few += count < cases[c].wanted;
        }
        double chance = fan_out_shortfall(cases[c].n, cases[c].u, cases[c].t, cases[c].wanted);
        assert_true(chance > 0.02 && chance < 0.98); /* or the comparison says nothing */
        double deviation = sqrt(chance * (1 - chance) / TRIALS);
        assert_true(fabs((double)few / TRIALS - chance) < 6 * deviation);
    }
}

static unsigned default_of(unsigned n, unsigned k, unsigned t) {
    return fan_out_default(&(struct setup){.n = n, .k = k, .m = t, .t = t});
}

/* What the default promises, for every number of servers from what a put makes sure of upwards. */
static void check_default(unsigned n, unsigned k, unsigned t) {
    unsigned having = k + (n - k + 1) / 2, u = default_of(n, k, t);
    assert_in_range(u, 1, n);
    for (unsigned s = having; s <= n; s++) {
        unsigned wanted = k < having ? k + 1 : k;
        unsigned asked = u < s ? u : s;
        assert_true(fan_out_shortfall(s, asked, t, wanted) <= CHANCE);
        if (s == having && u > 1)
            assert_true(fan_out_shortfall(s, u - 1, t, wanted) > CHANCE);
    }
}

static void the_default_is_the_smallest_that_is_enough(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 24; n++)
        for (unsigned k = 1; k <= n; k++)
            for (unsigned t = 1; t <= 9; t++)
                check_default(n, k, t);
    check_default(255, 128, 20);
    check_default(255, 1, 255);
    check_default(255, 255, 3);
}

static void defaults_of_known_shapes(void **state) {
    (void)state;
    assert_int_equal(default_of(1, 1, 1), 1);
    assert_int_equal(default_of(6, 3, 3), 4);
    assert_int_equal(default_of(5, 2, 3), 3);
    assert_int_equal(default_of(4, 4, 2), 4);
    assert_int_equal(default_of(7, 3, 1), 4);  /* one alone must bring them all */
    assert_int_equal(default_of(12, 6, 5), 6); /* these as docs/SCHEME.md has them */
    assert_int_equal(default_of(64, 32, 8), 11);
    assert_int_equal(default_of(128, 64, 16), 10);
    assert_int_equal(default_of(128, 64, 64), 3);
    assert_int_equal(default_of(255, 1, 255), 1);
}

/* n = 2 k^1.5 servers, t = k key servers and u = 2, and n = 2k with u = b ln k for b > 4 + 3 / ln
 * 2: the settings for which the paper proves that all but o(1) of the openings see k servers. */
static void the_papers_u_is_enough(void **state) {
    double before = 1;
    (void)state;
    for (unsigned k = 4; k <= 25; k += 3) {
        unsigned n = (unsigned)ceil(2 * k * sqrt(k));
        double shortfall = fan_out_shortfall(n, 2, k, k);
        assert_true(shortfall < before); /* it goes to nothing as k grows */
        before = shortfall;
    }
    assert_true(before < CHANCE);
    for (unsigned k = 2; k <= 127; k++) {
        unsigned u = (unsigned)ceil((4 + 3 / log(2)) * log(k));
        assert_true(fan_out_shortfall(2 * k, u < 2 * k ? u : 2 * k, k, k) < CHANCE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chance_is_what_counting_gives),
        cmocka_unit_test(the_chance_by_hand),
        cmocka_unit_test(the_chance_is_what_drawing_gives),
        cmocka_unit_test(the_default_is_the_smallest_that_is_enough),
        cmocka_unit_test(defaults_of_known_shapes),
        cmocka_unit_test(the_papers_u_is_enough),
    };
    if (secret_start() != OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
