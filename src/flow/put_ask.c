/*
 * A put's questions to all its servers at once: each on a thread of its own, or, where a question
 * is one small request, all of them on the caller's.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/put_slots.h"

enum { LOOK_MS = 50, LOOK_BESIDE_MS = 5 /* while threads are at work as well */ };

struct round {
    struct put_slots *slots;
    put_question question;
    const struct put_request_kind *kind; /* NULL: each asks on a thread */
    void *context;
    struct put_answer *answers;
    unsigned requests; /* of the calls, those that are under way */
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned running, ok, enough;
    unsigned slow; /* of those that run: gave no answer the last time either */
};

struct asker {
    struct round *round;
    unsigned slot;
    pthread_t thread;
    bool is_started, is_done, was_slow;
    bool has_thread; /* of its own */
    struct put_request request;
    struct http_started *call; /* NULL: a thread has it, or it is done */
};

static struct http_client *client_of(const struct asker *asker) {
    return asker->round->slots->slot[asker->slot].client;
}

/* With this thread's error text. */
static void keep_answer(struct asker *asker, result code) {
    struct round *round = asker->round;
    struct put_answer *answer = &round->answers[asker->slot];
    answer->code = code;
    if (code != OK)
        snprintf(answer->text, sizeof answer->text, "%s", error_text());
    session_note_slow(round->slots->session, SESSION_STORAGE,
                      round->slots->slot[asker->slot].server, code == TIMEOUT);
    pthread_mutex_lock(&round->lock);
    asker->is_done = true;
    round->running--;
    round->slow -= asker->was_slow;
    round->ok += code == OK;
    /* What else there is to see, the one who waits sees within his 50 ms. */
    if (round->running == 0 || round->ok == round->enough || round->running == round->slow)
        pthread_cond_signal(&round->change);
    pthread_mutex_unlock(&round->lock);
}

/* ------------------------------------------------------------------ on threads */

static void *ask_slot(void *argument) {
    struct asker *asker = argument;
    struct round *round = asker->round;
    put_question question = round->kind != NULL ? round->kind->otherwise : round->question;
    keep_answer(asker, question(round->context, asker->slot, client_of(asker)));
    return NULL;
}

static result start_thread(struct asker *asker) {
    if (session_run(asker->round->slots->session, ask_slot, asker))
        return OK;
    asker->has_thread = pthread_create(&asker->thread, NULL, ask_slot, asker) == 0;
    if (asker->has_thread)
        return OK;
    return FAIL(NO_MEMORY, "no thread for a question to %s",
                asker->round->slots->slot[asker->slot].name);
}

/* ------------------------------------------------------------------ on this thread */

static result start_request(struct asker *asker) {
    struct round *round = asker->round;
    struct put_request *request = &asker->request;
    TRY(round->kind->make(round->context, asker->slot, client_of(asker), request));
    struct view body = request->own.len > 0 ? bytes_view(&request->own) : request->body;
    TRY(http_call_start(client_of(asker), "POST", request->path, body, "application/protobuf",
                        request->answer_limit, &asker->call));
    round->requests++;
    return OK;
}

/* One that is done: what it comes to, or the same in the other way. */
static void end_request(struct asker *asker) {
    struct round *round = asker->round;
    AUTO_BYTES struct bytes answer = {0};
    result code = http_call_end(asker->call, &answer);
    asker->call = NULL;
    round->requests--;
    bytes_free(&asker->request.own);
    code =
        round->kind->take(round->context, asker->slot, client_of(asker), code, bytes_view(&answer));
    if (code == NOT_FOUND && round->kind->otherwise != NULL) {
        code = start_thread(asker);
        if (code == OK)
            return;
    }
    keep_answer(asker, code);
}

static void move_requests(struct round *round, struct asker askers[], bool is_alone) {
    struct http_started *calls[FORMAT_SERVERS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < round->slots->n; i++)
        if (askers[i].call != NULL)
            calls[count++] = askers[i].call;
    http_calls_wait(calls, count, is_alone ? LOOK_MS : LOOK_BESIDE_MS);
    for (unsigned i = 0; i < round->slots->n; i++)
        if (askers[i].call != NULL && http_call_is_done(askers[i].call))
            end_request(&askers[i]);
}

/* ------------------------------------------------------------------ either way */

static result start_asker(struct asker *asker) {
    struct round *round = asker->round;
    asker->was_slow = session_was_slow(round->slots->session, SESSION_STORAGE,
                                       round->slots->slot[asker->slot].server);
    pthread_mutex_lock(&round->lock);
    round->running++;
    round->slow += asker->was_slow;
    pthread_mutex_unlock(&round->lock);
    if (round->kind != NULL) {
        result made = start_request(asker);
        asker->is_started = true;
        if (made != OK)
            keep_answer(asker, made);
        return OK;
    }
    result started = start_thread(asker);
    asker->is_started = started == OK;
    if (started == OK)
        return OK;
    pthread_mutex_lock(&round->lock);
    round->running--;
    round->slow -= asker->was_slow;
    pthread_mutex_unlock(&round->lock);
    return started;
}

static result start_askers(struct round *round, const bool is_asked[], struct asker askers[]) {
    for (unsigned i = 0; i < round->slots->n; i++) {
        const struct put_slot *slot = &round->slots->slot[i];
        if (slot->client == NULL || (is_asked == NULL ? !slot->is_live : !is_asked[i]))
            continue;
        round->answers[i].was_asked = true;
        askers[i].round = round;
        askers[i].slot = i;
        TRY(start_asker(&askers[i]));
    }
    return OK;
}

static void cancel_late(struct round *round, struct asker askers[]) {
    for (unsigned i = 0; i < round->slots->n; i++)
        if (askers[i].is_started && !askers[i].is_done)
            http_client_cancel(round->slots->slot[i].client);
}

/* The bounds of time as they stand. */
struct watch {
    uint64_t deadline;
    bool is_enough, is_cancelled, is_slow;
};

/* Under the round's lock. */
static void look(struct round *round, struct put_patience patience, struct asker askers[],
                 struct watch *watch) {
    uint64_t now = clock_ms();
    if (!watch->is_enough && round->ok >= patience.enough) {
        watch->is_enough = true;
        if (now + patience.grace_ms < watch->deadline)
            watch->deadline = now + patience.grace_ms;
    }
    if (!watch->is_slow && watch->is_enough && round->running == round->slow) {
        watch->is_slow = true;
        if (now + PUT_SLOW_GRACE_MS < watch->deadline)
            watch->deadline = now + PUT_SLOW_GRACE_MS;
    }
    bool is_over = now >= watch->deadline || session_is_cancelled(round->slots->session);
    if (!watch->is_cancelled && is_over) {
        cancel_late(round, askers);
        watch->is_cancelled = true;
    }
}

static void wait_askers(struct round *round, struct put_patience patience, struct asker askers[]) {
    struct watch watch = {.deadline = clock_ms() + patience.limit_ms};
    pthread_mutex_lock(&round->lock);
    while (round->running > 0) {
        look(round, patience, askers, &watch);
        if (round->requests == 0) {
            clock_wait(&round->change, &round->lock, LOOK_MS);
            continue;
        }
        bool is_alone = round->requests == round->running;
        pthread_mutex_unlock(&round->lock);
        move_requests(round, askers, is_alone);
        pthread_mutex_lock(&round->lock);
    }
    pthread_mutex_unlock(&round->lock);
}

static result ask(struct round *round, const bool is_asked[], struct put_patience patience) {
    struct put_slots *slots = round->slots;
    memset(round->answers, 0, slots->n * sizeof *round->answers);
    struct asker *askers = calloc(slots->n, sizeof *askers);
    if (askers == NULL)
        return FAIL(NO_MEMORY, "no memory for questions to %u servers", slots->n);
    round->enough = patience.enough;
    result started = start_askers(round, is_asked, askers);
    if (started != OK)
        patience.limit_ms = 0;
    wait_askers(round, patience, askers);
    for (unsigned i = 0; i < slots->n; i++) {
        bytes_free(&askers[i].request.own);
        if (!askers[i].is_started)
            continue;
        if (askers[i].has_thread)
            pthread_join(askers[i].thread, NULL);
        http_client_resume(slots->slot[i].client);
    }
    free(askers);
    return started;
}

result put_slots_ask(struct put_slots *slots, const bool is_asked[], put_question question,
                     void *context, struct put_patience patience, struct put_answer answers[]) {
    struct round round = {.slots = slots,
                          .question = question,
                          .context = context,
                          .answers = answers,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .change = PTHREAD_COND_INITIALIZER};
    return ask(&round, is_asked, patience);
}

result put_slots_request(struct put_slots *slots, const bool is_asked[],
                         const struct put_request_kind *kind, void *context,
                         struct put_patience patience, struct put_answer answers[]) {
    struct round round = {.slots = slots,
                          .kind = kind,
                          .context = context,
                          .answers = answers,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .change = PTHREAD_COND_INITIALIZER};
    return ask(&round, is_asked, patience);
}
