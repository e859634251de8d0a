#include "flow/put_slots.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void put_slots_give(struct put_slots *slots) {
    for (unsigned i = 0; i < slots->n; i++)
        session_client_give(slots->session, slots->slot[i].client);
    slots->n = 0;
}

result put_slots_take(struct session *session, char *const names[], unsigned n, unsigned k,
                      struct put_slots *out_slots) {
    *out_slots = (struct put_slots){.session = session, .k = k, .quorum = k + (n - k + 1) / 2};
    for (unsigned i = 0; i < n; i++) {
        struct put_slot *slot = &out_slots->slot[i];
        slot->name = names[i];
        out_slots->n = i + 1;
        int server = session_find_server(session, SESSION_STORAGE, names[i]);
        if (server < 0) {
            failure_keep(&slot->failure, FAIL(NOT_FOUND, "%s: no longer in the system", names[i]));
            continue;
        }
        result taken =
            session_client_take(session, SESSION_STORAGE, (unsigned)server, &slot->client);
        if (taken != OK) {
            put_slots_give(out_slots);
            return taken;
        }
        slot->server = (unsigned)server;
        slot->identity = session_server(session, SESSION_STORAGE, (unsigned)server)->identity.data;
        slot->is_live = true;
    }
    return OK;
}

unsigned put_slots_live(const struct put_slots *slots) {
    unsigned live = 0;
    for (unsigned i = 0; i < slots->n; i++)
        live += slots->slot[i].is_live;
    return live;
}

void put_slots_lose(struct put_slots *slots, unsigned slot, result code) {
    slots->slot[slot].is_live = false;
    failure_keep(&slots->slot[slot].failure, code);
}

void put_slots_warn(const struct put_slots *slots) {
    for (unsigned i = 0; i < slots->n; i++)
        if (!slots->slot[i].is_live)
            session_warn(slots->session, "%s", slots->slot[i].failure.text);
}

result put_slots_check(const struct put_slots *slots, const char *what) {
    if (put_slots_live(slots) >= slots->quorum)
        return OK;
    char reasons[ERROR_TEXT_BYTES] = "";
    size_t len = 0;
    for (unsigned i = 0; i < slots->n && len < sizeof reasons; i++)
        if (!slots->slot[i].is_live)
            len += (size_t)snprintf(reasons + len, sizeof reasons - len, "%s%s",
                                    len == 0 ? "" : "; ", slots->slot[i].failure.text);
    return FAIL(QUORUM, "%s: %u of the %u storage servers are needed, %u took it: %s", what,
                slots->quorum, slots->n, put_slots_live(slots), reasons);
}

unsigned put_answers_ok(const struct put_slots *slots, const struct put_answer answers[]) {
    unsigned ok = 0;
    for (unsigned i = 0; i < slots->n; i++)
        ok += answers[i].was_asked && answers[i].code == OK;
    return ok;
}

void put_slots_lose_failed(struct put_slots *slots, const struct put_answer answers[]) {
    for (unsigned i = 0; i < slots->n; i++)
        if (answers[i].was_asked && answers[i].code != OK)
            put_slots_lose(slots, i, FAIL(answers[i].code, "%s", answers[i].text));
}

/* ------------------------------------------------------------------ asking all at once */

struct round {
    struct put_slots *slots;
    put_question question;
    void *context;
    struct put_answer *answers;
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
};

static void *ask_slot(void *argument) {
    struct asker *asker = argument;
    struct round *round = asker->round;
    struct put_answer *answer = &round->answers[asker->slot];
    answer->code =
        round->question(round->context, asker->slot, round->slots->slot[asker->slot].client);
    if (answer->code != OK)
        snprintf(answer->text, sizeof answer->text, "%s", error_text());
    session_note_slow(round->slots->session, SESSION_STORAGE,
                      round->slots->slot[asker->slot].server, answer->code == TIMEOUT);
    pthread_mutex_lock(&round->lock);
    asker->is_done = true;
    round->running--;
    round->slow -= asker->was_slow;
    round->ok += answer->code == OK;
    /* What else there is to see, the one who waits sees within his 50 ms. */
    if (round->running == 0 || round->ok == round->enough || round->running == round->slow)
        pthread_cond_signal(&round->change);
    pthread_mutex_unlock(&round->lock);
    return NULL;
}

static bool start_asker(struct asker *asker) {
    if (session_run(asker->round->slots->session, ask_slot, asker))
        return true;
    asker->has_thread = pthread_create(&asker->thread, NULL, ask_slot, asker) == 0;
    return asker->has_thread;
}

static result start_askers(struct round *round, const bool is_asked[], struct asker askers[]) {
    for (unsigned i = 0; i < round->slots->n; i++) {
        struct put_slot *slot = &round->slots->slot[i];
        if (slot->client == NULL || (is_asked == NULL ? !slot->is_live : !is_asked[i]))
            continue;
        round->answers[i].was_asked = true;
        askers[i] = (struct asker){.round = round, .slot = i};
        askers[i].was_slow = session_was_slow(round->slots->session, SESSION_STORAGE, slot->server);
        pthread_mutex_lock(&round->lock);
        round->running++;
        round->slow += askers[i].was_slow;
        pthread_mutex_unlock(&round->lock);
        if (!start_asker(&askers[i])) {
            pthread_mutex_lock(&round->lock);
            round->running--;
            round->slow -= askers[i].was_slow;
            pthread_mutex_unlock(&round->lock);
            return FAIL(NO_MEMORY, "no thread for a question to %s", slot->name);
        }
        askers[i].is_started = true;
    }
    return OK;
}

static void cancel_late(struct round *round, struct asker askers[]) {
    for (unsigned i = 0; i < round->slots->n; i++)
        if (askers[i].is_started && !askers[i].is_done)
            http_client_cancel(round->slots->slot[i].client);
}

static void wait_askers(struct round *round, struct put_patience patience, struct asker askers[]) {
    uint64_t deadline = clock_ms() + patience.limit_ms;
    bool is_enough = false, is_cancelled = false, is_slow = false;
    pthread_mutex_lock(&round->lock);
    while (round->running > 0) {
        uint64_t now = clock_ms();
        if (!is_enough && round->ok >= patience.enough) {
            is_enough = true;
            if (now + patience.grace_ms < deadline)
                deadline = now + patience.grace_ms;
        }
        if (!is_slow && is_enough && round->running == round->slow) {
            is_slow = true;
            if (now + PUT_SLOW_GRACE_MS < deadline)
                deadline = now + PUT_SLOW_GRACE_MS;
        }
        if (!is_cancelled && (now >= deadline || session_is_cancelled(round->slots->session))) {
            cancel_late(round, askers);
            is_cancelled = true;
        }
        clock_wait(&round->change, &round->lock, 50);
    }
    pthread_mutex_unlock(&round->lock);
}

result put_slots_ask(struct put_slots *slots, const bool is_asked[], put_question question,
                     void *context, struct put_patience patience, struct put_answer answers[]) {
    memset(answers, 0, slots->n * sizeof *answers);
    struct asker *askers = calloc(slots->n, sizeof *askers);
    if (askers == NULL)
        return FAIL(NO_MEMORY, "no memory for questions to %u servers", slots->n);
    struct round round = {
        .slots = slots,
        .question = question,
        .context = context,
        .answers = answers,
        .enough = patience.enough,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
    };
    result started = start_askers(&round, is_asked, askers);
    if (started != OK)
        patience.limit_ms = 0;
    wait_askers(&round, patience, askers);
    for (unsigned i = 0; i < slots->n; i++)
        if (askers[i].is_started) {
            if (askers[i].has_thread)
                pthread_join(askers[i].thread, NULL);
            http_client_resume(slots->slot[i].client);
        }
    free(askers);
    return started;
}
