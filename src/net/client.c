#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "net/client_private.h"

enum {
    CONNECT_DEFAULT_MS = 3000,
    ANSWER_DEFAULT_MS = 10000,
    STALL_DEFAULT_MS = 5000,
    BUSY_DEFAULT_MS = 8000
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool library_is_started;

static void start_library(void) {
    library_is_started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* libcurl pins the SHA-256 of the public key's X.509 form, which for Ed25519 is a fixed head and
 * the key (RFC 8410, section 4). */
static result make_pin(const uint8_t key[TLS_KEY_BYTES], char *out_pin, size_t size) {
    static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t spki[sizeof head + TLS_KEY_BYTES];
    uint8_t hash[DIGEST_BYTES];
    memcpy(spki, head, sizeof head);
    memcpy(spki + sizeof head, key, TLS_KEY_BYTES);
    digest_sha256(view_of(spki, sizeof spki), hash);
    const gnutls_datum_t in = {hash, sizeof hash};
    gnutls_datum_t out = {NULL, 0};
    if (gnutls_base64_encode2(&in, &out) != GNUTLS_E_SUCCESS)
        return FAIL(NO_MEMORY, "no memory for a pin");
    snprintf(out_pin, size, "sha256//%.*s", (int)out.size, (const char *)out.data);
    gnutls_free(out.data);
    return OK;
}

/* A URL's host that ends in a number is an IP address (WHATWG URL, section 3.5), whose certificate
 * would be looked at for an address. */
static bool reads_as_address(const char *name) {
    const char *dot = strrchr(name, '.');
    const char *last = dot == NULL ? name : dot + 1;
    return strspn(last, "0123456789") == strlen(last) || strncmp(last, "0x", 2) == 0;
}

static result client_fill(struct http_client *client, const struct http_client_options *options) {
    struct address address;
    char connect_to[ADDRESS_HOST_MAX + 16];
    if (!tls_name_is_valid(options->name) || reads_as_address(options->name))
        return FAIL(INVALID, "'%s' is no name of a server", options->name);
    TRY(address_parse(options->address, &address));
    client->identity = options->identity;
    http_client_set_answer_timeout(client, options->answer_timeout_ms);
    client->connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : CONNECT_DEFAULT_MS;
    client->stall_timeout_ms =
        options->stall_timeout_ms != 0 ? options->stall_timeout_ms : STALL_DEFAULT_MS;
    client->busy_timeout_ms =
        options->busy_timeout_ms != 0 ? options->busy_timeout_ms : BUSY_DEFAULT_MS;
    snprintf(client->name, sizeof client->name, "%s", options->name);
    snprintf(client->label, sizeof client->label, "%s (%s)", options->name, options->address);
    snprintf(client->origin, sizeof client->origin, "https://%s:%s", options->name, address.port);
    TRY(make_pin(options->server_identity, client->pin, sizeof client->pin));
    snprintf(connect_to, sizeof connect_to, address.is_ipv6 ? "::[%s]:%s" : "::%s:%s", address.host,
             address.port);
    client->connect_to = curl_slist_append(NULL, connect_to);
    client->easy = curl_easy_init();
    client->multi = curl_multi_init();
    if (client->connect_to == NULL || client->easy == NULL || client->multi == NULL)
        return FAIL(NO_MEMORY, "no memory for a client of %s", options->name);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 1L);
    return client_watch_start(client);
}

result http_client_new(const struct http_client_options *options, struct http_client **out_client) {
    pthread_once(&library_once, start_library);
    if (!library_is_started)
        return FAIL(INTERNAL, "libcurl does not start");
    AUTO_HTTP_CLIENT struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return FAIL(NO_MEMORY, "no memory for a client of %s", options->name);
    TRY(client_fill(client, options));
    *out_client = client;
    client = NULL;
    return OK;
}

void http_client_free(struct http_client *client) {
    if (client == NULL)
        return;
    curl_easy_cleanup(client->easy);
    curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->connect_to);
    free(client);
}

void http_client_free_at(struct http_client **client) {
    http_client_free(*client);
}

const char *http_client_name(const struct http_client *client) {
    return client->name;
}

void http_client_set_answer_timeout(struct http_client *client, uint32_t answer_timeout_ms) {
    client->answer_timeout_ms = answer_timeout_ms != 0 ? answer_timeout_ms : ANSWER_DEFAULT_MS;
}

void http_client_cancel(struct http_client *client) {
    atomic_store(&client->is_cancelled, true);
    curl_multi_wakeup(client->multi);
}

void http_client_resume(struct http_client *client) {
    atomic_store(&client->is_cancelled, false);
}

uint64_t http_client_system_version(const struct http_client *client) {
    return atomic_load(&client->system_version);
}

bool http_client_system_differs(const struct http_client *client, uint64_t version, uint64_t mark) {
    return atomic_load(&client->marked_version) == version &&
           atomic_load(&client->system_mark) != mark;
}

struct http_traffic http_client_traffic(const struct http_client *client) {
    return client->traffic;
}

/* ---- The calls ---- */

static result run_for_answer(struct transfer *transfer, struct bytes *out_answer) {
    result code = transfer_run(transfer);
    if (code == OK && out_answer != NULL)
        code = bytes_append(out_answer, bytes_view(&transfer->answer));
    transfer_free(transfer);
    return code;
}

result http_call(struct http_client *client, const char *method, const char *path, struct view body,
                 const char *content_type, size_t answer_limit, struct bytes *out_answer) {
    struct transfer transfer = {
        .client = client,
        .method = method,
        .path = path,
        .body = body,
        .content_type = content_type,
        .answer_limit = answer_limit,
    };
    return run_for_answer(&transfer, out_answer);
}

result http_upload(struct http_client *client, const char *path, uint64_t length, http_pull pull,
                   void *context, size_t answer_limit, struct bytes *out_answer) {
    struct transfer transfer = {
        .client = client,
        .method = "PUT",
        .path = path,
        .content_type = "application/octet-stream",
        .pull = pull,
        .length = length,
        .context = context,
        .answer_limit = answer_limit,
    };
    return run_for_answer(&transfer, out_answer);
}

result http_download(struct http_client *client, const char *path, uint64_t offset, uint64_t length,
                     http_push push, void *context) {
    if (length == 0)
        return OK;
    if (length > UINT64_MAX - offset)
        return FAIL(INVALID, "%s: a range that is too large", client->label);
    struct transfer transfer = {
        .client = client,
        .method = "GET",
        .path = path,
        .push = push,
        .offset = offset,
        .length = length,
        .context = context,
    };
    result code = transfer_run(&transfer);
    if (code == OK && transfer.pushed != length)
        code = FAIL(PROTOCOL, "%s: %llu bytes of the %llu asked for", client->label,
                    (unsigned long long)transfer.pushed, (unsigned long long)length);
    transfer_free(&transfer);
    return code;
}
