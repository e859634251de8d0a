/*
 * How often an image comes back from a decentralised erasure code: claim (a) of docs/CLAIMS.md.
 *
 *     claims_dispersal_bench blocks  SEED TRIALS N K V...    each block to V random servers, each
 *                                                            server draws its own coefficients
 *     claims_dispersal_bench symbols SEED TRIALS N K         the owner computes every server's
 *     claims_dispersal_bench copies  SEED TRIALS N K         copies that one trial needs
 *
 * Servers are lost in random order, and a reader uses all that are left. One trial tells for every
 * number of losses at once: survivors are added one by one until the image can be decoded. Prints
 * JSON: for each V, `alive`[s] trials first decoded with s survivors (s = 0: not even with all N):
 * over Zr (`zr`), over GF(2^8) (`gf`; only where N <= 255), and over both at once (`both`), as an
 * image needs whose envelope is coded over Zr and whose slices over GF(2^8).
 *
 * Over Zr the rank of the survivors' rows is the size of a largest matching of servers to blocks
 * they hold (Edmonds: the determinant is then no zero polynomial), but for a probability of at most
 * k / r = 2^-249 (Schwartz & Zippel): so matchings are counted. The first CHECKED trials of each V
 * are counted by the scheme's own coefficients and elimination too, and must agree. Over GF(2^8)
 * ranks are ranks; of the rows that decode, the shipped code is asked whether it thinks so.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "code/code.h"
#include "scheme/encode.h"
#include "scheme/matrix.h"

enum { N_MAX = 16384, K_MAX = 255, CHECKED = 4 };

static void require(bool fine, const char *what) {
    if (fine)
        return;
    fprintf(stderr, "claims_dispersal_bench: %s\n", what);
    exit(2);
}

static void *room(size_t count, size_t size) {
    void *block = calloc(count, size);
    require(block != NULL, "no memory");
    return block;
}

/* ------------------------------------------------------------------ repeatable chance */

static uint64_t chance; /* splitmix64's state */

static uint64_t draw(void) {
    uint64_t z = chance += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned draw_below(unsigned bound) {
    return (unsigned)((unsigned __int128)draw() * bound >> 64);
}

/* The first `count` places of a shuffle of `n` things. */
static void shuffle(uint16_t things[], unsigned n, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        unsigned j = i + draw_below(n - i);
        uint16_t kept = things[i];
        things[i] = things[j];
        things[j] = kept;
    }
}

/* ------------------------------------------------------------------ who holds what */

static unsigned n, k;
static uint8_t *row_of;           /* N x K: a server's coefficients in GF(2^8), 0: not held */
static uint16_t *servers;         /* scratch for shuffles */
static uint16_t *order;           /* in which servers survive: the first s are left */
static uint8_t product[256][256]; /* GF(2^8), polynomial 0x11d */
static uint8_t inverse[256];

static void make_field(void) {
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            unsigned sum = 0;
            for (unsigned bit = 0; bit < 8; bit++)
                if (b >> bit & 1)
                    sum ^= a << bit;
            for (unsigned bit = 15; bit >= 8; bit--)
                if (sum >> bit & 1)
                    sum ^= 0x11du << (bit - 8);
            product[a][b] = (uint8_t)sum;
            if (sum == 1)
                inverse[a] = (uint8_t)b;
        }
}

static uint8_t *row(unsigned server) {
    return row_of + (size_t)server * k;
}

static void disperse_blocks(unsigned v) {
    memset(row_of, 0, (size_t)n * k);
    for (unsigned block = 0; block < k; block++) {
        shuffle(servers, n, v);
        for (unsigned i = 0; i < v; i++)
            row(servers[i])[block] = (uint8_t)(1 + draw_below(255));
    }
}

/* The shipped slices' rows; the envelope's are random in Zr, without a zero. */
static void disperse_symbols(void) {
    for (unsigned slot = 0; slot < n; slot++)
        require(code_cauchy_row(k, slot, row(slot)) == OK, error_text());
}

/* ------------------------------------------------------------------ over Zr: matchings */

static uint16_t *server_of; /* by block: the server matched to it, plus 1 */
static bool *visited;       /* by block */

static bool augment(unsigned server, bool dense) {
    for (unsigned block = 0; block < k; block++) {
        if ((!dense && row(server)[block] == 0) || visited[block])
            continue;
        visited[block] = true;
        if (server_of[block] == 0 || augment(server_of[block] - 1u, dense)) {
            server_of[block] = (uint16_t)(server + 1);
            return true;
        }
    }
    return false;
}

/* How many survivors it takes; 0 where all do not suffice. `dense`: every server holds all. */
static unsigned survivors_zr(bool dense) {
    unsigned matched = 0;
    memset(server_of, 0, k * sizeof *server_of);
    for (unsigned s = 0; s < n; s++) {
        memset(visited, 0, k * sizeof *visited);
        matched += augment(order[s], dense);
        if (matched == k)
            return s + 1;
    }
    return 0;
}

/* The same by the scheme's own coefficients and elimination. */
static unsigned survivors_scheme(bool dense) {
    AUTO_SPAN struct matrix_span span = {0};
    require(matrix_span_new(k, &span) == OK, error_text());
    for (unsigned s = 0; s < n; s++) {
        bool present[K_MAX];
        struct scalar coefficients[K_MAX];
        for (unsigned block = 0; block < k; block++)
            present[block] = dense || row(order[s])[block] != 0;
        encode_coefficients(present, k, coefficients);
        (void)matrix_span_add(&span, coefficients); /* dependent rows are skipped */
        if (span.rank == k)
            return s + 1;
    }
    return 0;
}

/* ------------------------------------------------------------------ over GF(2^8): ranks */

static uint8_t *reduced;  /* K x K: independent rows, each with a leading 1 */
static unsigned *leading; /* where it stands */

static bool add_row(const uint8_t fresh[], unsigned rank) {
    uint8_t *own = reduced + (size_t)rank * k;
    memcpy(own, fresh, k);
    for (unsigned i = 0; i < rank; i++) {
        uint8_t factor = own[leading[i]];
        const uint8_t *other = reduced + (size_t)i * k;
        for (unsigned c = 0; factor != 0 && c < k; c++)
            own[c] ^= product[factor][other[c]];
    }
    for (unsigned c = 0; c < k; c++) {
        if (own[c] == 0)
            continue;
        uint8_t factor = inverse[own[c]];
        for (unsigned i = 0; i < k; i++)
            own[i] = product[factor][own[i]];
        leading[rank] = c;
        return true;
    }
    return false;
}

static unsigned survivors_gf(bool is_checked) {
    uint8_t *independent = room((size_t)k, k);
    unsigned rank = 0, needed = 0;
    for (unsigned s = 0; s < n && needed == 0; s++) {
        if (!add_row(row(order[s]), rank))
            continue;
        memcpy(independent + (size_t)rank * k, row(order[s]), k);
        rank++;
        if (rank == k)
            needed = s + 1;
    }
    require(needed == 0 || !is_checked || code_decodable(k, independent),
            "the shipped code cannot decode what this program can");
    free(independent);
    return needed;
}

/* ------------------------------------------------------------------ experiments */

struct histogram {
    unsigned *zr, *gf, *both; /* by number of survivors; N + 1 of each */
};

static void one_trial(unsigned trial, bool dense, struct histogram *out) {
    shuffle(order, n, n);
    unsigned zr = survivors_zr(dense);
    if (trial < CHECKED)
        require(survivors_scheme(dense) == zr, "the scheme's elimination disagrees");
    out->zr[zr]++;
    if (n > CODE_SYMBOLS_MAX)
        return;
    unsigned gf = survivors_gf(trial < CHECKED);
    out->gf[gf]++;
    out->both[zr == 0 || gf == 0 ? 0 : zr > gf ? zr : gf]++;
}

static void print_counts(const char *name, const unsigned counts[]) {
    printf(", \"%s\": [", name);
    for (unsigned s = 0; s <= n; s++)
        printf("%s%u", s == 0 ? "" : ",", counts[s]);
    printf("]");
}

static void print_histogram(unsigned v, const struct histogram *histogram, bool first) {
    printf("%s\n  {\"v\": %u", first ? "" : ",", v);
    print_counts("zr", histogram->zr);
    if (n <= CODE_SYMBOLS_MAX) {
        print_counts("gf", histogram->gf);
        print_counts("both", histogram->both);
    }
    printf("}");
}

static void experiment(unsigned trials, unsigned v, bool is_symbols, bool first) {
    struct histogram histogram = {room(n + 1, sizeof(unsigned)), room(n + 1, sizeof(unsigned)),
                                  room(n + 1, sizeof(unsigned))};
    for (unsigned trial = 0; trial < trials; trial++) {
        if (is_symbols)
            disperse_symbols();
        else
            disperse_blocks(v);
        one_trial(trial, is_symbols, &histogram);
    }
    print_histogram(v, &histogram, first);
    free(histogram.zr);
    free(histogram.gf);
    free(histogram.both);
}

static unsigned survivors_of_copies(uint16_t *const placement[], unsigned v) {
    memset(row_of, 0, (size_t)n * k);
    for (unsigned block = 0; block < k; block++)
        for (unsigned i = 0; i < v; i++)
            row(placement[block][i])[block] = 1;
    return survivors_zr(false);
}

/* The least number of copies with which the first k survivors decode: more copies only add edges to
 * the matching, so it is found by bisection. */
static unsigned copies_needed(uint16_t *const placement[]) {
    unsigned low = 1, high = n; /* all to all is always enough */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (survivors_of_copies(placement, middle) == k)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void experiment_copies(unsigned trials) {
    uint16_t **placement = room(k, sizeof *placement);
    unsigned *counts = room(n + 1, sizeof *counts);
    for (unsigned block = 0; block < k; block++)
        placement[block] = room(n, sizeof **placement);
    for (unsigned trial = 0; trial < trials; trial++) {
        for (unsigned block = 0; block < k; block++) {
            shuffle(servers, n, n);
            memcpy(placement[block], servers, n * sizeof *servers);
        }
        shuffle(order, n, n);
        counts[copies_needed(placement)]++;
    }
    printf("\n  {\"n\": %u", n);
    print_counts("copies", counts);
    printf("}");
    for (unsigned block = 0; block < k; block++)
        free(placement[block]);
    free(placement);
    free(counts);
}

static unsigned number(const char *text, unsigned least, unsigned most) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    require(end != text && *end == 0 && value >= least && value <= most, text);
    return (unsigned)value;
}

static void make_room(void) {
    row_of = room((size_t)n * k, 1);
    servers = room(n, sizeof *servers);
    order = room(n, sizeof *order);
    server_of = room(k, sizeof *server_of);
    visited = room(k, sizeof *visited);
    reduced = room((size_t)k * k, 1);
    leading = room(k, sizeof *leading);
    for (unsigned i = 0; i < n; i++)
        servers[i] = order[i] = (uint16_t)i;
}

static void free_room(void) {
    free(row_of);
    free(servers);
    free(order);
    free(server_of);
    free(visited);
    free(reduced);
    free(leading);
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr,
                "usage: claims_dispersal_bench blocks|symbols|copies SEED TRIALS N K V...\n");
        return 2;
    }
    require(secret_start() == OK, error_text());
    chance = strtoull(argv[2], NULL, 10);
    unsigned trials = number(argv[3], 1, 10000000);
    n = number(argv[4], 1, N_MAX);
    k = number(argv[5], 1, n < K_MAX ? n : K_MAX);
    make_field();
    make_room();
    printf("[");
    if (strcmp(argv[1], "copies") == 0)
        experiment_copies(trials);
    else if (strcmp(argv[1], "symbols") == 0) {
        require(n <= CODE_SYMBOLS_MAX, "symbols: at most 255 servers");
        experiment(trials, n, true, true);
    } else
        for (int i = 6; i < argc; i++)
            experiment(trials, number(argv[i], 1, n), false, i == 6);
    printf("\n]\n");
    free_room();
    return 0;
}
