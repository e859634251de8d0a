#include <stdio.h>
#include <string.h>

#include "net/client_private.h"

enum {
    UPLOAD_BUFFER_BYTES = 512 << 10,
    RECEIVE_BUFFER_BYTES = 64 << 10,
    /* libcurl has its buffers made and freed for every request: a call's take little. */
    CALL_SEND_BUFFER_BYTES = 32 << 10,
    CALL_RECEIVE_BUFFER_BYTES = 16 << 10,
    /* Below the server's idle timeout, so that a kept connection is rarely found closed. */
    KEPT_CONNECTION_S = 20,
};

/* Stops at the first option that libcurl does not take; the caller's `code` says so. */
static CURLcode set_connection(CURL *easy, struct http_client *client) {
    const struct tls_identity *identity = client->identity;
    CURLcode code = CURLE_OK;
#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(easy, option, value) : code)
    SET(CURLOPT_CONNECT_TO, client->connect_to);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*"); /* nor is the environment asked */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_CAINFO, tls_identity_ca_path(identity));
    SET(CURLOPT_SSLCERT, tls_identity_certificate_path(identity));
    SET(CURLOPT_SSLKEY, tls_identity_key_path(identity));
    SET(CURLOPT_PINNEDPUBLICKEY, client->pin);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_MAXAGE_CONN, (long)KEPT_CONNECTION_S);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms + 1000);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, transfer_on_socket);
    SET(CURLOPT_SOCKOPTDATA, client);
    SET(CURLOPT_DEBUGFUNCTION, transfer_on_traffic);
    SET(CURLOPT_DEBUGDATA, &client->traffic);
    SET(CURLOPT_VERBOSE, 1L);
    return code;
}

/* What kind of request the handle is set up for: its options hold for all of the kind. */
static struct client_shape shape_of(const struct transfer *transfer) {
    struct client_shape shape = {
        .is_set = true, .pulls = transfer->pull != NULL, .pushes = transfer->push != NULL};
    bool takes_body = strcmp(transfer->method, "POST") == 0 || strcmp(transfer->method, "PUT") == 0;
    shape.has_body = !shape.pulls && (takes_body || transfer->body.len > 0);
    snprintf(shape.method, sizeof shape.method, "%s", transfer->method);
    return shape;
}

static bool same_shape(const struct client_shape *a, const struct client_shape *b) {
    return a->is_set && b->is_set && a->pulls == b->pulls && a->pushes == b->pushes &&
           a->has_body == b->has_body && strcmp(a->method, b->method) == 0;
}

static CURLcode set_shape(CURL *easy, const struct client_shape *shape) {
    CURLcode code = CURLE_OK;
    SET(CURLOPT_UPLOAD_BUFFERSIZE,
        shape->pulls ? (long)UPLOAD_BUFFER_BYTES : (long)CALL_SEND_BUFFER_BYTES);
    SET(CURLOPT_BUFFERSIZE,
        shape->pushes ? (long)RECEIVE_BUFFER_BYTES : (long)CALL_RECEIVE_BUFFER_BYTES);
    if (shape->pulls) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_READFUNCTION, transfer_on_pull);
    }
    if (strcmp(shape->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    SET(CURLOPT_CUSTOMREQUEST, shape->method);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HEADERFUNCTION, transfer_on_header);
    SET(CURLOPT_WRITEFUNCTION, transfer_on_body);
    SET(CURLOPT_PREREQFUNCTION, transfer_on_connected);
    return code;
}

static CURLcode set_body(CURL *easy, struct transfer *transfer) {
    CURLcode code = CURLE_OK;
    if (transfer->pull != NULL) {
        SET(CURLOPT_INFILESIZE_LARGE,
            transfer->length == HTTP_LENGTH_UNKNOWN ? -1 : (curl_off_t)transfer->length);
        SET(CURLOPT_EXPECT_100_TIMEOUT_MS, (long)transfer->client->answer_timeout_ms);
        SET(CURLOPT_READDATA, transfer);
    } else if (transfer->client->shape.has_body) {
        SET(CURLOPT_POSTFIELDS, transfer->body.len == 0 ? "" : (const char *)transfer->body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
    }
    return code;
}

static CURLcode set_request(CURL *easy, struct transfer *transfer) {
    char url[CLIENT_URL_MAX];
    CURLcode code = set_body(easy, transfer);
    int len = snprintf(url, sizeof url, "%s%s", transfer->client->origin, transfer->path);
    if (len < 0 || (size_t)len >= sizeof url)
        return CURLE_URL_MALFORMAT;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->curl_text);
    return code;
}
#undef SET

static result add_header(struct transfer *transfer, const char *line) {
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer == NULL)
        return FAIL(NO_MEMORY, "no memory for a request");
    transfer->headers = longer;
    return OK;
}

static result set_headers(struct transfer *transfer) {
    char line[160];
    if (transfer->content_type != NULL) {
        snprintf(line, sizeof line, "Content-Type: %s", transfer->content_type);
        TRY(add_header(transfer, line));
    } else {
        TRY(add_header(transfer, "Content-Type:"));
    }
    if (transfer->push != NULL) {
        snprintf(line, sizeof line, "Range: bytes=%llu-%llu", (unsigned long long)transfer->offset,
                 (unsigned long long)(transfer->offset + transfer->length - 1));
        TRY(add_header(transfer, line));
    }
    return OK;
}

/* Options that the request before this one set, of the same kind, are not set again. */
static CURLcode take_shape(CURL *easy, const struct transfer *transfer) {
    struct http_client *client = transfer->client;
    const struct client_shape shape = shape_of(transfer);
    if (same_shape(&client->shape, &shape))
        return CURLE_OK;
    client->shape.is_set = false;
    curl_easy_reset(easy);
    CURLcode code = set_connection(easy, client);
    if (code == CURLE_OK)
        code = set_shape(easy, &shape);
    if (code == CURLE_OK)
        client->shape = shape;
    return code;
}

result transfer_set_up(struct transfer *transfer) {
    CURL *easy = transfer->client->easy;
    TRY(set_headers(transfer));
    CURLcode code = take_shape(easy, transfer);
    if (code == CURLE_OK)
        code = set_request(easy, transfer);
    if (code == CURLE_URL_MALFORMAT)
        return FAIL(INVALID, "%s: a path that is too long", transfer->client->label);
    if (code != CURLE_OK)
        return FAIL(INTERNAL, "%s: libcurl lacks an option: %s", transfer->client->label,
                    curl_easy_strerror(code));
    return OK;
}
