#include "storage/store_held.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256 };

struct held {
    pthread_mutex_t mutex;
    struct held_entry *buckets[BUCKETS];
    size_t bytes;
    _Atomic size_t count; /* changed under the mutex; none is seen without */
};

/* ------------------------------------------------------------------ values and entries */

struct held_value *held_value_new(struct bytes *bytes) {
    struct held_value *value = malloc(sizeof *value);
    if (value == NULL)
        return NULL;
    atomic_init(&value->users, 1);
    atomic_init(&value->said_at, 0);
    atomic_init(&value->copied, false);
    value->bytes = *bytes;
    *bytes = (struct bytes){0};
    return value;
}

void held_value_release(struct held_value *value) {
    if (value == NULL || atomic_fetch_sub(&value->users, 1) > 1)
        return;
    bytes_free(&value->bytes);
    free(value);
}

void held_value_release_at(struct held_value **value) {
    held_value_release(*value);
    *value = NULL;
}

struct held_entry *held_entry_new(const char *key, struct held_value *value) {
    size_t len = strlen(key);
    struct held_entry *entry = malloc(sizeof *entry + len + 1);
    if (entry == NULL)
        return NULL;
    entry->next = NULL;
    entry->in_body = 0;
    entry->value = value;
    memcpy(entry->key, key, len + 1);
    atomic_fetch_add(&value->users, 1);
    return entry;
}

void held_entry_free(struct held_entry *entry) {
    if (entry == NULL)
        return;
    held_value_release(entry->value);
    free(entry);
}

void held_list_free(struct held_list *list) {
    for (size_t i = 0; i < list->count; i++)
        held_entry_free(list->entries[i]);
    free(list->entries);
    *list = (struct held_list){0};
}

result held_list_add(struct held_list *list, const char *key, struct held_value *value) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct held_entry **grown =
            reallocarray(list->entries, capacity, sizeof(struct held_entry *));
        if (grown == NULL)
            return FAIL(NO_MEMORY, "no memory for %zu values", capacity);
        list->entries = grown;
        list->capacity = capacity;
    }
    struct held_entry *entry = held_entry_new(key, value);
    if (entry == NULL)
        return FAIL(NO_MEMORY, "no memory for a value's key");
    list->entries[list->count++] = entry;
    return OK;
}

/* ------------------------------------------------------------------ the table */

result held_create(struct held **out_held) {
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return FAIL(NO_MEMORY, "no memory for a table of values");
    pthread_mutex_init(&held->mutex, NULL);
    *out_held = held;
    return OK;
}

/* FNV-1a. */
static struct held_entry **bucket_of(struct held *held, const char *key) {
    uint32_t hash = 0x811c9dc5;
    for (; *key != '\0'; key++)
        hash = (hash ^ (uint8_t)*key) * 0x01000193;
    return &held->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static bool is_empty(struct held *held) {
    return atomic_load(&held->count) == 0;
}

/* Under the mutex: takes an entry out of its chain. */
static void take_out(struct held *held, struct held_entry **link) {
    struct held_entry *entry = *link;
    *link = entry->next;
    held->bytes -= entry->value->bytes.capacity;
    atomic_fetch_sub(&held->count, 1);
    held_entry_free(entry);
}

/* Under the mutex: the link to the key's entry, or to the end of its chain. */
static struct held_entry **find(struct held *held, const char *key) {
    struct held_entry **link = bucket_of(held, key);
    while (*link != NULL && strcmp((*link)->key, key) != 0)
        link = &(*link)->next;
    return link;
}

static bool is_below(const char *key, const char *prefix, size_t prefix_len) {
    return prefix_len == 0 || (strncmp(key, prefix, prefix_len) == 0 &&
                               (key[prefix_len] == '/' || key[prefix_len] == '\0'));
}

void held_free(struct held *held) {
    if (held == NULL)
        return;
    held_drop(held, "");
    pthread_mutex_destroy(&held->mutex);
    free(held);
}

bool held_has_room(struct held *held, size_t bytes) {
    pthread_mutex_lock(&held->mutex);
    bool room = held->count < HELD_VALUES_MAX && bytes <= HELD_BYTES_MAX &&
                held->bytes <= HELD_BYTES_MAX - bytes;
    pthread_mutex_unlock(&held->mutex);
    return room;
}

void held_add(struct held *held, struct held_entry *entry) {
    pthread_mutex_lock(&held->mutex);
    struct held_entry **link = find(held, entry->key);
    if (*link != NULL)
        take_out(held, link);
    entry->next = *link;
    *link = entry;
    held->bytes += entry->value->bytes.capacity;
    atomic_fetch_add(&held->count, 1);
    pthread_mutex_unlock(&held->mutex);
}

struct held_value *held_get(struct held *held, const char *key) {
    struct held_value *value = NULL;
    if (is_empty(held))
        return NULL;
    pthread_mutex_lock(&held->mutex);
    struct held_entry *entry = *find(held, key);
    if (entry != NULL) {
        value = entry->value;
        atomic_fetch_add(&value->users, 1);
    }
    pthread_mutex_unlock(&held->mutex);
    return value;
}

bool held_has_below(struct held *held, const char *prefix) {
    bool found = false;
    size_t len = strlen(prefix);
    if (is_empty(held))
        return false;
    pthread_mutex_lock(&held->mutex);
    for (size_t i = 0; i < BUCKETS && !found; i++)
        for (struct held_entry *entry = held->buckets[i]; entry != NULL; entry = entry->next)
            found = found || is_below(entry->key, prefix, len);
    pthread_mutex_unlock(&held->mutex);
    return found;
}

void held_drop(struct held *held, const char *prefix) {
    size_t len = strlen(prefix);
    if (is_empty(held))
        return;
    pthread_mutex_lock(&held->mutex);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct held_entry **link = &held->buckets[i]; *link != NULL;) {
            if (is_below((*link)->key, prefix, len))
                take_out(held, link);
            else
                link = &(*link)->next;
        }
    pthread_mutex_unlock(&held->mutex);
}

void held_drop_value(struct held *held, const char *key, const struct held_value *value) {
    if (is_empty(held))
        return;
    pthread_mutex_lock(&held->mutex);
    struct held_entry **link = find(held, key);
    if (*link != NULL && (value == NULL || (*link)->value == value))
        take_out(held, link);
    pthread_mutex_unlock(&held->mutex);
}

/* Under the mutex. */
static result collect(struct held *held, const char *prefix, bool said, struct held_list *list) {
    size_t len = strlen(prefix);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct held_entry *entry = held->buckets[i]; entry != NULL; entry = entry->next)
            if (is_below(entry->key, prefix, len) && (!said || entry->value->said_at != 0))
                TRY(held_list_add(list, entry->key, entry->value));
    return OK;
}

result held_list(struct held *held, const char *prefix, bool said, struct held_list *out_list) {
    AUTO_HELD_LIST struct held_list list = {0};
    *out_list = list;
    if (is_empty(held))
        return OK;
    pthread_mutex_lock(&held->mutex);
    result collected = collect(held, prefix, said, &list);
    pthread_mutex_unlock(&held->mutex);
    TRY(collected);
    *out_list = list;
    list = (struct held_list){0};
    return OK;
}
