/*
 * What the commands share.
 */
#ifndef MYELIN_CLI_CLI_H
#define MYELIN_CLI_CLI_H

#include "arguments.h"
#include "flow/session.h"

struct cli {
    const struct arguments *arguments;
    bool json;
    struct session *session; /* once cli_start was called */
    bool looks_up;           /* cli_start asks the servers for a newer version first */
};

/* What a command does about newer versions of the system description. Any fetches one that it has
 * met at its end, for the next command. */
enum cli_version {
    VERSION_RETRY, /* where it failed and has met a newer one, it is done again by that one */
    VERSION_FIRST, /* asks for it first: what it says must be by the newest one */
    VERSION_ANY,
};

/* A command: everything that --help says of it, and what it does. */
struct command {
    const char *name;
    const char *words;   /* "ID [--from OWNER]" */
    const char *summary; /* one line */
    const char *details; /* more lines, each ended; "" for none */
    uint64_t options;    /* besides --system, --user, --help */
    size_t least, most;  /* words */
    result (*run)(struct cli *cli);
};

result command_up(struct cli *cli);
result command_down(struct cli *cli);
result command_enroll(struct cli *cli);
result command_put(struct cli *cli);
result command_get(struct cli *cli);
result command_forward(struct cli *cli);
result command_revoke(struct cli *cli);
result command_ls(struct cli *cli);
result command_inbox(struct cli *cli);
result command_show(struct cli *cli);
result command_rm(struct cli *cli);
result command_verify(struct cli *cli);
result command_repair(struct cli *cli);
result command_status(struct cli *cli);
result command_audit(struct cli *cli);
result command_shares(struct cli *cli);
result command_system(struct cli *cli);
result command_passphrase(struct cli *cli);

/* The system that --system or MYELIN_SYSTEM names. INVALID where neither does. */
MUST_CHECK result cli_system(const struct cli *cli, const char **out_system);

/* Who the user is: --user or MYELIN_USER says, else the one whose keystore is the only one; and
 * that he has a keystore. INVALID, NOT_FOUND, IO. */
MUST_CHECK result cli_user(const struct cli *cli, char out_user[FORMAT_NAME_MAX + 1]);

/* Asks for the passphrase and opens the user's session. Errors of cli_system, cli_user and
 * session_open. */
MUST_CHECK result cli_start(struct cli *cli);

/* From now on the session's progress is shown, and Control-C or a SIGTERM cancels it; with NULL its
 * warnings are printed and it is let go of. */
void cli_watch(void *cli, struct session *session);

/* Prints the session's warnings on stderr, and closes it. */
void cli_end(struct cli *cli);

/* Whether Control-C or a SIGTERM has come. */
bool cli_is_interrupted(void);

#endif
