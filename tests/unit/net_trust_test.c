/* Who is let in, and which servers are talked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net_calls.h"

static void expect_denied_by(struct http_client_options options, const char *words) {
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&options);
    assert_int_equal(get(client, "/v1/who/x", NULL), DENIED);
    assert_text("storage-1");
    assert_text(words);
}

/* A client that shows `subject`'s certificate, signed by `issuer`. */
static void expect_stranger(const struct test_ca *issuer, struct test_subject subject,
                            const char *words) {
    struct http_client_options options = test_client_options(server_port(server));
    struct test_certificate certificate;
    struct tls_identity *identity = NULL;
    test_certificate_new(issuer, subject, &certificate);
    if (tls_identity_new(bytes_view(&certificate.der), certificate.key.seed,
                         bytes_view(&issuer->der), &identity) != OK) {
        assert_text(words); /* it cannot even be loaded */
    } else {
        options.identity = identity;
        expect_denied_by(options, words);
    }
    tls_identity_free(identity);
    bytes_free(&certificate.der);
}

static void strangers_are_told_why(void **state) {
    (void)state;
    struct test_subject subject = test_subject_of("alice", "user");
    subject.from = 1735689600;
    subject.until = 1735776000;
    expect_stranger(&ca, subject, "the certificate of alice expired on 2025-01-02");
    subject = test_subject_of("alice", "user");
    subject.system = "445566";
    expect_stranger(&ca, subject, "for another system");
    expect_stranger(&ca, test_subject_of("alice", "admin"), "has no role");
    expect_stranger(&ca, test_subject_of("Alice", "user"), "without a valid name");
}

/* A plain GnuTLS client: what libcurl would never do. */
static void raw_request(const char *request, size_t len,
                        gnutls_certificate_credentials_t credentials, char *out, size_t size) {
    gnutls_session_t session = NULL;
    size_t got = 0;
    const struct timeval patience = {.tv_sec = 3};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    test_must(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    test_must(gnutls_set_default_priority(session));
    test_must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(session, fd);
    test_must(gnutls_handshake(session));
    while (len > 0) {
        ssize_t sent = gnutls_record_send(session, request, len);
        if (sent <= 0)
            break;
        request += sent;
        len -= (size_t)sent;
    }
    for (ssize_t more = 1; more > 0 && got<size - 1; got += more> 0 ? (size_t)more : 0)
        more = gnutls_record_recv(session, out + got, size - 1 - got);
    out[got] = '\0';
    gnutls_deinit(session);
}

static void no_or_foreign_certificate_is_refused(void **state) {
    static const char request[] = "GET /v1/who/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request(request, strlen(request), credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "no certificate of this system was shown"));
    gnutls_certificate_free_credentials(credentials);

    /* Of a CA with the same name, so that GnuTLS shows it. */
    struct tls_identity *mallory = test_identity(&other_ca, test_subject_of("alice", "user"));
    const char *pem = tls_identity_certificate_pem(mallory);
    const char *key = tls_identity_key_pem(mallory);
    gnutls_datum_t certificate_text = {NULL, (unsigned)strlen(pem)};
    gnutls_datum_t key_text = {NULL, (unsigned)strlen(key)};
    certificate_text.data = (unsigned char *)gnutls_strdup(pem);
    key_text.data = (unsigned char *)gnutls_strdup(key);
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    test_must(gnutls_certificate_set_x509_key_mem(credentials, &certificate_text, &key_text,
                                                  GNUTLS_X509_FMT_PEM));
    raw_request(request, strlen(request), credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "the certificate of alice is from another CA"));
    gnutls_certificate_free_credentials(credentials);
    gnutls_free(certificate_text.data);
    gnutls_free(key_text.data);
    tls_identity_free(mallory);
}

static void strangers_upload_is_refused_early(void **state) {
    static char request[700000] = "PUT /v1/upload HTTP/1.1\r\nHost: x\r\n"
                                  "Content-Length: 100000000\r\n\r\n";
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    int begun = atomic_load(&uploads_begun);
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request(request, sizeof request, credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 403"));
    assert_non_null(strstr(answer, "Connection: close"));
    assert_int_equal(atomic_load(&uploads_begun), begun);
    gnutls_certificate_free_credentials(credentials);
}

static void broken_requests_leave_nothing_behind(void **state) {
    static char request[200000];
    gnutls_certificate_credentials_t credentials = NULL;
    char answer[2000];
    (void)state;
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    raw_request("nonsense\r\n\r\n", 12, credentials, answer, sizeof answer);
    int len = snprintf(request, sizeof request, "GET /v1/who/x HTTP/1.1\r\nHost: x\r\nLong: ");
    memset(request + len, 'x', sizeof request - (size_t)len);
    raw_request(request, sizeof request, credentials, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 4"));
    len = snprintf(request, sizeof request, "GET /%%00/v1/who HTTP/1.1\r\nHost: x\r\nX\r\n\r\n");
    raw_request(request, (size_t)len, credentials, answer, sizeof answer);
    gnutls_certificate_free_credentials(credentials);
}

/* A handshake with `priorities`, and nothing more. */
static int handshake(const char *priorities) {
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_session_t session = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    test_must(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL));
    test_must(gnutls_priority_set_direct(session, priorities, NULL));
    test_must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(session, fd);
    int code = gnutls_handshake(session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    return code;
}

static void older_tls_is_refused(void **state) {
    (void)state;
    assert_int_equal(handshake("NORMAL:-VERS-ALL:+VERS-TLS1.3"), GNUTLS_E_SUCCESS);
    assert_int_not_equal(handshake("NORMAL:-VERS-ALL:+VERS-TLS1.2"), GNUTLS_E_SUCCESS);
}

static void wrong_servers_are_not_talked_to(void **state) {
    (void)state;
    struct http_client_options options = test_client_options(server_port(server));
    options.server_identity[5] ^= 1;
    expect_denied_by(options, "its identity key is not the one in the system description");

    struct tls_identity *carol = test_identity(&other_ca, test_subject_of("carol", "user"));
    options = test_client_options(server_port(server));
    options.identity = carol;
    expect_denied_by(options, "the certificate of storage-1 is from another CA");
    tls_identity_free(carol);

    options = test_client_options(server_port(server));
    options.name = "storage-2";
    AUTO_HTTP_CLIENT struct http_client *client = test_client_of(&options);
    assert_int_equal(get(client, "/v1/who/x", NULL), DENIED);
    assert_text("storage-2");
    assert_text("it shows the certificate of storage-1");
}

static void expired_server_is_not_talked_to(void **state) {
    struct test_subject subject = test_subject_of("storage-1", "storage");
    (void)state;
    subject.from = 1735689600;
    subject.until = 1735776000;
    struct tls_identity *old = test_identity(&ca, subject);
    struct server_options options = test_server_options("127.0.0.1:0");
    options.identity = old;
    struct server *fresh = test_server_start(&options);
    struct http_client_options to = test_client_options(server_port(fresh));
    memcpy(to.server_identity, tls_identity_self(old)->identity, TLS_KEY_BYTES);
    expect_denied_by(to, "the certificate of storage-1 expired on 2025-01-02");
    server_stop(fresh, 1000);
    tls_identity_free(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_told_why),
        cmocka_unit_test(no_or_foreign_certificate_is_refused),
        cmocka_unit_test(strangers_upload_is_refused_early),
        cmocka_unit_test(broken_requests_leave_nothing_behind),
        cmocka_unit_test(older_tls_is_refused),
        cmocka_unit_test(wrong_servers_are_not_talked_to),
        cmocka_unit_test(expired_server_is_not_talked_to),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
