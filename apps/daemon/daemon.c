#include "daemon/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "base/budget.h"
#include "base/secret.h"
#include "daemon/sandbox.h"

enum {
    SWEEP_SECONDS = 60,
    FILES_MOST = 1 << 16,
    HEAPS_MOST = 4,
    HEAP_SPARE_BYTES = 1 << 20,
    BLOCK_BYTES = 512 << 10,
};

/* What threads have freed is the system's again. By itself the C library makes eight heaps a core
 * and lets each keep twice the largest block that was ever freed, up to 64 MiB: a server's size
 * then goes by what it did some time ago, and looks like a leak. */
static void bound_heaps(void) {
    mallopt(M_ARENA_MAX, HEAPS_MOST);
    mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
}

/* Threads inherit the mask, so that signals reach this one only. SIGXFSZ: a file too long for the
 * process's limit is an error of write() like any other. */
static void block_signals(const struct daemon_program *program, sigset_t *out_stop) {
    sigemptyset(out_stop);
    sigaddset(out_stop, SIGTERM);
    sigaddset(out_stop, SIGINT);
    if (program->hangup != NULL)
        sigaddset(out_stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, out_stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static int wait_for_signal(const struct daemon_program *program, const sigset_t *stop) {
    const struct timespec pause = {.tv_sec = SWEEP_SECONDS};
    for (;;) {
        int received = sigtimedwait(stop, NULL, &pause);
        if (received == SIGHUP)
            program->hangup();
        else if (received > 0)
            return received;
        if (errno != EAGAIN)
            continue;
        if (program->sweep != NULL)
            program->sweep();
        malloc_trim(HEAP_SPARE_BYTES);
    }
}

static pthread_t waiting_thread;

void daemon_stop(void) {
    pthread_kill(waiting_thread, SIGTERM);
}

static result report(const struct daemon_program *program, result failed) {
    fprintf(stderr, "%s: %s\n", program->name, error_text());
    return failed;
}

/* Connections and the files they read or write are more than the usual soft limit allows. */
static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max < FILES_MOST ? files.rlim_max : FILES_MOST;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_event(LOG_WARNING, "files", "error=\"the limit cannot be raised: %m\"");
}

static result serve(const struct daemon_program *program, const struct options *options) {
    sigset_t stop;
    waiting_thread = pthread_self();
    block_signals(program, &stop);
    TRY(secret_start());
    raise_file_limit();
    budget_set_limit((uint64_t)options->memory_mib << 20);
    TRY(program->start(options));
    if (!options->no_sandbox)
        TRY(sandbox_enter());
    log_event(LOG_INFO, "limits", "sandbox=%s memory_mib=%u", options->no_sandbox ? "off" : "on",
              options->memory_mib);
    log_event(LOG_INFO, "stopping", "signal=%d", wait_for_signal(program, &stop));
    return OK;
}

int daemon_run(const struct daemon_program *program, int argc, char *argv[]) {
    struct options options;
    bound_heaps();
    result parsed = options_parse(argc, argv, &options);
    if (parsed != OK)
        return result_exit_code(report(program, parsed));
    if (options.help)
        return fputs(program->help, stdout) < 0;
    if (options.version)
        return printf("%s %s\n", program->name, MYELIN_VERSION) < 0;
    log_set_level(options.log_level);
    result served = serve(program, &options);
    if (served != OK)
        report(program, served); /* before what is closed can fail too */
    program->close();
    if (served == OK)
        log_event(LOG_INFO, "stopped", "reason=signal");
    return result_exit_code(served);
}
