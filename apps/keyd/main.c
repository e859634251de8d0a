/* myelin-keyd: starts, serves until a signal, stops in order. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "daemon/daemon.h"
#include "keys/sealing_key.h"
#include "keys/service.h"
#include "net/server.h"
#include "routes.h"
#include "system/identity.h"

static const char help[] =
    "Usage: myelin-keyd --config FOLDER --system FILE --store FOLDER [OPTION]...\n"
    "A key server of Myelin: it keeps one share of every user's key and an access log.\n"
    "\n"
    "  --config FOLDER     certificate.pem, key.pem and seal.key (32 bytes, mode 0600)\n"
    "  --system FILE       the system description, system.myelin\n"
    "  --store FOLDER      where shares, revocations and the access log are kept\n"
    "  --listen HOST:PORT  instead of this server's address in the description\n"
    "  --log-segment-mb N  begin a new file of the access log at N megabytes (64)\n"
    "  --log-level LEVEL   debug, info (the default), warning or error\n" OPTIONS_HELP_LIMITS
    "  --help, --version\n"
    "\n"
    "Log lines go to standard error; \"event=ready\" says that it serves. SIGTERM stops it.\n"
    "SIGHUP begins a new file of the access log; all but the newest may be taken to an archive.\n";

enum { STOP_GRACE_MS = 7000 }; /* a little more than an opening may take */

static struct {
    struct daemon_system system;
    struct keyd context; /* of the routes */
    struct identity identity;
    struct key_service service;
    struct server *server;
    int lock; /* of the store folder; -1 where not locked */
} keyd = {.lock = -1};

static void keyd_close(void) {
    daemon_system_stop(&keyd.system);
    server_stop(keyd.server, STOP_GRACE_MS);
    key_service_close(&keyd.service);
    identity_free(&keyd.identity);
    daemon_system_close(&keyd.system);
    file_close_at(&keyd.lock);
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

static void take_newer(void *context, const struct description *description) {
    struct key_service *service = context;
    if (key_service_update(service, description) != OK)
        log_event(LOG_ERROR, "system-version-not-taken", "error=\"%s\"", error_text());
}

static result open_service(const struct options *options) {
    char path[PATH_MAX];
    AUTO_SECRET uint8_t *seal_key = NULL;
    const struct description *description = current_now(keyd.system.current);
    int position = description_find_key(description, keyd.identity.name);
    if (position < 0)
        return FAIL(DENIED, "%s is no key server of this system", keyd.identity.name);
    TRY(join_path(options->config, "seal.key", path));
    TRY(sealing_key_load(path, &seal_key));
    TRY(key_service_open(options->store, seal_key, (uint32_t)position + 1, description,
                         keyd.identity.tls, &keyd.service));
    current_on_change(keyd.system.current, take_newer, &keyd.service);
    keyd.service.signing = keyd.identity.key;
    if (options->log_segment_bytes != 0)
        access_log_set_limit(keyd.service.log, options->log_segment_bytes);
    return OK;
}

static void keyd_rotate(void) {
    if (access_log_rotate(keyd.service.log) != OK)
        log_event(LOG_WARNING, "sighup", "error=\"%s\"", error_text());
}

static result keyd_start(const struct options *options) {
    TRY(lock_store(options->store, &keyd.lock));
    TRY(daemon_system_open(options, options->store, &keyd.system));
    TRY(identity_load_server(options->config, TLS_ROLE_KEY, current_now(keyd.system.current),
                             &keyd.identity));
    TRY(open_service(options));
    const Myelin__System *system = current_now(keyd.system.current)->system;
    const Myelin__Server *self = system->key[keyd.service.index - 1];
    keyd.context = (struct keyd){&keyd.service, &keyd.system};
    struct server_options server = {
        .listen = options->listen != NULL ? options->listen : self->address,
        .identity = keyd.identity.tls,
        .routes = keyd_routes,
        .route_count = keyd_route_count,
        .context = &keyd.context,
        .limits = options_limits(options),
    };
    TRY(server_start(&server, &keyd.server));
    TRY(daemon_system_start(&keyd.system, keyd.server, &keyd.identity));
    log_event(LOG_INFO, "ready", "name=%s index=%u port=%u users=%zu log_entries=%llu",
              keyd.identity.name, keyd.service.index, server_port(keyd.server),
              share_store_count(keyd.service.shares),
              (unsigned long long)access_log_last(keyd.service.log));
    return OK;
}

int main(int argc, char *argv[]) {
    static const struct daemon_program program = {
        .name = "myelin-keyd",
        .help = help,
        .start = keyd_start,
        .hangup = keyd_rotate,
        .close = keyd_close,
    };
    return daemon_run(&program, argc, argv);
}
