#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

#include "net/client_private.h"

/* The certificate that the server showed, as DER; empty where there is none. */
static struct bytes shown_certificate(CURL *easy) {
    struct bytes der = {0};
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs < 1)
        return der;
    for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, "Cert:", 5) != 0)
            continue;
        const gnutls_datum_t pem = {(unsigned char *)line->data + 5,
                                    (unsigned)strlen(line->data + 5)};
        gnutls_datum_t out = {NULL, 0};
        if (gnutls_pem_base64_decode2("CERTIFICATE", &pem, &out) == GNUTLS_E_SUCCESS &&
            bytes_append(&der, view_of(out.data, out.size)) != OK)
            bytes_free(&der);
        gnutls_free(out.data);
    }
    return der;
}

/* libcurl refused the certificate; the reason in words is found by looking once more. */
static result certificate_error(const struct transfer *transfer) {
    const struct http_client *client = transfer->client;
    struct tls_peer peer;
    AUTO_BYTES struct bytes der = shown_certificate(client->easy);
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
