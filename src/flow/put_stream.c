/*
 * Put's stages at work together, and the watch over them: a server that fails or holds the others
 * up is done without as long as enough are left.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "flow/put_batch.h"

enum { WATCH_MS = 100, LAGGARD_MS = 5000 };

enum sender_state { SENDER_IDLE, SENDER_RUNNING, SENDER_SENT, SENDER_FAILED };

struct sender {
    struct stream *stream;
    unsigned slot;
    pthread_t thread;
    bool is_started, is_reported, is_laggard;
    enum sender_state state; /* under the stream's lock, as is `failure` */
    struct failure failure;
};

struct stream {
    struct put_batch *batch;
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned running;
    struct sender *senders; /* by slot */
    pthread_t reader;
    pthread_t *coders;
    unsigned coder_count;
    bool has_reader;
};

static void *run_reader(void *argument) {
    put_read(argument);
    return NULL;
}

static void *run_coder(void *argument) {
    put_code(argument);
    return NULL;
}

static void *run_sender(void *argument) {
    struct sender *sender = argument;
    struct stream *stream = sender->stream;
    result sent = put_send(stream->batch, sender->slot);
    if (sent != OK)
        put_window_drop(stream->batch->window, sender->slot);
    pthread_mutex_lock(&stream->lock);
    failure_keep(&sender->failure, sent);
    sender->state = sent == OK ? SENDER_SENT : SENDER_FAILED;
    stream->running--;
    pthread_cond_signal(&stream->change);
    pthread_mutex_unlock(&stream->lock);
    return NULL;
}

static result start_senders(struct stream *stream) {
    struct put_slots *slots = stream->batch->slots;
    for (unsigned i = 0; i < slots->n; i++) {
        struct sender *sender = &stream->senders[i];
        *sender = (struct sender){.stream = stream, .slot = i};
        if (!slots->slot[i].is_live) {
            put_window_drop(stream->batch->window, i);
            continue;
        }
        pthread_mutex_lock(&stream->lock);
        sender->state = SENDER_RUNNING;
        stream->running++;
        pthread_mutex_unlock(&stream->lock);
        sender->is_started = pthread_create(&sender->thread, NULL, run_sender, sender) == 0;
        if (!sender->is_started) {
            stream->running--;
            return FAIL(NO_MEMORY, "no thread to send to %s", slots->slot[i].name);
        }
    }
    return OK;
}

static result start(struct stream *stream) {
    struct put_batch *batch = stream->batch;
    TRY(start_senders(stream));
    stream->has_reader = pthread_create(&stream->reader, NULL, run_reader, batch) == 0;
    bool is_started = stream->has_reader;
    for (unsigned i = 0; is_started && i < batch->threads; i++) {
        is_started = pthread_create(&stream->coders[i], NULL, run_coder, batch) == 0;
        stream->coder_count += is_started;
    }
    return is_started ? OK : FAIL(NO_MEMORY, "no thread to read and code files");
}

/* Under the stream's lock: slots whose sender failed are lost. */
static void collect_failures(struct stream *stream) {
    struct put_slots *slots = stream->batch->slots;
    if (put_window_check(stream->batch->window) != OK)
        return; /* what a sender says now is only an echo of that */
    for (unsigned i = 0; i < slots->n; i++) {
        struct sender *sender = &stream->senders[i];
        if (sender->state != SENDER_FAILED || sender->is_reported)
            continue;
        sender->is_reported = true;
        if (sender->is_laggard)
            put_slots_lose(
                slots, i,
                FAIL(TIMEOUT, "%s: so slow that all others had to wait", slots->slot[i].name));
        else
            put_slots_lose(slots, i, failure_raise(&sender->failure));
    }
}

static void drop_laggards(struct stream *stream) {
    struct put_slots *slots = stream->batch->slots;
    unsigned laggards[FORMAT_SERVERS_MAX];
    unsigned count =
        put_window_laggards(stream->batch->window, slots->quorum, LAGGARD_MS, laggards);
    for (unsigned i = 0; i < count; i++) {
        stream->senders[laggards[i]].is_laggard = true;
        put_window_drop(stream->batch->window, laggards[i]);
        http_client_cancel(slots->slot[laggards[i]].client);
    }
}

/* Whether the whole stream is to end: what a failure of the window is, or makes it fail. */
static result look(struct stream *stream) {
    struct put_batch *batch = stream->batch;
    TRY(put_window_check(batch->window));
    TRY(session_check_cancel(batch->session));
    return put_slots_check(batch->slots, "put");
}

static void watch(struct stream *stream, result started) {
    struct put_batch *batch = stream->batch;
    bool is_ending = false;
    result state = started;
    pthread_mutex_lock(&stream->lock);
    while (stream->running > 0) {
        collect_failures(stream);
        if (!is_ending && state == OK)
            state = look(stream);
        if (!is_ending && state != OK) {
            is_ending = true;
            put_window_fail(batch->window, state);
            for (unsigned i = 0; i < batch->slots->n; i++)
                if (stream->senders[i].is_started)
                    http_client_cancel(batch->slots->slot[i].client);
        }
        drop_laggards(stream);
        session_step(batch->session, "disperse", atomic_load(batch->bytes_done),
                     batch->bytes_total);
        if (stream->running > 0)
            clock_wait(&stream->change, &stream->lock, WATCH_MS);
    }
    if (!is_ending)
        collect_failures(stream);
    pthread_mutex_unlock(&stream->lock);
    if (!is_ending && state == OK)
        state = look(stream);
    if (!is_ending && state != OK)
        put_window_fail(batch->window, state);
}

static void join(struct stream *stream) {
    struct put_slots *slots = stream->batch->slots;
    if (stream->has_reader)
        pthread_join(stream->reader, NULL);
    for (unsigned i = 0; i < stream->coder_count; i++)
        pthread_join(stream->coders[i], NULL);
    for (unsigned i = 0; i < slots->n; i++)
        if (stream->senders[i].is_started) {
            pthread_join(stream->senders[i].thread, NULL);
            http_client_resume(slots->slot[i].client);
        }
}

result put_batch_stream(struct put_batch *batch) {
    struct stream stream = {
        .batch = batch,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .change = PTHREAD_COND_INITIALIZER,
        .senders = calloc(batch->slots->n, sizeof *stream.senders),
        .coders = calloc(batch->threads, sizeof *stream.coders),
    };
    result streamed = OK;
    if (stream.senders == NULL || stream.coders == NULL)
        streamed = FAIL(NO_MEMORY, "no memory for the threads of a put");
    else {
        watch(&stream, start(&stream));
        join(&stream);
        streamed = put_window_check(batch->window);
    }
    free(stream.senders);
    free(stream.coders);
    return streamed;
}
