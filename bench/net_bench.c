/*
 * One connection over loopback, both ends in this process: GnuTLS's own records, beside an upload,
 * a download and small calls through the net layer. Processor time counts both ends; on a machine
 * that others use it tells more than the wall clock.
 *
 *     net_bench [MEGABYTES]    default 1024
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tests/unit/net_certificates.h"
#include "base/file.h"
#include "base/secret.h"
#include "net/client.h"
#include "net/server.h"

enum { BLOCK_BYTES = 1 << 20, SMALL_CALLS = 2000 };

static const char priorities[] = "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+GROUP-X25519:"
                                 "+SIGN-EDDSA-ED25519:+CTYPE-X509";
static uint64_t total;
static uint8_t block[BLOCK_BYTES];
static int file_fd;
static int listen_fd;
static struct tls_identity *server_identity;
static struct tls_identity *alice;

static void must(result outcome) {
    if (outcome == OK)
        return;
    fprintf(stderr, "net_bench: %s\n", error_text());
    exit(result_exit_code(outcome));
}

static void must_be(bool is_right, const char *what) {
    if (!is_right)
        must(FAIL(INTERNAL, "%s: %m", what));
}

/* ---- Measuring ---- */

struct watch {
    double wall;
    double processor;
};

static struct watch watch_now(void) {
    struct timespec now;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &usage);
    return (struct watch){
        (double)now.tv_sec + (double)now.tv_nsec / 1e9,
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
    };
}

static void report(const char *what, struct watch start) {
    struct watch end = watch_now();
    printf("%-22s %8.2f GB/s   %5.2f processor s/GB\n", what,
           (double)total / (end.wall - start.wall) / 1e9,
           (end.processor - start.processor) / ((double)total / 1e9));
}

/* ---- GnuTLS alone ---- */

static gnutls_session_t session_on(int fd, unsigned flags,
                                   gnutls_certificate_credentials_t credentials) {
    gnutls_session_t session = NULL;
    test_must(gnutls_init(&session, flags));
    test_must(gnutls_priority_set_direct(session, priorities, NULL));
    test_must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(session, fd);
    test_must(gnutls_handshake(session));
    return session;
}

static gnutls_datum_t datum_of(const char *text) {
    return (gnutls_datum_t){(unsigned char *)gnutls_strdup(text), (unsigned)strlen(text)};
}

static void *receive_records(void *unused) {
    (void)unused;
    static uint8_t buffer[64 << 10];
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_datum_t certificate = datum_of(tls_identity_certificate_pem(server_identity));
    gnutls_datum_t key = datum_of(tls_identity_key_pem(server_identity));
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    test_must(
        gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key, GNUTLS_X509_FMT_PEM));
    int fd = accept(listen_fd, NULL, NULL);
    gnutls_session_t session = session_on(fd, GNUTLS_SERVER, credentials);
    for (uint64_t got = 0; got < total;) {
        ssize_t len = gnutls_record_recv(session, buffer, sizeof buffer);
        must_be(len > 0, "receiving");
        got += (uint64_t)len;
    }
    gnutls_record_send(session, "k", 1);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    gnutls_free(certificate.data);
    gnutls_free(key.data);
    close(fd);
    return NULL;
}

static void send_records(gnutls_session_t session) {
    char end = 0;
    for (uint64_t sent = 0; sent < total;) {
        size_t at = (size_t)(sent % BLOCK_BYTES);
        size_t len = total - sent < BLOCK_BYTES - at ? (size_t)(total - sent) : BLOCK_BYTES - at;
        ssize_t taken = gnutls_record_send(session, block + at, len);
        must_be(taken > 0, "sending");
        sent += (uint64_t)taken;
    }
    must_be(gnutls_record_recv(session, &end, 1) == 1, "ending");
}

static void bench_records(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    pthread_t thread;
    gnutls_certificate_credentials_t credentials = NULL;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    must_be(bind(listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(listen_fd, 1) == 0 &&
                getsockname(listen_fd, (struct sockaddr *)&address, &len) == 0,
            "listening");
    must_be(pthread_create(&thread, NULL, receive_records, NULL) == 0, "thread");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must_be(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connecting");
    test_must(gnutls_certificate_allocate_credentials(&credentials));
    gnutls_session_t session = session_on(fd, GNUTLS_CLIENT, credentials);
    struct watch start = watch_now();
    send_records(session);
    report("gnutls records alone", start);
    pthread_join(thread, NULL);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    close(fd);
    close(listen_fd);
}

/* ---- Client and server ---- */

static result drop_part(struct server_exchange *exchange, struct view part) {
    (void)exchange, (void)part;
    return OK;
}

static result answer_nothing(struct server_exchange *exchange) {
    (void)exchange;
    return OK;
}

static result answer_file(struct server_exchange *exchange) {
    return exchange_answer_file(exchange, dup(file_fd), 0, total);
}

static result read_same(void *context, uint64_t position, uint8_t *out, size_t capacity,
                        size_t *out_len) {
    (void)context, (void)position, (void)out;
    *out_len = capacity;
    return OK;
}

static result answer_memory(struct server_exchange *exchange) {
    return exchange_answer_stream(exchange, NULL, (struct exchange_source){NULL, read_same, NULL},
                                  total);
}

static const struct server_route routes[] = {
    {.method = "PUT",
     .pattern = "/drop",
     .body = SERVER_BODY_STREAMED,
     .part = drop_part,
     .end = answer_nothing},
    {.method = "GET", .pattern = "/file", .end = answer_file},
    {.method = "GET", .pattern = "/memory", .end = answer_memory},
    {.method = "GET", .pattern = "/nothing", .end = answer_nothing},
};

static result pull_same(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    uint64_t *left = context;
    (void)out;
    *out_len = *left < capacity ? (size_t)*left : capacity;
    *left -= *out_len;
    return OK;
}

static result push_nowhere(void *context, struct view part) {
    (void)context, (void)part;
    return OK;
}

static void bench_client(struct http_client *client) {
    uint64_t left = total;
    struct watch start = watch_now();
    must(http_upload(client, "/drop", total, pull_same, &left, 100, NULL));
    report("upload", start);
    left = total;
    start = watch_now();
    must(http_upload(client, "/drop", HTTP_LENGTH_UNKNOWN, pull_same, &left, 100, NULL));
    report("upload, chunked", start);
    start = watch_now();
    must(http_download(client, "/memory", 0, total, push_nowhere, NULL));
    report("download from memory", start);
    start = watch_now();
    must(http_download(client, "/file", 0, total, push_nowhere, NULL));
    report("download of a file", start);
    start = watch_now();
    for (int i = 0; i < SMALL_CALLS; i++)
        must(http_call(client, "GET", "/nothing", view_of(NULL, 0), NULL, 100, NULL));
    printf("%-22s %8.1f us\n", "small call", (watch_now().wall - start.wall) / SMALL_CALLS * 1e6);
}

static void bench_server(void) {
    struct server *server = NULL;
    struct http_client *client = NULL;
    char address[32];
    const struct server_options options = {.listen = "127.0.0.1:0",
                                           .identity = server_identity,
                                           .routes = routes,
                                           .route_count = sizeof routes / sizeof *routes};
    must(server_start(&options, &server));
    snprintf(address, sizeof address, "127.0.0.1:%u", server_port(server));
    struct http_client_options to = {.name = "storage-1", .address = address, .identity = alice};
    memcpy(to.server_identity, tls_identity_self(server_identity)->identity, TLS_KEY_BYTES);
    must(http_client_new(&to, &client));
    bench_client(client);
    http_client_free(client);
    server_stop(server, 1000);
}

int main(int argc, char **argv) {
    struct test_ca ca;
    total = (uint64_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) << 20;
    must(secret_start());
    secret_random(block, sizeof block);
    file_fd = memfd_create("bench", MFD_CLOEXEC);
    for (uint64_t at = 0; at < total; at += BLOCK_BYTES)
        must(file_write_all(file_fd, view_of(block, sizeof block), "bench"));
    test_ca_new("ca", &ca);
    server_identity = test_identity(&ca, test_subject_of("storage-1", "storage"));
    alice = test_identity(&ca, test_subject_of("alice", "user"));
    bench_records();
    bench_server();
    tls_identity_free(alice);
    tls_identity_free(server_identity);
    test_ca_free(&ca);
    close(file_fd);
    return 0;
}
