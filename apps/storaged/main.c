/* myelin-storaged: starts, serves until a signal, stops in order. */
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
    "  --log-level LEVEL   debug, info (the default), warning or error\n" OPTIONS_HELP_LIMITS
    "  --help, --version\n"
    "\n"
    "Log lines go to standard error; \"event=ready\" says that it serves. SIGTERM stops it.\n";

enum { STOP_GRACE_MS = 5000 };

static struct {
    struct daemon_system system;
    struct identity identity;
    struct store *store;
    struct storage *storage;
    struct storaged context; /* of the routes */
    struct server *server;
} storaged;

static void storaged_close(void) {
    daemon_system_stop(&storaged.system);
    server_stop(storaged.server, STOP_GRACE_MS);
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
    storage_set_description(context, description);
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
    TRY(daemon_system_open(options, folder_of(options->store), &storaged.system));
    const struct description *description = current_now(storaged.system.current);
    TRY(identity_load_server(options->config, TLS_ROLE_STORAGE, description, &storaged.identity));
    const Myelin__Server *self = description_storage_server(description, storaged.identity.name);
    if (self == NULL)
        return FAIL(DENIED, "%s is no storage server of this system", storaged.identity.name);
    TRY(open_storage(options));
    current_on_change(storaged.system.current, take_newer, storaged.storage);
    storaged.context = (struct storaged){storaged.storage, &storaged.system};
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
