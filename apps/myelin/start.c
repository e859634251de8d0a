/*
 * Starting the servers of a system, and waiting until they answer.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "daemons.h"
#include "interrupt.h"
#include "launch.h"
#include "net/client.h"
#include "system/identity.h"
#include "system/local.h"

enum { READY_MS = 30000, POLL_MS = 20, CALL_MS = 3000 };

/* Any certificate of the system may ask after a server's health; its own will do. */
static result probe_identity(const struct daemons *daemons, const struct daemon *daemon,
                             struct identity *out_identity) {
    char config[PATH_MAX];
    TRY(local_config_path(daemons->dir, daemon->server->name, config, sizeof config));
    return identity_load_server(config, daemon->is_key ? TLS_ROLE_KEY : TLS_ROLE_STORAGE,
                                &daemons->description, out_identity);
}

static result new_client(const struct daemon *daemon, const struct identity *identity,
                         struct http_client **out_client) {
    struct http_client_options options = {.name = daemon->server->name,
                                          .address = daemon->server->address,
                                          .identity = identity->tls,
                                          .connect_timeout_ms = CALL_MS,
                                          .answer_timeout_ms = CALL_MS};
    memcpy(options.server_identity, daemon->server->identity.data, TLS_KEY_BYTES);
    return http_client_new(&options, out_client);
}

static result fail_ended(const struct daemons *daemons, const struct daemon *daemon) {
    char line[DAEMON_LINE];
    daemon_last_line(daemons, daemon, line);
    return FAIL(INTERNAL, "%s ended as soon as it was started; its log ends with: %.300s",
                daemon->server->name, line);
}

static result wait_until_ready(const struct daemons *daemons, struct daemon *daemon,
                               const struct identity *identity) {
    AUTO_HTTP_CLIENT struct http_client *client = NULL;
    TRY(new_client(daemon, identity, &client));
    uint64_t deadline = clock_ms() + READY_MS;
    for (;;) {
        if (http_call(client, "GET", "/healthz", (struct view){0}, NULL, 4096, NULL) == OK)
            return OK;
        if (waitpid(daemon->child, NULL, WNOHANG) == daemon->child) {
            daemon->child = 0;
            return fail_ended(daemons, daemon);
        }
        if (interrupt_has_come())
            return FAIL(INTERNAL, "interrupted");
        if (clock_ms() >= deadline)
            return error_at(INTERNAL, "not ready after %d s", READY_MS / 1000);
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

/* The first failure counts; those after it are only counted. */
struct failures {
    result first;
    char text[ERROR_TEXT_BYTES];
    unsigned count;
};

static void note(struct failures *failures, result outcome) {
    if (outcome == OK)
        return;
    if (failures->count++ > 0)
        return;
    failures->first = outcome;
    snprintf(failures->text, sizeof failures->text, "%s", error_text());
}

result daemons_start(struct daemons *daemons) {
    AUTO_IDENTITY struct identity identity = {0};
    unsigned first = 0;
    while (first < daemons->count && !daemon_is_here(&daemons->of[first]))
        first++;
    if (first == daemons->count)
        return OK;
    TRY(probe_identity(daemons, &daemons->of[first], &identity));
    struct failures failures = {0};
    pid_t pids[2 * FORMAT_SERVERS_MAX];
    daemons_find(daemons, pids);
    for (unsigned i = first; i < daemons->count; i++)
        if (daemon_is_here(&daemons->of[i]))
            note(&failures, pids[i] == 0 ? launch(daemons, &daemons->of[i])
                                         : launch_note_pid(daemons, &daemons->of[i], pids[i]));
    for (unsigned i = 0; i < daemons->count; i++)
        if (daemons->of[i].child != 0)
            note(&failures, wait_until_ready(daemons, &daemons->of[i], &identity));
    if (failures.count > 1)
        return FAIL(failures.first, "%s (and %u more)", failures.text, failures.count - 1);
    return failures.count == 0 ? OK : FAIL(failures.first, "%s", failures.text);
}

void daemons_stop_started(struct daemons *daemons) {
    for (unsigned i = 0; i < daemons->count; i++)
        if (daemons->of[i].child != 0)
            kill(daemons->of[i].child, SIGTERM);
    for (unsigned i = 0; i < daemons->count; i++)
        if (daemons->of[i].child != 0)
            waitpid(daemons->of[i].child, NULL, 0);
}
