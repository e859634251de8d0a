/* myelin-keyd: starts, serves until a signal, stops in order. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "keys/sealing_key.h"
#include "keys/service.h"
#include "net/server.h"
#include "options.h"
#include "routes.h"
#include "system/identity.h"

enum { STOP_GRACE_MS = 7000 }; /* a little more than an opening may take */

struct daemon {
    struct description description;
    struct identity identity;
    struct key_service service;
    struct server *server;
    int lock; /* of the store folder; -1 where not locked */
};

static void daemon_close(struct daemon *daemon) {
    server_stop(daemon->server, STOP_GRACE_MS);
    key_service_close(&daemon->service);
    identity_free(&daemon->identity);
    description_free(&daemon->description);
    file_close_at(&daemon->lock);
}

static result join_path(const char *folder, const char *name, char out[PATH_MAX]) {
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return FAIL(INVALID, "the path of %s is too long", folder);
    return OK;
}

/* One daemon a store: two would tear the access log's chain. */
static result lock_store(const char *store, int *out_lock) {
    char path[PATH_MAX];
    TRY(file_make_folders(store, 0700));
    TRY(join_path(store, "lock", path));
    *out_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*out_lock < 0)
        return FAIL(IO, "opening %s: %s", path, strerror(errno));
    if (flock(*out_lock, LOCK_EX | LOCK_NB) != 0)
        return FAIL(CONFLICT, "%s is in use by another process", store);
    return OK;
}

static result open_service(const struct options *options, struct daemon *daemon) {
    char path[PATH_MAX];
    AUTO_SECRET uint8_t *seal_key = NULL;
    int position = description_find_key(&daemon->description, daemon->identity.name);
    if (position < 0)
        return FAIL(DENIED, "%s is no key server of this system", daemon->identity.name);
    TRY(join_path(options->config, "seal.key", path));
    TRY(sealing_key_load(path, &seal_key));
    TRY(lock_store(options->store, &daemon->lock));
    TRY(description_check_version(&daemon->description, options->store));
    TRY(key_service_open(options->store, seal_key, (uint32_t)position + 1, &daemon->description,
                         daemon->identity.tls, &daemon->service));
    daemon->service.signing = daemon->identity.key;
    return OK;
}

static result daemon_start(const struct options *options, struct daemon *daemon) {
    TRY(description_load(options->system, NULL, &daemon->description));
    TRY(identity_load_server(options->config, TLS_ROLE_KEY, &daemon->description,
                             &daemon->identity));
    TRY(open_service(options, daemon));
    const Myelin__Server *self = daemon->description.system->key[daemon->service.index - 1];
    struct server_options server = {
        .listen = options->listen != NULL ? options->listen : self->address,
        .identity = daemon->identity.tls,
        .routes = keyd_routes,
        .route_count = keyd_route_count,
        .context = &daemon->service,
    };
    TRY(server_start(&server, &daemon->server));
    log_event(LOG_INFO, "ready", "name=%s index=%u port=%u users=%zu log_entries=%llu",
              daemon->identity.name, daemon->service.index, server_port(daemon->server),
              share_store_count(daemon->service.shares),
              (unsigned long long)access_log_last(daemon->service.log));
    return OK;
}

/* Threads inherit the mask, so that signals reach this one only. */
static void block_signals(sigset_t *out_stop) {
    sigemptyset(out_stop);
    sigaddset(out_stop, SIGTERM);
    sigaddset(out_stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, out_stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static result report(result failed) {
    fprintf(stderr, "myelin-keyd: %s\n", error_text());
    return failed;
}

static result serve(const struct options *options) {
    __attribute__((cleanup(daemon_close))) struct daemon daemon = {.lock = -1};
    sigset_t stop;
    int received;
    block_signals(&stop);
    result started = secret_start();
    if (started == OK)
        started = daemon_start(options, &daemon);
    if (started != OK)
        return report(started); /* before anything below can fail too */
    sigwait(&stop, &received);
    log_event(LOG_INFO, "stopping", "signal=%d", received);
    return OK;
}

int main(int argc, char *argv[]) {
    struct options options;
    result parsed = options_parse(argc, argv, &options);
    if (parsed != OK)
        return result_exit_code(report(parsed));
    if (options.help)
        return fputs(options_help, stdout) < 0;
    if (options.version)
        return puts("myelin-keyd " MYELIN_VERSION) < 0;
    log_set_level(options.log_level);
    result served = serve(&options);
    if (served == OK)
        log_event(LOG_INFO, "stopped", "reason=signal");
    return result_exit_code(served);
}
