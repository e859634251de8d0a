#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "net/server_private.h"

/* A streamed answer is read in blocks of this size. The library's own response from a descriptor
 * reads anew for every 16 KiB record and costs twice the processor time. */
enum { ANSWER_BLOCK_BYTES = 128 << 10 };

void refusal_set(struct refusal *refusal, unsigned status, const char *text) {
    refusal->status = status;
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE && refusal->retry_s == 0)
        refusal->retry_s = 1;
    snprintf(refusal->text, sizeof refusal->text, "%s", text);
}

/* The number of the system description's version; false where none is to be said. */
static bool version_text(const struct server *server, char out[24]) {
    uint64_t version = atomic_load(&server->version);
    snprintf(out, 24, "%llu", (unsigned long long)version);
    return version != 0;
}

/* Both, or none: neither has changed from before to after. */
static bool mark_text(const struct server *server, char out[48]) {
    uint64_t before = atomic_load(&server->mark), version = atomic_load(&server->version);
    snprintf(out, 48, "%llu %016llx", (unsigned long long)version, (unsigned long long)before);
    return before != 0 && atomic_load(&server->mark) == before;
}

static result add_version(const struct server *server, struct MHD_Response *response) {
    char version[24], mark[48];
    if (version_text(server, version) &&
        MHD_add_response_header(response, SERVER_VERSION_HEADER, version) != MHD_YES)
        return FAIL(NO_MEMORY, "no memory for an answer");
    if (mark_text(server, mark) &&
        MHD_add_response_header(response, SERVER_MARK_HEADER, mark) != MHD_YES)
        return FAIL(NO_MEMORY, "no memory for an answer");
    return OK;
}

static result set_response(struct server_exchange *exchange, unsigned status,
                           struct MHD_Response *response, const char *content_type,
                           uint64_t bytes) {
    if (response == NULL)
        return FAIL(NO_MEMORY, "no memory for an answer");
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    exchange->response = response;
    exchange->status = status;
    exchange->response_bytes = bytes;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) != MHD_YES)
        return FAIL(NO_MEMORY, "no memory for an answer");
    return add_version(exchange->server, response);
}

/* ---- Whole bodies ---- */

static void free_body(void *body) {
    bytes_free(body);
    free(body);
}

result exchange_answer(struct server_exchange *exchange, const char *content_type,
                       struct bytes *body) {
    TRY(exchange_reserve(exchange, exchange->reserved + body->len));
    struct bytes *own = malloc(sizeof *own);
    if (own == NULL)
        return FAIL(NO_MEMORY, "no memory for an answer");
    *own = *body;
    *body = (struct bytes){0};
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(own->len, own->data, free_body, own);
    if (response == NULL)
        free_body(own);
    return set_response(exchange, MHD_HTTP_OK, response, content_type,
                        response == NULL ? 0 : own->len);
}

/* ---- Streamed bodies ---- */

struct stream {
    struct exchange_source source;
    struct guard_connection *connection;
    uint64_t offset; /* of the range in the whole */
    uint64_t length;
};

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t capacity) {
    struct stream *stream = context;
    uint64_t left = stream->length - position;
    size_t len = 0;
    result code =
        stream->source.read(stream->source.context, stream->offset + position, (uint8_t *)out,
                            left < capacity ? (size_t)left : capacity, &len);
    if (code == OK && len > 0) {
        guard_moved(stream->connection, len);
        return (ssize_t)len;
    }
    log_event(LOG_ERROR, "answer_cut", "result=\"%s\"",
              code == OK ? "the source ended early" : result_name(code));
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void source_done(const struct exchange_source *source) {
    if (source->done != NULL)
        source->done(source->context);
}

static void stream_free(void *context) {
    struct stream *stream = context;
    source_done(&stream->source);
    free(stream);
}

static result add_content_range(struct server_exchange *exchange, uint64_t offset, uint64_t length,
                                uint64_t total) {
    char text[80];
    snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)offset,
             (unsigned long long)(offset + length - 1), (unsigned long long)total);
    if (MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_CONTENT_RANGE, text) != MHD_YES)
        return FAIL(NO_MEMORY, "no memory for an answer");
    return OK;
}

static result refuse_range(struct server_exchange *exchange, uint64_t total) {
    char text[80];
    snprintf(text, sizeof text, "the range is outside of the %llu bytes there are",
             (unsigned long long)total);
    refusal_set(&exchange->refusal, MHD_HTTP_RANGE_NOT_SATISFIABLE, text);
    return OK;
}

static enum route_range asked_range(struct server_exchange *exchange, uint64_t total,
                                    uint64_t *out_offset, uint64_t *out_length) {
    return route_range_parse(
        MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE), total,
        out_offset, out_length);
}

result exchange_answer_stream(struct server_exchange *exchange, const char *content_type,
                              struct exchange_source source, uint64_t total) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        source_done(&source);
        return FAIL(NO_MEMORY, "no memory for an answer");
    }
    stream->source = source;
    stream->connection = &exchange->connection->guarded;
    enum route_range kind = asked_range(exchange, total, &stream->offset, &stream->length);
    if (kind == ROUTE_RANGE_UNSATISFIABLE) {
        stream_free(stream);
        return refuse_range(exchange, total);
    }
    bool is_part = kind == ROUTE_RANGE_PART;
    struct MHD_Response *response = MHD_create_response_from_callback(
        stream->length, ANSWER_BLOCK_BYTES, stream_read, stream, stream_free);
    if (response == NULL)
        stream_free(stream);
    exchange->is_streamed = true;
    TRY(set_response(exchange, is_part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response,
                     content_type == NULL ? "application/octet-stream" : content_type,
                     response == NULL ? 0 : stream->length));
    return is_part ? add_content_range(exchange, stream->offset, stream->length, total) : OK;
}

/* Without a block to read into, which a stream has: what is at hand is sent from where it is. */
result exchange_answer_bytes(struct server_exchange *exchange, struct bytes *body) {
    uint64_t offset = 0, length = 0, total = body->len;
    enum route_range kind = asked_range(exchange, total, &offset, &length);
    if (kind == ROUTE_RANGE_UNSATISFIABLE)
        return refuse_range(exchange, total);
    bool is_part = kind == ROUTE_RANGE_PART;
    struct bytes *own = malloc(sizeof *own);
    if (own == NULL)
        return FAIL(NO_MEMORY, "no memory for an answer");
    *own = *body;
    *body = (struct bytes){0};
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        (size_t)length, own->data + offset, free_body, own);
    if (response == NULL)
        free_body(own);
    TRY(set_response(exchange, is_part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response,
                     "application/octet-stream", response == NULL ? 0 : length));
    return is_part ? add_content_range(exchange, offset, length, total) : OK;
}

struct file_source {
    int fd;
    uint64_t offset;
};

static result file_source_read(void *context, uint64_t position, uint8_t *out, size_t capacity,
                               size_t *out_len) {
    struct file_source *file = context;
    ssize_t len = -1;
    do
        len = pread(file->fd, out, capacity, (off_t)(file->offset + position));
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return FAIL(IO, "a file being sent cannot be read: %m");
    *out_len = (size_t)len;
    return OK;
}

static void file_source_done(void *context) {
    struct file_source *file = context;
    file_close_at(&file->fd);
    free(file);
}

result exchange_answer_file(struct server_exchange *exchange, int fd, uint64_t offset,
                            uint64_t total) {
    struct file_source *file = malloc(sizeof *file);
    if (file == NULL) {
        file_close_at(&fd);
        return FAIL(NO_MEMORY, "no memory for an answer");
    }
    *file = (struct file_source){fd, offset};
    return exchange_answer_stream(
        exchange, NULL, (struct exchange_source){file, file_source_read, file_source_done}, total);
}

/* ---- Sending ---- */

static result set_refusal_response(struct server_exchange *exchange) {
    struct refusal *refusal = &exchange->refusal;
    size_t len = strlen(refusal->text);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, refusal->text, MHD_RESPMEM_MUST_COPY);
    TRY(set_response(exchange, refusal->status, response, "text/plain; charset=utf-8", len));
    if (refusal->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, exchange->allow);
    if (refusal->status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", refusal->retry_s);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    return OK;
}

static result set_empty_response(struct server_exchange *exchange) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    return set_response(exchange, MHD_HTTP_OK, response, "text/plain; charset=utf-8", 0);
}

enum MHD_Result answer_queue(struct server_exchange *exchange) {
    result code = OK;
    if (exchange->refusal.status != 0)
        code = set_refusal_response(exchange);
    else if (exchange->response == NULL)
        code = set_empty_response(exchange);
    if (code != OK)
        return MHD_NO;
    guard_enter(exchange->server->guard, &exchange->connection->guarded, GUARD_ANSWER,
                exchange->is_streamed ? 0 : exchange->response_bytes);
    metrics_count(exchange->server, exchange->route, exchange->status);
    atomic_fetch_add(&exchange->server->bytes_sent, exchange->response_bytes);
    return MHD_queue_response(exchange->mhd, exchange->status, exchange->response);
}

static bool send_all(gnutls_session_t session, const char *data, size_t len) {
    while (len > 0) {
        ssize_t sent = gnutls_record_send(session, data, len);
        if (sent <= 0)
            return false; /* also GNUTLS_E_AGAIN: a peer that does not even take a few bytes */
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool answer_refuse_early(struct server_exchange *exchange) {
    const struct refusal *refusal = &exchange->refusal;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    char text[REFUSAL_TEXT_MAX + 256], retry[40] = "", version[24], said[64] = "";
    if (refusal->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        snprintf(retry, sizeof retry, "Retry-After: %u\r\n", refusal->retry_s);
    if (version_text(exchange->server, version))
        snprintf(said, sizeof said, SERVER_VERSION_HEADER ": %s\r\n", version);
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 %u Refused\r\nConnection: close\r\n%s%s"
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
                       refusal->status, retry, said, strlen(refusal->text), refusal->text);
    exchange->is_answered = true;
    metrics_count(exchange->server, exchange->route, refusal->status);
    return info != NULL && send_all(info->tls_session, text, (size_t)len);
}
