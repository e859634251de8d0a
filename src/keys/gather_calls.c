/* Calls to storage servers: a thread each, that may outlive its gathering's answer. */
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "format/statement.h"
#include "keys/gather_private.h"

enum { CALL_STACK_BYTES = 512 << 10, CALLS_MAX = 2048 };

/* A thread's argument. */
struct errand {
    struct gathering *gathering;
    unsigned server;
};

/* Counts a thread in; false where there are too many already. */
static bool enter(struct gatherer *gatherer) {
    pthread_mutex_lock(&gatherer->lock);
    bool entered = gatherer->calls < CALLS_MAX;
    gatherer->calls += entered;
    pthread_mutex_unlock(&gatherer->lock);
    return entered;
}

static void leave(struct gatherer *gatherer) {
    pthread_mutex_lock(&gatherer->lock);
    gatherer->calls--;
    pthread_cond_broadcast(&gatherer->idle);
    pthread_mutex_unlock(&gatherer->lock);
}

void gathering_release_locked(struct gathering *gathering) {
    bool last = --gathering->references == 0;
    pthread_mutex_unlock(&gathering->lock);
    if (!last)
        return;
    for (unsigned i = 0; i < gathering->n; i++)
        format_free(gathering->calls[i].answer);
    pthread_cond_destroy(&gathering->changed);
    pthread_mutex_destroy(&gathering->lock);
    free(gathering);
}

/* What is not signed is not passed on: its reader would take this server for the liar. */
static result check_signature(const struct gathering *gathering, unsigned server,
                              const Myelin__SymbolAnswer *answer) {
    const struct storage_fleet *fleet = gathering->fleet;
    const struct format_statement statement = {
        storage_fleet_name(fleet, server), gathering->terms.user, gathering->image, answer->symbol};
    return format_statement_verify(storage_fleet_identity(fleet, server), &statement,
                                   format_view(answer->signature));
}

/* One server's symbol, fetched and checked. */
static result fetch_one(const struct gathering *gathering, unsigned server,
                        Myelin__SymbolAnswer **out_answer, uint64_t *out_serial_ms) {
    struct storage_fleet *fleet = gathering->fleet;
    AUTO_BYTES struct bytes wire = {0};
    AUTO_FORMAT Myelin__SymbolAnswer *answer = NULL;
    TRY(storage_fleet_get(fleet, server, gathering->path, FORMAT_LIMIT_SYMBOL_ANSWER, &wire));
    TRY(format_parse_symbol_answer(bytes_view(&wire), &answer));
    TRY(symbol_check(&gathering->terms, storage_fleet_name(fleet, server), answer, out_serial_ms));
    if (gathering->terms.prove)
        TRY(check_signature(gathering, server, answer));
    *out_answer = answer;
    answer = NULL;
    return OK;
}

static void report(struct storage_fleet *fleet, unsigned server, result fetched) {
    if (fetched == OK || fetched == NOT_FOUND || fetched == DENIED)
        return;
    storage_fleet_blame(fleet, server);
    log_event(LOG_WARNING, "symbol-not-fetched", "server=%s result=\"%s\" error=\"%s\"",
              storage_fleet_name(fleet, server), result_name(fetched), error_text());
}

static void *run_errand(void *argument) {
    struct errand errand = *(struct errand *)argument;
    struct gathering *gathering = errand.gathering;
    struct gatherer *gatherer = gathering->gatherer;
    struct call *call = &gathering->calls[errand.server];
    free(argument);
    Myelin__SymbolAnswer *answer = NULL;
    uint64_t serial_ms = 0;
    result fetched = fetch_one(gathering, errand.server, &answer, &serial_ms);
    report(gathering->fleet, errand.server, fetched);
    pthread_mutex_lock(&gathering->lock);
    call->state = CALL_ENDED;
    call->ended = fetched;
    call->answer = answer;
    call->serial_ms = serial_ms;
    gathering->running--;
    pthread_cond_broadcast(&gathering->changed);
    gathering_release_locked(gathering);
    leave(gatherer);
    return NULL;
}

static result start_thread(struct errand *errand) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, CALL_STACK_BYTES);
    int failed = pthread_create(&thread, &attributes, run_errand, errand);
    pthread_attr_destroy(&attributes);
    return failed == 0 ? OK : FAIL(NO_MEMORY, "no thread to ask a storage server");
}

static result launch(struct gathering *gathering, unsigned server) {
    struct errand *errand = malloc(sizeof *errand);
    if (errand == NULL || !enter(gathering->gatherer)) {
        free(errand);
        return FAIL(NO_MEMORY, "too many calls to storage servers");
    }
    *errand = (struct errand){gathering, server};
    gathering->references++;
    gathering->running++;
    result started = start_thread(errand);
    if (started == OK)
        return OK;
    free(errand);
    gathering->references--;
    gathering->running--;
    leave(gathering->gatherer);
    return started;
}

void gather_ask_next(struct gathering *gathering, uint64_t now_ms) {
    unsigned server = gathering->order[gathering->asked++];
    struct call *call = &gathering->calls[server];
    *call = (struct call){.state = CALL_RUNNING, .started_ms = now_ms};
    result launched = launch(gathering, server);
    if (launched != OK) {
        call->state = CALL_ENDED;
        call->ended = launched;
    }
}
