#include "flow/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/list.h"
#include "flow/verify_server.h"
#include "format/layout.h"

enum { WATCH_MS = 100 };

const char *verify_state_name(enum verify_state state) {
    static const char *const names[] = {
        [VERIFY_GOOD] = "good",
        [VERIFY_LOST] = "lost",
        [VERIFY_STALE] = "stale",
        [VERIFY_BAD] = "bad",
        [VERIFY_UNREACHABLE] = "unreachable",
    };
    return names[state];
}

/* A whole flow: what was found so far. */
struct verifying {
    struct session *session;
    verify_report report;
    void *context;
    const char *id; /* the image that is being looked at */
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned running;
    bool *is_bad;         /* by server: something lost or bad */
    bool *is_unreachable; /* by server */
    atomic_uint_least64_t bytes_done;
};

static void take_finding(void *context, unsigned server, const char *object,
                         enum verify_state state, const char *detail) {
    struct verifying *verifying = context;
    pthread_mutex_lock(&verifying->lock);
    verifying->is_bad[server] |=
        state == VERIFY_LOST || state == VERIFY_STALE || state == VERIFY_BAD;
    verifying->is_unreachable[server] |= state == VERIFY_UNREACHABLE;
    struct verify_finding finding = {
        .id = verifying->id,
        .object = object,
        .server = session_server(verifying->session, SESSION_STORAGE, server)->name,
        .state = state,
        .detail = detail,
    };
    if (verifying->report != NULL)
        verifying->report(verifying->context, &finding);
    pthread_mutex_unlock(&verifying->lock);
}

struct verify_thread {
    struct verifying *verifying;
    struct verify_server work;
    pthread_t thread;
    bool is_started;
};

static void *run_server(void *argument) {
    struct verify_thread *thread = argument;
    verify_server(&thread->work);
    pthread_mutex_lock(&thread->verifying->lock);
    thread->verifying->running--;
    pthread_cond_signal(&thread->verifying->change);
    pthread_mutex_unlock(&thread->verifying->lock);
    return NULL;
}

static result start_servers(struct verifying *verifying, const struct image *image,
                            const struct manifests *manifests, struct verify_thread threads[]) {
    for (unsigned i = 0; i < manifests->servers; i++) {
        struct verify_thread *thread = &threads[i];
        thread->verifying = verifying;
        thread->work = (struct verify_server){
            .session = verifying->session,
            .image = image,
            .manifests = manifests,
            .server = i,
            .take = take_finding,
            .context = verifying,
            .bytes_done = &verifying->bytes_done,
            .coming = -1,
            .leaving = -1,
        };
        TRY(session_client_take(verifying->session, SESSION_STORAGE, i, &thread->work.client));
        pthread_mutex_lock(&verifying->lock);
        verifying->running++;
        pthread_mutex_unlock(&verifying->lock);
        thread->is_started = pthread_create(&thread->thread, NULL, run_server, thread) == 0;
        if (!thread->is_started) {
            verifying->running--;
            return FAIL(NO_MEMORY, "no thread to verify with");
        }
    }
    return OK;
}

/* Slots on their way; and what the servers have of forwards: whoever has the newest entry for a
 * recipient shows what the others lack. Then those with which all is good are told. */
static void compare_servers(struct verify_thread threads[], unsigned count) {
    const struct verify_server *all[FORMAT_SERVERS_MAX];
    for (unsigned i = 0; i < count; i++)
        all[i] = &threads[i].work;
    for (unsigned i = 0; i < count; i++)
        verify_server_settle(&threads[i].work, all, count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < count; j++)
            if (i != j)
                verify_server_compare(&threads[i].work, &threads[j].work);
    for (unsigned i = 0; i < count; i++)
        if (threads[i].work.is_done && !threads[i].work.has_fault)
            take_finding(threads[i].verifying, i, NULL, VERIFY_GOOD, "");
}

static uint64_t total_bytes(const struct manifests *manifests) {
    uint64_t total = 0;
    for (size_t i = 0; i < manifests->count; i++) {
        struct format_layout layout;
        format_layout_of(manifests->entries[i].manifest, &layout);
        for (unsigned server = 0; server < manifests->servers; server++)
            total += manifests->entries[i].is_at[server] ? layout.symbol_bytes : 0;
    }
    return total;
}

static result check_servers(struct verifying *verifying, const struct image *image,
                            const struct manifests *manifests) {
    struct verify_thread *threads = calloc(manifests->servers, sizeof *threads);
    if (threads == NULL)
        return FAIL(NO_MEMORY, "no memory to verify at %u servers", manifests->servers);
    uint64_t total = total_bytes(manifests);
    atomic_store(&verifying->bytes_done, 0);
    result started = start_servers(verifying, image, manifests, threads);
    pthread_mutex_lock(&verifying->lock);
    while (verifying->running > 0) {
        clock_wait(&verifying->change, &verifying->lock, WATCH_MS);
        session_step(verifying->session, "verify", atomic_load(&verifying->bytes_done), total);
    }
    pthread_mutex_unlock(&verifying->lock);
    for (unsigned i = 0; i < manifests->servers; i++) {
        if (threads[i].is_started)
            pthread_join(threads[i].thread, NULL);
        session_client_give(verifying->session, threads[i].work.client);
    }
    if (started == OK && !session_is_cancelled(verifying->session))
        compare_servers(threads, manifests->servers);
    for (unsigned i = 0; i < manifests->servers; i++)
        verify_server_clean_up(&threads[i].work);
    free(threads);
    TRY(started);
    return session_check_cancel(verifying->session);
}

static result verify_image(struct verifying *verifying, const char *id) {
    verifying->id = id;
    AUTO_IMAGE struct image image = {0};
    TRY(image_own(verifying->session, id, &image));
    TRY(image_load(verifying->session, id, &image));
    AUTO_MANIFESTS struct manifests manifests = {0};
    TRY(manifests_load(verifying->session, &image, 0, &manifests));
    return check_servers(verifying, &image, &manifests);
}

static result verify_images(struct verifying *verifying, const char *id) {
    if (id != NULL)
        return verify_image(verifying, id);
    AUTO_LIST struct list list = {0};
    TRY(flow_list(verifying->session, &list));
    for (size_t i = 0; i < list.count; i++)
        TRY(verify_image(verifying, list.items[i].id));
    return OK;
}

/* "storage-1, storage-4" */
static bool name_servers(const struct verifying *verifying, const bool is_named[],
                         char out[ERROR_TEXT_BYTES]) {
    size_t len = 0;
    out[0] = '\0';
    unsigned servers = session_server_count(verifying->session, SESSION_STORAGE);
    for (unsigned i = 0; i < servers && len < ERROR_TEXT_BYTES; i++)
        if (is_named[i])
            len += (size_t)snprintf(out + len, ERROR_TEXT_BYTES - len, "%s%s", len == 0 ? "" : ", ",
                                    session_server(verifying->session, SESSION_STORAGE, i)->name);
    return len > 0;
}

static result sum_up(const struct verifying *verifying) {
    char names[ERROR_TEXT_BYTES];
    if (name_servers(verifying, verifying->is_bad, names))
        return FAIL(INTEGRITY,
                    "something is lost, stale or bad at %s; 'myelin repair' makes it good from any "
                    "k other servers",
                    names);
    if (name_servers(verifying, verifying->is_unreachable, names))
        return FAIL(QUORUM, "nothing is known of %s, which did not answer; the rest is good",
                    names);
    return OK;
}

result flow_verify(struct session *session, const char *id, verify_report report, void *context) {
    unsigned servers = session_server_count(session, SESSION_STORAGE);
    struct verifying verifying = {
        .session = session,
        .report = report,
        .context = context,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
        .is_bad = calloc(servers, sizeof(bool)),
        .is_unreachable = calloc(servers, sizeof(bool)),
    };
    result verified = verifying.is_bad == NULL || verifying.is_unreachable == NULL
                          ? FAIL(NO_MEMORY, "no memory to verify at %u servers", servers)
                          : verify_images(&verifying, id);
    if (verified == OK)
        verified = sum_up(&verifying);
    free(verifying.is_bad);
    free(verifying.is_unreachable);
    return verified;
}
