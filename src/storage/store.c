#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/store_backend.h"

result store_open(const char *location, struct store **out_store) {
    static const char scheme[] = "file:";
    if (strncmp(location, scheme, sizeof scheme - 1) == 0)
        return store_file_open(location + sizeof scheme - 1, out_store);
    const char *colon = strchr(location, ':'), *slash = strchr(location, '/');
    if (colon != NULL && (slash == NULL || colon < slash))
        return FAIL(INVALID, "store %s: only file: is supported", location);
    return store_file_open(location, out_store);
}

void store_close(struct store *store) {
    if (store != NULL)
        store->methods->close(store);
}

void store_close_at(struct store **store) {
    store_close(*store);
    *store = NULL;
}

bool store_key_is_valid(const char *key) {
    size_t len = strlen(key);
    bool starts = true;
    bool good = len > 0 && len < STORE_KEY_BYTES && key[len - 1] != '/';
    for (size_t i = 0; good && i < len; i++) {
        char c = key[i];
        if (c == '/' || c == '.')
            good = !starts;
        else
            good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        starts = c == '/';
    }
    return good;
}

/* Keys are made of validated parts; this catches a defect before it reaches the file system. */
static result check_key(const char *key) {
    return store_key_is_valid(key)
               ? OK
               : FAIL(INTERNAL, "a key of the store has a form it must not have");
}

static void count_wait(struct store *store, uint64_t started_ns) {
    atomic_fetch_add_explicit(&store->syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->sync_nanoseconds, clock_ns() - started_ns,
                              memory_order_relaxed);
}

struct store_waits store_waits(struct store *store) {
    return (struct store_waits){
        atomic_load_explicit(&store->syncs, memory_order_relaxed),
        atomic_load_explicit(&store->sync_nanoseconds, memory_order_relaxed),
    };
}

result store_put(struct store *store, const char *key, struct view value) {
    TRY(check_key(key));
    return store->methods->put(store, key, value);
}

result store_replace(struct store *store, const char *key, struct view value) {
    TRY(check_key(key));
    uint64_t started_ns = clock_ns();
    result replaced = store->methods->replace(store, key, value);
    count_wait(store, started_ns);
    return replaced;
}

result store_get(struct store *store, const char *key, size_t limit, struct bytes *out_value) {
    TRY(check_key(key));
    return store->methods->get(store, key, limit, out_value);
}

result store_writer_open(struct store *store, const char *key, struct store_writer **out_writer) {
    TRY(check_key(key));
    return store->methods->writer_open(store, key, out_writer);
}

result store_writer_append(struct store_writer *writer, struct view part) {
    return writer->store->methods->writer_append(writer, part);
}

result store_writer_close(struct store_writer *writer) {
    return writer->store->methods->writer_close(writer);
}

void store_writer_abandon(struct store_writer *writer) {
    if (writer != NULL)
        writer->store->methods->writer_abandon(writer);
}

result store_size(struct store *store, const char *key, uint64_t *out_bytes) {
    TRY(check_key(key));
    return store->methods->size(store, key, out_bytes);
}

result store_open_range(struct store *store, const char *key, uint64_t offset, uint64_t length,
                        int *out_fd, uint64_t *out_offset) {
    TRY(check_key(key));
    return store->methods->open_range(store, key, offset, length, out_fd, out_offset);
}

result store_publish(struct store *store, const char *from, const char *to) {
    TRY(check_key(from));
    TRY(check_key(to));
    return store->methods->publish(store, from, to);
}

result store_publish_all(struct store *store, const char *from, const char *to) {
    TRY(check_key(from));
    TRY(check_key(to));
    return store->methods->publish_all(store, from, to);
}

result store_delete(struct store *store, const char *key) {
    TRY(check_key(key));
    return store->methods->remove(store, key);
}

result store_delete_all(struct store *store, const char *prefix) {
    TRY(check_key(prefix));
    return store->methods->remove_all(store, prefix);
}

result store_sync(struct store *store, const char *prefix) {
    TRY(check_key(prefix));
    uint64_t started_ns = clock_ns();
    result synced = store->methods->sync(store, prefix);
    count_wait(store, started_ns);
    return synced;
}

result store_sync_names(struct store *store, const char *prefix) {
    TRY(check_key(prefix));
    uint64_t started_ns = clock_ns();
    result synced = store->methods->sync_names(store, prefix);
    count_wait(store, started_ns);
    return synced;
}

static result seal(struct store *store, const char *prefix, const char *key, struct view value) {
    if (store->methods->seal != NULL)
        return store->methods->seal(store, prefix, key, value);
    TRY(store->methods->sync(store, prefix));
    return store->methods->replace(store, key, value);
}

result store_seal(struct store *store, const char *prefix, const char *key, struct view value) {
    TRY(check_key(prefix));
    TRY(check_key(key));
    uint64_t started_ns = clock_ns();
    result sealed = seal(store, prefix, key, value);
    count_wait(store, started_ns);
    return sealed;
}

result store_change(struct store *store, const struct store_step *steps, size_t count,
                    enum store_extent *out_extent) {
    *out_extent = STORE_NOTHING;
    for (size_t i = 0; i < count; i++) {
        TRY(check_key(steps[i].key));
        if (steps[i].kind == STORE_MOVE)
            TRY(check_key(steps[i].to));
    }
    if (store->methods->change == NULL)
        return OK;
    uint64_t started_ns = clock_ns();
    result changed = store->methods->change(store, steps, count, out_extent);
    count_wait(store, started_ns);
    return changed;
}

result store_list(struct store *store, const char *prefix, const char *suffix, const char *after,
                  struct store_names *out_names) {
    TRY(check_key(prefix));
    return store->methods->list(store, prefix, suffix, after, out_names);
}

void store_names_free(struct store_names *names) {
    free(names->names);
    *names = (struct store_names){0};
}

result store_space(struct store *store, struct store_space *out_space) {
    return store->methods->space(store, out_space);
}
