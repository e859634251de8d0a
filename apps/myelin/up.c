#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "daemons.h"
#include "interrupt.h"
#include "print.h"
#include "system/local.h"

enum { WATCH_MS = 200, STORAGE = 6, K = 3, KEY = 5, THRESHOLD = 3 };

/* A system that is there must be the one that is asked for. */
static result check_shape(const struct arguments *arguments, const struct daemons *daemons) {
    const Myelin__System *system = daemons->description.system;
    const struct {
        enum cli_option option;
        unsigned is;
    } numbers[] = {{OPTION_STORAGE, (unsigned)system->n_storage},
                   {OPTION_SLOTS, description_slots(&daemons->description)},
                   {OPTION_K, system->k},
                   {OPTION_KEY, (unsigned)system->n_key},
                   {OPTION_THRESHOLD, system->t}};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        unsigned wanted;
        TRY(arguments_number(arguments, numbers[i].option, numbers[i].is, &wanted));
        if (wanted != numbers[i].is)
            return FAIL(INVALID,
                        "%s has a system already, of %zu storage servers with k = %u and %zu key "
                        "servers with threshold %u: leave these options out, or choose another DIR",
                        daemons->dir, system->n_storage, system->k, system->n_key, system->t);
    }
    return OK;
}

static result create(const struct arguments *arguments, const char *dir) {
    unsigned n, slots, k, m, t;
    TRY(arguments_number(arguments, OPTION_STORAGE, STORAGE, &n));
    TRY(arguments_number(arguments, OPTION_K, n < K ? n : K, &k));
    TRY(arguments_number(arguments, OPTION_KEY, KEY, &m));
    TRY(arguments_number(arguments, OPTION_THRESHOLD, m < THRESHOLD ? m : THRESHOLD, &t));
    TRY(arguments_number(arguments, OPTION_SLOTS, n, &slots));
    const struct local_shape shape = {.storage = n,
                                      .slots = slots,
                                      .k = k,
                                      .key = m,
                                      .t = t,
                                      .addresses = arguments->values[OPTION_ADDRESSES]};
    return local_create_shape(dir, &shape);
}

static result open_or_create(const struct arguments *arguments, const char *dir,
                             struct daemons *daemons) {
    result opened = daemons_open(dir, daemons);
    if (opened == NOT_FOUND) {
        TRY(create(arguments, dir));
        opened = daemons_open(dir, daemons);
    }
    TRY(opened);
    return check_shape(arguments, daemons);
}

static void say_ended(const struct daemons *daemons, const struct daemon *daemon) {
    char line[DAEMON_LINE];
    daemon_last_line(daemons, daemon, line);
    fprintf(stderr, "myelin: warning: %s has ended; its log ends with: ", daemon->server->name);
    print_safe(stderr, line);
    fputc('\n', stderr);
}

/* Until Control-C, or until no server runs any more. */
static result watch(struct daemons *daemons) {
    bool runs[2 * FORMAT_SERVERS_MAX];
    unsigned running = 0;
    for (unsigned i = 0; i < daemons->count; i++)
        running += runs[i] = daemon_is_here(&daemons->of[i]);
    while (!interrupt_has_come() && running > 0) {
        nanosleep(&(struct timespec){.tv_nsec = WATCH_MS * 1000000L}, NULL);
        for (unsigned i = 0; i < daemons->count && !interrupt_has_come(); i++) {
            struct daemon *daemon = &daemons->of[i];
            if (daemon->child != 0 && waitpid(daemon->child, NULL, WNOHANG) == daemon->child)
                daemon->child = 0;
            if (!runs[i] || daemon_pid(daemons, daemon) != 0)
                continue;
            runs[i] = false;
            running--;
            say_ended(daemons, daemon);
        }
    }
    if (!interrupt_has_come())
        return FAIL(INTERNAL, "no server of %s runs any more", daemons->dir);
    TRY(daemons_lock(daemons));
    return daemons_stop(daemons);
}

/* In the background, servers that do start are left to serve, so that one that does not costs no
 * more than itself. */
static result start(struct daemons *daemons, bool detached) {
    result started = daemons_start(daemons);
    if (started == OK || (detached && !interrupt_has_come()))
        return started;
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    daemons_stop_started(daemons);
    return FAIL(started, "%s", why);
}

result command_up(struct cli *cli) {
    const struct arguments *arguments = cli->arguments;
    const char *dir = arguments->words[0];
    bool detached = arguments->values[OPTION_DETACH] != NULL;
    interrupt_watch(NULL);
    AUTO_DAEMONS struct daemons daemons = {.lock = -1};
    TRY(open_or_create(arguments, dir, &daemons));
    TRY(daemons_lock(&daemons));
    TRY(start(&daemons, detached));
    daemons_unlock(&daemons);
    const Myelin__System *system = daemons.description.system;
    printf("storage servers: %zu, any %u hold an image; key servers: %zu, any %u open it; "
           "MYELIN_SYSTEM=%s\n",
           system->n_storage, system->k, system->n_key, system->t, daemons.dir);
    fflush(stdout);
    return detached ? OK : watch(&daemons);
}
