#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/client_private.h"

enum {
    POLL_MS = 500,
    /* An answer comes at this rate at least, or a peer that gives a byte now and then could keep a
     * caller for as long as it likes. */
    ANSWER_BYTES_PER_S = 2 << 10,
    BUSY_LOOK_MS = 50,
    RETRY_S_MAX = 3600,
};

/* ---- The clock: it stands still inside callbacks ---- */

static int64_t now_ms(void) {
    return (int64_t)clock_ms();
}

static int64_t transfer_ms(const struct transfer *transfer) {
    return now_ms() - transfer->paused_ms;
}

static bool is_sending(const struct transfer *transfer) {
    curl_off_t sent = 0;
    curl_easy_getinfo(transfer->client->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (transfer->pull != NULL)
        return transfer->pulled > 0 &&
               (!transfer->is_pull_done || (uint64_t)sent < transfer->pulled);
    return sent > 0 && (uint64_t)sent < transfer->body.len;
}

static result out_of_time(const struct transfer *transfer) {
    const struct http_client *client = transfer->client;
    if (!transfer->is_connected)
        return FAIL(TIMEOUT, "%s: no connection within %u ms", client->label,
                    client->connect_timeout_ms);
    if (transfer->is_answering)
        return FAIL(TIMEOUT, "%s: its answer stopped for %u ms", client->label,
                    client->stall_timeout_ms);
    if (is_sending(transfer))
        return FAIL(TIMEOUT, "%s: it took no bytes for %u ms", client->label,
                    client->stall_timeout_ms);
    return FAIL(TIMEOUT, "%s: no answer within %u ms", client->label, client->answer_timeout_ms);
}

static uint32_t limit_ms(const struct transfer *transfer) {
    const struct http_client *client = transfer->client;
    if (!transfer->is_connected)
        return client->connect_timeout_ms;
    return transfer->is_answering || is_sending(transfer) ? client->stall_timeout_ms
                                                          : client->answer_timeout_ms;
}

/* What has come of the answer is less than its time so far must have brought; the stall timeout is
 * given on top. */
static bool is_dripping(const struct transfer *transfer) {
    curl_off_t received = 0;
    if (!transfer->is_answering)
        return false;
    curl_easy_getinfo(transfer->client->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    int64_t allowed_ms =
        (int64_t)received * 1000 / ANSWER_BYTES_PER_S + transfer->client->stall_timeout_ms;
    return transfer_ms(transfer) - transfer->answering_ms > allowed_ms;
}

/* True where anything moved since the last look. A server's "100 Continue" moves nothing. */
bool transfer_note_progress(struct transfer *transfer) {
    CURL *easy = transfer->client->easy;
    curl_off_t sent = 0;
    curl_off_t received = 0;
    long headers = 0;
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    if (!transfer->is_answering)
        headers = 0;
    uint64_t moved =
        (uint64_t)sent + (uint64_t)received + (uint64_t)headers + (transfer->is_connected ? 1 : 0);
    bool has_moved = moved != transfer->moved;
    transfer->moved = moved;
    if (has_moved)
        transfer->progress_ms = transfer_ms(transfer);
    return has_moved;
}

static result cancelled(const struct transfer *transfer) {
    return FAIL(TIMEOUT, "%s: cancelled", transfer->client->label);
}

/* ---- libcurl's callbacks ---- */

void transfer_fail(struct transfer *transfer, result code) {
    if (transfer->failure != OK)
        return;
    transfer->failure = code;
    snprintf(transfer->failure_text, sizeof transfer->failure_text, "%s", error_text());
}

int transfer_on_connected(void *context, char *a, char *b, int c, int d) {
    (void)a, (void)b, (void)c, (void)d;
    struct transfer *transfer = context;
    transfer->is_connected = true;
    return CURL_PREREQFUNC_OK;
}

int transfer_on_socket(void *context, curl_socket_t fd, curlsocktype purpose) {
    const struct http_client *client = context;
    (void)purpose;
    unsigned timeout_ms = client->stall_timeout_ms;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    return CURL_SOCKOPT_OK;
}

/* What follows `name` in a header's line; false for another header, or one that is too long. */
static bool header_value(const char *name, const char *line, size_t len, char out[48]) {
    size_t start = strlen(name);
    if (len <= start || len - start >= 48 || strncasecmp(line, name, start) != 0)
        return false;
    memcpy(out, line + start, len - start);
    out[len - start] = '\0';
    return true;
}

/* "Myelin-System: 12\r\n". What is no number counts as none. */
static void note_version(struct http_client *client, const char *line, size_t len) {
    char text[48];
    if (!header_value("Myelin-System:", line, len, text))
        return;
    uint64_t version = strtoull(text, NULL, 10);
    if (version <= INT64_MAX && version > atomic_load(&client->system_version))
        atomic_store(&client->system_version, version);
}

/* "Myelin-System-Mark: 12 0123456789abcdef\r\n" */
static void note_mark(struct http_client *client, const char *line, size_t len) {
    char text[48], *rest = NULL;
    if (!header_value("Myelin-System-Mark:", line, len, text))
        return;
    uint64_t version = strtoull(text, &rest, 10), mark = strtoull(rest, NULL, 16);
    if (version > INT64_MAX || mark == 0)
        return;
    atomic_store(&client->marked_version, 0);
    atomic_store(&client->system_mark, mark);
    atomic_store(&client->marked_version, version);
}

size_t transfer_on_header(char *line, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    bool begins = size * count >= 10 && strncmp(line, "HTTP/1.", 7) == 0 && line[9] != '1';
    if (begins && !transfer->is_answering) {
        transfer->is_answering = true;
        transfer->answering_ms = transfer_ms(transfer);
    }
    note_version(transfer->client, line, size * count);
    note_mark(transfer->client, line, size * count);
    return size * count;
}

/* libcurl's own sums count the beginning of some bodies twice; this sees each piece once. */
int transfer_on_traffic(CURL *easy, curl_infotype kind, char *data, size_t size, void *context) {
    struct http_traffic *traffic = context;
    (void)easy, (void)data;
    if (kind == CURLINFO_HEADER_OUT || kind == CURLINFO_DATA_OUT)
        traffic->sent += size;
    if (kind == CURLINFO_HEADER_IN || kind == CURLINFO_DATA_IN)
        traffic->received += size;
    return 0;
}

static result pull_some(struct transfer *transfer, uint8_t *out, size_t capacity, size_t *out_len) {
    if (atomic_load(&transfer->client->is_cancelled))
        return cancelled(transfer);
    TRY(transfer->pull(transfer->context, out, capacity, out_len));
    if (*out_len > capacity)
        return FAIL(INTERNAL, "%s: a source gave more bytes than it was asked for",
                    transfer->client->label);
    transfer->pulled += *out_len;
    transfer->is_pull_done = *out_len == 0 || transfer->pulled == transfer->length;
    bool is_short = *out_len == 0 && transfer->length != HTTP_LENGTH_UNKNOWN;
    if (is_short || transfer->pulled > transfer->length)
        return FAIL(INVALID, "%s: a body of %llu bytes was announced as %llu",
                    transfer->client->label, (unsigned long long)transfer->pulled,
                    (unsigned long long)transfer->length);
    return OK;
}

size_t transfer_on_pull(char *out, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    size_t len = 0;
    int64_t started = now_ms();
    result code = pull_some(transfer, (uint8_t *)out, size * count, &len);
    transfer->paused_ms += now_ms() - started;
    if (code == OK)
        return len;
    transfer_fail(transfer, code);
    return CURL_READFUNC_ABORT;
}

/* The bytes of a download are those that were asked for. */
static result check_range(struct transfer *transfer, long status) {
    struct curl_header *header = NULL;
    CURL *easy = transfer->client->easy;
    unsigned long long first = 0;
    unsigned long long last = 0;
    bool is_right = status == 200 && transfer->offset == 0;
    if (status == 206 &&
        curl_easy_header(easy, "Content-Range", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
        sscanf(header->value, "bytes %llu-%llu/", &first, &last) == 2)
        is_right = first == transfer->offset && last - first + 1 == transfer->length;
    if (!is_right)
        return FAIL(PROTOCOL, "%s: an answer of other bytes than those asked for",
                    transfer->client->label);
    transfer->is_body_checked = true;
    return OK;
}

static result take_answer(struct transfer *transfer, struct view part) {
    if (part.len > transfer->answer_limit - transfer->answer.len)
        return FAIL(PROTOCOL, "%s: an answer of over %zu bytes", transfer->client->label,
                    transfer->answer_limit);
    return bytes_append(&transfer->answer, part);
}

static void take_refusal(struct transfer *transfer, struct view part) {
    size_t room = CLIENT_TEXT_MAX - transfer->refusal_len;
    size_t len = part.len < room ? part.len : room;
    memcpy(transfer->refusal + transfer->refusal_len, part.data, len);
    transfer->refusal_len += len;
}

static result take_body(struct transfer *transfer, struct view part) {
    long status = 0;
    curl_easy_getinfo(transfer->client->easy, CURLINFO_RESPONSE_CODE, &status);
    if (atomic_load(&transfer->client->is_cancelled))
        return cancelled(transfer);
    if (status >= 400) {
        take_refusal(transfer, part);
        return OK;
    }
    if (transfer->push == NULL)
        return take_answer(transfer, part);
    if (!transfer->is_body_checked)
        TRY(check_range(transfer, status));
    if (part.len > transfer->length - transfer->pushed)
        return FAIL(PROTOCOL, "%s: more than the %llu bytes asked for", transfer->client->label,
                    (unsigned long long)transfer->length);
    transfer->pushed += part.len;
    return transfer->push(transfer->context, part);
}

size_t transfer_on_body(char *data, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    int64_t started = now_ms();
    result code = take_body(transfer, view_of(data, size * count));
    transfer->paused_ms += now_ms() - started;
    if (code == OK)
        return size * count;
    transfer_fail(transfer, code);
    return 0;
}

/* ---- Running ---- */

CURLcode transfer_final_code(CURLM *multi) {
    int left = 0;
    CURLcode code = CURLE_OK;
    for (CURLMsg *message = curl_multi_info_read(multi, &left); message != NULL;
         message = curl_multi_info_read(multi, &left))
        if (message->msg == CURLMSG_DONE)
            code = message->data.result;
    return code;
}

result transfer_check_time(struct transfer *transfer) {
    if (atomic_load(&transfer->client->is_cancelled))
        return cancelled(transfer);
    if (transfer_ms(transfer) - transfer->progress_ms > limit_ms(transfer))
        return out_of_time(transfer);
    if (is_dripping(transfer))
        return FAIL(TIMEOUT, "%s: its answer comes too slowly", transfer->client->label);
    return OK;
}

int transfer_wait_ms(const struct transfer *transfer) {
    int64_t left = limit_ms(transfer) - (transfer_ms(transfer) - transfer->progress_ms) + 1;
    return left < 0 ? 0 : left < POLL_MS ? (int)left : POLL_MS;
}

/* Drives libcurl to the end, or to where this side gives up. */
static CURLcode drive(struct transfer *transfer) {
    CURLM *multi = transfer->client->multi;
    int running = 1;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        bool has_moved = transfer_note_progress(transfer);
        result code = transfer_check_time(transfer);
        if (code != OK) {
            transfer_fail(transfer, code);
            return CURLE_OPERATION_TIMEDOUT;
        }
        if (!has_moved)
            curl_multi_poll(multi, NULL, 0, transfer_wait_ms(transfer), NULL);
    }
    return running > 0 ? CURLE_OUT_OF_MEMORY : transfer_final_code(multi);
}

static result server_result(struct transfer *transfer) {
    long status = 0;
    curl_easy_getinfo(transfer->client->easy, CURLINFO_RESPONSE_CODE, &status);
    result code = result_from_http_status(status < 0 ? 0 : (unsigned)status);
    if (code == OK)
        return OK;
    transfer->refusal[transfer->refusal_len] = '\0';
    return FAIL(code, "%s: %s", transfer->client->name,
                transfer->refusal_len > 0 ? transfer->refusal : result_name(code));
}

result transfer_begin(struct transfer *transfer) {
    struct http_client *client = transfer->client;
    TRY(transfer_set_up(transfer));
    transfer->progress_ms = transfer_ms(transfer);
    if (atomic_load(&client->is_cancelled))
        return cancelled(transfer);
    if (curl_multi_add_handle(client->multi, client->easy) != CURLM_OK)
        return FAIL(INTERNAL, "%s: libcurl takes no request", client->label);
    return OK;
}

result transfer_end(struct transfer *transfer, CURLcode code) {
    struct http_client *client = transfer->client;
    result outcome = OK;
    if (transfer->failure != OK)
        outcome = error_set(transfer->failure, "%s", transfer->failure_text);
    else if (code != CURLE_OK)
        outcome = client_error(transfer, code);
    else
        outcome = server_result(transfer);
    curl_multi_remove_handle(client->multi, client->easy);
    return outcome;
}

static result run_once(struct transfer *transfer) {
    TRY(transfer_begin(transfer));
    return transfer_end(transfer, drive(transfer));
}

int64_t transfer_busy_ms(const struct transfer *transfer, result outcome) {
    curl_off_t seconds = 0;
    long status = 0;
    CURL *easy = transfer->client->easy;
    if (outcome != NO_MEMORY || transfer->failure != OK || transfer->pulled > 0)
        return 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return status == 503 && seconds > 0 && seconds <= RETRY_S_MAX ? (int64_t)seconds * 1000 : 0;
}

void transfer_start_anew(struct transfer *transfer) {
    transfer_free(transfer);
    *transfer = (struct transfer){
        .client = transfer->client,
        .method = transfer->method,
        .path = transfer->path,
        .body = transfer->body,
        .content_type = transfer->content_type,
        .pull = transfer->pull,
        .length = transfer->length,
        .push = transfer->push,
        .offset = transfer->offset,
        .context = transfer->context,
        .answer_limit = transfer->answer_limit,
    };
}

static void sleep_unless_cancelled(const struct http_client *client, int64_t ms) {
    const struct timespec pause = {.tv_nsec = BUSY_LOOK_MS * 1000000L};
    for (int64_t end = now_ms() + ms; now_ms() < end && !atomic_load(&client->is_cancelled);)
        nanosleep(&pause, NULL);
}

result transfer_run(struct transfer *transfer) {
    int64_t end = now_ms() + transfer->client->busy_timeout_ms;
    for (;;) {
        result outcome = run_once(transfer);
        int64_t wait = transfer_busy_ms(transfer, outcome);
        if (wait == 0 || now_ms() + wait > end)
            return outcome;
        sleep_unless_cancelled(transfer->client, wait);
        transfer_start_anew(transfer);
    }
}

void transfer_free(struct transfer *transfer) {
    curl_slist_free_all(transfer->headers);
    bytes_free(&transfer->answer);
}
