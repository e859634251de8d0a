#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

#include "net/client_private.h"

enum { PROBE_TIMEOUT_MS = 1000 };

struct probe {
    CURL *easy;
    struct bytes *der;
};

/* In a probe's handshake: keeps the server's certificate and goes no further. */
static int on_probe_connected(void *context, char *a, char *b, int c, int d) {
    (void)a, (void)b, (void)c, (void)d;
    const struct probe *probe = context;
    struct curl_tlssessioninfo *info = NULL;
    unsigned count = 0;
    if (curl_easy_getinfo(probe->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL ||
        info->backend != CURLSSLBACKEND_GNUTLS || info->internals == NULL)
        return CURL_PREREQFUNC_ABORT;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(info->internals, &count);
    if (chain != NULL && count > 0 &&
        bytes_append(probe->der, view_of(chain[0].data, chain[0].size)) != OK)
        bytes_free(probe->der);
    return CURL_PREREQFUNC_ABORT;
}

/* libcurl refuses a certificate without saying why (and its CURLOPT_CERTINFO takes no Ed25519
 * key), so the server is asked for it once more, by a connection on which nothing is sent. Appends
 * nothing where that fails. */
static void ask_certificate(struct http_client *client, struct bytes *out_der) {
    CURL *easy = curl_easy_init();
    struct probe probe = {easy, out_der};
    if (easy == NULL)
        return;
    curl_easy_setopt(easy, CURLOPT_URL, client->origin);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_to);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PROBE_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L); /* it is looked at, not trusted */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_probe_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, &probe);
    curl_easy_perform(easy);
    curl_easy_cleanup(easy);
}

static result certificate_error(const struct transfer *transfer) {
    struct http_client *client = transfer->client;
    struct tls_peer peer;
    AUTO_BYTES struct bytes der = {0};
    ask_certificate(client, &der);
    if (der.len == 0)
        return FAIL(DENIED, "%s: its certificate is refused: %s", client->label,
                    transfer->curl_text);
    if (tls_peer_check(bytes_view(&der), tls_identity_ca(client->identity), time(NULL), &peer) !=
        OK)
        return error_at(DENIED, "%s", client->label);
    if (strcmp(peer.name, client->name) != 0)
        return FAIL(DENIED, "%s: it shows the certificate of %s", client->label, peer.name);
    return FAIL(DENIED, "%s: its identity key is not the one in the system description",
                client->label);
}

static result connect_error(const struct transfer *transfer) {
    const struct http_client *client = transfer->client;
    long number = 0;
    char text[128] = "";
    curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
    if (number == ECONNREFUSED)
        return FAIL(TIMEOUT, "%s: connection refused", client->label);
    if (number == 0)
        return FAIL(TIMEOUT, "%s: no connection: %s", client->label, transfer->curl_text);
    return FAIL(TIMEOUT, "%s: no connection: %s", client->label,
                strerror_r((int)number, text, sizeof text));
}

/* GnuTLS tells a server that hung up from one that speaks no TLS 1.3 by words only. */
static result handshake_error(const struct transfer *transfer) {
    const char *text = transfer->curl_text;
    bool hung_up = strstr(text, "terminated") != NULL || strstr(text, "pull function") != NULL ||
                   strstr(text, "push function") != NULL || strstr(text, "reset") != NULL;
    if (hung_up)
        return FAIL(TIMEOUT, "%s: it hung up during the handshake", transfer->client->label);
    return FAIL(PROTOCOL, "%s: no TLS connection: %s", transfer->client->label, text);
}

result client_error(struct transfer *transfer, CURLcode code) {
    const char *label = transfer->client->label;
    const char *text =
        transfer->curl_text[0] != '\0' ? transfer->curl_text : curl_easy_strerror(code);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_ISSUER_ERROR:
        return certificate_error(transfer);
    case CURLE_COULDNT_CONNECT:
        return connect_error(transfer);
    case CURLE_SSL_CONNECT_ERROR:
        return handshake_error(transfer);
    case CURLE_COULDNT_RESOLVE_HOST:
        return FAIL(TIMEOUT, "%s: the address is not known: %s", label, text);
    case CURLE_OPERATION_TIMEDOUT:
        return FAIL(TIMEOUT, "%s: no answer in time", label);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
        return FAIL(TIMEOUT, "%s: the connection broke: %s", label, text);
    case CURLE_OUT_OF_MEMORY:
        return FAIL(NO_MEMORY, "%s: no memory for a request", label);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return FAIL(PROTOCOL, "%s: %s", label, text);
    default:
        return FAIL(INTERNAL, "%s: %s (libcurl's error %d)", label, text, (int)code);
    }
}
