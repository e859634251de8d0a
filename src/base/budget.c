#include "base/budget.h"

#include <stdatomic.h>

static atomic_uint_fast64_t limit;
static atomic_uint_fast64_t used;
static atomic_uint_fast64_t refusals;

void budget_set_limit(uint64_t bytes) {
    atomic_store(&limit, bytes);
}

uint64_t budget_limit(void) {
    return atomic_load(&limit);
}

result budget_take(size_t bytes) {
    uint64_t bound = atomic_load(&limit);
    uint64_t before = atomic_fetch_add(&used, bytes);
    if (bound == 0 || (before <= bound && bytes <= bound - before))
        return OK;
    atomic_fetch_sub(&used, bytes);
    atomic_fetch_add(&refusals, 1);
    return FAIL(NO_MEMORY, "too much is being asked at once; try again later");
}

void budget_give(size_t bytes) {
    atomic_fetch_sub(&used, bytes);
}

uint64_t budget_used(void) {
    return atomic_load(&used);
}

uint64_t budget_refusals(void) {
    return atomic_load(&refusals);
}
