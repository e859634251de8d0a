#include "storage/journal_format.h"

#include <string.h>

#include "storage/store_backend.h"

enum {
    MAGIC_BYTES = 8,
    HASHED_HEAD_BYTES = JOURNAL_TRANSACTION_HEAD_BYTES - DIGEST_BYTES,
    COPY_BYTES = 12,
};
static const char head_magic[] = "MYELINJ1", transaction_magic[] = "MYELINJT";

/* ------------------------------------------------------------------ changes */

result journal_add(struct bytes *body, enum journal_kind kind, const char *key, struct view value) {
    uint8_t head[2] = {(uint8_t)kind, (uint8_t)strlen(key)}, length[4];
    store_be32(length, (uint32_t)value.len);
    TRY(bytes_append(body, view_of(head, sizeof head)));
    TRY(bytes_append(body, view_of(key, head[1])));
    TRY(bytes_append(body, view_of(length, sizeof length)));
    return bytes_append(body, value);
}

result journal_add_copy(struct bytes *body, const char *key, uint64_t at, size_t len) {
    uint8_t place[COPY_BYTES];
    store_be64(place, at);
    store_be32(place + 8, (uint32_t)len);
    return journal_add(body, JOURNAL_COPY, key, view_of(place, sizeof place));
}

/* What a copy's 12 bytes name lies in an earlier transaction: in what was read and is whole. */
static bool follow_copy(struct journal_source *source, struct journal_change *change) {
    if (change->value.len != COPY_BYTES)
        return false;
    uint64_t at = load_be64(change->value.data), len = load_be32(change->value.data + 8);
    if (source == NULL) {
        change->value = view_of("", 0);
        return true;
    }
    if (at < JOURNAL_START || at > source->before.len || len > source->before.len - at ||
        len > source->before.len - source->copied)
        return false;
    source->copied += len;
    change->kind = JOURNAL_SET;
    change->value = view_of(source->before.data + at, (size_t)len);
    return true;
}

static bool take_change(struct view *body, struct journal_source *source,
                        struct journal_change *change) {
    struct view head, key, length;
    if (!view_take(body, 2, &head) || head.data[0] < JOURNAL_SET || head.data[0] > JOURNAL_COPY ||
        !view_take(body, head.data[1], &key) || memchr(key.data, 0, key.len) != NULL ||
        !view_take(body, 4, &length) || !view_take(body, load_be32(length.data), &change->value))
        return false;
    change->kind = (enum journal_kind)head.data[0];
    memcpy(change->key, key.data, key.len);
    change->key[key.len] = '\0';
    if (!store_key_is_valid(change->key))
        return false;
    if (change->kind == JOURNAL_COPY)
        return follow_copy(source, change);
    return change->kind == JOURNAL_SET || change->value.len == 0;
}

result journal_visit(struct view body, struct journal_source *source,
                     result (*visit)(void *context, const struct journal_change *change),
                     void *context) {
    struct journal_change change;
    while (body.len > 0) {
        if (!take_change(&body, source, &change))
            return FAIL(INTEGRITY, "the journal has a change that does not parse");
        if (visit != NULL)
            TRY(visit(context, &change));
    }
    return OK;
}

/* ------------------------------------------------------------------ heads */

void journal_head_offsets(const struct journal_window *window, uint64_t out[2]) {
    out[0] = (window->number % 2) * JOURNAL_BLOCK;
    out[1] = out[0] + 2 * JOURNAL_BLOCK;
}

void journal_head_encode(const struct journal_window *window, uint8_t out[JOURNAL_HEAD_BYTES]) {
    uint8_t *end = out;
    memcpy(end, head_magic, MAGIC_BYTES);
    store_be64(end += MAGIC_BYTES, window->number);
    memcpy(end += 8, window->nonce, JOURNAL_NONCE_BYTES);
    end += JOURNAL_NONCE_BYTES;
    digest_sha256(view_of(out, (size_t)(end - out)), end);
}

/* The window that counts. */
static bool find_window(struct view file, struct journal_window *out_window) {
    bool found = false;
    for (size_t i = 0; i < JOURNAL_HEADS; i++) {
        uint8_t expected[JOURNAL_HEAD_BYTES];
        struct journal_window window;
        struct view rest = {file.data + i * JOURNAL_BLOCK, JOURNAL_HEAD_BYTES};
        window.number = load_be64(rest.data + MAGIC_BYTES);
        memcpy(window.nonce, rest.data + MAGIC_BYTES + 8, JOURNAL_NONCE_BYTES);
        journal_head_encode(&window, expected);
        if (!view_equal(rest, view_of(expected, sizeof expected)) ||
            (found && window.number <= out_window->number))
            continue;
        *out_window = window;
        found = true;
    }
    return found;
}

/* ------------------------------------------------------------------ transactions */

uint64_t journal_transaction_bytes(size_t body_len) {
    uint64_t bytes = (uint64_t)JOURNAL_TRANSACTION_HEAD_BYTES + body_len;
    return (bytes + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

static void hash_transaction(const struct journal_window *window, struct view head,
                             struct view body, uint8_t out[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, view_of(window->nonce, sizeof window->nonce));
    digest_update(&digest, head);
    digest_update(&digest, body);
    digest_finish(&digest, out);
}

result journal_transaction_encode(const struct journal_window *window,
                                  struct journal_transaction *transaction, struct bytes *out) {
    static const uint8_t zeros[JOURNAL_BLOCK];
    uint8_t head[JOURNAL_TRANSACTION_HEAD_BYTES], *end = head;
    size_t total = (size_t)journal_transaction_bytes(transaction->body.len);
    memcpy(end, transaction_magic, MAGIC_BYTES);
    store_be64(end += MAGIC_BYTES, window->number);
    store_be64(end += 8, transaction->sequence);
    store_be64(end += 8, transaction->durable);
    store_be32(end += 8, (uint32_t)transaction->body.len);
    memcpy(end += 4, transaction->before, DIGEST_BYTES);
    hash_transaction(window, view_of(head, HASHED_HEAD_BYTES), transaction->body,
                     transaction->hash);
    memcpy(end + DIGEST_BYTES, transaction->hash, DIGEST_BYTES);
    TRY(bytes_reserve(out, out->len + total));
    TRY(bytes_append(out, view_of(head, sizeof head)));
    TRY(bytes_append(out, transaction->body));
    return bytes_append(out, view_of(zeros, total - sizeof head - transaction->body.len));
}

/* The transaction at a block's start, whole and of this window. */
static bool transaction_at(struct view file, uint64_t offset, const struct journal_window *window,
                           struct journal_transaction *out) {
    struct view rest = {file.data + offset, file.len - (size_t)offset}, head, hash;
    if (!view_take(&rest, HASHED_HEAD_BYTES, &head) || !view_take(&rest, DIGEST_BYTES, &hash) ||
        memcmp(head.data, transaction_magic, MAGIC_BYTES) != 0 ||
        load_be64(head.data + MAGIC_BYTES) != window->number)
        return false;
    out->sequence = load_be64(head.data + MAGIC_BYTES + 8);
    out->durable = load_be64(head.data + MAGIC_BYTES + 16);
    uint32_t body_len = load_be32(head.data + MAGIC_BYTES + 24);
    if (body_len > JOURNAL_BODY_MAX || !view_take(&rest, body_len, &out->body))
        return false;
    memcpy(out->before, head.data + HASHED_HEAD_BYTES - DIGEST_BYTES, DIGEST_BYTES);
    hash_transaction(window, head, out->body, out->hash);
    return view_equal(hash, view_of(out->hash, sizeof out->hash));
}

/* A transaction behind `end` that knew more than this to be durable. */
static bool is_contradicted(struct view file, const struct journal_window *window, uint64_t end) {
    struct journal_transaction later;
    for (uint64_t at = end; at < file.len; at += JOURNAL_BLOCK)
        if (transaction_at(file, at, window, &later) && later.durable > end)
            return true;
    return false;
}

static result walk(struct view file, const struct journal_window *window,
                   result (*visit)(void *context, const struct journal_change *change),
                   void *context, uint64_t *out_end) {
    struct journal_transaction transaction;
    struct journal_source source = {0};
    uint8_t last[DIGEST_BYTES] = {0};
    *out_end = JOURNAL_START;
    for (uint64_t sequence = 0; *out_end < file.len; sequence++) {
        if (!transaction_at(file, *out_end, window, &transaction) ||
            transaction.sequence != sequence || memcmp(transaction.before, last, sizeof last) != 0)
            break;
        memcpy(last, transaction.hash, sizeof last);
        source.before = view_of(file.data, (size_t)*out_end);
        TRY(journal_visit(transaction.body, &source, visit, context));
        *out_end += journal_transaction_bytes(transaction.body.len);
    }
    return OK;
}

result journal_parse(struct view file,
                     result (*visit)(void *context, const struct journal_change *change),
                     void *context) {
    struct journal_window window;
    uint64_t end;
    if (file.len < JOURNAL_START || !find_window(file, &window))
        return FAIL(INTEGRITY, "the journal's head cannot be read");
    TRY(walk(file, &window, NULL, NULL, &end));
    if (is_contradicted(file, &window, end))
        return FAIL(INTEGRITY, "the journal is damaged at byte %llu", (unsigned long long)end);
    return walk(file, &window, visit, context, &end);
}
