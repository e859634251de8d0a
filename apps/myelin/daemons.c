#include "daemons.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "launch.h"
#include "net/address.h"
#include "system/local.h"

enum { STOP_MS = 10000, POLL_MS = 20, COMMAND_LINE_MAX = 16 << 10, LOG_TAIL = 2048 };

void daemons_close(struct daemons *daemons) {
    daemons_unlock(daemons);
    for (unsigned i = 0; i < daemons->count; i++)
        free(daemons->of[i].left);
    free(daemons->of);
    description_free(&daemons->description);
}

result daemons_open(const char *dir, struct daemons *out_daemons) {
    AUTO_DAEMONS struct daemons daemons = {.lock = -1};
    TRY(description_load(dir, NULL, &daemons.description));
    if (realpath(dir, daemons.dir) == NULL)
        return FAIL(IO, "%s: %s", dir, strerror(errno));
    const Myelin__System *system = daemons.description.system;
    const Myelin__Server *storage[FORMAT_SERVERS_MAX];
    unsigned count = description_storage(&daemons.description, storage);
    daemons.of = calloc(count + system->n_key, sizeof *daemons.of);
    if (daemons.of == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    for (unsigned i = 0; i < count; i++)
        daemons.of[daemons.count++] = (struct daemon){.server = storage[i]};
    for (size_t i = 0; i < system->n_key; i++)
        daemons.of[daemons.count++] = (struct daemon){.server = system->key[i], .is_key = true};
    *out_daemons = daemons;
    daemons = (struct daemons){.lock = -1};
    return OK;
}

result daemons_lock(struct daemons *daemons) {
    char run[PATH_MAX];
    TRY(local_run_path(daemons->dir, run, sizeof run));
    TRY(file_make_folders(run, 0755));
    daemons->lock = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (daemons->lock < 0 || flock(daemons->lock, LOCK_EX) != 0)
        return FAIL(IO, "locking %s: %s", run, strerror(errno));
    return file_sweep(run, "");
}

void daemons_unlock(struct daemons *daemons) {
    if (daemons->lock >= 0)
        close(daemons->lock);
    daemons->lock = -1;
}

/* A machine can bind to its own addresses alone; the port, which may be taken, is left out. */
bool daemon_is_here(const struct daemon *daemon) {
    struct address address;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (address_parse(daemon->server->address, &address) != OK ||
        getaddrinfo(address.host, NULL, &hints, &found) != 0)
        return false;
    AUTO_FD int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_here = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return is_here;
}

/* ------------------------------------------------------------------ does it run? */

/* The argument after `name` in a command line of zero-terminated arguments; NULL where none is. */
static const char *argument_after(const char *line, size_t len, const char *name) {
    for (const char *at = line; at < line + len; at += strlen(at) + 1)
        if (strcmp(at, name) == 0 && at + strlen(at) + 1 < line + len)
            return at + strlen(at) + 1;
    return NULL;
}

/* A process's command line: its length, or 0 for one that is gone, or has ended and was not waited
 * for. */
static size_t read_command_line(pid_t pid, char line[COMMAND_LINE_MAX + 1]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, line, COMMAND_LINE_MAX);
    if (len <= 0)
        return 0;
    line[len] = '\0';
    return (size_t)len;
}

static bool is_line_of(const struct daemons *daemons, const struct daemon *daemon, const char *line,
                       size_t len) {
    char store[PATH_MAX];
    if (len == 0 || local_store_path(daemons->dir, daemon->server->name, store, PATH_MAX) != OK)
        return false;
    const char *slash = strrchr(line, '/');
    const char *its_store = argument_after(line, len, "--store");
    return strcmp(slash == NULL ? line : slash + 1, launch_program(daemon)) == 0 &&
           its_store != NULL && strcmp(its_store, store) == 0;
}

static bool is_daemon(const struct daemons *daemons, const struct daemon *daemon, pid_t pid) {
    char line[COMMAND_LINE_MAX + 1];
    return is_line_of(daemons, daemon, line, read_command_line(pid, line));
}

static void find_by_line(const struct daemons *daemons, pid_t pid, pid_t pids[]) {
    char line[COMMAND_LINE_MAX + 1];
    size_t len = read_command_line(pid, line);
    for (unsigned i = 0; i < daemons->count && len > 0; i++)
        if (pids[i] == 0 && is_line_of(daemons, &daemons->of[i], line, len))
            pids[i] = pid;
}

void daemons_find(const struct daemons *daemons, pid_t out_pids[]) {
    unsigned missing = 0;
    for (unsigned i = 0; i < daemons->count; i++) {
        out_pids[i] = daemon_pid(daemons, &daemons->of[i]);
        missing += out_pids[i] == 0;
    }
    DIR *processes = missing == 0 ? NULL : opendir("/proc");
    if (processes == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 1 && pid <= INT_MAX)
            find_by_line(daemons, (pid_t)pid, out_pids);
    }
    closedir(processes);
}

pid_t daemon_pid(const struct daemons *daemons, const struct daemon *daemon) {
    char path[PATH_MAX];
    AUTO_BYTES struct bytes text = {0};
    if (launch_pid_path(daemons, daemon, path) != OK || file_read(path, 32, &text) != OK ||
        bytes_append(&text, view_of("", 1)) != OK)
        return 0;
    char *end;
    long pid = strtol((const char *)text.data, &end, 10);
    if (pid <= 1 || pid > INT_MAX || (*end != '\0' && *end != '\n'))
        return 0;
    return is_daemon(daemons, daemon, (pid_t)pid) ? (pid_t)pid : 0;
}

void daemon_last_line(const struct daemons *daemons, const struct daemon *daemon,
                      char out[DAEMON_LINE]) {
    char path[PATH_MAX], tail[LOG_TAIL + 1];
    out[0] = '\0';
    if (launch_log_path(daemons, daemon, path) != OK)
        return;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size <= 0)
        return;
    ssize_t len = pread(fd, tail, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);
    while (len > 0 && tail[len - 1] == '\n')
        len--;
    tail[len > 0 ? len : 0] = '\0';
    const char *line = strrchr(tail, '\n');
    snprintf(out, DAEMON_LINE, "%.*s", DAEMON_LINE - 1, line == NULL ? tail : line + 1);
}

/* ------------------------------------------------------------------ stop */

static void wait_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

/* One that this process started has to be waited for, or it stays as a zombie. */
static bool has_ended(const struct daemons *daemons, struct daemon *daemon, pid_t pid) {
    if (daemon->child == pid && waitpid(pid, NULL, WNOHANG) == pid)
        daemon->child = 0;
    return !is_daemon(daemons, daemon, pid);
}

static result remove_pid_file(const struct daemons *daemons, const struct daemon *daemon) {
    char path[PATH_MAX];
    TRY(launch_pid_path(daemons, daemon, path));
    if (unlink(path) != 0 && errno != ENOENT)
        return FAIL(IO, "removing %s: %s", path, strerror(errno));
    return OK;
}

/* A stopped (frozen) process takes a signal only once it goes on. */
static void send_signal(pid_t pid, int number) {
    kill(pid, number);
    kill(pid, SIGCONT);
}

static bool wait_for_end(struct daemons *daemons, const pid_t pids[], uint64_t limit_ms) {
    uint64_t deadline = clock_ms() + limit_ms;
    for (unsigned i = 0; i < daemons->count; i++)
        while (pids[i] != 0 && !has_ended(daemons, &daemons->of[i], pids[i])) {
            if (clock_ms() >= deadline)
                return false;
            wait_a_little();
        }
    return true;
}

result daemons_stop(struct daemons *daemons) {
    pid_t pids[DAEMONS_MAX];
    daemons_find(daemons, pids);
    for (unsigned i = 0; i < daemons->count; i++)
        if (pids[i] != 0)
            send_signal(pids[i], SIGTERM);
    if (!wait_for_end(daemons, pids, STOP_MS)) {
        for (unsigned i = 0; i < daemons->count; i++)
            if (pids[i] != 0 && !has_ended(daemons, &daemons->of[i], pids[i]))
                send_signal(pids[i], SIGKILL);
        if (!wait_for_end(daemons, pids, STOP_MS))
            return FAIL(IO, "%s: a server does not end, not even when killed", daemons->dir);
    }
    for (unsigned i = 0; i < daemons->count; i++)
        TRY(remove_pid_file(daemons, &daemons->of[i]));
    return OK;
}
