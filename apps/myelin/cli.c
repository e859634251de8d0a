#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/heads.h"
#include "interrupt.h"
#include "print.h"
#include "progress.h"
#include "system/passphrase.h"

static const char *from_environment(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

result cli_system(const struct cli *cli, const char **out_system) {
    const char *system = cli->arguments->values[OPTION_SYSTEM];
    if (system == NULL)
        system = from_environment("MYELIN_SYSTEM");
    if (system == NULL)
        return FAIL(INVALID, "which system? Give --system DIR or set MYELIN_SYSTEM");
    *out_system = system;
    return OK;
}

/* The user of a file name such as "alice.keystore"; false for any other. */
static bool keystore_user(const char *file, char user[FORMAT_NAME_MAX + 1]) {
    static const char ending[] = ".keystore";
    size_t len = strlen(file);
    if (len < sizeof ending || strcmp(file + len - (sizeof ending - 1), ending) != 0)
        return false;
    len -= sizeof ending - 1;
    if (len > FORMAT_NAME_MAX)
        return false;
    memcpy(user, file, len);
    user[len] = '\0';
    return format_is_name(user);
}

/* The user whose keystore is the only one. */
static result only_user(char user[FORMAT_NAME_MAX + 1]) {
    char home[PATH_MAX], name[FORMAT_NAME_MAX + 1];
    TRY(keystore_home(home, sizeof home));
    DIR *folder = opendir(home);
    unsigned found = 0;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (keystore_user(entry->d_name, name) && found++ == 0)
            memcpy(user, name, sizeof name);
    if (folder != NULL)
        closedir(folder);
    if (found == 0)
        return FAIL(NOT_FOUND, "%s has no keystore: enrol first, with 'myelin enroll NAME'", home);
    if (found > 1)
        return FAIL(INVALID,
                    "who are you? %s has %u keystores: give --user NAME or set "
                    "MYELIN_USER",
                    home, found);
    return OK;
}

static result find_user(const struct cli *cli, char user[FORMAT_NAME_MAX + 1]) {
    const char *name = cli->arguments->values[OPTION_USER];
    if (name == NULL)
        name = from_environment("MYELIN_USER");
    if (name == NULL)
        return only_user(user);
    if (!format_is_name(name))
        return FAIL(INVALID, "'%s' is no user name: lower-case letters, digits, '.', '_' and '-'",
                    name);
    snprintf(user, FORMAT_NAME_MAX + 1, "%s", name);
    return OK;
}

/* Fails before a passphrase is asked for in vain. */
static result check_keystore(const char *user) {
    char path[PATH_MAX];
    TRY(keystore_path(user, path, sizeof path));
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return FAIL(errno == ENOENT ? NOT_FOUND : IO,
                    "the keystore %s: %s; 'myelin enroll %s' makes one", path, strerror(errno),
                    user);
    fclose(file);
    return OK;
}

result cli_user(const struct cli *cli, char out_user[FORMAT_NAME_MAX + 1]) {
    TRY(find_user(cli, out_user));
    return check_keystore(out_user);
}

static result start(struct cli *cli) {
    const char *system = NULL;
    char user[FORMAT_NAME_MAX + 1];
    TRY(cli_system(cli, &system));
    TRY(cli_user(cli, user));
    AUTO_SECRET struct passphrase *passphrase = NULL;
    TRY(passphrase_ask(user, false, &passphrase));
    struct session *session = NULL;
    TRY(session_open(system, user, passphrase, &session));
    cli_watch(cli, session);
    return OK;
}

result cli_start(struct cli *cli) {
    bool changed;
    if (cli->session != NULL)
        return OK; /* done again */
    TRY(start(cli));
    return cli->looks_up ? session_look_up(cli->session, &changed) : OK;
}

static void print_warning(void *context, const char *line) {
    (void)context;
    fputs("myelin: warning: ", stderr);
    print_safe(stderr, line);
    fputc('\n', stderr);
}

void cli_watch(void *context, struct session *session) {
    struct cli *cli = context;
    if (session == NULL) {
        progress_end();
        interrupt_watch(NULL);
        if (cli->session != NULL && !interrupt_has_come())
            session_take_warnings(cli->session, print_warning, NULL);
        cli->session = NULL;
        return;
    }
    cli->session = session;
    session_set_progress(session, progress_show, NULL);
    interrupt_watch(session);
}

void cli_end(struct cli *cli) {
    struct session *session = cli->session;
    if (session != NULL)
        heads_save(session);
    cli_watch(cli, NULL);
    session_close(session);
}

bool cli_is_interrupted(void) {
    return interrupt_has_come();
}
