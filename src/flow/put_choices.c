#include "flow/put_choices.h"

#include <stdlib.h>

#include "base/secret.h"
#include "code/span.h"
#include "format/limits.h"
#include "scheme/matrix.h"

void put_choices_clean_up(struct put_choices *choices) {
    free(choices->samples);
    *choices = (struct put_choices){0};
}

/* min(C(n, k), limit + 1) */
static size_t count_choices(unsigned n, unsigned k, size_t limit) {
    uint64_t count = 1;
    if (k > n - k)
        k = n - k;
    for (unsigned i = 1; i <= k; i++) {
        count = count * (n - k + i) / i;
        if (count > limit)
            return limit + 1;
    }
    return (size_t)count;
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

static size_t sample_size(unsigned k) {
    size_t most = ((size_t)1 << 26) / ((size_t)k * k * k);
    if (most > CHOICES_SAMPLE)
        return CHOICES_SAMPLE;
    return most < CHOICES_SAMPLE_LEAST ? CHOICES_SAMPLE_LEAST : most;
}

result put_choices_init(unsigned n, unsigned k, struct put_choices *out_choices) {
    struct put_choices choices = {.n = n, .k = k, .count = count_choices(n, k, CHOICES_ALL)};
    choices.is_all = choices.count <= CHOICES_ALL;
    if (!choices.is_all) {
        choices.count = sample_size(k);
        choices.samples = malloc(choices.count * k);
        if (choices.samples == NULL)
            return FAIL(NO_MEMORY, "no memory for %zu choices of servers", choices.count);
        for (size_t i = 0; i < choices.count; i++)
            sample_choice(n, k, choices.samples + i * k);
    }
    *out_choices = choices;
    return OK;
}

/* ------------------------------------------------------------------ rows over either field */

struct rows {
    void *context;
    bool (*add)(void *context, unsigned slot); /* where it is independent of those before */
    void (*drop)(void *context);               /* the last one */
};

/* Whether all choices of `left` more slots below `below` are independent. */
static bool all_independent(const struct rows *rows, unsigned below, unsigned left) {
    if (left == 0)
        return true;
    for (unsigned slot = left - 1; slot < below; slot++) {
        if (!rows->add(rows->context, slot))
            return false;
        bool independent = all_independent(rows, slot, left - 1);
        rows->drop(rows->context);
        if (!independent)
            return false;
    }
    return true;
}

static bool sample_independent(const struct rows *rows, const uint8_t choice[], unsigned k) {
    unsigned added = 0;
    while (added < k && rows->add(rows->context, choice[k - 1 - added]))
        added++;
    for (unsigned i = 0; i < added; i++)
        rows->drop(rows->context);
    return added == k;
}

static bool is_independent(const struct put_choices *choices, unsigned slot,
                           const struct rows *rows) {
    unsigned k = choices->k;
    if (choices->is_all) {
        if (slot + 1 < k)
            return true;
        if (!rows->add(rows->context, slot))
            return false;
        return all_independent(rows, slot, k - 1);
    }
    for (size_t i = 0; i < choices->count; i++) {
        const uint8_t *choice = choices->samples + i * k;
        if (choice[k - 1] == slot && !sample_independent(rows, choice, k))
            return false;
    }
    return true;
}

static result check(const struct put_choices *choices, unsigned slot, const struct rows *rows,
                    const char *field) {
    if (is_independent(choices, slot, rows))
        return OK;
    return FAIL(CRYPTO, "the coefficients of slot %u in %s leave %u servers that do not decode",
                slot, field, choices->k);
}

/* ------------------------------------------------------------------ bulk */

struct bulk_rows {
    struct code_span span;
    const uint8_t *rows;
};

static bool bulk_add(void *context, unsigned slot) {
    struct bulk_rows *bulk = context;
    return code_span_add(&bulk->span, bulk->rows + (size_t)slot * bulk->span.k);
}

static void bulk_drop(void *context) {
    code_span_drop(&((struct bulk_rows *)context)->span);
}

result put_choices_check_bulk(const struct put_choices *choices, unsigned slot,
                              const uint8_t rows[]) {
    struct bulk_rows bulk = {.rows = rows};
    TRY(code_span_init(choices->k, &bulk.span));
    const struct rows all = {&bulk, bulk_add, bulk_drop};
    result checked = check(choices, slot, &all, "GF(2^8)");
    code_span_clean_up(&bulk.span);
    return checked;
}

/* ------------------------------------------------------------------ envelope */

struct envelope_rows {
    struct matrix_span span;
    const struct scalar *const *rows;
};

static bool envelope_add(void *context, unsigned slot) {
    struct envelope_rows *envelope = context;
    return matrix_span_add(&envelope->span, envelope->rows[slot]);
}

static void envelope_drop(void *context) {
    matrix_span_drop(&((struct envelope_rows *)context)->span);
}

result put_choices_check_envelope(const struct put_choices *choices, unsigned slot,
                                  const struct scalar *const rows[]) {
    struct envelope_rows envelope = {.rows = rows};
    TRY(matrix_span_new(choices->k, &envelope.span));
    const struct rows all = {&envelope, envelope_add, envelope_drop};
    result checked = check(choices, slot, &all, "Zr");
    matrix_span_free(&envelope.span);
    return checked;
}
