/* myelin-storaged: starts, serves until a signal, stops in order. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "net/server.h"
#include "routes.h"
#include "system/identity.h"

static const char help[] =
    "Usage: myelin-storaged --config FOLDER --system FILE --store FOLDER [OPTION]...\n"
    "A storage server of Myelin: it keeps one codeword symbol of every image, and forwards.\n"
    "\n"
    "  --config FOLDER     certificate.pem and key.pem\n"
    "  --system FILE       the system description, system.myelin\n"
    "  --store FOLDER      where symbols and forwards are kept; \"file:FOLDER\" means the same\n"
    "  --listen HOST:PORT  instead of this server's address in the description\n"
    "  --log-level LEVEL   debug, info (the default), warning or error\n"
    "  --scrub-mb-per-second N\n"
    "                      how fast the store is read and mended in the background (20; 0: as\n"
    "                      fast as it goes); the file scrub.pause in the store halts it\n"
    "  --scrub-interval S  seconds from one reading of the whole store to the next (86400; 0:\n"
    "                      never)\n"
    "  --scrub-look S      seconds between looks at what other servers have and this one lacks\n"
    "                      (300)\n" OPTIONS_HELP_LIMITS "  --help, --version\n"
    "\n"
    "Log lines go to standard error; \"event=ready\" says that it serves. SIGTERM stops it.\n";

enum { STOP_GRACE_MS = 5000 };

static struct {
    struct daemon_system system;
    struct identity identity;
    struct store *store;
    struct storage *storage;
    struct peers *peers;
    struct mender *mender;
    struct scrub *scrub;
    struct storaged context; /* of the routes */
    struct server *server;
} storaged;

static void storaged_close(void) {
    daemon_system_stop(&storaged.system);
    if (storaged.mender != NULL)
        mender_stop(storaged.mender);
    server_stop(storaged.server, STOP_GRACE_MS);
    if (storaged.storage != NULL)
        storage_on_doubt(storaged.storage, NULL, NULL);
    scrub_stop(storaged.scrub);
    mender_free(storaged.mender);
    peers_free(storaged.peers);
    storage_close(storaged.storage);
    store_close(storaged.store);
    identity_free(&storaged.identity);
    daemon_system_close(&storaged.system);
}

static void storaged_sweep(void) {
    storage_sweep(storaged.storage);
}

static const char *folder_of(const char *store) {
    return strncmp(store, "file:", 5) == 0 ? store + 5 : store;
}

static void take_newer(void *context, const struct description *description) {
    (void)context;
    storage_set_description(storaged.storage, description);
    if (peers_set_description(storaged.peers, description) != OK)
        log_event(LOG_ERROR, "peers", "reason=\"%s\"", error_text());
    scrub_wake(storaged.scrub);
    if (description_storage_server(description, storaged.identity.name) != NULL)
        return;
    log_event(LOG_WARNING, "removed", "version=%llu text=\"the system has no %s any more\"",
              (unsigned long long)description->system->version, storaged.identity.name);
    daemon_stop();
}

static void doubt(void *context, const struct image_id *image) {
    scrub_doubt(context, image);
}

/* "STORE/scrub.pause" */
static result start_mending(const struct options *options) {
    const struct description *description = current_now(storaged.system.current);
    char pause[PATH_MAX];
    int len = snprintf(pause, sizeof pause, "%s/scrub.pause", folder_of(options->store));
    if (len < 0 || (size_t)len >= sizeof pause)
        return FAIL(INVALID, "--store: the path is too long");
    const struct scrub_options scrub = {
        .bytes_per_second = (uint64_t)options->scrub_mb_per_second * 1000000,
        .interval_ms = (uint64_t)options->scrub_interval_s * 1000,
        .look_ms = (uint64_t)options->scrub_look_s * 1000,
        .pause_file = pause,
    };
    TRY(peers_new(description, storaged.identity.tls, storaged.identity.name, &storaged.peers));
    TRY(mender_new(storaged.storage, storaged.peers, &storaged.mender));
    TRY(scrub_start(storaged.storage, storaged.peers, storaged.mender, &scrub, &storaged.scrub));
    storage_on_doubt(storaged.storage, doubt, storaged.scrub);
    return OK;
}

static result open_storage(const struct options *options) {
    TRY(store_open(options->store, &storaged.store));
    const struct storage_options storage = {
        .server = storaged.identity.name,
        .key = storaged.identity.key,
        .reserve_bytes = STORAGE_RESERVE_BYTES,
        .description = current_now(storaged.system.current),
    };
    return storage_open(storaged.store, &storage, &storaged.storage);
}

static result storaged_start(const struct options *options) {
    if (options->log_segment_bytes != 0)
        return FAIL(INVALID, "--log-segment-mb is for key servers");
    TRY(daemon_system_open(options, folder_of(options->store), &storaged.system));
    const struct description *description = current_now(storaged.system.current);
    TRY(identity_load_server(options->config, TLS_ROLE_STORAGE, description, &storaged.identity));
    const Myelin__Server *self = description_storage_server(description, storaged.identity.name);
    if (self == NULL)
        return FAIL(DENIED, "%s is no storage server of this system", storaged.identity.name);
    TRY(open_storage(options));
    TRY(start_mending(options));
    current_on_change(storaged.system.current, take_newer, NULL);
    storaged.context =
        (struct storaged){storaged.storage, &storaged.system, storaged.mender, storaged.scrub};
    struct server_options server = {
        .listen = options->listen != NULL ? options->listen : self->address,
        .identity = storaged.identity.tls,
        .routes = storaged_routes,
        .route_count = storaged_route_count,
        .context = &storaged.context,
        .limits = options_limits(options),
    };
    TRY(server_start(&server, &storaged.server));
    TRY(daemon_system_start(&storaged.system, storaged.server, &storaged.identity));
    log_event(LOG_INFO, "ready", "name=%s port=%u", storaged.identity.name,
              server_port(storaged.server));
    return OK;
}

int main(int argc, char *argv[]) {
    static const struct daemon_program program = {
        .name = "myelin-storaged",
        .help = help,
        .start = storaged_start,
        .sweep = storaged_sweep,
        .close = storaged_close,
    };
    return daemon_run(&program, argc, argv);
}
