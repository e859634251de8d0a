/*
 * One question to all servers of a role, and what their answers come to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/patience.h"
#include "flow/session_state.h"

enum {
    GRACE_SLOW_MS = 250,
    GRACE_OK_LEAST_MS = 250,
    GRACE_OK_MOST_MS = 700,
    GRACE_OK_TIMES = 3, /* what `enough` took */
    GRACE_ALL_MS = 2000,
    GRACE_ANSWERED_MS = 3000,
    LIMIT_MS = 12000
};

struct round {
    struct session *session;
    enum session_role role;
    session_question question;
    void *context;
    const bool *is_asked; /* by server; NULL: all */
    unsigned count, asked_count;
    uint64_t started_ms;

    pthread_mutex_t lock; /* of all below and of the asked ones' `client` and `done` */
    pthread_cond_t changed;
    unsigned ended, answered, ok;
    unsigned slow; /* of those that have not ended: gave no answer the last time either */
    bool late;     /* whoever is not done is too late */
};

struct asked {
    struct round *round;
    struct session_answer *answer;
    unsigned server;
    pthread_t thread;
    bool has_thread; /* of its own */
    bool done, was_slow;
    struct http_client *client; /* while the question runs */
};

static void answer_fail(struct asked *asked, result code, const char *text) {
    const struct round *round = asked->round;
    const char *name = session_server(round->session, round->role, asked->server)->name;
    struct session_answer *answer = asked->answer;
    answer->code = code;
    if (strncmp(text, name, strlen(name)) == 0)
        snprintf(answer->text, sizeof answer->text, "%s", text);
    else
        snprintf(answer->text, sizeof answer->text, "%s: %s", name, text);
}

/* Puts `client` where the asking thread can cancel it; false where it is too late for that. */
static bool announce(struct asked *asked, struct http_client *client) {
    pthread_mutex_lock(&asked->round->lock);
    bool in_time = !asked->round->late;
    asked->client = in_time ? client : NULL;
    pthread_mutex_unlock(&asked->round->lock);
    return in_time;
}

static result ask_one(struct asked *asked) {
    struct round *round = asked->round;
    struct http_client *client = NULL;
    TRY(session_client_take(round->session, round->role, asked->server, &client));
    result answer = FAIL(TIMEOUT, "no answer in time");
    if (announce(asked, client)) {
        answer = round->question(round->context, round->session, asked->server, client);
        pthread_mutex_lock(&round->lock);
        asked->client = NULL;
        pthread_mutex_unlock(&round->lock);
    }
    session_client_give(round->session, client);
    return answer;
}

bool session_was_slow(const struct session *session, enum session_role role, unsigned server) {
    return session->state->slow[role][server];
}

void session_note_slow(struct session *session, enum session_role role, unsigned server,
                       bool is_slow) {
    session->state->slow[role][server] = is_slow;
}

static void *ask_thread(void *argument) {
    struct asked *asked = argument;
    struct round *round = asked->round;
    result code = ask_one(asked);
    session_note_slow(round->session, round->role, asked->server, code == TIMEOUT);
    if (code != OK)
        answer_fail(asked, code, error_text());
    pthread_mutex_lock(&round->lock);
    if (round->late && code == TIMEOUT)
        answer_fail(asked, TIMEOUT, "no answer in time");
    asked->done = true;
    round->ended++;
    round->slow -= asked->was_slow;
    round->ok += code == OK;
    round->answered += code != TIMEOUT;
    pthread_cond_signal(&round->changed);
    pthread_mutex_unlock(&round->lock);
    return NULL;
}

static void earlier(uint64_t *deadline, uint64_t other) {
    if (other < *deadline)
        *deadline = other;
}

/* Servers that are well answer about as fast as each other. */
static unsigned grace_ok(const struct round *round, uint64_t now) {
    uint64_t grace = GRACE_OK_TIMES * (now - round->started_ms);
    return grace < GRACE_OK_LEAST_MS  ? GRACE_OK_LEAST_MS
           : grace > GRACE_OK_MOST_MS ? GRACE_OK_MOST_MS
                                      : (unsigned)grace;
}

/* Moves the deadline to what the answers so far leave: see session_ask. */
static void set_deadline(const struct round *round, unsigned enough, uint64_t now,
                         uint64_t *deadline) {
    bool only_slow = round->ended + round->slow == round->count;
    bool all = enough == round->asked_count;
    unsigned needed = round->role == SESSION_STORAGE ? round->session->k : round->session->t;
    if (round->answered >= enough)
        earlier(deadline, now + GRACE_ANSWERED_MS);
    bool is_lost = !all && round->count - round->ended + round->ok < needed;
    if (round->ok >= enough || is_lost)
        earlier(deadline, now + grace_ok(round, now));
    if (all && round->ok >= needed)
        earlier(deadline, now + GRACE_ALL_MS);
    if (only_slow && all)
        earlier(deadline, now + GRACE_ALL_MS);
    else if (only_slow && round->ok >= enough)
        earlier(deadline, now + GRACE_SLOW_MS);
}

/* Returns, with the lock held, once all have ended or the time is over. */
static void wait_for_round(struct round *round, unsigned enough) {
    uint64_t left_ms = patience_for_questions_ms();
    uint64_t deadline = clock_ms() + (left_ms < LIMIT_MS ? left_ms : LIMIT_MS);
    for (uint64_t now = clock_ms(); round->ended < round->count && now < deadline;
         now = clock_ms()) {
        set_deadline(round, enough, now, &deadline);
        clock_wait_until(&round->changed, &round->lock, deadline * 1000000);
    }
}

/* As if it had answered that it has nothing, and at once. */
static void leave_out(struct asked *asked) {
    answer_fail(asked, NOT_FOUND, "it was not asked");
    asked->answer->is_left_out = true;
    asked->done = true;
    pthread_mutex_lock(&asked->round->lock);
    asked->round->ended++;
    pthread_mutex_unlock(&asked->round->lock);
}

/* On a thread that the session keeps, where it has an idle one. */
static bool start_one(struct asked *asked) {
    if (session_run(asked->round->session, ask_thread, asked))
        return true;
    asked->has_thread = pthread_create(&asked->thread, NULL, ask_thread, asked) == 0;
    return asked->has_thread;
}

static void start_round(struct round *round, struct asked asked[],
                        struct session_answer answers[]) {
    for (unsigned i = 0; i < round->count; i++) {
        answers[i] = (struct session_answer){0};
        asked[i] = (struct asked){.round = round,
                                  .answer = &answers[i],
                                  .server = i,
                                  .was_slow = session_was_slow(round->session, round->role, i)};
        if (round->is_asked != NULL && !round->is_asked[i]) {
            leave_out(&asked[i]);
            continue;
        }
        pthread_mutex_lock(&round->lock);
        round->slow += asked[i].was_slow;
        pthread_mutex_unlock(&round->lock);
        if (start_one(&asked[i]))
            continue;
        answer_fail(&asked[i], NO_MEMORY, "no thread to ask it on");
        pthread_mutex_lock(&round->lock);
        round->ended++;
        round->slow -= asked[i].was_slow;
        asked[i].done = true;
        pthread_mutex_unlock(&round->lock);
    }
}

static void end_round(struct round *round, struct asked asked[], unsigned enough) {
    pthread_mutex_lock(&round->lock);
    wait_for_round(round, enough);
    round->late = true;
    for (unsigned i = 0; i < round->count; i++)
        if (!asked[i].done && asked[i].client != NULL)
            http_client_cancel(asked[i].client);
    while (round->ended < round->count)
        pthread_cond_wait(&round->changed, &round->lock);
    pthread_mutex_unlock(&round->lock);
    for (unsigned i = 0; i < round->count; i++)
        if (asked[i].has_thread)
            pthread_join(asked[i].thread, NULL);
}

static unsigned count_asked(const bool is_asked[], unsigned count) {
    unsigned asked = 0;
    for (unsigned i = 0; i < count; i++)
        asked += is_asked == NULL || is_asked[i];
    return asked;
}

result session_ask(struct session *session, enum session_role role, session_question question,
                   void *context, unsigned enough, struct session_answer answers[],
                   unsigned *out_ok) {
    return session_ask_some(session, role, NULL, question, context, enough, answers, out_ok);
}

result session_ask_some(struct session *session, enum session_role role, const bool is_asked[],
                        session_question question, void *context, unsigned enough,
                        struct session_answer answers[], unsigned *out_ok) {
    TRY(session_check_cancel(session));
    unsigned count = session_server_count(session, role);
    unsigned asked_count = count_asked(is_asked, count);
    struct round round = {.session = session,
                          .role = role,
                          .question = question,
                          .context = context,
                          .is_asked = is_asked,
                          .count = count,
                          .started_ms = clock_ms(),
                          .asked_count = asked_count,
                          .lock = PTHREAD_MUTEX_INITIALIZER};
    struct asked *asked = calloc(count, sizeof *asked);
    if (asked == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    pthread_cond_init(&round.changed, NULL);
    start_round(&round, asked, answers);
    end_round(&round, asked, enough == 0 || enough > asked_count ? asked_count : enough);
    patience_spend(clock_ms() - round.started_ms);
    pthread_cond_destroy(&round.changed);
    pthread_mutex_destroy(&round.lock);
    free(asked);
    *out_ok = round.ok;
    return session_check_cancel(session);
}

void session_warn_failed(struct session *session, enum session_role role,
                         const struct session_answer answers[], result expected) {
    for (unsigned i = 0; i < session_server_count(session, role); i++)
        if (answers[i].code != OK && answers[i].code != expected && !answers[i].is_left_out)
            session_warn(session, "%s", answers[i].text);
}

/* What a server says no with, rather than that it cannot. */
static bool is_refusal(result code) {
    return code == DENIED || code == NOT_FOUND || code == CONFLICT || code == INVALID;
}

/* The commonest refusal: OK where there is none. */
static result commonest_refusal(const struct session_answer answers[], unsigned count,
                                unsigned *out_times, unsigned *out_first) {
    unsigned times[RESULT_COUNT] = {0};
    result commonest = OK;
    *out_times = 0;
    for (unsigned i = 0; i < count; i++) {
        result code = answers[i].code;
        if (answers[i].is_left_out || !is_refusal(code) || ++times[code] <= *out_times)
            continue;
        *out_times = times[code];
        commonest = code;
    }
    for (unsigned i = count; i-- > 0;)
        if (answers[i].code == commonest && !answers[i].is_left_out)
            *out_first = i;
    return commonest;
}

result session_fail_quorum(const struct session *session, enum session_role role, const char *what,
                           const struct session_answer answers[], unsigned needed) {
    struct holders all;
    holders_all(session_server_count(session, role), &all);
    return session_fail_quorum_among(session, role, what, answers, &all, needed);
}

result session_fail_quorum_among(const struct session *session, enum session_role role,
                                 const char *what, const struct session_answer answers[],
                                 const struct holders *among, unsigned needed) {
    struct session_answer asked[FORMAT_SERVERS_MAX];
    unsigned ok = 0, refusals = 0, first = 0, count = 0;
    for (unsigned i = 0; i < session_server_count(session, role); i++)
        if (holders_has(among, i + 1) && !answers[i].is_left_out)
            asked[count++] = answers[i];
    for (unsigned i = 0; i < count; i++)
        ok += asked[i].code == OK;
    result refusal = commonest_refusal(asked, count, &refusals, &first);
    if (refusal != OK && (refusals + needed > count || (ok == 0 && refusals >= needed)))
        return FAIL(refusal, "%s: %s", what, asked[first].text);

    char text[ERROR_TEXT_BYTES];
    int used = snprintf(text, sizeof text, "%s: %u of the %u %s servers needed", what, ok, needed,
                        role == SESSION_STORAGE ? "storage" : "key");
    for (unsigned i = 0; i < count && used > 0 && (size_t)used < sizeof text; i++)
        if (asked[i].code != OK)
            used += snprintf(text + used, sizeof text - (size_t)used, "; %s", asked[i].text);
    return FAIL(QUORUM, "%s", text);
}
