#include "flow/put_assign.h"

#include <string.h>

#include "base/secret.h"

enum { DEALS_MAX = 200, NOBODY = FORMAT_SERVERS_MAX };

/* ------------------------------------------------------------------ dealing */

struct deck {
    unsigned n, at;
    uint8_t card[FORMAT_SERVERS_MAX];
};

static void shuffle(struct deck *deck) {
    uint32_t draws[FORMAT_SERVERS_MAX];
    secret_random(draws, sizeof draws);
    for (unsigned i = 0; i < deck->n; i++) {
        unsigned j = draws[i] % (i + 1);
        deck->card[i] = deck->card[j];
        deck->card[j] = (uint8_t)i;
    }
    deck->at = 0;
}

/* The next server that does not have the block yet. There is one: fewer than n have it, and those
 * that got it from the deck before are all that can be in its way. */
static unsigned deal(struct deck *deck, const bool has_block[]) {
    if (deck->at == deck->n)
        shuffle(deck);
    unsigned next = deck->at;
    while (has_block[deck->card[next]])
        next++;
    uint8_t server = deck->card[next];
    deck->card[next] = deck->card[deck->at];
    deck->card[deck->at++] = server;
    return server;
}

static void deal_all(unsigned v, struct put_assignment *assignment) {
    struct deck deck = {.n = assignment->n, .at = assignment->n};
    for (unsigned slot = 0; slot < assignment->n; slot++)
        assignment->held[slot].count = 0;
    for (unsigned block = 0; block < assignment->k; block++) {
        bool has_block[FORMAT_SERVERS_MAX] = {false};
        for (unsigned copy = 0; copy < v; copy++) {
            unsigned slot = deal(&deck, has_block);
            struct put_held *held = &assignment->held[slot];
            has_block[slot] = true;
            held->block[held->count++] = (uint8_t)block;
        }
    }
}

/* ------------------------------------------------------------------ Hall's condition */

/* A matching of servers to blocks that they hold. */
struct matching {
    const struct put_assignment *assignment;
    uint8_t owner[FORMAT_SERVERS_MAX];   /* of a block; NOBODY */
    bool is_visited[FORMAT_SERVERS_MAX]; /* blocks of this search */
};

static bool find_block(struct matching *matching, unsigned slot) {
    const struct put_held *held = &matching->assignment->held[slot];
    for (unsigned i = 0; i < held->count; i++) {
        unsigned block = held->block[i];
        if (matching->is_visited[block])
            continue;
        matching->is_visited[block] = true;
        if (matching->owner[block] == NOBODY || find_block(matching, matching->owner[block])) {
            matching->owner[block] = (uint8_t)slot;
            return true;
        }
    }
    return false;
}

static bool holds(const struct put_held *held, unsigned block) {
    return memchr(held->block, (int)block, held->count) != NULL;
}

/* Whether the servers that lack `block` can each have a block of its own. */
static bool can_do_without(const struct put_assignment *assignment, unsigned block) {
    struct matching matching = {.assignment = assignment};
    memset(matching.owner, NOBODY, sizeof matching.owner);
    for (unsigned slot = 0; slot < assignment->n; slot++) {
        if (holds(&assignment->held[slot], block))
            continue;
        memset(matching.is_visited, 0, sizeof matching.is_visited);
        if (!find_block(&matching, slot))
            return false;
    }
    return true;
}

bool put_assignment_can_decode(const struct put_assignment *assignment) {
    for (unsigned block = 0; block < assignment->k; block++)
        if (!can_do_without(assignment, block))
            return false;
    return true;
}

result put_assign(unsigned n, unsigned k, unsigned v, struct put_assignment *out_assignment) {
    out_assignment->n = n;
    out_assignment->k = k;
    for (unsigned i = 0; i < DEALS_MAX; i++) {
        deal_all(v, out_assignment);
        if (put_assignment_can_decode(out_assignment))
            return OK;
    }
    return FAIL(INVALID,
                "with %u copies no way was found to give %u blocks to %u storage servers so that "
                "any %u decode: more copies are needed",
                v, k, n, k);
}
