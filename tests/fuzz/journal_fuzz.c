/* A store's journal: any file is either refused or gives changes that a journal can hold. Chance
 * does not find a hash, so the input is also the body of a whole transaction. */
#include <stdlib.h>
#include <string.h>

#include "storage/journal_format.h"
#include "storage/store_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A byte of the journal is a value's once, and copied once; each is counted and looked at. */
enum { SEEN_MAX = 4 };

static result look(void *context, const struct journal_change *change) {
    size_t *bytes = context;
    *bytes += change->value.len;
    if (!store_key_is_valid(change->key) || change->kind < JOURNAL_SET ||
        change->kind > JOURNAL_DROP_ALL)
        abort();
    for (size_t i = 0; i < change->value.len; i++)
        *bytes += change->value.data[i] & 1; /* every byte can be read */
    return OK;
}

static void parse(struct view file) {
    size_t seen = 0, again = 0;
    result first = journal_parse(file, look, &seen);
    if (journal_parse(file, look, &again) != first || seen != again || seen > SEEN_MAX * file.len)
        abort();
}

/* The input as the body of the second of two transactions. */
static void parse_body(struct view input) {
    const struct journal_window window = {.number = 7};
    struct journal_transaction transaction = {.body = input};
    AUTO_BYTES struct bytes file = {0}, first = {0};
    uint64_t offsets[2];
    if (input.len > JOURNAL_BODY_MAX || bytes_reserve(&file, JOURNAL_START) != OK)
        return;
    memset(file.data, 0, JOURNAL_START);
    file.len = JOURNAL_START;
    journal_head_offsets(&window, offsets);
    journal_head_encode(&window, file.data + offsets[0]);
    struct journal_transaction set = {0};
    if (journal_add(&first, JOURNAL_SET, "a/b", view_of_string("value")) != OK)
        return;
    set.body = bytes_view(&first);
    if (journal_transaction_encode(&window, &set, &file) != OK)
        return;
    memcpy(transaction.before, set.hash, sizeof set.hash);
    transaction.sequence = 1;
    transaction.durable = file.len;
    if (journal_transaction_encode(&window, &transaction, &file) == OK)
        parse(bytes_view(&file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    parse(view_of(data, size));
    parse_body(view_of(data, size));
    return 0;
}
