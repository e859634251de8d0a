#include "flow/put_choices.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "format/limits.h"

static size_t span_count(const struct put_choices *choices) {
    return choices->is_all ? 1 : choices->count;
}

void put_choices_clean_up(struct put_choices *choices) {
    for (size_t i = 0; choices->bulk != NULL && i < span_count(choices); i++)
        code_span_clean_up(&choices->bulk[i]);
    for (size_t i = 0; choices->envelope != NULL && i < span_count(choices); i++)
        matrix_span_free(&choices->envelope[i]);
    free(choices->bulk);
    free(choices->envelope);
    free(choices->samples);
    *choices = (struct put_choices){0};
}

/* min(C(n, k), limit + 1) */
static uint64_t count_choices(unsigned n, unsigned k, uint64_t limit) {
    uint64_t count = 1;
    if (k > n - k)
        k = n - k;
    for (unsigned i = 1; i <= k; i++) {
        count = count * (n - k + i) / i;
        if (count > limit)
            return limit + 1;
    }
    return count;
}

static bool can_try_all(unsigned n, unsigned k) {
    return count_choices(n - 1, k - 1, CHOICES_OF_ONE) <= CHOICES_OF_ONE &&
           count_choices(n, k, CHOICES_WORK) * k * k <= CHOICES_WORK;
}

/* Each of the n slots is taken with the chance that k of n are, in order. */
static void sample_choice(unsigned n, unsigned k, uint8_t out_choice[]) {
    uint32_t draws[FORMAT_SERVERS_MAX];
    secret_random(draws, sizeof draws);
    unsigned taken = 0;
    for (unsigned slot = 0; slot < n && taken < k; slot++)
        if (draws[slot] % (n - slot) < k - taken)
            out_choice[taken++] = (uint8_t)slot;
}

static result init_samples(struct put_choices *choices) {
    size_t most = CHOICES_MEMORY / ((size_t)choices->k * choices->k);
    choices->count = most > CHOICES_SAMPLE ? CHOICES_SAMPLE : most;
    if (choices->count < CHOICES_SAMPLE_LEAST)
        choices->count = CHOICES_SAMPLE_LEAST;
    choices->samples = malloc(choices->count * choices->k);
    if (choices->samples == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu choices of servers", choices->count);
    for (size_t i = 0; i < choices->count; i++)
        sample_choice(choices->n, choices->k, choices->samples + i * choices->k);
    return OK;
}

static result init_spans(struct put_choices *choices) {
    size_t count = span_count(choices);
    choices->bulk = calloc(count, sizeof *choices->bulk);
    choices->envelope = calloc(count, sizeof *choices->envelope);
    if (choices->bulk == NULL || choices->envelope == NULL)
        return FAIL(NO_MEMORY, "no memory for %zu choices of servers", count);
    for (size_t i = 0; i < count; i++) {
        TRY(code_span_init(choices->k, &choices->bulk[i]));
        TRY(matrix_span_new(choices->k, &choices->envelope[i]));
    }
    return OK;
}

result put_choices_init(unsigned n, unsigned k, struct put_choices *out_choices) {
    AUTO_PUT_CHOICES struct put_choices choices = {.n = n, .k = k, .is_all = can_try_all(n, k)};
    if (!choices.is_all)
        TRY(init_samples(&choices));
    TRY(init_spans(&choices));
    *out_choices = choices;
    choices = (struct put_choices){0};
    return OK;
}

/* ------------------------------------------------------------------ rows over either field */

struct adding {
    struct put_choices *choices;
    const uint8_t *bulk;
    const struct scalar *const *envelope; /* one of the two */
};

/* Adds the slot's row to a span where it is independent of those in it. */
static bool add(const struct adding *adding, size_t span, unsigned slot) {
    struct put_choices *choices = adding->choices;
    if (adding->bulk != NULL)
        return code_span_add(&choices->bulk[span], adding->bulk + (size_t)slot * choices->k);
    return matrix_span_add(&choices->envelope[span], adding->envelope[slot]);
}

static void drop(const struct adding *adding, size_t span) {
    if (adding->bulk != NULL)
        code_span_drop(&adding->choices->bulk[span]);
    else
        matrix_span_drop(&adding->choices->envelope[span]);
}

/* Whether all choices of `left` more slots below `below` are independent. */
static bool all_independent(const struct adding *adding, unsigned below, unsigned left) {
    if (left == 0)
        return true;
    for (unsigned slot = left - 1; slot < below; slot++) {
        if (!add(adding, 0, slot))
            return false;
        bool independent = all_independent(adding, slot, left - 1);
        drop(adding, 0);
        if (!independent)
            return false;
    }
    return true;
}

/* The span is empty before and after. The first k - 1 slots are in many choices together: all of
 * them must be independent then. */
static bool add_to_all(const struct adding *adding, unsigned slot) {
    unsigned k = adding->choices->k;
    if (!add(adding, 0, slot))
        return false;
    bool independent = all_independent(adding, slot, slot < k ? slot : k - 1);
    drop(adding, 0);
    return independent;
}

static bool is_in(const struct put_choices *choices, size_t sample, unsigned slot) {
    return memchr(choices->samples + sample * choices->k, (int)slot, choices->k) != NULL;
}

static bool add_to_samples(const struct adding *adding, unsigned slot) {
    const struct put_choices *choices = adding->choices;
    for (size_t i = 0; i < choices->count; i++) {
        if (!is_in(choices, i, slot) || add(adding, i, slot))
            continue;
        while (i-- > 0)
            if (is_in(choices, i, slot))
                drop(adding, i);
        return false;
    }
    return true;
}

static result add_slot(const struct adding *adding, unsigned slot, const char *field) {
    if (adding->choices->is_all ? add_to_all(adding, slot) : add_to_samples(adding, slot))
        return OK;
    return FAIL(CRYPTO, "the coefficients of slot %u in %s leave %u servers that do not decode",
                slot, field, adding->choices->k);
}

result put_choices_add_bulk(struct put_choices *choices, unsigned slot, const uint8_t rows[]) {
    const struct adding adding = {.choices = choices, .bulk = rows};
    return add_slot(&adding, slot, "GF(2^8)");
}

result put_choices_add_envelope(struct put_choices *choices, unsigned slot,
                                const struct scalar *const rows[]) {
    const struct adding adding = {.choices = choices, .envelope = rows};
    return add_slot(&adding, slot, "Zr");
}

void put_choices_forget_bulk(struct put_choices *choices) {
    for (size_t i = 0; i < span_count(choices); i++)
        while (choices->bulk[i].rank > 0)
            code_span_drop(&choices->bulk[i]);
}
