#include "flow/shares.h"

#include <string.h>

#include "cli.h"
#include "print.h"

/* What is to be done for each user. */
struct care {
    const char *server; /* replace: whose share; NULL: refresh */
    json_t *list;       /* with --json */
    size_t failed;
    result why; /* of the first that failed */
    char text[ERROR_TEXT_BYTES];
};

static json_t *server_json(const struct session *session, const struct shares_done *done,
                           unsigned i) {
    const struct shares_server *server = &done->servers[i];
    return json_pack("{s:s, s:b, s:o}", "name", session_server(session, SESSION_KEY, i)->name,
                     "new", server->is_new, "detail",
                     print_json_text(server->answer.code == OK ? "" : server->answer.text));
}

static void add_json(struct care *care, const struct session *session, const char *user,
                     const struct shares_done *done, result code) {
    json_t *servers = json_array();
    for (unsigned i = 0; code == OK && i < session->m; i++)
        json_array_append_new(servers, server_json(session, done, i));
    json_array_append_new(care->list, json_pack("{s:s, s:b, s:s, s:I, s:o}", "user", user, "done",
                                                code == OK, "error", code == OK ? "" : error_text(),
                                                "epoch", (json_int_t)(code == OK ? done->epoch : 0),
                                                "servers", servers));
}

static void print_done(const struct care *care, const struct session *session,
                       const struct shares_done *done) {
    printf("%s: ", done->user);
    if (care->server != NULL) {
        printf("%s has its share again\n", care->server);
        return;
    }
    printf("new shares at %u of %u key servers\n", done->held, session->m);
    for (unsigned i = 0; i < session->m; i++) {
        const struct shares_server *server = &done->servers[i];
        printf("  %-12s ", session_server(session, SESSION_KEY, i)->name);
        if (server->is_new)
            fputs("new share, the old one is gone", stdout);
        else if (server->answer.code != OK)
            print_safe(stdout, server->answer.text);
        else
            fputs("left out", stdout);
        putchar('\n');
    }
}

static void care_for(struct care *care, struct session *session, const char *user) {
    struct shares_done done;
    result code = care->server == NULL ? flow_shares_refresh(session, user, &done)
                                       : flow_shares_replace(session, user, care->server, &done);
    if (care->list != NULL)
        add_json(care, session, user, &done, code);
    else if (code == OK)
        print_done(care, session, &done);
    if (code == OK)
        return;
    if (care->failed++ == 0) {
        care->why = code;
        snprintf(care->text, sizeof care->text, "%s: %s", user, error_text());
    }
}

static result care_for_all(struct cli *cli, struct care *care) {
    const char *system = NULL;
    struct session *session = NULL;
    AUTO_SHARES_USERS struct shares_users users = {0};
    TRY(cli_system(cli, &system));
    TRY(shares_manager_session(system, &session));
    cli_watch(cli, session);
    TRY(flow_shares_users(session, &users));
    for (size_t i = 0; i < users.count && !session_is_cancelled(session); i++)
        care_for(care, session, users.names[i]);
    return session_check_cancel(session);
}

static result care_for_self(struct cli *cli, struct care *care) {
    TRY(cli_start(cli));
    care_for(care, cli->session, cli->session->user);
    return session_check_cancel(cli->session);
}

static result read_words(const struct arguments *arguments, struct care *care) {
    const char *what = arguments->words[0];
    if (strcmp(what, "refresh") == 0)
        return arguments->word_count == 1
                   ? OK
                   : FAIL(INVALID, "'shares refresh' takes no '%s'", arguments->words[1]);
    if (strcmp(what, "replace") != 0)
        return FAIL(INVALID, "'shares %s' is nothing: refresh or replace", what);
    if (arguments->word_count < 2)
        return FAIL(INVALID, "which key server's share? 'myelin shares replace key-2'");
    if (arguments->values[OPTION_ALL] != NULL)
        return FAIL(INVALID, "'shares replace' takes no --all: each user has his own replaced");
    care->server = arguments->words[1];
    return format_is_name(care->server) ? OK
                                        : FAIL(INVALID, "'%s' is no server's name", care->server);
}

result command_shares(struct cli *cli) {
    struct care care = {0};
    TRY(read_words(cli->arguments, &care));
    bool all = cli->arguments->values[OPTION_ALL] != NULL;
    if (cli->json)
        care.list = json_array();
    result done = all ? care_for_all(cli, &care) : care_for_self(cli, &care);
    if (done != OK) {
        json_decref(care.list);
        return done;
    }
    if (cli->json)
        TRY(print_json(care.list));
    if (care.failed > 1)
        return FAIL(care.why, "%zu users' shares are as they were; %s", care.failed, care.text);
    return care.failed == 0 ? OK : FAIL(care.why, "%s", care.text);
}
