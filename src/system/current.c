#include "system/current.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct version {
    struct description description;
    struct version *before;
};

struct current {
    char folder[PATH_MAX];
    _Atomic(struct version *) newest;
    pthread_mutex_t lock; /* of whoever brings a newer one */
    unsigned listener_count;
    struct {
        current_changed changed;
        void *context;
    } listeners[CURRENT_LISTENERS_MAX];
};

void current_free(struct current *current) {
    if (current == NULL)
        return;
    for (struct version *v = atomic_load(&current->newest); v != NULL;) {
        struct version *before = v->before;
        description_free(&v->description);
        free(v);
        v = before;
    }
    pthread_mutex_destroy(&current->lock);
    free(current);
}

void current_free_at(struct current **current) {
    current_free(*current);
}

/* Takes `description` over where this succeeds. */
static result push(struct current *current, struct description *description) {
    struct version *version = malloc(sizeof *version);
    if (version == NULL)
        return FAIL(NO_MEMORY, "no memory for a system description");
    version->description = *description;
    version->before = atomic_load(&current->newest);
    *description = (struct description){0};
    atomic_store(&current->newest, version);
    return OK;
}

result current_new(struct description *description, const char *folder,
                   struct current **out_current) {
    AUTO_CURRENT struct current *current = calloc(1, sizeof *current);
    if (current == NULL)
        return FAIL(NO_MEMORY, "no memory for a system description");
    pthread_mutex_init(&current->lock, NULL);
    if ((size_t)snprintf(current->folder, sizeof current->folder, "%s", folder) >=
        sizeof current->folder)
        return FAIL(INVALID, "a path of %zu characters is too long", strlen(folder));
    TRY(push(current, description));
    *out_current = current;
    current = NULL;
    return OK;
}

void current_on_change(struct current *current, current_changed changed, void *context) {
    if (current->listener_count == CURRENT_LISTENERS_MAX)
        abort(); /* a program has a few, known when it was written */
    current->listeners[current->listener_count].changed = changed;
    current->listeners[current->listener_count++].context = context;
}

const struct description *current_now(const struct current *current) {
    return &atomic_load(&current->newest)->description;
}

uint64_t current_version(const struct current *current) {
    return current_now(current)->system->version;
}

/* Under the lock. On disk before anyone works by it, or a restart would fall back behind it. */
static result replace(struct current *current, struct description *next) {
    TRY(description_check_next(current_now(current), next));
    TRY(description_keep(next, current->folder));
    TRY(description_check_version(next, current->folder));
    return push(current, next);
}

result current_take(struct current *current, const char *source, struct view wire) {
    AUTO_DESCRIPTION struct description next = {0};
    TRY(description_parse(source, wire, NULL, &next));
    pthread_mutex_lock(&current->lock);
    bool is_fork = next.system->version == current_version(current);
    result taken = replace(current, &next);
    if (taken == INTEGRITY && is_fork)
        log_event(LOG_ERROR, "system-version-forked", "version=%llu from=\"%s\" text=\"%s\"",
                  (unsigned long long)next.system->version, source, error_text());
    if (taken == OK) {
        const struct description *now = current_now(current);
        log_event(LOG_INFO, "system-version", "version=%llu from=\"%s\"",
                  (unsigned long long)now->system->version, source);
        for (unsigned i = 0; i < current->listener_count; i++)
            current->listeners[i].changed(current->listeners[i].context, now);
    }
    pthread_mutex_unlock(&current->lock);
    return taken;
}

result current_record(const struct current *current, struct bytes *out_wire) {
    return format_pack(current_now(current)->record, out_wire);
}
