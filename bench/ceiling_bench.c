/*
 * What put and get stand on, each measured alone with every core at work: AES-256-GCM, SHA-256, the
 * erasure code, TLS 1.3 over loopback, durable writes. Prints JSON, in bytes a second.
 *
 *     ceiling_bench FOLDER N K      (the durable writes go to FOLDER)
 *
 * The pieces work on the sizes that the flows use: 1 MiB segments, one slice a write.
 */
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/secret.h"
#include "code/code.h"

enum { SEGMENT = 1 << 20, THREADS_MAX = 64, TAG = 16 };

struct task {
    uint64_t bytes; /* for one thread */
    unsigned n, k, index;
    const char *folder;
};

static void require(int fine, const char *what) {
    if (fine)
        return;
    fprintf(stderr, "ceiling_bench: %s: %s\n", what, error_text());
    exit(1);
}

static uint8_t *buffer(size_t size) {
    uint8_t *block = NULL;
    require(posix_memalign((void **)&block, 64, size) == 0, "memory");
    memset(block, 0x5a, size);
    return block;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *aead(void *argument) {
    struct task *task = argument;
    uint8_t *plain = buffer(SEGMENT), *sealed = buffer(SEGMENT + TAG), nonce[12] = {0},
            key[32] = {7};
    gnutls_datum_t key_datum = {key, sizeof key};
    gnutls_aead_cipher_hd_t handle;
    require(gnutls_aead_cipher_init(&handle, GNUTLS_CIPHER_AES_256_GCM, &key_datum) == 0, "AES");
    for (uint64_t done = 0; done < task->bytes; done += SEGMENT) {
        size_t size = SEGMENT + TAG;
        store_be64(nonce, done);
        require(gnutls_aead_cipher_encrypt(handle, nonce, sizeof nonce, NULL, 0, TAG, plain,
                                           SEGMENT, sealed, &size) == 0,
                "AES");
    }
    gnutls_aead_cipher_deinit(handle);
    free(plain);
    free(sealed);
    return NULL;
}

static void *hash(void *argument) {
    struct task *task = argument;
    size_t slice = SEGMENT / task->k;
    uint8_t *data = buffer(slice), digest[DIGEST_BYTES];
    for (uint64_t done = 0; done < task->bytes; done += slice)
        digest_sha256(view_of(data, slice), digest);
    free(data);
    return NULL;
}

/* `bytes` counts what goes in: k blocks make n slices. */
static void *code(void *argument) {
    struct task *task = argument;
    unsigned n = task->n, k = task->k;
    uint8_t rows[CODE_SYMBOLS_MAX * CODE_SYMBOLS_MAX], *outputs[CODE_SYMBOLS_MAX];
    const uint8_t *inputs[CODE_SYMBOLS_MAX];
    for (unsigned slot = 0; slot < n; slot++)
        require(code_cauchy_row(k, slot, rows + slot * k) == OK, "code");
    struct code_map map = {0};
    require(code_encoder_init(n, k, rows, &map) == OK, "code");
    size_t block = code_block_len(SEGMENT, k);
    uint8_t *in = buffer(block * k), *out = buffer(block * n);
    for (unsigned i = 0; i < k; i++)
        inputs[i] = in + i * block;
    for (unsigned i = 0; i < n; i++)
        outputs[i] = out + i * block;
    for (uint64_t done = 0; done < task->bytes; done += SEGMENT)
        code_apply(&map, inputs, block, outputs);
    code_map_clean_up(&map);
    free(in);
    free(out);
    return NULL;
}

static void *write_durably(void *argument) {
    struct task *task = argument;
    char path[512];
    snprintf(path, sizeof path, "%s/ceiling-%u", task->folder, task->index);
    size_t slice = SEGMENT / task->k;
    uint8_t *data = buffer(slice);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0, path);
    for (uint64_t done = 0; done < task->bytes; done += slice) {
        require(file_write_all(fd, view_of(data, slice), path) == OK, path);
        sync_file_range(fd, (off_t)done, (off_t)slice, SYNC_FILE_RANGE_WRITE);
    }
    require(fsync(fd) == 0, path);
    close(fd);
    unlink(path);
    free(data);
    return NULL;
}

/* ------------------------------------------------------------------ TLS over loopback */

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM";

struct tls_end {
    int fd;
    int server;
    uint64_t bytes;
};

/* A self-signed Ed25519 certificate: what is measured is the record layer. */
static gnutls_certificate_credentials_t self_signed(void) {
    gnutls_certificate_credentials_t credentials;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    require(gnutls_certificate_allocate_credentials(&credentials) == 0, "TLS");
    require(gnutls_x509_privkey_init(&key) == 0, "TLS");
    require(gnutls_x509_crt_init(&certificate) == 0, "TLS");
    require(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 256, 0) == 0, "TLS key");
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "1", 1);
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 3600);
    gnutls_x509_crt_set_key(certificate, key);
    require(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA512, 0) == 0, "TLS");
    require(gnutls_certificate_set_x509_key(credentials, &certificate, 1, key) == 0, "TLS");
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return credentials;
}

static void tls_transfer(struct tls_end *end, gnutls_session_t session) {
    uint8_t *data = buffer(SEGMENT);
    uint64_t done = 0;
    while (done < end->bytes) {
        ssize_t moved = end->server ? gnutls_record_recv(session, data, SEGMENT)
                                    : gnutls_record_send(session, data, SEGMENT);
        require(moved > 0, "TLS transfer");
        done += (uint64_t)moved;
    }
    free(data);
}

static void *tls(void *argument) {
    struct tls_end *end = argument;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials = self_signed();
    require(gnutls_init(&session, end->server ? GNUTLS_SERVER : GNUTLS_CLIENT) == 0, "TLS");
    require(gnutls_priority_set_direct(session, priorities, NULL) == 0, "TLS priorities");
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(session, end->fd);
    require(gnutls_handshake(session) == 0, "TLS handshake");
    tls_transfer(end, session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    close(end->fd);
    return NULL;
}

static void loopback_pair(int out[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    require(bind(listener, (struct sockaddr *)&address, length) == 0, "bind");
    require(listen(listener, 1) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(connect(out[0], (struct sockaddr *)&address, length) == 0, "connect");
    out[1] = accept(listener, NULL, NULL);
    require(out[1] >= 0, "accept");
    setsockopt(out[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
}

/* One connection for every two cores: one end sends, the other receives. */
static double tls_rate(unsigned cores, uint64_t bytes) {
    unsigned pairs = cores / 2 == 0 ? 1 : cores / 2;
    pthread_t threads[THREADS_MAX];
    struct tls_end ends[THREADS_MAX];
    double start = now();
    for (unsigned i = 0; i < pairs; i++) {
        int fds[2];
        loopback_pair(fds);
        for (unsigned side = 0; side < 2; side++) {
            struct tls_end *end = &ends[2 * i + side];
            *end = (struct tls_end){fds[side], (int)side, bytes / pairs};
            require(pthread_create(&threads[2 * i + side], NULL, tls, end) == 0, "thread");
        }
    }
    for (unsigned i = 0; i < 2 * pairs; i++)
        pthread_join(threads[i], NULL);
    return (double)(bytes / pairs * pairs) / (now() - start);
}

static double rate(void *(*work)(void *), unsigned threads, uint64_t bytes, struct task task) {
    pthread_t ids[THREADS_MAX];
    struct task tasks[THREADS_MAX];
    double start = now();
    for (unsigned i = 0; i < threads; i++) {
        tasks[i] = task;
        tasks[i].bytes = bytes / threads;
        tasks[i].index = i;
        require(pthread_create(&ids[i], NULL, work, &tasks[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return (double)(bytes / threads * threads) / (now() - start);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: ceiling_bench FOLDER N K\n");
        return 2;
    }
    require(secret_start() == OK, "start");
    unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    cores = cores > THREADS_MAX / 2 ? THREADS_MAX / 2 : cores;
    struct task task = {
        .n = (unsigned)atoi(argv[2]), .k = (unsigned)atoi(argv[3]), .folder = argv[1]};
    require(code_check(task.n, task.k) == OK, "n and k");
    unsigned writers = task.n > THREADS_MAX ? THREADS_MAX : task.n;
    const uint64_t gib = 1ULL << 30;
    printf("{\"cores\": %u, \"aead\": %.0f, \"hash\": %.0f, \"code\": %.0f, \"tls\": %.0f, "
           "\"write\": %.0f}\n",
           cores, rate(aead, cores, 2 * gib, task), rate(hash, cores, 2 * gib, task),
           rate(code, cores, 2 * gib, task), tls_rate(cores, 2 * gib),
           rate(write_durably, writers, 2 * gib, task));
    return 0;
}
