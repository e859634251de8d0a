#include <stdio.h>
#include <string.h>

#include "net/client_private.h"

enum {
    UPLOAD_BUFFER_BYTES = 512 << 10,
    RECEIVE_BUFFER_BYTES = 64 << 10,
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
    SET(CURLOPT_EXPECT_100_TIMEOUT_MS, (long)client->answer_timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, transfer_on_socket);
    SET(CURLOPT_SOCKOPTDATA, client);
    SET(CURLOPT_DEBUGFUNCTION, transfer_on_traffic);
    SET(CURLOPT_DEBUGDATA, &client->traffic);
    SET(CURLOPT_VERBOSE, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    return code;
}

static CURLcode set_body(CURL *easy, struct transfer *transfer) {
    CURLcode code = CURLE_OK;
    bool takes_body = strcmp(transfer->method, "POST") == 0 || strcmp(transfer->method, "PUT") == 0;
    if (transfer->pull != NULL) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE,
            transfer->length == HTTP_LENGTH_UNKNOWN ? -1 : (curl_off_t)transfer->length);
        SET(CURLOPT_READFUNCTION, transfer_on_pull);
        SET(CURLOPT_READDATA, transfer);
    } else if (takes_body || transfer->body.len > 0) {
        SET(CURLOPT_POSTFIELDS, transfer->body.len == 0 ? "" : (const char *)transfer->body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
    }
    if (strcmp(transfer->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    SET(CURLOPT_CUSTOMREQUEST, transfer->method);
    return code;
}

static CURLcode set_request(CURL *easy, struct transfer *transfer) {
    char url[CLIENT_URL_MAX];
    CURLcode code = set_body(easy, transfer);
    int len = snprintf(url, sizeof url, "%s%s", transfer->client->origin, transfer->path);
    if (len < 0 || (size_t)len >= sizeof url)
        return CURLE_URL_MALFORMAT;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_HEADERFUNCTION, transfer_on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, transfer_on_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_PREREQFUNCTION, transfer_on_connected);
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

result transfer_set_up(struct transfer *transfer) {
    CURL *easy = transfer->client->easy;
    curl_easy_reset(easy);
    TRY(set_headers(transfer));
    CURLcode code = set_connection(easy, transfer->client);
    if (code == CURLE_OK)
        code = set_request(easy, transfer);
    if (code == CURLE_URL_MALFORMAT)
        return FAIL(INVALID, "%s: a path that is too long", transfer->client->label);
    if (code != CURLE_OK)
        return FAIL(INTERNAL, "%s: libcurl lacks an option: %s", transfer->client->label,
                    curl_easy_strerror(code));
    return OK;
}
