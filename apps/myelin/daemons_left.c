/* Servers that the description does not have any more: removed, or replaced, while they ran. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemons.h"
#include "system/local.h"

static const char ENDING[] = ".pid";

/* What stopping it needs of a description's server; freed by its first member. */
struct left {
    Myelin__Server server;
    char name[FORMAT_NAME_MAX + 1];
};

static bool is_known(const struct daemons *daemons, const char *name) {
    for (unsigned i = 0; i < daemons->count; i++)
        if (strcmp(daemons->of[i].server->name, name) == 0)
            return true;
    return false;
}

/* The pid file's process says what the server was; of one that does not run it does not matter. */
static result add(struct daemons *daemons, const char *name) {
    struct daemon *more = realloc(daemons->of, (daemons->count + 1) * sizeof *more);
    if (more == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    daemons->of = more;
    struct left *left = calloc(1, sizeof *left);
    if (left == NULL)
        return FAIL(NO_MEMORY, "out of memory");
    myelin__server__init(&left->server);
    snprintf(left->name, sizeof left->name, "%s", name);
    left->server.name = left->name;
    struct daemon *daemon = &daemons->of[daemons->count++];
    *daemon = (struct daemon){.server = &left->server, .is_key = true, .left = &left->server};
    daemon->is_key = daemon_pid(daemons, daemon) != 0;
    return OK;
}

static void close_folder(DIR **folder) {
    if (*folder != NULL)
        closedir(*folder);
}

result daemons_add_left(struct daemons *daemons) {
    char run[PATH_MAX];
    TRY(local_run_path(daemons->dir, run, sizeof run));
    __attribute__((cleanup(close_folder))) DIR *folder = opendir(run);
    if (folder == NULL)
        return FAIL(IO, "%s: %s", run, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[FORMAT_NAME_MAX + 1];
        size_t len = strlen(entry->d_name), ending = sizeof ENDING - 1;
        if (len <= ending || len - ending > FORMAT_NAME_MAX ||
            strcmp(entry->d_name + len - ending, ENDING) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - ending), entry->d_name);
        if (format_is_name(name) && !is_known(daemons, name) && daemons->count < DAEMONS_MAX)
            TRY(add(daemons, name));
    }
    return OK;
}
