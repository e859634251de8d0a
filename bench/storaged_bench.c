/*
 * Real storage servers on loopback, each a process with a folder of its own, and one client thread
 * a server: one large object, then many small ones, and the large one read back.
 *
 *     storaged_bench [SERVERS [MEGABYTES_A_SERVER [SMALL_OBJECTS [FOLDER]]]]
 *
 * by default 1 1024 500 and the current folder.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "format/hash.h"
#include "format/layout.h"
#include "net/client.h"
#include "put_records.h"
#include "scheme/codeword.h"
#include "scheme/token.h"
#include "system/ca.h"
#include "system/local.h"
#include "system/placement.h"

enum { SERVERS_MAX = 16, POOL_BYTES = 16 << 20, SEGMENT_BYTES = 1 << 20, SMALL_BYTES = 20000 };

static unsigned servers, k;
static unsigned long megabytes, small_objects;
static char folder[256];
static struct description description;
static struct tls_identity *identity;
static struct sign_key user_key;
static uint8_t pool[POOL_BYTES];
static uint8_t tau[G2_BYTES];
static char image_hex[2 * DIGEST_BYTES + 1];
static char *names[SERVERS_MAX]; /* by slot */
static pid_t daemons[SERVERS_MAX];

static void must(result outcome) {
    if (outcome == OK)
        return;
    fprintf(stderr, "storaged_bench: %s\n", error_text());
    for (unsigned i = 0; i < servers; i++)
        if (daemons[i] > 0)
            kill(daemons[i], SIGKILL);
    exit(result_exit_code(outcome));
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- The system ---- */

static void start_daemon(unsigned index) {
    char program[512], config[320], system[320], store[320];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 64);
    if (len < 0)
        must(FAIL(INTERNAL, "where this program is: %m"));
    program[len] = '\0';
    char *end = strstr(program, "/bench/storaged_bench");
    if (end == NULL)
        must(FAIL(INTERNAL, "this program is not in its build folder"));
    snprintf(end, 32, "/bin/myelin-storaged");
    snprintf(config, sizeof config, "%s/config/storage-%u", folder, index + 1);
    snprintf(system, sizeof system, "%s/system.myelin", folder);
    snprintf(store, sizeof store, "%s/storage-%u", folder, index + 1);
    daemons[index] = fork();
    if (daemons[index] == 0) {
        execl(program, program, "--config", config, "--system", system, "--store", store,
              "--log-level", "warning", (char *)NULL);
        _exit(127);
    }
}

/* The server of a slot of the one image: as many slots as servers. */
static struct http_client *client_of(unsigned slot) {
    int index = description_find_storage(&description, names[slot]);
    if (index < 0)
        must(FAIL(INTERNAL, "slot %u is nobody's", slot));
    const Myelin__Server *server = description.system->storage[index];
    struct http_client_options options = {.name = server->name,
                                          .address = server->address,
                                          .identity = identity,
                                          .answer_timeout_ms = 600000};
    struct http_client *client = NULL;
    memcpy(options.server_identity, server->identity.data, TLS_KEY_BYTES);
    must(http_client_new(&options, &client));
    return client;
}

static void wait_for(unsigned slot) {
    AUTO_HTTP_CLIENT struct http_client *client = client_of(slot);
    for (int i = 0; i < 200; i++) {
        AUTO_BYTES struct bytes answer = {0};
        if (http_call(client, "GET", "/healthz", view_of("", 0), NULL, 100, &answer) == OK)
            return;
        usleep(50000);
    }
    must(error_at(TIMEOUT, "a daemon does not start"));
}

static void make_user(void) {
    char manager[320];
    AUTO_CA struct ca *ca = NULL;
    AUTO_BYTES struct bytes certificate = {0};
    struct secret_key secret;
    struct ca_request request = {.user = "alice"};
    must(local_manager_path(folder, manager, sizeof manager));
    must(ca_load(manager, &ca));
    sign_key_random(&user_key);
    keygen(&secret, &request.public_key);
    keygen_prove(&secret, &request.public_key, view_of_string("alice"), request.possession);
    memcpy(request.identity, user_key.public_key, sizeof request.identity);
    must(ca_issue_user(ca, &request, 0, &certificate));
    must(tls_identity_new(bytes_view(&certificate), user_key.seed, ca_certificate(ca), &identity));
}

static void place_slots(void) {
    const char *placed[FORMAT_SERVERS_MAX];
    if (placement_slots(&description, tau, placed) != servers)
        must(FAIL(INTERNAL, "an image has fewer slots than there are servers"));
    for (unsigned slot = 0; slot < servers; slot++)
        names[slot] = (char *)(uintptr_t)placed[slot]; /* read only */
}

static void make_system(void) {
    struct scalar a3;
    struct g2 point;
    uint8_t image[DIGEST_BYTES];
    must(secret_start());
    log_set_level(LOG_WARNING);
    must(local_create(folder, servers, k, 1, 1));
    must(description_load(folder, NULL, &description));
    make_user();
    scalar_random(&a3);
    must(token(&a3, view_of_string("bench"), &point));
    g2_to_bytes(&point, tau);
    format_image_id(tau, image);
    hex_encode(view_of(image, sizeof image), image_hex);
    secret_random(pool, sizeof pool);
    place_slots();
    for (unsigned i = 0; i < servers; i++)
        start_daemon(i);
    for (unsigned i = 0; i < servers; i++)
        wait_for(i);
}

/* ---- What is put ---- */

/* Every slot gets the same slices, so one root is enough. */
struct object {
    uint8_t id[FORMAT_ID_BYTES];
    char hex[2 * FORMAT_ID_BYTES + 1];
    struct format_layout layout;
    uint8_t root[DIGEST_BYTES];
    Myelin__Signed *manifest;
};

static struct object *objects;
static size_t object_count;
static uint8_t put[FORMAT_ID_BYTES];
static char put_hex[2 * FORMAT_ID_BYTES + 1];
static Myelin__Signed *envelope;
static struct bytes commit; /* Signed */
static Myelin__Symbol symbols[SERVERS_MAX];
static struct ciphertext_bytes symbol_bytes;
static uint8_t coefficient[SCALAR_BYTES] = {[SCALAR_BYTES - 1] = 1};
static ProtobufCBinaryData coefficients[SERVERS_MAX];

static size_t fill_from_pool(uint64_t position, uint8_t *out, uint64_t len) {
    size_t offset = (size_t)(position % POOL_BYTES);
    size_t part = len < POOL_BYTES - offset ? (size_t)len : POOL_BYTES - offset;
    memcpy(out, pool + offset, part);
    return part;
}

static void hash_slices(struct object *object) {
    struct format_slice_table table;
    format_slice_table_start(&table);
    for (uint64_t i = 0; i < object->layout.segments; i++) {
        uint64_t position = format_slice_offset(&object->layout, i);
        uint64_t left = format_slice_len(&object->layout, i);
        uint8_t hash[DIGEST_BYTES];
        struct digest digest;
        digest_start(&digest);
        while (left > 0) {
            size_t offset = (size_t)(position % POOL_BYTES);
            size_t part = left < POOL_BYTES - offset ? (size_t)left : POOL_BYTES - offset;
            digest_update(&digest, view_of(pool + offset, part));
            position += part;
            left -= part;
        }
        digest_finish(&digest, hash);
        format_slice_table_add(&table, hash);
    }
    format_slice_table_finish(&table, object->root);
}

static struct put_signer signer(void) {
    return (struct put_signer){.owner = "alice",
                               .key = &user_key,
                               .tau = tau,
                               .put = put,
                               .servers = names,
                               .n = servers,
                               .k = k,
                               .created_ms = 1};
}

static void make_manifest(struct object *object) {
    const struct put_signer alice = signer();
    uint8_t roots[SERVERS_MAX][DIGEST_BYTES], rows[SERVERS_MAX * SERVERS_MAX] = {0};
    for (unsigned i = 0; i < servers; i++) {
        memcpy(roots[i], object->root, DIGEST_BYTES);
        rows[i * k] = 1;
    }
    must(put_records_manifest(&alice, object->id, &object->layout, rows, roots, &object->manifest));
}

static void make_symbols(void) {
    struct ciphertext value = {0};
    struct scalar exponent;
    scalar_random(&exponent);
    g1_exp_generator(&exponent, &value.alpha);
    gt_exp_generator(&exponent, &value.gamma);
    must(g2_parse("tau", view_of(tau, sizeof tau), &value.beta));
    ciphertext_to_bytes(&value, &symbol_bytes);
    for (unsigned i = 0; i < k; i++)
        coefficients[i] = format_bytes(view_of(coefficient, sizeof coefficient));
    for (unsigned i = 0; i < servers; i++) {
        symbols[i] = (Myelin__Symbol)MYELIN__SYMBOL__INIT;
        symbols[i].slot = i;
        symbols[i].alpha = format_bytes(view_of(symbol_bytes.alpha, G1_BYTES));
        symbols[i].beta = format_bytes(view_of(symbol_bytes.beta, G2_BYTES));
        symbols[i].gamma = format_bytes(view_of(symbol_bytes.gamma, GT_BYTES));
        symbols[i].coefficient = coefficients;
        symbols[i].n_coefficient = k;
    }
}

static void make_envelope(void) {
    const struct put_signer alice = signer();
    uint8_t hashes[SERVERS_MAX][DIGEST_BYTES];
    make_symbols();
    for (unsigned i = 0; i < servers; i++)
        format_symbol_hash(&symbols[0], hashes[i]);
    must(put_records_envelope(&alice, hashes, view_of(NULL, 0), &envelope));
}

static void make_put(bool creates, size_t count, uint64_t bytes) {
    const struct put_signer alice = signer();
    secret_random(put, sizeof put);
    hex_encode(view_of(put, sizeof put), put_hex);
    envelope = NULL;
    if (creates)
        make_envelope();
    objects = calloc(count, sizeof *objects);
    Myelin__Signed **manifests = calloc(count, sizeof *manifests);
    if (objects == NULL || manifests == NULL)
        must(FAIL(NO_MEMORY, "no memory for %zu objects", count));
    for (object_count = 0; object_count < count; object_count++) {
        struct object *object = &objects[object_count];
        secret_random(object->id, sizeof object->id);
        hex_encode(view_of(object->id, sizeof object->id), object->hex);
        must(format_layout_plan(bytes, SEGMENT_BYTES, k, &object->layout));
        hash_slices(object);
        make_manifest(object);
        manifests[object_count] = object->manifest;
    }
    commit.len = 0;
    must(put_records_commit(&alice, envelope, manifests, count, &commit));
    free(manifests);
}

/* ---- The put at one server ---- */

struct lane {
    unsigned slot;
    double upload_s, prepare_s, commit_s, read_s;
};

static void post(struct http_client *client, const char *tail, struct view body) {
    char path[256];
    AUTO_BYTES struct bytes answer = {0};
    snprintf(path, sizeof path, "/v1/images/%s/puts/%s%s", image_hex, put_hex, tail);
    must(http_call(client, "POST", path, body, "application/protobuf", 1000, &answer));
}

static void post_message(struct http_client *client, const char *tail, const void *message) {
    AUTO_BYTES struct bytes body = {0};
    must(format_pack(message, &body));
    post(client, tail, bytes_view(&body));
}

static void begin(struct http_client *client) {
    Myelin__BeginPut message = MYELIN__BEGIN_PUT__INIT;
    ProtobufCBinaryData *ids = calloc(object_count, sizeof *ids);
    if (ids == NULL)
        must(FAIL(NO_MEMORY, "no memory for ids"));
    for (size_t i = 0; i < object_count; i++)
        ids[i] = format_bytes(view_of(objects[i].id, FORMAT_ID_BYTES));
    message.tau = format_bytes(view_of(tau, sizeof tau));
    message.creates = envelope != NULL;
    message.object = ids;
    message.n_object = object_count;
    post_message(client, "", &message);
    free(ids);
}

struct source {
    uint64_t position, end;
};

static result pull(void *context, uint8_t *out, size_t capacity, size_t *out_len) {
    struct source *source = context;
    uint64_t left = source->end - source->position;
    *out_len = fill_from_pool(source->position, out, left < capacity ? left : capacity);
    source->position += *out_len;
    return OK;
}

static void upload(struct http_client *client, unsigned slot, const struct object *object) {
    char path[320];
    struct source source = {0, object->layout.symbol_bytes};
    AUTO_BYTES struct bytes receipt = {0};
    snprintf(path, sizeof path, "/v1/images/%s/puts/%s/objects/%s?slot=%u&slice=%u", image_hex,
             put_hex, object->hex, slot, object->layout.slice_len);
    must(http_upload(client, path, object->layout.symbol_bytes, pull, &source,
                     FORMAT_LIMIT_SIGNED_SMALL, &receipt));
}

static void prepare(struct http_client *client, unsigned slot) {
    Myelin__PreparePut message = MYELIN__PREPARE_PUT__INIT;
    Myelin__Signed **manifests = calloc(object_count, sizeof *manifests);
    if (manifests == NULL)
        must(FAIL(NO_MEMORY, "no memory for manifests"));
    for (size_t i = 0; i < object_count; i++)
        manifests[i] = objects[i].manifest;
    message.tau = format_bytes(view_of(tau, sizeof tau));
    message.envelope = envelope;
    message.symbol = envelope != NULL ? &symbols[slot] : NULL;
    message.manifest = manifests;
    message.n_manifest = object_count;
    post_message(client, "/prepare", &message);
    free(manifests);
}

static void *put_at(void *context) {
    struct lane *lane = context;
    AUTO_HTTP_CLIENT struct http_client *client = client_of(lane->slot);
    begin(client);
    double started = now_s();
    for (size_t i = 0; i < object_count; i++)
        upload(client, lane->slot, &objects[i]);
    double uploaded = now_s();
    prepare(client, lane->slot);
    double prepared = now_s();
    post(client, "/commit", bytes_view(&commit));
    lane->upload_s = uploaded - started;
    lane->prepare_s = prepared - uploaded;
    lane->commit_s = now_s() - prepared;
    return NULL;
}

static result drop(void *context, struct view part) {
    *(uint64_t *)context += part.len;
    return OK;
}

static void *read_at(void *context) {
    struct lane *lane = context;
    char path[256];
    uint64_t got = 0;
    AUTO_HTTP_CLIENT struct http_client *client = client_of(lane->slot);
    double started = now_s();
    for (size_t i = 0; i < object_count; i++) {
        snprintf(path, sizeof path, "/v1/images/%s/objects/%s/symbol", image_hex, objects[i].hex);
        must(http_download(client, path, 0, objects[i].layout.symbol_bytes, drop, &got));
    }
    lane->read_s = now_s() - started;
    return NULL;
}

static void in_parallel(void *(*work)(void *), struct lane lanes[]) {
    pthread_t threads[SERVERS_MAX];
    for (unsigned i = 0; i < servers; i++)
        if (pthread_create(&threads[i], NULL, work, &lanes[i]) != 0)
            must(FAIL(INTERNAL, "no thread"));
    for (unsigned i = 0; i < servers; i++)
        pthread_join(threads[i], NULL);
}

static void run(const char *name) {
    struct lane lanes[SERVERS_MAX] = {0}, worst = {0};
    uint64_t bytes = 0;
    for (unsigned i = 0; i < servers; i++)
        lanes[i].slot = i;
    for (size_t i = 0; i < object_count; i++)
        bytes += objects[i].layout.symbol_bytes;
    double started = now_s();
    in_parallel(put_at, lanes);
    double took = now_s() - started;
    in_parallel(read_at, lanes);
    for (unsigned i = 0; i < servers; i++) {
        worst.upload_s = lanes[i].upload_s > worst.upload_s ? lanes[i].upload_s : worst.upload_s;
        worst.prepare_s =
            lanes[i].prepare_s > worst.prepare_s ? lanes[i].prepare_s : worst.prepare_s;
        worst.commit_s = lanes[i].commit_s > worst.commit_s ? lanes[i].commit_s : worst.commit_s;
        worst.read_s = lanes[i].read_s > worst.read_s ? lanes[i].read_s : worst.read_s;
    }
    double all = (double)bytes * servers / 1e6;
    printf("%-6s %6zu objects %8.1f MB: put %7.1f MB/s (upload %.3f s, prepare %.3f s, commit "
           "%.3f s), read %7.1f MB/s\n",
           name, object_count, all, all / took, worst.upload_s, worst.prepare_s, worst.commit_s,
           all / worst.read_s);
}

static void stop_daemons(void) {
    struct rusage usage;
    for (unsigned i = 0; i < servers; i++) {
        kill(daemons[i], SIGTERM);
        waitpid(daemons[i], NULL, 0);
    }
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("daemons: %.2f s user, %.2f s system, at most %.1f MB resident\n",
           (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6,
           (double)usage.ru_maxrss / 1e3);
}

int main(int argc, char *argv[]) {
    servers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    megabytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 1024;
    small_objects = argc > 3 ? strtoul(argv[3], NULL, 10) : 500;
    if (servers < 1 || servers > SERVERS_MAX || megabytes < 1 || small_objects < 1)
        return 2;
    k = servers < 2 ? 1 : servers / 2;
    snprintf(folder, sizeof folder, "%.200s/myelin-bench-XXXXXX", argc > 4 ? argv[4] : ".");
    if (mkdtemp(folder) == NULL)
        return 1;
    make_system();
    make_put(true, 1, megabytes * k * 1000000);
    run("large");
    make_put(false, small_objects, (uint64_t)SMALL_BYTES * k);
    run("small");
    stop_daemons();
    must(file_remove_tree(folder));
    return 0;
}
