/*
 * Many calls on one thread: libcurl says which sockets it waits for, poll waits for all of them.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/client_private.h"

enum { SOCKETS_MAX = HTTP_CALLS_MAX * CLIENT_SOCKETS_MAX };

struct http_started {
    struct transfer transfer;
    char *path;
    int64_t busy_end_ms; /* until then a busy server is asked again */
    int64_t again_ms;    /* when; 0: it is being asked */
    bool is_done;
    result outcome;
    char text[ERROR_TEXT_BYTES];
};

static int64_t now_ms(void) {
    return (int64_t)clock_ms();
}

/* ---- What libcurl waits for ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
    struct client_watch *watch = &((struct http_client *)context)->watch;
    short events = 0;
    unsigned at = 0;
    (void)easy, (void)unused;
    while (at < watch->count && watch->socket[at].fd != fd)
        at++;
    if (what == CURL_POLL_REMOVE) {
        if (at < watch->count)
            watch->socket[at] = watch->socket[--watch->count];
        return 0;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= POLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= POLLOUT;
    if (at == CLIENT_SOCKETS_MAX)
        return 0; /* the attempt runs into its time */
    watch->socket[at] = (struct client_socket){fd, events};
    if (at == watch->count)
        watch->count++;
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context) {
    struct http_client *client = context;
    (void)multi;
    client->watch.timer_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    return 0;
}

result client_watch_start(struct http_client *client) {
    client->watch.timer_ms = -1;
    if (curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client) != CURLM_OK)
        return FAIL(INTERNAL, "%s: libcurl lacks an option", client->label);
    return OK;
}

/* ---- One call ---- */

static void finish(struct http_started *call, result outcome) {
    call->is_done = true;
    call->outcome = outcome;
    if (outcome != OK)
        snprintf(call->text, sizeof call->text, "%s", error_text());
}

static void end_attempt(struct http_started *call, CURLcode code) {
    result outcome = transfer_end(&call->transfer, code);
    int64_t wait = transfer_busy_ms(&call->transfer, outcome);
    if (wait == 0 || now_ms() + wait > call->busy_end_ms) {
        finish(call, outcome);
        return;
    }
    call->again_ms = now_ms() + wait;
    transfer_start_anew(&call->transfer);
}

static void advance(struct http_started *call, curl_socket_t fd, int what) {
    CURLM *multi = call->transfer.client->multi;
    int running = 1;
    if (fd == CURL_SOCKET_TIMEOUT)
        call->transfer.client->watch.timer_ms = -1; /* libcurl sets the next one */
    CURLMcode code = curl_multi_socket_action(multi, fd, what, &running);
    if (code != CURLM_OK)
        end_attempt(call, CURLE_OUT_OF_MEMORY);
    else if (running == 0)
        end_attempt(call, transfer_final_code(multi));
}

static void begin_attempt(struct http_started *call) {
    call->again_ms = 0;
    call->transfer.client->watch = (struct client_watch){.timer_ms = -1};
    result begun = transfer_begin(&call->transfer);
    if (begun != OK)
        finish(call, begun);
    else
        advance(call, CURL_SOCKET_TIMEOUT, 0);
}

result http_call_start(struct http_client *client, const char *method, const char *path,
                       struct view body, const char *content_type, size_t answer_limit,
                       struct http_started **out_call) {
    struct http_started *call = calloc(1, sizeof *call);
    char *copy = strdup(path);
    if (call == NULL || copy == NULL) {
        free(call);
        free(copy);
        return FAIL(NO_MEMORY, "no memory for a request");
    }
    call->path = copy;
    call->busy_end_ms = now_ms() + client->busy_timeout_ms;
    call->transfer = (struct transfer){.client = client,
                                       .method = method,
                                       .path = copy,
                                       .body = body,
                                       .content_type = content_type,
                                       .answer_limit = answer_limit};
    begin_attempt(call);
    *out_call = call;
    return OK;
}

bool http_call_is_done(const struct http_started *call) {
    return call->is_done;
}

result http_call_end(struct http_started *call, struct bytes *out_answer) {
    if (!call->is_done) {
        const struct http_client *client = call->transfer.client;
        transfer_fail(&call->transfer, FAIL(TIMEOUT, "%s: given up", client->label));
        finish(call, call->again_ms != 0 ? call->transfer.failure
                                         : transfer_end(&call->transfer, CURLE_OPERATION_TIMEDOUT));
    }
    result outcome = call->outcome;
    if (outcome != OK)
        outcome = error_set(outcome, "%s", call->text);
    else if (out_answer != NULL)
        outcome = bytes_append(out_answer, bytes_view(&call->transfer.answer));
    transfer_free(&call->transfer);
    free(call->path);
    free(call);
    return outcome;
}

/* ---- All of them ---- */

struct waiting {
    struct pollfd fd[SOCKETS_MAX];
    uint16_t call[SOCKETS_MAX]; /* whose it is */
    unsigned count;
    int64_t until_ms;
};

static void wait_until(struct waiting *waiting, int64_t at_ms) {
    waiting->until_ms = at_ms < waiting->until_ms ? at_ms : waiting->until_ms;
}

static void wait_for(struct waiting *waiting, const struct http_started *call, size_t number) {
    const struct client_watch *watch = &call->transfer.client->watch;
    if (call->again_ms != 0) {
        wait_until(waiting, call->again_ms);
        return;
    }
    wait_until(waiting, now_ms() + transfer_wait_ms(&call->transfer));
    if (watch->timer_ms >= 0)
        wait_until(waiting, watch->timer_ms);
    for (unsigned i = 0; i < watch->count; i++) {
        waiting->fd[waiting->count] =
            (struct pollfd){.fd = watch->socket[i].fd, .events = watch->socket[i].events};
        waiting->call[waiting->count++] = (uint16_t)number;
    }
}

static void move_on(struct http_started *call, const struct pollfd *ready) {
    int what = 0;
    if (call->is_done || call->again_ms != 0 || ready->revents == 0)
        return;
    if ((ready->revents & (POLLIN | POLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((ready->revents & POLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((ready->revents & (POLLERR | POLLNVAL)) != 0)
        what |= CURL_CSELECT_ERR;
    advance(call, ready->fd, what);
}

/* What is due by time. */
static void look(struct http_started *call) {
    if (call->again_ms != 0 && !call->is_done) {
        if (now_ms() >= call->again_ms || atomic_load(&call->transfer.client->is_cancelled))
            begin_attempt(call);
        return;
    }
    int64_t timer_ms = call->transfer.client->watch.timer_ms;
    if (!call->is_done && timer_ms >= 0 && now_ms() >= timer_ms)
        advance(call, CURL_SOCKET_TIMEOUT, 0);
    if (call->is_done || call->again_ms != 0)
        return;
    transfer_note_progress(&call->transfer);
    result code = transfer_check_time(&call->transfer);
    if (code == OK)
        return;
    transfer_fail(&call->transfer, code);
    end_attempt(call, CURLE_OPERATION_TIMEDOUT);
}

void http_calls_wait(struct http_started *const calls[], size_t count, unsigned timeout_ms) {
    struct waiting waiting;
    waiting.count = 0;
    waiting.until_ms = now_ms() + timeout_ms;
    for (size_t i = 0; i < count; i++)
        if (!calls[i]->is_done)
            wait_for(&waiting, calls[i], i);
    int64_t left = waiting.until_ms - now_ms();
    poll(waiting.fd, waiting.count, left < 0 ? 0 : (int)left);
    for (unsigned i = 0; i < waiting.count; i++)
        move_on(calls[waiting.call[i]], &waiting.fd[i]);
    for (size_t i = 0; i < count; i++)
        look(calls[i]);
}
