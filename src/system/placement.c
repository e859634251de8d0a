#include "system/placement.h"

#include <string.h>

#include "base/digest.h"
#include "format/hash.h"

enum { NOBODY = -1, LOG_BITS = 32 };

/* A seat as a candidate for an image's slots. */
struct candidate {
    uint64_t cost; /* of the hash: the lowest cost / weight wins */
    uint64_t tie;  /* more of the hash */
    uint64_t came, left;
    uint32_t weight;
    unsigned label; /* numbers that equal names share */
    unsigned domain;
    const char *server;
};

/* One image's choice, round after round. Slots name candidates. */
struct choice {
    unsigned n, count;
    struct candidate of[FORMAT_SEATS_MAX];
    int ranked[FORMAT_SEATS_MAX]; /* best first */
    int slots[FORMAT_SERVERS_MAX];
};

/* ------------------------------------------------------------------ scores */

/* -log2(u / 2^64) with 32 binary places, by squaring: integers, so that every machine has the same.
 * With it cost / weight is an exponential variable of rate `weight`. */
static uint64_t minus_log2(uint64_t u) {
    if (u == 0)
        u = 1;
    unsigned zeros = (unsigned)__builtin_clzll(u);
    uint64_t mantissa = (u << zeros) >> 32; /* 1.0 .. 2.0 with 31 binary places */
    uint64_t fraction = 0;
    for (unsigned bit = 0; bit < LOG_BITS; bit++) {
        mantissa = (mantissa * mantissa) >> 31;
        fraction <<= 1;
        if (mantissa >> 32 != 0) {
            fraction |= 1;
            mantissa >>= 1;
        }
    }
    return ((uint64_t)(1 + zeros) << LOG_BITS) - fraction;
}

static void score(const uint8_t image[DIGEST_BYTES], const char *label,
                  struct candidate *candidate) {
    static const char domain[] = "myelin placement v1";
    uint8_t hash[DIGEST_BYTES];
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, view_of(domain, sizeof domain)); /* with its zero */
    digest_update(&digest, view_of(image, DIGEST_BYTES));
    digest_update(&digest, view_of_string(label));
    digest_finish(&digest, hash);
    candidate->cost = minus_log2(load_be64(hash));
    candidate->tie = load_be64(hash + 8);
}

/* ------------------------------------------------------------------ seats */

struct seats {
    Myelin__Server *const *storage;
    size_t storage_count;
    Myelin__Seat *const *seat;
    size_t seat_count;
};

static unsigned number_of(const char *names[], unsigned *count, const char *name) {
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    names[*count] = name;
    return (*count)++;
}

/* The seat that a description without seats means. */
static Myelin__Seat seat_of(const struct seats *seats, size_t i) {
    Myelin__Seat seat = MYELIN__SEAT__INIT;
    if (seats->seat_count > 0)
        return *seats->seat[i];
    seat.label = seat.server = seats->storage[i]->name;
    seat.weight = seats->storage[i]->weight;
    seat.domain = seats->storage[i]->domain;
    seat.came = 1;
    return seat;
}

static bool is_better(const struct candidate *x, const struct candidate *y) {
    uint64_t left = x->cost * y->weight, right = y->cost * x->weight;
    return left != right ? left < right : x->tie < y->tie;
}

static void rank(struct choice *choice, unsigned candidate) {
    unsigned at = candidate;
    for (; at > 0 && is_better(&choice->of[candidate], &choice->of[choice->ranked[at - 1]]); at--)
        choice->ranked[at] = choice->ranked[at - 1];
    choice->ranked[at] = (int)candidate;
}

static void enter_candidates(const struct seats *seats, const uint8_t image[DIGEST_BYTES],
                             struct choice *choice) {
    const char *labels[FORMAT_SEATS_MAX], *domains[FORMAT_SEATS_MAX];
    unsigned label_count = 0, domain_count = 0;
    choice->count = (unsigned)(seats->seat_count > 0 ? seats->seat_count : seats->storage_count);
    for (unsigned i = 0; i < choice->count; i++) {
        const Myelin__Seat seat = seat_of(seats, i);
        struct candidate *candidate = &choice->of[i];
        const char *domain = seat.domain[0] != '\0' ? seat.domain : seat.label;
        score(image, seat.label, candidate);
        candidate->came = seat.came;
        candidate->left = seat.left;
        candidate->weight = seat.weight != 0 ? seat.weight : FORMAT_WEIGHT_DEFAULT;
        candidate->label = number_of(labels, &label_count, seat.label);
        candidate->domain = number_of(domains, &domain_count, domain);
        candidate->server = seat.server;
        rank(choice, i);
    }
}

/* ------------------------------------------------------------------ rounds */

static bool takes_part(const struct candidate *candidate, uint64_t version) {
    return candidate->came <= version && (candidate->left == 0 || version < candidate->left);
}

/* How many of a domain are taken: as few as n slots need. */
static unsigned domain_limit(const struct choice *choice, uint64_t version) {
    unsigned sizes[FORMAT_SEATS_MAX] = {0};
    for (unsigned i = 0; i < choice->count; i++)
        if (takes_part(&choice->of[i], version))
            sizes[choice->of[i].domain]++;
    for (unsigned limit = 1;; limit++) {
        unsigned places = 0;
        for (unsigned i = 0; i < choice->count; i++)
            places += sizes[i] < limit ? sizes[i] : limit;
        if (places >= choice->n || limit >= choice->n)
            return limit;
    }
}

/* The n best, in the order of their rank. */
static unsigned elect(const struct choice *choice, uint64_t version,
                      int out_elected[FORMAT_SERVERS_MAX]) {
    unsigned taken[FORMAT_SEATS_MAX] = {0};
    unsigned limit = domain_limit(choice, version), count = 0;
    for (unsigned i = 0; i < choice->count && count < choice->n; i++) {
        const struct candidate *candidate = &choice->of[choice->ranked[i]];
        if (!takes_part(candidate, version) || taken[candidate->domain] == limit)
            continue;
        taken[candidate->domain]++;
        out_elected[count++] = choice->ranked[i];
    }
    return count;
}

/* The one of `list` with the candidate's label: itself, or with another weight or at another time.
 */
static int find_label(const struct choice *choice, const int list[], unsigned count,
                      int candidate) {
    for (unsigned i = 0; i < count && candidate != NOBODY; i++)
        if (list[i] != NOBODY && choice->of[list[i]].label == choice->of[candidate].label)
            return list[i];
    return NOBODY;
}

/* Who was elected before keeps his slot; the others fill those that become free. */
static void hold_round(struct choice *choice, uint64_t version) {
    int before[FORMAT_SERVERS_MAX], elected[FORMAT_SERVERS_MAX];
    unsigned free_slot = 0, count = elect(choice, version, elected);
    memcpy(before, choice->slots, sizeof before);
    for (unsigned slot = 0; slot < choice->n; slot++)
        choice->slots[slot] = find_label(choice, elected, count, before[slot]);
    for (unsigned i = 0; i < count; i++) {
        if (find_label(choice, before, choice->n, elected[i]) != NOBODY)
            continue;
        while (choice->slots[free_slot] != NOBODY)
            free_slot++;
        choice->slots[free_slot] = elected[i];
    }
}

/* The first version after `version` with which a server came or left; 0: none did. */
static uint64_t next_change(const struct choice *choice, uint64_t version) {
    uint64_t next = 0;
    for (unsigned i = 0; i < choice->count; i++) {
        const uint64_t changes[] = {choice->of[i].came, choice->of[i].left};
        for (unsigned j = 0; j < 2; j++)
            if (changes[j] > version && (next == 0 || changes[j] < next))
                next = changes[j];
    }
    return next;
}

static void choose(struct choice *choice) {
    for (unsigned slot = 0; slot < FORMAT_SERVERS_MAX; slot++)
        choice->slots[slot] = NOBODY;
    for (uint64_t version = next_change(choice, 0); version != 0;
         version = next_change(choice, version))
        hold_round(choice, version);
}

static unsigned place(const struct seats *seats, unsigned n, const uint8_t image[DIGEST_BYTES],
                      const char *out_servers[]) {
    struct choice choice = {.n = n};
    enter_candidates(seats, image, &choice);
    choose(&choice);
    for (unsigned slot = 0; slot < n; slot++)
        out_servers[slot] = choice.of[choice.slots[slot]].server;
    return n;
}

unsigned placement_slots_by_id(const struct description *description,
                               const uint8_t image[FORMAT_HASH_BYTES],
                               const char *out_servers[FORMAT_SERVERS_MAX]) {
    const Myelin__System *system = description->system;
    const struct seats seats = {system->storage, system->n_storage, system->seat, system->n_seat};
    return place(&seats, description_slots(description), image, out_servers);
}

unsigned placement_previous_by_id(const struct description *description,
                                  const uint8_t image[FORMAT_HASH_BYTES],
                                  const char *out_servers[FORMAT_SERVERS_MAX]) {
    const Myelin__Placement *previous = description->system->previous;
    if (previous == NULL)
        return 0;
    const struct seats seats = {previous->storage, previous->n_storage, previous->seat,
                                previous->n_seat};
    return place(&seats, description_slots(description), image, out_servers);
}

unsigned placement_slots(const struct description *description, const uint8_t tau[FORMAT_TAU_BYTES],
                         const char *out_servers[FORMAT_SERVERS_MAX]) {
    uint8_t image[DIGEST_BYTES];
    format_image_id(tau, image);
    return placement_slots_by_id(description, image, out_servers);
}

unsigned placement_previous(const struct description *description,
                            const uint8_t tau[FORMAT_TAU_BYTES],
                            const char *out_servers[FORMAT_SERVERS_MAX]) {
    uint8_t image[DIGEST_BYTES];
    format_image_id(tau, image);
    return placement_previous_by_id(description, image, out_servers);
}
