#include "flow/patience.h"

static _Thread_local struct patience_purse purse;

void patience_begin(struct patience *patience, enum patience_of what) {
    patience->is_outer = !purse.is_open;
    if (!patience->is_outer)
        return;
    purse.is_open = true;
    purse.questions_ms = PATIENCE_MS - (what == PATIENCE_OF_GET ? PATIENCE_FETCH_MS : 0);
    purse.spent_ms = 0;
}

void patience_end(struct patience *patience) {
    if (patience->is_outer)
        purse.is_open = false;
}

static uint64_t left_of(uint64_t all_ms) {
    return purse.spent_ms < all_ms ? all_ms - purse.spent_ms : 0;
}

uint64_t patience_for_questions_ms(void) {
    return purse.is_open ? left_of(purse.questions_ms) : UINT64_MAX;
}

uint64_t patience_for_fetch_ms(void) {
    return purse.is_open ? left_of(PATIENCE_MS) : UINT64_MAX;
}

void patience_spend(uint64_t ms) {
    purse.spent_ms += ms;
}

struct patience_purse patience_purse(void) {
    return purse;
}

void patience_take(const struct patience_purse *other) {
    purse = *other;
}

void patience_drop(void) {
    purse = (struct patience_purse){0};
}

void patience_join(const struct patience_purse *other) {
    if (other->spent_ms > purse.spent_ms)
        purse.spent_ms = other->spent_ms;
}
