#include "flow/shares.h"

#include <string.h>

#include "cli.h"
#include "print.h"

enum care_kind { SHOW, REFRESH, REPLACE, RESHARE, KINDS };

/* What is to be done for each user. */
struct care {
    enum care_kind kind;
    const char *server;          /* replace: whose share */
    struct shares_target target; /* reshare */
    json_t *list;                /* with --json */
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

static json_t *holders_json(const struct session *session, const struct holders *holders) {
    json_t *names = json_array();
    for (size_t i = 0; i < holders->count && holders->index[i] <= session->m; i++)
        json_array_append_new(
            names, json_string(session_server(session, SESSION_KEY, holders->index[i] - 1u)->name));
    return names;
}

static void add_json(struct care *care, const struct session *session, const char *user,
                     const struct shares_done *done, result code) {
    json_t *servers = json_array();
    for (unsigned i = 0; code == OK && i < session->m; i++)
        json_array_append_new(servers, server_json(session, done, i));
    json_array_append_new(
        care->list, json_pack("{s:s, s:b, s:s, s:I, s:i, s:o, s:o}", "user", user, "done",
                              code == OK, "error", code == OK ? "" : error_text(), "epoch",
                              (json_int_t)(code == OK ? done->epoch : 0), "threshold",
                              (int)(code == OK ? done->t : 0), "holders",
                              code == OK ? holders_json(session, &done->holders) : json_array(),
                              "servers", servers));
}

static void print_server(const struct session *session, const struct shares_done *done,
                         unsigned i) {
    const struct shares_server *server = &done->servers[i];
    printf("  %-12s ", session_server(session, SESSION_KEY, i)->name);
    if (server->is_new)
        fputs("new share, the old one is gone", stdout);
    else if (!holders_has(&done->holders, i + 1))
        fputs("holds no share", stdout);
    else if (server->answer.code != OK)
        print_safe(stdout, server->answer.text);
    else
        fputs("left out", stdout);
    putchar('\n');
}

static void print_done(const struct care *care, const struct session *session,
                       const struct shares_done *done) {
    printf("%s: ", done->user);
    if (care->kind == REPLACE) {
        printf("%s has its share again\n", care->server);
        return;
    }
    printf("new shares at %u of %zu key servers, %u of which open\n", done->held,
           done->holders.count, done->t);
    for (unsigned i = 0; i < session->m; i++)
        print_server(session, done, i);
}

static result care_once(const struct care *care, struct session *session, const char *user,
                        struct shares_done *out_done) {
    switch (care->kind) {
    case REPLACE:
        return flow_shares_replace(session, user, care->server, out_done);
    case RESHARE:
        return flow_shares_reshare(session, &care->target, out_done);
    default:
        return flow_shares_refresh(session, user, out_done);
    }
}

static void care_for(struct care *care, struct session *session, const char *user) {
    struct shares_done done;
    result code = care_once(care, session, user, &done);
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

/* As most key servers have it. */
static result show(struct cli *cli) {
    const struct session_user *self = NULL;
    TRY(cli_start(cli));
    const struct session *session = cli->session;
    TRY(session_find_user(cli->session, session->user, &self));
    const struct session_shares *shares = &self->shares;
    if (cli->json)
        return print_json(json_pack("{s:s, s:i, s:I, s:o}", "user", session->user, "threshold",
                                    (int)shares->commitments.t, "epoch", (json_int_t)shares->epoch,
                                    "holders", holders_json(session, &shares->holders)));
    printf("%s: %u of %zu key servers open, shares changed %llu times\n", session->user,
           shares->commitments.t, shares->holders.count, (unsigned long long)shares->epoch);
    for (unsigned i = 0; i < session->m; i++)
        printf("  %-12s %s\n", session_server(session, SESSION_KEY, i)->name,
               holders_has(&shares->holders, i + 1) ? "holds a share" : "holds no share");
    return OK;
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

/* The system's t and all its key servers, where the command line does not say otherwise. */
static result read_target(const struct arguments *arguments, const struct session *session,
                          struct shares_target *out) {
    *out = (struct shares_target){0};
    TRY(arguments_number(arguments, OPTION_THRESHOLD, session->t, &out->t));
    if (arguments->recipient_count == 0)
        holders_all(session->m, &out->among);
    for (size_t i = 0; i < arguments->recipient_count; i++) {
        int server = description_find_key(&session->description, arguments->recipients[i]);
        if (server < 0)
            return FAIL(NOT_FOUND, "%s is no key server of this system", arguments->recipients[i]);
        if (holders_has(&out->among, (uint32_t)server + 1))
            return FAIL(INVALID, "%s is named twice", arguments->recipients[i]);
        holders_add(&out->among, (uint32_t)server + 1);
    }
    return OK;
}

static result care_for_self(struct cli *cli, struct care *care) {
    TRY(cli_start(cli));
    if (care->kind == RESHARE)
        TRY(read_target(cli->arguments, cli->session, &care->target));
    care_for(care, cli->session, cli->session->user);
    return session_check_cancel(cli->session);
}

static result check_options(const struct arguments *arguments, const struct care *care,
                            const char *what) {
    if (care->kind != RESHARE &&
        (arguments->values[OPTION_THRESHOLD] != NULL || arguments->values[OPTION_AMONG] != NULL))
        return FAIL(INVALID, "'shares %s' takes no --threshold and no --among", what);
    if (care->kind != REFRESH && arguments->values[OPTION_ALL] != NULL)
        return FAIL(INVALID, "'shares %s' takes no --all: each user does it for himself", what);
    if (care->kind != REPLACE && arguments->word_count > 1)
        return FAIL(INVALID, "'shares %s' takes no '%s'", what, arguments->words[1]);
    return OK;
}

static result read_words(const struct arguments *arguments, struct care *care) {
    static const char *const kinds[KINDS] = {"show", "refresh", "replace", "reshare"};
    const char *what = arguments->words[0];
    care->kind = KINDS;
    for (unsigned i = 0; i < KINDS; i++)
        if (strcmp(what, kinds[i]) == 0)
            care->kind = (enum care_kind)i;
    if (care->kind == KINDS)
        return FAIL(INVALID, "'shares %s' is nothing: show, refresh, replace or reshare", what);
    TRY(check_options(arguments, care, what));
    if (care->kind != REPLACE)
        return OK;
    if (arguments->word_count < 2)
        return FAIL(INVALID, "which key server's share? 'myelin shares replace key-2'");
    care->server = arguments->words[1];
    return format_is_name(care->server) ? OK
                                        : FAIL(INVALID, "'%s' is no server's name", care->server);
}

result command_shares(struct cli *cli) {
    struct care care = {.kind = SHOW};
    TRY(read_words(cli->arguments, &care));
    if (care.kind == SHOW)
        return show(cli);
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
