/* myelin-storaged: starts, serves until a signal, stops in order. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "net/server.h"
#include "options.h"
#include "routes.h"
#include "system/identity.h"

enum {
    STOP_GRACE_MS = 5000,
    SWEEP_SECONDS = 60,
};

struct daemon {
    struct description description;
    struct identity identity;
    struct store *store;
    struct storage *storage;
    struct server *server;
};

static void daemon_close(struct daemon *daemon) {
    server_stop(daemon->server, STOP_GRACE_MS);
    storage_close(daemon->storage);
    store_close(daemon->store);
    identity_free(&daemon->identity);
    description_free(&daemon->description);
}

static const char *folder_of(const char *store) {
    return strncmp(store, "file:", 5) == 0 ? store + 5 : store;
}

static result open_storage(const struct options *options, struct daemon *daemon) {
    TRY(store_open(options->store, &daemon->store));
    TRY(description_check_version(&daemon->description, folder_of(options->store)));
    const struct storage_options storage = {
        .server = daemon->identity.name,
        .key = daemon->identity.key,
        .reserve_bytes = STORAGE_RESERVE_BYTES,
    };
    return storage_open(daemon->store, &storage, &daemon->storage);
}

static result daemon_start(const struct options *options, struct daemon *daemon) {
    TRY(description_load(options->system, NULL, &daemon->description));
    TRY(identity_load_server(options->config, TLS_ROLE_STORAGE, &daemon->description,
                             &daemon->identity));
    int position = description_find_storage(&daemon->description, daemon->identity.name);
    if (position < 0)
        return FAIL(DENIED, "%s is no storage server of this system", daemon->identity.name);
    TRY(open_storage(options, daemon));
    struct server_options server = {
        .listen = options->listen != NULL ? options->listen
                                          : daemon->description.system->storage[position]->address,
        .identity = daemon->identity.tls,
        .routes = storaged_routes,
        .route_count = storaged_route_count,
        .context = daemon->storage,
    };
    TRY(server_start(&server, &daemon->server));
    log_event(LOG_INFO, "ready", "name=%s port=%u", daemon->identity.name,
              server_port(daemon->server));
    return OK;
}

/* Threads inherit the mask, so that signals reach this one only. SIGXFSZ: a file too long for the
 * process's limit is an error of write() like any other. */
static void block_signals(sigset_t *out_stop) {
    sigemptyset(out_stop);
    sigaddset(out_stop, SIGTERM);
    sigaddset(out_stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, out_stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static int wait_and_sweep(struct storage *storage, const sigset_t *stop) {
    const struct timespec pause = {.tv_sec = SWEEP_SECONDS};
    for (;;) {
        int received = sigtimedwait(stop, NULL, &pause);
        if (received > 0)
            return received;
        if (errno == EAGAIN)
            storage_sweep(storage);
    }
}

static result report(result failed) {
    fprintf(stderr, "myelin-storaged: %s\n", error_text());
    return failed;
}

static result serve(const struct options *options) {
    __attribute__((cleanup(daemon_close))) struct daemon daemon = {0};
    sigset_t stop;
    block_signals(&stop);
    result started = secret_start();
    if (started == OK)
        started = daemon_start(options, &daemon);
    if (started != OK)
        return report(started); /* before anything below can fail too */
    log_event(LOG_INFO, "stopping", "signal=%d", wait_and_sweep(daemon.storage, &stop));
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
        return puts("myelin-storaged " MYELIN_VERSION) < 0;
    log_set_level(options.log_level);
    result served = serve(&options);
    if (served == OK)
        log_event(LOG_INFO, "stopped", "reason=signal");
    return result_exit_code(served);
}
