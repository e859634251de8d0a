#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "net/address.h"
#include "net/server_private.h"

enum {
    /* Headers and a part of the body share this; more makes parts no longer, as GnuTLS gives one
     * record of 16 KiB at a time. */
    CONNECTION_MEMORY_BYTES = 64 << 10,
    LISTEN_BACKLOG = 1024,
    /* Connections that were cut count for the library until their threads have ended. */
    CONNECTIONS_CUT_MAX = 128,
    THREAD_STACK_BYTES = 1 << 20,
    STOP_POLL_MS = 5,
};

/* Ed25519 certificates; AES-128 first, as it is the fastest, whatever the client would rather. */
static const char priorities[] = "NONE:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
                                 "+AEAD:+GROUP-X25519:+GROUP-SECP256R1:+SIGN-EDDSA-ED25519:"
                                 "+CTYPE-X509:%SERVER_PRECEDENCE";

static void log_library(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void log_library(void *context, const char *format, va_list arguments) {
    (void)context;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    log_event(LOG_DEBUG, "http_library", "text=\"%s\"", text);
}

/* Keep-alive finds a peer that fell silent; answers are short, so nothing may wait for more. */
static void prepare_socket(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int on = 1;
    if (info == NULL)
        return;
    setsockopt(info->connect_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(info->connect_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static enum MHD_Result admit(void *server_pointer, const struct sockaddr *address, socklen_t len) {
    const struct server *server = server_pointer;
    (void)len;
    return guard_admit(server->guard, address) ? MHD_YES : MHD_NO;
}

static void *open_connection(struct server *server, struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    int fd = info == NULL ? -1 : info->connect_fd;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct server_connection *connection = calloc(1, sizeof *connection);
    if (connection != NULL)
        guard_open(server->guard, &connection->guarded, fd,
                   info == NULL ? NULL : info->client_addr);
    return connection;
}

static void connection_changed(void *server_pointer, struct MHD_Connection *mhd, void **context,
                               enum MHD_ConnectionNotificationCode what) {
    struct server *server = server_pointer;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&server->connections, 1);
        prepare_socket(mhd);
        *context = open_connection(server, mhd);
        return;
    }
    struct server_connection *connection = *context;
    if (connection != NULL)
        guard_close(server->guard, &connection->guarded);
    free(connection);
    *context = NULL;
    atomic_fetch_sub(&server->connections, 1);
}

/* Path and query are decoded by route.c, after they were taken apart. */
static size_t leave_encoded(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context, (void)mhd;
    return strlen(text);
}

void server_set_version(struct server *server, uint64_t version, uint64_t mark) {
    atomic_store(&server->mark, 0);
    atomic_store(&server->version, version);
    atomic_store(&server->mark, mark);
}

/* ---- Listening ---- */

static result bind_one(const struct addrinfo *where, const char *text, int *out_fd) {
    const int on = 1;
    AUTO_FD int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FAIL(IO, "%s: no socket: %m", text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0)
        return FAIL(IO, "%s: cannot be bound: %m", text);
    if (listen(fd, LISTEN_BACKLOG) != 0)
        return FAIL(IO, "%s: cannot listen: %m", text);
    *out_fd = fd;
    fd = -1;
    return OK;
}

static result read_port(int fd, uint16_t *out_port) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char port[8];
    uint64_t number = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) !=
            0)
        return FAIL(IO, "the port of a socket cannot be read");
    TRY(route_number(port, &number));
    *out_port = (uint16_t)number;
    return OK;
}

static result start_listening(const char *text, int *out_fd, uint16_t *out_port) {
    struct address address;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    TRY(address_parse(text, &address));
    int code = getaddrinfo(address.host, address.port, &hints, &found);
    if (code != 0)
        return FAIL(INVALID, "%s: %s", text, gai_strerror(code));
    result outcome = bind_one(found, text, out_fd);
    freeaddrinfo(found);
    TRY(outcome);
    if (read_port(*out_fd, out_port) != OK) {
        file_close_at(out_fd);
        return IO;
    }
    return OK;
}

/* ---- Start and stop ---- */

static result check_options(const struct server_options *options) {
    if (options->route_count > SERVER_ROUTES_MAX)
        return FAIL(INVALID, "over %d routes", SERVER_ROUTES_MAX);
    for (size_t i = 0; i < options->route_count; i++) {
        const struct server_route *route = &options->routes[i];
        if (route->end == NULL || (route->body == SERVER_BODY_STREAMED) != (route->part != NULL))
            return FAIL(INVALID, "route %s %s lacks a handler, or has one too many", route->method,
                        route->pattern);
    }
    return OK;
}

static struct MHD_Daemon *start_daemon(struct server *server) {
    const struct tls_identity *identity = server->options.identity;
    const struct server_limits *limits = guard_limits(server->guard);
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                           MHD_USE_POLL | MHD_USE_ITC | MHD_USE_TLS | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(
        flags, 0, admit, server, exchange_step, server, MHD_OPTION_EXTERNAL_LOGGER, log_library,
        NULL, MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_HTTPS_MEM_CERT,
        tls_identity_certificate_pem(identity), MHD_OPTION_HTTPS_MEM_KEY,
        tls_identity_key_pem(identity), MHD_OPTION_HTTPS_MEM_TRUST, tls_identity_ca_pem(identity),
        MHD_OPTION_HTTPS_PRIORITIES, priorities, MHD_OPTION_CONNECTION_LIMIT,
        limits->connections + CONNECTIONS_CUT_MAX, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)THREAD_STACK_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (limits->idle_ms + 999) / 1000,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)(16 << 10), MHD_OPTION_URI_LOG_CALLBACK,
        exchange_new, server, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_END);
}

static void server_free(struct server *server) {
    if (server->listen_fd >= 0)
        file_close_at(&server->listen_fd);
    guard_stop(server->guard);
    free(server);
}

static result start(const struct server_options *options, struct server *server) {
    TRY(guard_start(&options->limits, &server->guard));
    TRY(start_listening(options->listen, &server->listen_fd, &server->port));
    server->daemon = start_daemon(server);
    if (server->daemon == NULL)
        return FAIL(INTERNAL, "%s: the HTTPS server does not start", options->listen);
    return OK;
}

result server_start(const struct server_options *options, struct server **out_server) {
    TRY(check_options(options));
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return FAIL(NO_MEMORY, "no memory for a server");
    server->options = *options;
    server->listen_fd = -1;
    result code = start(options, server);
    if (code != OK) {
        server_free(server);
        return code;
    }
    *out_server = server;
    return OK;
}

uint16_t server_port(const struct server *server) {
    return server->port;
}

static void wait_for_exchanges(const struct server *server, unsigned grace_ms) {
    const struct timespec pause = {.tv_nsec = STOP_POLL_MS * 1000000L};
    for (unsigned waited = 0; waited < grace_ms && atomic_load(&server->exchanges) > 0;
         waited += STOP_POLL_MS)
        nanosleep(&pause, NULL);
}

void server_stop(struct server *server, unsigned grace_ms) {
    if (server == NULL)
        return;
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    wait_for_exchanges(server, grace_ms);
    guard_halt(server->guard);
    MHD_stop_daemon(server->daemon);
    server_free(server);
}
