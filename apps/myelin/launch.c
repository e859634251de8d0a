#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "system/local.h"

extern char **environ;

const char *launch_program(const struct daemon *daemon) {
    return daemon->is_key ? "myelin-keyd" : "myelin-storaged";
}

static result join(const char *folder, const char *name, const char *ending, char out[PATH_MAX]) {
    int used = snprintf(out, PATH_MAX, "%s/%s%s", folder, name, ending);
    return used > 0 && used < PATH_MAX ? OK : FAIL(INVALID, "the path %s is too long", folder);
}

result launch_pid_path(const struct daemons *daemons, const struct daemon *daemon,
                       char out[PATH_MAX]) {
    char run[PATH_MAX];
    TRY(local_run_path(daemons->dir, run, sizeof run));
    return join(run, daemon->server->name, ".pid", out);
}

result launch_log_path(const struct daemons *daemons, const struct daemon *daemon,
                       char out[PATH_MAX]) {
    return join(daemons->dir, daemon->server->name, ".log", out);
}

result launch_note_pid(const struct daemons *daemons, const struct daemon *daemon, pid_t pid) {
    char path[PATH_MAX], text[32];
    TRY(launch_pid_path(daemons, daemon, path));
    int len = snprintf(text, sizeof text, "%d\n", (int)pid);
    return file_write_atomic(path, view_of(text, (size_t)len), 0644);
}

/* The program beside this one, else its bare name, which is looked for in PATH. */
static result program_path(const struct daemon *daemon, char out[PATH_MAX]) {
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len > 0) {
        self[len] = '\0';
        char *slash = strrchr(self, '/');
        if (slash != NULL)
            *slash = '\0';
        TRY(join(self, launch_program(daemon), "", out));
        if (access(out, X_OK) == 0)
            return OK;
    }
    snprintf(out, PATH_MAX, "%s", launch_program(daemon));
    return OK;
}

struct spawning {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
};

static void spawning_free(struct spawning *spawning) {
    posix_spawn_file_actions_destroy(&spawning->files);
    posix_spawnattr_destroy(&spawning->attributes);
}

/* Nothing of the caller's terminal, pipes or signal mask stays with the server: whoever captures
 * this command's output would otherwise wait for the server's end. */
static void detach(struct spawning *spawning, const char *log) {
    posix_spawn_file_actions_init(&spawning->files);
    posix_spawn_file_actions_addopen(&spawning->files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&spawning->files, STDOUT_FILENO, log,
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&spawning->files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&spawning->files, STDERR_FILENO + 1);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&spawning->attributes);
    posix_spawnattr_setsigmask(&spawning->attributes, &none);
    posix_spawnattr_setsigdefault(&spawning->attributes, &defaults);
    posix_spawnattr_setflags(&spawning->attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static result spawn(const struct daemons *daemons, struct daemon *daemon, char *const arguments[]) {
    char log[PATH_MAX];
    TRY(launch_log_path(daemons, daemon, log));
    __attribute__((cleanup(spawning_free))) struct spawning spawning;
    detach(&spawning, log);
    pid_t pid = 0;
    int failed =
        posix_spawnp(&pid, arguments[0], &spawning.files, &spawning.attributes, arguments, environ);
    if (failed != 0)
        return FAIL(failed == ENOENT ? NOT_FOUND : IO, "%s: cannot start %s with its log in %s: %s",
                    daemon->server->name, arguments[0], log, strerror(failed));
    daemon->child = pid;
    return OK;
}

result launch(const struct daemons *daemons, struct daemon *daemon) {
    const char *name = daemon->server->name;
    char program[PATH_MAX], config[PATH_MAX], store[PATH_MAX], system[PATH_MAX];
    TRY(program_path(daemon, program));
    TRY(local_config_path(daemons->dir, name, config, sizeof config));
    TRY(local_store_path(daemons->dir, name, store, sizeof store));
    TRY(description_path(daemons->dir, system, sizeof system));
    char config_option[] = "--config", system_option[] = "--system", store_option[] = "--store";
    char *const arguments[] = {program, config_option, config, system_option,
                               system,  store_option,  store,  NULL};
    TRY(spawn(daemons, daemon, arguments));
    return launch_note_pid(daemons, daemon, daemon->child);
}
